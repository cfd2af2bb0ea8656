"""A new earthquake from two files to maps, totals and a page."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from odc.geo.geobox import GeoBox

from shakeslide.cli.app import main
from shakeslide.core import documents
from shakeslide.core.engine import Engine
from shakeslide.core.errors import InputError
from shakeslide.core.progress import Reporter
from shakeslide.evaluation.calibration import correct_prior
from shakeslide.factors.stack import FactorInfo
from shakeslide.geo import grid as grids
from shakeslide.learning import bundle
from shakeslide.learning.bundle import FittedModel, TrainedOn
from shakeslide.models import LogisticRegression
from shakeslide.models.formulas.jessee import LAND_COVER, LITHOLOGY, areal_coverage
from shakeslide.rapid import computing, settlements, versions
from shakeslide.rapid.event_report import RapidReport
from shakeslide.rapid.exposure import AT_HOME
from shakeslide.rapid.new_earthquake import NewEarthquake, opened
from shakeslide.rapid.response import ShakingColumns
from shakeslide.rapid.totals import ShakeMapVersion, Totals
from shakeslide.results.ledger import Ledger
from shakeslide.sampling.encoding import Column, Encoder
from shakeslide.study.rapid_settings import NamedPlaces
from tests import small_site as site

from . import small_event

DRAWS = 60


def run(*words: object) -> int:
    return main(["rapid", *map(str, words), "--set", f"shaking.draws={DRAWS}", "-q"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the inputs and `out`, made from them; not to be changed."""
    folder = tmp_path_factory.mktemp("rapid")
    small_event.dem(folder / "dem.tif")
    small_event.grid_xml(folder / "grid.xml")
    assert run(folder / "grid.xml", folder / "dem.tif", "--out", folder / "out") == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def totals_of(out: Path) -> Totals:
    return documents.read(out / "totals.json", Totals)


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as src:
        return src.read(1)


def test_two_files_give_maps_totals_and_a_page(made):
    out = made / "out"
    mean, low, high = (band(out / "maps" / f"jessee2022_{n}.tif") for n in ("mean", "p10", "p90"))
    known = np.isfinite(mean)
    assert known.mean() > 0.95
    assert (low[known] <= mean[known] + 1e-6).all()
    assert (low[known] <= high[known]).all()
    assert mean[known].max() > 0.02
    found = totals_of(out)
    with rasterio.open(out / "maps" / "jessee2022_mean.tif") as src:
        cell = src.res[0] * src.res[1] / 1e6
        assert src.crs.to_epsg() == 32643
        assert "area" in src.tags()["meaning"]
    assert found.area_km2.mean == pytest.approx(float(mean[known].sum()) * cell, rel=1e-3)
    assert found.area_km2.p05 < found.area_km2.p50 < found.area_km2.p95
    assert sum(found.hazard_alert.p.values()) == pytest.approx(1)
    assert found.shakemap.id == "test1"
    assert found.marc2016_km2 is not None
    info = json.loads((out / "info.json").read_text())
    model = info["Landslides"][0]
    assert model["hazard_alert"]["color"] == found.usgs.hazard_level
    assert model["hazard_alert"]["value"] == pytest.approx(found.usgs.hazard_km2, rel=0.05)
    assert info["Summary"]["magnitude"] == 7.1
    page = (out / "report.html").read_text()
    assert 'data-fact="hazard-alert"' in page
    assert f'data-level="{found.hazard_alert.level}"' in page
    assert 'data-fact="scenario"' not in page
    likely = max(found.hazard_alert.p, key=found.hazard_alert.p.get)
    assert f'data-fact="most-probable" data-level="{likely}"' in page
    assert page.count("data-place=") == 10
    made_of = page.partition("How it was made")[2]
    assert "dem.tif" in made_of
    assert "uncertainty.xml" in made_of
    # Which version it is stands at the top.
    assert "ShakeMap version 1</p>" in page.partition("</header>")[0]
    assert (out / "summary.pdf").read_bytes().startswith(b"%PDF")
    assert "shakemap" in (out / "study.toml").read_text()
    project = (out / "shakeslide.qgs").read_text()
    for path in ("./maps/jessee2022_mean.tif", "./maps/jessee2022_p90.tif", "./factors/DEM.tif"):
        assert path in project


