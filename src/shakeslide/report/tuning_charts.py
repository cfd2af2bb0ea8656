"""Chart of a search for settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from shakeslide.report import figures

GRID = "#e3e6e9"


def history(model: str, trials: Sequence[Mapping[str, Any]]) -> Figure:
    """Return the log loss of every trial, the best so far, and that of the study's own settings.

    Parameters
    ----------
    model : str
        Its name.
    trials : sequence of mapping
        With `number` and `log_loss`, in their order, the study's own settings first.
    """
    number = np.array([t["number"] for t in trials]) + 1
    loss = np.array([t["log_loss"] for t in trials])
    figure, _ = figures.new(5.2, 3.2)
    axes = figures.axes_at(figure, 0.65, 0.5, 4.4, 2.35)
    axes.set_title(f"{model.upper()}: search for settings", loc="left")
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.axhline(loss[0], color="#8c96a0", linewidth=1.0, linestyle=(0, (4, 2)),
                 label="the study's own settings")  # fmt: skip
    axes.plot(number, loss, "o", color="#56b4e9", markersize=4, label="a trial")
    axes.step(number, np.minimum.accumulate(loss), where="post", color="#0072b2", linewidth=1.6,
              label="best so far")  # fmt: skip
    # A few very bad trials must not flatten the rest.
    low, high = loss.min(), max(np.quantile(loss, 0.9), loss[0])
    axes.set_ylim(low - 0.08 * (high - low + 1e-9), high + 0.25 * (high - low + 1e-9))
    axes.set_xlabel("Trial")
    axes.set_ylabel("Log loss on validation rows")
    axes.legend(loc="upper right", frameon=False)
    return figure


def write_history(model: str, trials: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the history of a search into a PNG."""
    with figures.style():
        figures.write(history(model, trials), path)
