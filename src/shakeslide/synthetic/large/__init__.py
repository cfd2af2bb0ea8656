"""Synthetic earthquakes larger than memory, tile by tile, with arrays in files."""

