"""All stages of a new earthquake, as `shakeslide rapid` runs them."""

from __future__ import annotations

from pathlib import Path

from shakeslide import pipeline
from shakeslide.rapid.computing import RapidMaps, shortfalls
from shakeslide.rapid.event_report import RapidReport
from shakeslide.rapid.new_earthquake import NewEarthquake


def rapid(event: NewEarthquake) -> Path:
    """Map a new earthquake: factors, maps, totals, page and PDF, as far as they are not there.

    Parameters
    ----------
    event : NewEarthquake
        As `new_earthquake.opened` returns it; its ledger is locked by the caller.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        Input that cannot serve, or a fault of the machine.
    """
    for note in (*event.motion.notes, *event.model.notes):
        event.reporter.say(f"rapid: {note}")
    for text in shortfalls(event):
        event.reporter.warn(text)
    if not event.ledger.is_fresh("rapid", event.mark):
        # Before long work: what is wrong with a layer stops it, what is doubtful is known.
        for text in event.exposed.notes:
            event.reporter.warn(text)
    pipeline.prepare(event.run)
    RapidMaps()(event)
    return RapidReport()(event)