def test_a_second_run_does_nothing_and_the_same_seed_gives_the_same_bytes(folder, capsys):
    names = ["totals.json", "info.json", "summary.pdf", "maps/jessee2022_mean.tif"]
    before = {n: (folder / "out" / n).read_bytes() for n in names}
    times = {n: (folder / "out" / n).stat().st_mtime_ns for n in names}
    assert run(folder / "out" / "study.toml", "--out", folder / "out") == 0
    assert {n: (folder / "out" / n).stat().st_mtime_ns for n in names} == times
    for place in ("maps", "totals.json", ".work/made/rapid.json", ".work/made/rapid-report.json"):
        path = folder / "out" / place
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = ["--out", folder / "out", "--workers", 1]
    assert run(folder / "out" / "study.toml", *again) == 0
    assert {n: (folder / "out" / n).read_bytes() for n in names} == before


def test_a_newer_shakemap_keeps_the_old_version_and_maps_the_change(folder):
    out = folder / "out"
    old = band(out / "maps" / "jessee2022_mean.tif")
    newer = folder / "newer"
    newer.mkdir()
    small_event.grid_xml(newer / "grid.xml", version="2", pga=80)
    assert run(newer / "grid.xml", folder / "dem.tif", "--out", out) == 0
    kept = out / "versions" / "test1_1"
    assert (band(kept / "maps" / "jessee2022_mean.tif") == old).sum() == np.isfinite(old).sum()
    assert totals_of(kept).shakemap.version == "1"
    assert totals_of(out).shakemap.version == "2"
    change = band(out / "maps" / "jessee2022_change.tif")
    new = band(out / "maps" / "jessee2022_mean.tif")
    assert np.nanmax(np.abs(change - (new - old))) < 1e-6
    assert np.nanmean(change) > 0


def test_a_version_stays_as_it_was_kept_where_the_next_run_was_stopped(folder):
    out, now = folder / "out", ShakeMapVersion(id="test1", version="2", event_type="ACTUAL")
    path = out / "maps" / "jessee2022_mean.tif"
    old = path.read_bytes()
    kept = versions.kept(Ledger(out), now, "jessee2022")
    # Stopped between the first of the new maps and the new totals.
    path.write_bytes(b"new")
    assert versions.kept(Ledger(out), now, "jessee2022") is None
    assert versions.last(out, now, "jessee2022") == kept
    assert (kept / "maps" / path.name).read_bytes() == old


def test_a_scenario_is_labelled_on_every_output_and_the_sea_is_left_out(tmp_path):
    small_event.dem(tmp_path / "dem.tif", sea=40)
    small_event.grid_xml(tmp_path / "grid.xml", kind="SCENARIO", sd=False)
    out = tmp_path / "out"
    assert run(tmp_path / "grid.xml", tmp_path / "dem.tif", "--out", out, "--resolution", 60) == 0
    assert totals_of(out).shakemap.event_type == "SCENARIO"
    assert 'data-fact="scenario"' in (out / "report.html").read_text()
    with rasterio.open(out / "maps" / "jessee2022_p90.tif") as src:
        assert src.tags()["earthquake"].startswith("SCENARIO")
        assert src.res[0] == 60
        p90 = src.read(1)
    # Cells of 60 m instead of 30 m; none at the coast, which lie on both sides of it.
    assert np.isnan(p90[:, :19]).all()
    assert np.isfinite(p90[5:-5, 22:-5]).all()
    assert totals_of(out).mapped_km2 == pytest.approx(np.isfinite(p90).sum() * 0.0036)
    assert json.loads((out / "info.json").read_text())["Summary"]["event_type"] == "SCENARIO"


