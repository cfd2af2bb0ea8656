"""Synthetic earthquakes larger than memory, tile by tile, with arrays in files."""

from shakeslide.synthetic.large.earthquake import write_large

__all__ = ["write_large"]
