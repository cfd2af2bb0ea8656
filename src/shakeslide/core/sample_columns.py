"""Names of the columns of the samples: the study file, the samples and their readers share them."""

from __future__ import annotations

X, Y = "x", "y"
"""Centre of the cell, in metres of its event's projection."""
ROW, COL = "row", "col"
"""Place of the cell on the grid."""
LABEL = "label"
"""1 in a landslide source, 0 clear of landslides."""
LANDSLIDE = "landslide_id"
"""Number of the landslide, 0 of clear cells."""
BLOCK = "block_id"
"""Number of the block of spatial cross-validation."""
EVENT = "event"
"""Place of the earthquake in the list of events, from 0."""
COLUMNS = (X, Y, ROW, COL, LABEL, LANDSLIDE, BLOCK, EVENT)
"""Columns of a sample table beside the factors."""

FACTOR, CODE, CELLS = "factor", "code", "cells"
"""Of the table of class areas: code of the factor, code of the class, its number of cells."""
AREA_COLUMNS = (FACTOR, X, Y, CODE, CELLS, EVENT)
"""Columns of the table of class areas."""

RESERVED = (*COLUMNS, "key")
"""Names that no factor may have; the last was a column of earlier versions."""