def test_a_run_without_landslides_is_that_of_a_new_earthquake_and_refuses_what_must_learn(
    folder, capsys
):
    out = folder / "out"
    times = {p: p.stat().st_mtime_ns for p in (out / "report.html", out / "totals.json")}
    words = ["run", str(out / "study.toml"), "--out", str(out), "--set", f"shaking.draws={DRAWS}"]
    assert main(words) == 0
    assert "[inventory]" in capsys.readouterr().err
    # Made by `rapid`, and up to date.
    assert {p: p.stat().st_mtime_ns for p in times} == times
    assert main([*words, "-q", "--set", 'models.use=["jessee2022", "lr"]']) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_places_are_ranked_by_the_landslide_ground_around_them(folder):
    out = folder / "out"
    left, top = site.WEST, site.NORTH
    places = gpd.GeoDataFrame(
        {"called": ["near", None, "far"]},
        geometry=[
            shapely.Point(left + 1500, top - 1500),
            shapely.box(left + 3000, top - 2400, left + 4200, top - 1200),
            shapely.Point(left - 9000, top),
        ],
        crs=site.CRS,
    )
    settings = NamedPlaces(path=folder / "places.gpkg", name="called", radius=600)
    places.to_file(settings.path)
    mean = out / "maps" / "jessee2022_mean.tif"
    with rasterio.open(mean) as src:
        grid = GeoBox(src.shape, src.transform, src.crs.to_wkt())
    places_here, notes = settlements.located(settings, grid)
    assert [note for note in notes if "1 of 3 places" in note] == notes != []
    found, unmapped = settlements.ranked(places_here, mean)
    assert not unmapped
    assert {s.name for s in found} == {"near", "place 2"}
    assert found[0].share >= found[1].share
    rows, cols = grid.shape
    x, y = (grid.affine * (np.arange(n) + 0.5, np.arange(n) + 0.5) for n in (cols, rows))
    xx, yy = np.meshgrid(x[0], y[1])
    around = np.hypot(xx - left - 1500, yy - top + 1500) < 600
    (near,) = (s for s in found if s.name == "near")
    p = band(mean)
    assert near.ground == pytest.approx(around.sum() * 0.09, rel=0.02)
    assert near.expected == pytest.approx(np.nansum(p[around]) * 0.09, rel=0.02)
    settlements.write(out, found)
    again = settlements.read(out, 1)
    assert [s.name for s in again] == [found[0].name]
    assert again[0].expected == pytest.approx(found[0].expected, abs=0.001)
    places.iloc[2:].to_file(settings.path)
    with pytest.raises(InputError, match=r"places.gpkg .*1 place, none"):
        settlements.located(settings, grid)


@pytest.mark.usefixtures("no_sheet")
def test_exposure_is_counted_with_its_uncertainty(folder):
    out = folder / "out"
    small_event.people(folder / "people.tif", 100)
    left, top = site.WEST, site.NORTH
    roads = gpd.GeoDataFrame(
        {"ref": ["steep", "outside"]},
        geometry=[
            shapely.LineString([(left + 300, top - 1500), (left + 5000, top - 1500)]),
            shapely.LineString([(left - 3000, top), (left - 2000, top)]),
        ],
        crs=site.CRS,
    )
    roads.to_file(folder / "roads.gpkg")
    more = '[exposure.people]\npath = "../people.tif"\n'
    gpd.GeoDataFrame(
        {"name": ["Village", "Far"]},
        geometry=[shapely.Point(left + x, top - 1500) for x in (2000, -9000)],
        crs=site.CRS,
    ).to_file(folder / "places.gpkg")
    more += '[exposure.places]\npath = "../places.gpkg"\nname = "name"\n'
    more += '[exposure.roads]\npath = "../roads.gpkg"\nname = "ref"\n'
    study = out / "study.toml"
    study.write_text(study.read_text() + more)
    assert run(study, "--out", out) == 0
    found = totals_of(out)
    assert found.exposure.buildings is None
    people, cuts = found.exposure.people, found.exposure.road_cuts
    assert 0 < people.p05 < people.mean < people.p95
    assert found.population_alert is not None
    # One road lies on the grid, so that at most one is cut.
    assert 0 < cuts.mean <= 1
    table = (out / "roads.csv").read_text().splitlines()
    assert table[1].startswith("steep,4.7,")
    # A road that was not looked at has no probability.
    assert len(table) == 2
    warnings = " ".join(found.warnings)
    assert "roads.gpkg (exposure.roads): 1.0 of 5.7 km" in warnings
    assert "places.gpkg (exposure.places): 1 of 2 places" in warnings
    assert (out / "places.csv").read_text().splitlines()[1].startswith("Village,")
    assert 'data-settlement="Village"' in (out / "report.html").read_text()


