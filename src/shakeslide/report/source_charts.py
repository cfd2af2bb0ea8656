"""Chart of how many landslides there are of each size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from shakeslide.report import figures

LOOK = {"landslides": ("#0072b2", "o", "whole landslides"), "sources": ("#d55e00", "s", "sources")}
GRID = "#e3e6e9"


def frequency(told: Mapping[str, Any]) -> Figure:
    """Return the density of landslides by area on logarithmic axes, with the fitted tails.

    Parameters
    ----------
    told : mapping
        `frequency` of sources.json: of whole landslides and of sources, `area` (m²), `density`
        (landslides per m²) and `tail` (alpha, its error, the least area, count) or None.
    """
    figure, _ = figures.new(5.2, 4.2)
    axes = figures.axes_at(figure, 0.7, 0.5, 4.35, 3.35)
    axes.set_title("How many landslides of each size", loc="left")
    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set(xscale="log", yscale="log")
    # Plain numbers: powers would need mathematics, which the style leaves out.
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for name, (colour, mark, label) in LOOK.items():
        part = told[name]
        if not part["area"]:
            continue
        axes.plot(part["area"], part["density"], mark, color=colour, markersize=3.5, label=label)
        tail = part["tail"]
        if tail is None:
            continue
        # Even steps on a logarithmic axis.
        area = np.geomspace(tail["least"], max(part["area"]), 40)
        # The tail holds `count` landslides.
        # A Pareto tail: p(A) = (alpha - 1) / A0 (A / A0)^-alpha (Clauset et al. 2009, eq. 2.2).
        density = tail["count"] * (tail["alpha"] - 1) / tail["least"]
        density = density * (area / tail["least"]) ** -tail["alpha"]
        text = f"exponent {tail['alpha']:.2f} ± {tail['error']:.2f} from {tail['least']:,.0f} m² on"
        axes.plot(area, density, color=colour, linewidth=1.4, label=text)
    axes.set_xlabel("Area (m²)")
    axes.set_ylabel("Landslides per m² of area class")
    axes.legend(loc="lower left", frameon=False)
    return figure


def write_frequency(told: Mapping[str, Any], path: Path) -> None:
    """Draw the density of landslides by area into a PNG."""
    with figures.style():
        figures.write(frequency(told), path)
