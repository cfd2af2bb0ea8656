"""The report of a run: figures, a page, a one-page PDF and a QGIS project, from its artefacts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shakeslide.core.files import Steps
from shakeslide.report import artefacts, drawing, figures, one_page, page, places, project
from shakeslide.report.study_facts import InventoryFile, StudyFacts

__all__ = ["InventoryFile", "StudyFacts", "files", "write", "write_project"]


def write(
    out: Path,
    study: StudyFacts,
    advance: Callable[[float], None] = lambda _: None,
    steps: Steps | None = None,
) -> Path:
    """Write figures, QGIS project, `places.*`, `summary.pdf` and `report.html` into `out`.

    Parameters
    ----------
    out : Path
        Folder of a finished run.
    study : StudyFacts
        What is not among the artefacts.
    advance : callable
        Called with shares of the work that add up to 1.
    steps : Steps, optional
        Keeps what is finished, from which a report that was killed goes on.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        An artefact is missing or damaged.
    """
    run = artefacts.load(out)
    with figures.keeping(steps):
        pictures = drawing.draw(run, study, lambda part: advance(0.95 * part))
    project.write(run, study)
    places.write(run)
    one_page.write(run, study)
    path = page.write(run, study, pictures)
    advance(0.05)
    return path


def write_project(out: Path, study: StudyFacts) -> Path:
    """Write the QGIS project anew, which finds layers by their places from `out`.

    Parameters, result and errors as for `write`.
    """
    return project.write(artefacts.load(out), study)


def files(out: Path) -> list[Path]:
    """Return the files of a report that `write` has left."""
    names = [page.NAME, one_page.NAME, project.NAME, places.TABLE, places.OUTLINES]
    written = [out / name for name in names] + sorted((out / "figures").glob("*.png"))
    return [path for path in written if path.is_file()]