def test_run_out_moves_people_to_the_slopes_above_and_the_usgs_counts_them_at_home(folder):
    small_event.people(folder / "people.tif", 100)
    people = f'exposure.people.path="{folder / "people.tif"}"'
    settled = opened_again(folder, people)
    assert computing._exposed(settled, computing.fitted_model(settled)) is settled.exposed
    event = opened_again(folder, people, "exposure.reach_angle=20")
    assert event.mark != settled.mark
    things = computing._exposed(event, computing.fitted_model(event))
    grid = event.grid
    on = [
        sum(w.on(t, grid.shape[1]).sum(dtype=float) for t in grids.tiles(grid, event.tile))
        for w in (things.people, things.people_at_home)
    ]
    assert on[0] == pytest.approx(on[1])
    assert things.people_at_home is event.exposed.people
    sums = {n: np.full(2 + DRAWS, v) for n, v in (("area", 1.0), ("people", 9.0), (AT_HOME, 5.0))}
    found = computing._totals(event, sums, None, 100, [])
    assert (found.exposure.people.mean, found.usgs.population) == (9.0, 5.0)


@pytest.mark.usefixtures("no_sheet")
def test_classes_of_rock_count_where_there_are_some(folder):
    out = folder / "out"
    west, east = site.WEST, site.WEST + site.COLS * site.CELL
    middle, south = (west + east) / 2, site.NORTH - site.ROWS * site.CELL
    halves = [
        shapely.box(west, south, middle, site.NORTH),
        shapely.box(middle, south, east, site.NORTH),
    ]
    rock = gpd.GeoDataFrame({"xx": ["ss", "nd"]}, geometry=halves, crs=site.CRS)
    rock.to_file(folder / "rock.gpkg")
    plain = band(out / "maps" / "jessee2022_mean.tif")
    study = out / "study.toml"
    more = '[layers.lithology]\npath = "../rock.gpkg"\ncolumn = "xx"\n'
    study.write_text(study.read_text() + more)
    assert run(study, "--out", out) == 0
    changed = band(out / "maps" / "jessee2022_mean.tif") / plain
    left, right = (np.nanmedian(changed[:, part]) for part in (slice(5, 85), slice(95, 175)))
    # Coefficients of -1.92 and -0.66.
    assert 1.5 * left < right
    assert "no [layers.lithology]" not in (out / "report.html").read_text()


def test_the_spread_of_unknown_classes_is_that_of_the_total(made, event):
    fitted = computing.fitted_model(event)
    values = {c: band(made / "out" / "factors" / f"{c}.tif") for c in event.model.codes}
    raw = np.stack([values[c].ravel() for c in event.model.codes], axis=1)
    raw = raw[np.isfinite(raw).all(axis=1)]

    def shares(shift: float) -> np.ndarray:
        pgv, slope, cti, pga = raw.astype(np.float64).T
        ln = np.log(np.minimum(pgv, 211.0))
        x = shift - 6.3 + 1.65 * ln + 0.06 * slope + 0.03 * np.minimum(cti, 19) + 0.01 * ln * slope
        x += np.mean([*(LITHOLOGY | {"su": -1.36}).values()]) + np.mean([*LAND_COVER.values()])
        p = areal_coverage(1 / (1 + np.exp(-x)))
        return p[(slope >= 2) & (pga >= 0.02)]

    level = computing.event_term(event, fitted)
    spread = np.sqrt(level.sd**2 - event.model.event_sd**2)
    now, more, less = (shares(d) for d in (0, 0.01, -0.01))
    by_classes = np.log(more.sum() / less.sum()) / 0.02 * event.model.class_sd
    by_level = (now * (1 - now)).sum() / now.sum() * spread
    assert by_level == pytest.approx(by_classes, rel=1e-3)


