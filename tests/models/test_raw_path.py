"""Models of raw factors on the whole path: trained, judged, mapped, or left out with a line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from shakeslide import pipeline
from shakeslide.core.errors import InputError
from shakeslide.core.progress import Reporter
from shakeslide.learning import bundle
from shakeslide.maps import prediction
from shakeslide.models.formulas.jessee import Jessee2018
from shakeslide.models.formulas.newmark import FORMS
from shakeslide.report import artefacts
from shakeslide.sampling import sample_table

from .. import small_site as site
from ..conftest import open_run
from ..lines import lacks

pytestmark = pytest.mark.slow

STUDY = """
[layers.pga]
path = "pga.tif"
[layers.pgv]
path = "pgv.tif"
[layers.cover]
path = "cover.tif"
[factors.PGA]
function = "value"
layer = "pga"
unit = "%g"
[factors.PGV]
function = "value"
layer = "pgv"
unit = "m/s"
[factors.LC]
function = "category"
layer = "cover"
[factors.CTI]
function = "wetness"
margin = 0
[models.newmark]
t = 2.0
[models.ahp.comparisons]
"SLO/PGA" = 5
"PGA/LITH" = 5
"LITH/SLO" = 5
"""
USE = (
    'models.use=["lr", "ahp", "newmark", "jessee2018", "jessee2022"]',
    'evaluation.protocols=["pixel"]',
    "map.applicability=false",
)


def write(path: Path, values: np.ndarray) -> None:
    profile = {"driver": "GTiff", "height": site.ROWS, "width": site.COLS, "count": 1}
    with rasterio.open(
        path, "w", **profile, dtype=values.dtype, crs=site.CRS, transform=site.TRANSFORM
    ) as dst:
        dst.write(values, 1)


def strengths(names: list[str]) -> str:
    return "".join(
        f'[models.newmark.strength."{n}"]\nc = {8 + 3 * i}\nphi = 30\ngamma = 20\n'
        for i, n in enumerate(names)
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    path = site.make(folder)
    x = np.linspace(0, 1, site.COLS, dtype=np.float32)[None, :].repeat(site.ROWS, 0)
    write(folder / "pga.tif", 30 + 60 * x)
    write(folder / "pgv.tif", 0.2 + 0.5 * x)
    write(folder / "cover.tif", np.where(x > 0.5, 40, 120).astype(np.uint8))
    path.write_text(path.read_text() + STUDY)
    return path


def names_of(study: Path) -> list[str]:
    run = open_run(study, study.parent / "look")
    (lithology,) = (f for f in run.factors() if f.code == "LITH")
    return list(lithology.legend.values())


class Told(Reporter):
    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def opened(study: Path, out: Path, *overrides: str) -> tuple[pipeline.Run, Told]:
    run = open_run(study, out, *overrides)
    told = Told()
    return pipeline.Run(run.study, run.document, run.out, run.engine, told), told


@pytest.fixture(scope="module")
def finished(study: Path) -> tuple[pipeline.Run, Told]:
    names = names_of(study)
    assert len(names) > 1
    mapped = ", ".join(
        f'"{n}" = "{g}"' for n, g in zip(names, ["va", "ss", "mt", "su"] * 9, strict=False)
    )
    text = strengths(names)
    text += "".join(
        f"[models.{m}]\nlithology_classes = {{ {mapped} }}\n" for m in ("jessee2018", "jessee2022")
    )
    path = study.with_name("whole.toml")
    path.write_text(study.read_text() + text)
    run, told = opened(path, study.parent / "out", *USE)
    for stage in (pipeline.prepare, pipeline.sample, pipeline.train, pipeline.evaluate):
        stage(run)
    pipeline.explain(run)
    pipeline.map_(run)
    return run, told


@pytest.mark.parametrize("name", ["ahp", "newmark", "jessee2018", "jessee2022"])
def test_a_samples_probability_is_its_map_value_bit_for_bit(
    finished: tuple[pipeline.Run, Told], name: str
) -> None:
    run, _ = finished
    samples = sample_table.load(run.out / "samples.parquet")
    model = bundle.load(run.out / "models" / name)
    with rasterio.open(run.out / "maps" / f"{name}_probability.tif") as src:
        mapped = src.read(1)[samples.table["row"], samples.table["col"]]
    chosen = np.random.default_rng(1).choice(len(mapped), 97, replace=False)
    p = model.predict(samples.raw[chosen])
    assert (p == mapped[chosen]).all()
    assert 0 <= p.min() < p.max() <= (0.335 if name == "newmark" else 1)


@pytest.mark.parametrize(
    ("name", "said", "title"),
    [
        ("ahp", "on the balance of the training sample", "Susceptibility"),
        (
            "newmark",
            "Newmark displacement after Jibson et al. (2000), 0 to 0.335",
            "Probability of failure",
        ),
        (
            "jessee2018",
            "probability of landslides after Nowicki Jessee et al. (2018)",
            "Probability of landslides",
        ),
        (
            "jessee2022",
            "probability of landslides after Allstadt et al. (2022)",
            "Probability of landslides",
        ),
    ],
)
def test_a_formulas_map_says_what_it_holds(
    finished: tuple[pipeline.Run, Told], name: str, said: str, title: str
) -> None:
    maps = finished[0].out / "maps"
    with rasterio.open(maps / f"{name}_probability.tif") as src:
        tags, highest = src.tags(), float(np.nanmax(src.read(1)))
        assert said in tags["meaning"]
        assert said in src.descriptions[0]
    formula = name != "ahp"
    assert tags["title"] == title
    assert tags["shows"] == ("formula" if formula else "susceptibility")
    with rasterio.open(maps / f"{name}_class.tif") as src:
        assert ("susceptibility" in src.descriptions[0]) == (not formula)
    for ending in (".qml", ".sld"):
        assert title in (maps / f"{name}_probability{ending}").read_text()
    # The colours of a formula end where its values do.
    ramp = re.search(r'maximumValue="([^"]+)"', (maps / f"{name}_probability.qml").read_text())
    assert ramp is not None
    assert float(ramp[1]) == pytest.approx(highest if formula else 1.0, rel=1e-4)


def test_the_report_calls_a_formulas_map_what_it_is(finished: tuple[pipeline.Run, Told]) -> None:
    pipeline.provenance(finished[0])
    run = artefacts.load(finished[0].out)
    kinds = {f.model: (f.formula, f.title) for f in run.maps}
    assert kinds["newmark"] == (True, "Probability of failure")
    assert kinds["lr"] == kinds["ahp"] == (False, "Susceptibility")
    meanings = {f.model: f.meaning for f in run.maps if f.formula}
    assert meanings["newmark"].startswith("probability of failure")
    assert "lr" not in meanings


def test_coverage_is_called_a_share_of_the_area() -> None:
    assert Jessee2018(output="coverage").meaning.startswith("share of the area")
    assert "share" in Jessee2018(output="coverage").title.lower()


def test_formulas_are_not_corrected_for_a_balance_they_never_saw(
    finished: tuple[pipeline.Run, Told],
) -> None:
    run, _ = finished
    model = bundle.load(run.out / "models" / "newmark")
    assert model.about.static
    assert model.about.sample_share == model.about.prevalence
    text = (run.out / "models" / "newmark" / "card.md").read_text()
    assert "published formula" in text
    fitted = bundle.load(run.out / "models" / "ahp")
    assert not fitted.about.static
    assert fitted.about.sample_share != fitted.about.prevalence


def test_contradicting_comparisons_are_told_once(finished: tuple[pipeline.Run, Told]) -> None:
    lines = [line for line in finished[1].lines if "consistency" in line]
    assert len(lines) == 1
    assert lines[0].startswith("warning: ahp: consistency ratio")


def test_models_without_their_inputs_are_left_out_with_a_line(study: Path, tmp_path: Path) -> None:
    run, told = opened(study, tmp_path, *USE, "factors.PGV.use=false")
    assert run.models.used() == ["lr", "ahp"]
    assert run.models.used() == ["lr", "ahp"]
    about = [line for line in told.lines if "left out" in line]
    assert [line.split(" ")[1] for line in about] == ["newmark", "jessee2018", "jessee2022"]
    assert "[models.newmark.strength.<class>]" in about[0]
    assert not lacks(about[1], "cm/s", "PGV")
    mapped = 'map.models=["lr", "newmark"]'
    run, _ = opened(study, tmp_path, *USE, mapped)
    assert run.models.mapped() == ["lr"]


def test_nothing_left_is_an_error(study: Path, tmp_path: Path) -> None:
    run, _ = opened(study, tmp_path, 'models.use=["newmark"]')
    with pytest.raises(InputError, match="newmark is left out"):
        run.models.used()


def test_the_events_magnitude_is_taken(study: Path, tmp_path: Path) -> None:
    run, _ = opened(study, tmp_path, f'models.newmark.form="{FORMS[1]}"')
    assert run.models.recipe("newmark").params["magnitude"] == 7.0
    run, _ = opened(study, tmp_path, "models.newmark.magnitude=6.5")
    assert run.models.recipe("newmark").params["magnitude"] == 6.5


def test_ground_that_training_never_saw_is_told(finished: tuple[pipeline.Run, Told]) -> None:
    run, told = finished
    assert not [line for line in told.lines if "outside the training range" in line]
    model = bundle.load(run.out / "models" / "lr")
    cells = prediction.some_cells(model, run.stack())
    assert cells.shape[1] == len(model.factors)
    assert bundle.range_warnings(model, cells) == []
    columns = list(model.encoder.columns)
    at = [c.code for c in columns].index("PGA")
    low, high = columns[at].low, columns[at].high
    columns[at] = replace(columns[at], high=low + 0.8 * (high - low))
    narrow = replace(model, encoder=replace(model.encoder, columns=tuple(columns)))
    (line,) = bundle.range_warnings(narrow, cells)
    assert re.match(r"(1[5-9]|2[0-9]) % ", line)
    assert not lacks(line, "PGA")
