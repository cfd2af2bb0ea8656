"""Everything that a study names or needs and that is not there, in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from shakeslide.checks.rows import uses
from shakeslide.core.errors import InputError, shortened
from shakeslide.io import containers
from shakeslide.study.factor_settings import FactorBase
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Evaluation, Inventory, Mask


def require_all(
    layers: Mapping[str, Layer],
    factors: Mapping[str, FactorBase],
    landslides: Inventory,
    masks: Sequence[Mask],
    asked: Evaluation,
) -> None:
    """Raise where several layers or files are missing, and name them all.

    Of a single one its reader says more.

    Raises
    ------
    InputError
        Tables [layers.…] that factors need, files that are not there.
    """
    absent = [
        f"[layers.{name}]" + (f" ({', '.join(use.codes)})" if use.codes else "")
        for name, use in uses(factors).items()
        if name not in layers
    ]
    if landslides.path is None:
        absent.append("[inventory] path")
    named: dict[Path, str] = {}
    for name, path in _named(layers, landslides, masks, asked):
        # A file that several tables name is told once.
        named.setdefault(path, name)
    files = [
        f"{shortened(path, 300)} ({name})"
        for path, name in named.items()
        # What lies in an archive its reader looks for.
        if containers.on_disk(path) == path and not path.exists()
    ]
    if len(absent) + len(files) < 2:
        return
    told = []
    if absent:
        told.append(
            f"missing in the study file: {', '.join(absent)}; add them, or leave the factors out "
            "with `use = false` in their tables"
        )
    if files:
        told.append(
            f"no such {'file' if len(files) == 1 else 'files'}: {', '.join(files)}; check `path` "
            "in the study file, or --data"
        )
    raise InputError("; ".join(told))


def _named(
    layers: Mapping[str, Layer], landslides: Inventory, masks: Sequence[Mask], asked: Evaluation
) -> Iterator[tuple[str, Path]]:
    """Yield the files that a study names, and where it does."""
    further = {
        **{f"layers.{name}": layer for name, layer in layers.items()},
        **{f"masks.{mask.name or i}": mask for i, mask in enumerate(masks, start=1)},
        "inventory.sources": landslides.sources,
        "inventory.extent": landslides.extent,
        **{f"inventory.ambiguous {i}": a for i, a in enumerate(landslides.ambiguous, start=1)},
        "evaluation.truth": asked.truth,
    }
    if landslides.path is not None:
        yield "inventory", landslides.path
    for name, layer in further.items():
        if layer is not None:
            yield name, layer.path