def test_the_usgs_counts_ground_by_its_pga_also_where_the_model_takes_none(made, event):
    codes = computing._stacked(event.model)
    work = dataclasses.replace(
        computing._work(event, computing.fitted_model(event), event.exposed, lambda _: None),
        predict=lambda raw: np.full(len(raw), 0.5, np.float32), offset=0.0,
        columns=(codes.index("PGV"),), shaking=ShakingColumns(columns=(0,), most=(500.0,)),
    )  # fmt: skip
    (tile,) = grids.tiles(event.grid, 512)
    block = np.ones((len(codes), *grids.shape_of(event.grid)), np.float32)
    block[codes.index("PGA"), :, :90] = 0.05
    _, sums = work(tile, block)
    area = work.weights(tile)[0]
    assert sums[0, 0] == pytest.approx(0.5 * area.sum(), rel=1e-5)
    assert sums[0, 1] == pytest.approx(0.5 * area[:, 90:].sum(), rel=1e-5)


def test_tiles_can_be_computed_by_other_processes(made):
    small_event.people(made / "counts.tif", 100)
    asked = opened_again(made, f"exposure.people.path={made / 'counts.tif'}")
    work = computing._work(asked, computing.fitted_model(asked), asked.exposed, lambda _: None)
    again = pickle.loads(pickle.dumps(work))
    (tile,) = grids.tiles(asked.grid, 512)
    assert np.array_equal(again.weights(tile), work.weights(tile))
    assert again.weights(tile)[1].sum() > 0


@pytest.mark.usefixtures("no_sheet")
def test_rasters_of_ones_own_take_the_place_of_a_shakemap(tmp_path):
    small_event.dem(tmp_path / "dem.tif")
    with rasterio.open(tmp_path / "dem.tif") as src:
        profile = src.profile
    with rasterio.open(tmp_path / "pga.tif", "w", **profile) as dst:
        dst.write(np.full((site.ROWS, site.COLS), 0.4, np.float32), 1)
    (tmp_path / "study.toml").write_text(
        '[event]\nmagnitude = 7.0\n[layers.dem]\npath = "dem.tif"\n'
        '[layers.pga]\npath = "pga.tif"\n[shaking]\nsd = 0.4\nscenario = true\n'
    )
    assert run(tmp_path / "study.toml", "--out", tmp_path / "out") == 0
    found = totals_of(tmp_path / "out")
    assert found.draws == 60
    assert found.shakemap.event_type == "SCENARIO"
    assert found.area_km2.mean > 0


@pytest.fixture(scope="module")
def event(made: Path) -> NewEarthquake:
    """The earthquake of `made`, as it is read again."""
    return opened_again(made)


def opened_again(folder: Path, *overrides: str) -> NewEarthquake:
    out = folder / "out"
    settings = [f"shaking.draws={DRAWS}", *overrides]
    return opened(out / "study.toml", out, Engine(1), Reporter(quiet=True), overrides=settings)


@pytest.mark.parametrize(
    "said",
    [
        {"version": "2"}, {"title": "Another valley"}, {"magnitude": 7.3}, {"depth": 30.0},
        {"epicentre": (73.31, 34.66)}, {"time": "2020-01-02T03:04:06Z"}, {"scenario": True},
        {"uncertainty_ratio": 0.5}, {"finite_rupture": True},
    ],
)  # fmt: skip
def test_results_are_made_anew_where_the_shakemap_says_otherwise(event, said):
    # All of it stands in totals.json, info.json or the tags of maps.
    changed = dataclasses.replace(event, motion=dataclasses.replace(event.motion, **said))
    assert changed.mark != event.mark


