"""Uncertainty of the maps: numbers of the whole files, and figures that state them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from shakeslide.core.errors import InputError
from shakeslide.io.style import RAMP
from shakeslide.report import artefacts, figures, map_figures, uncertainty
from shakeslide.report.cartography import NODATA, View

from .fabricated import GRID, THRESHOLD, write_raster, write_uncertainty
from .test_page import Page


@pytest.fixture(scope="module")
def run(run_folder: Path) -> artefacts.Artefacts:
    return artefacts.load(run_folder)


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return write_uncertainty(tmp_path_factory.mktemp("maps"))


@pytest.fixture(scope="module")
def page(run_folder: Path) -> Page:
    return Page((run_folder / "report.html").read_text(encoding="utf-8"))


def texts(figure: object) -> str:
    return " ".join(t.get_text() for a in figure.axes for t in a.texts)  # type: ignore[attr-defined]


# ------------------------------------------------------------------ numbers


def test_spread_is_that_of_all_cells(
    run: artefacts.Artefacts, values: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    mean, sd, _ = values
    known = np.isfinite(sd)
    (told,) = run.spreads
    assert told.model == "rf"
    assert told.median == pytest.approx(np.median(sd[known]), abs=2 / uncertainty.BINS)
    assert told.high == pytest.approx(np.quantile(sd[known], 0.95), abs=2 / uncertainty.BINS)
    near = np.abs(mean[known] - 0.5) <= 2 * sd[known]
    assert told.undecided == pytest.approx(near.mean())


def test_the_threshold_means_nothing_on_a_corrected_map(run: artefacts.Artefacts) -> None:
    corrected = replace(run, maps=[replace(f, shows="probability") for f in run.maps])
    (told,) = corrected.spreads
    assert told.undecided is None


def test_applicability_counts_cells(
    run: artefacts.Artefacts, values: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    index = values[2]
    told = run.applicability
    assert told is not None
    assert told.threshold == THRESHOLD
    known = np.isfinite(index)
    assert told.outside == pytest.approx((index[known] > THRESHOLD).mean())


@pytest.mark.parametrize("tags", [{}, {"threshold": "much"}, {"threshold": "nan"}])
def test_applicability_without_its_limit_is_an_error(tmp_path: Path, tags: dict[str, str]) -> None:
    path = tmp_path / "applicability.tif"
    write_raster(path, np.ones(GRID.shape, np.float32), tags=tags)
    with pytest.raises(InputError, match=r"applicability\.tif: has no tag `threshold`"):
        uncertainty.applicability(path)


# ------------------------------------------------------------------ figures


def test_ground_beyond_the_limit_has_its_own_colour(
    run: artefacts.Artefacts, values: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    index = values[2]
    assert run.applicability is not None
    with figures.style():
        told = replace(run.applicability, outside=0.123)
        figure = map_figures.applicability(told, View(GRID, 100), None)
    picture = np.asarray(figure.axes[1].get_images()[0].get_array())
    outside = np.round(255 * np.array(to_rgb(map_figures.OUTSIDE)))
    assert ((picture == outside).all(axis=-1) == (index > THRESHOLD)).all()
    missing = np.round(255 * np.array(NODATA))
    assert ((picture == missing).all(axis=-1) >= np.isnan(index)).all()
    legend = texts(figure).replace("\n", " ").replace("\u00a0", " ")
    assert "12.3 %" in legend


def test_spread_is_darker_where_it_is_greater(
    run: artefacts.Artefacts, values: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    files = next(f for f in run.maps if f.model == "rf")
    with figures.style():
        figure = map_figures.spread(files, View(GRID, 100), None)
    picture = np.asarray(figure.axes[1].get_images()[0].get_array(), float)
    lightness = picture[40] @ np.array([0.3, 0.59, 0.11])
    # The standard deviation grows eastwards, to the 99th percentile.
    assert (np.diff(lightness[:-2]) <= 1).all()
    assert lightness[0] > 2 * lightness[-1]
    assert "(RF)" in texts(figure)


def test_a_model_without_ensemble_has_no_map_of_it(run: artefacts.Artefacts) -> None:
    with pytest.raises(ValueError, match="lr has no map"):
        map_figures.spread(run.maps[0], View(GRID, 100), None)


# ------------------------------------------------------------------ the page


def test_page_tells_how_sure_the_maps_are(run: artefacts.Artefacts, page: Page) -> None:
    told = run.applicability
    assert told is not None
    share = f"{100 * told.outside:.3g} %"
    for fact in ("applicability", "outside"):
        assert page.fact(fact).startswith(share)
    (spread,) = run.spreads
    cells = page.rows("spreads")["rf"]
    assert cells[0] == f"{spread.median:.3f}"
    assert spread.undecided is not None
    assert cells[2].replace("\u00a0", " ") == f"{100 * spread.undecided:.3g} %"


def test_map_of_probability_says_so_and_fills_its_scale(
    run: artefacts.Artefacts, tmp_path: Path
) -> None:
    low = np.linspace(0, 0.04, GRID.shape[0] * GRID.shape[1], dtype=np.float32)
    write_raster(tmp_path / "p.tif", low.reshape(GRID.shape))
    files = replace(run.maps[0], probability=tmp_path / "p.tif", shows="probability")
    with figures.style():
        figure = map_figures.probability(files, View(GRID, 100), None, [])
    assert "Probability (LR)" in texts(figure)
    picture = np.asarray(figure.axes[1].get_images()[0].get_array(), float)
    ends = [255 * np.array(to_rgb(RAMP[k])) for k in (0, -1)]
    np.testing.assert_allclose([picture[0, 0], picture[-1, -1]], ends, atol=2)
    assert figure.axes[-1].get_xlim()[1] == pytest.approx(0.04, rel=0.01)
