"""Synthetic earthquakes larger than memory, tile by tile, with arrays in files."""

from shakeslide.synthetic.large.tiled_earthquake import create, write_large

__all__ = ["create", "write_large"]