def test_results_are_made_anew_where_the_formulas_table_says_otherwise(made, event):
    assert opened_again(made).mark == event.mark
    assert opened_again(made, "models.jessee2022.slope=SLO250").mark != event.mark


def test_the_page_is_written_anew_where_other_notes_stand_on_it(event):
    noted = dataclasses.replace(event, motion=dataclasses.replace(event.motion, notes=("more",)))
    (now,), (then,) = RapidReport().artefacts(noted), RapidReport().artefacts(event)
    assert now.mark != then.mark
    assert noted.mark == event.mark


@pytest.mark.usefixtures("no_sheet")
def test_a_trained_model_shows_shares_of_the_ground(folder):
    rng = np.random.default_rng(0)
    codes = ("SLO", "PGV")
    raw = np.stack([rng.uniform(0, 60, 400), rng.uniform(0.1, 60, 400)], axis=1)
    label = (raw[:, 0] + rng.normal(0, 10, 400) > 30).astype(int)
    units = {"SLO": "deg", "PGV": "cm/s"}
    infos = tuple(
        FactorInfo(code=c, name=c, unit=units[c], kind="continuous", legend={}) for c in codes
    )
    columns = tuple(
        Column(c, "continuous", float(raw[:, i].min()), float(raw[:, i].max()))
        for i, c in enumerate(codes)
    )
    encoder = Encoder(columns, "raw")
    estimator = LogisticRegression().fit(encoder.transform(raw.astype(np.float32)), label)
    about = TrainedOn(seed=1, rows=400, sample_share=0.5, prevalence=0.01, study="another one")
    fitted = FittedModel("lr", estimator, encoder, infos, about)
    bundle.save(fitted, folder / "model")
    out = folder / "other"
    study = folder / "out" / "study.toml"
    more = ["--set", "shaking.event_sd=0"]
    assert run(study, "--out", out, "--model", folder / "model", *more) == 0
    mean = band(out / "maps" / "lr_mean.tif")
    cells = np.stack([band(out / "factors" / f"{c}.tif").ravel() for c in codes], axis=1)
    known = np.isfinite(mean.ravel())
    p = fitted.predict(cells[known]).astype(np.float64)
    true = correct_prior(p, 0.5, 0.01)
    # The draws widen it: shaking of the ShakeMap has a deviation of 0.5.
    assert np.corrcoef(mean.ravel()[known], true)[0, 1] > 0.98
    assert mean.ravel()[known].mean() == pytest.approx(true.mean(), rel=0.3)
    # PGA, which the model does not take, bounds the ground that the USGS counts.
    pga = band(out / "factors" / "PGA.tif").ravel()[known]
    with rasterio.open(out / "factors" / "PGA.tif") as src:
        counted = true[(pga >= 0.1) & (true >= 0.002)].sum() * src.res[0] * src.res[1] / 1e6
    found = documents.read(out / "totals.json", Totals)
    assert found.usgs.hazard_km2 == pytest.approx(counted, rel=0.02)
    assert totals_of(out).model == "lr"


@pytest.mark.usefixtures("no_sheet")
def test_the_event_term_widens_a_total_and_leaves_its_mean(made, tmp_path):
    # Weak shaking: only small values are as good as multiplied by the term.
    small_event.grid_xml(tmp_path / "grid.xml", pga=15)
    means, spans = [], []
    for sd in (0.0, 1.1):
        out = tmp_path / f"sd{sd}"
        more = ["--set", f"shaking.event_sd={sd}", "--set", "shaking.draws=600"]
        assert main(["rapid", str(tmp_path / "grid.xml"), str(made / "dem.tif"), "--out", str(out),
                     "--resolution", "120", "-q", *more]) == 0  # fmt: skip
        area = totals_of(out).area_km2
        means.append(area.mean)
        spans.append(area.p95 / area.p05)
    # Of 600 draws the mean of such factors is known to a sixteenth.
    assert means[1] == pytest.approx(means[0], rel=0.15)
    assert spans[1] > 3 * spans[0]
