"""The page of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_page(folders: Sequence[Path], path: Path) -> Path:
    """Write."""
    raise NotImplementedError
