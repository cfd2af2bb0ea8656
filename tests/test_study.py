"""The study file: defaults, overrides, template, and errors that name the nearest right key."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from shakeslide.core.errors import InputError
from shakeslide.factors.catalogue import FUNCTIONS
from shakeslide.models.registry import MODELS
from shakeslide.study import model_settings
from shakeslide.study import settings as study
from shakeslide.study.factor_settings import ValueFactor

PAPER = [
    "EI",
    "ED",
    "SRD",
    "AF",
    "DEM",
    "SLO",
    "SLOA",
    "TPI",
    "SC",
    "RER",
    "LITH",
    "FD",
    "DR",
    "ST",
]


def write(tmp_path: Path, text: str = "") -> Path:
    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_preset_has_the_14_factors_in_the_papers_order(tmp_path: Path) -> None:
    loaded, _ = study.load(write(tmp_path))
    assert list(loaded.factors) == PAPER
    assert loaded.samples.train_share == 0.2
    assert loaded.evaluation.repeats == 20


def docs_build() -> Any:
    path = Path(__file__).parents[1] / "docs" / "build.py"
    spec = importlib.util.spec_from_file_location("docs_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_the_study_file_is_what_the_schema_says() -> None:
    build = docs_build()
    stored = (build.DOCS / "study.md").read_text(encoding="utf-8")
    assert stored == build.NOTE + build.study_page(), "run `make docs`"
    row = next(line for line in stored.splitlines() if line.startswith("| `optimiser`"))
    assert '| `"sgd"` |' in row
    assert "One of `sgd`, `adamw`." in row
    assert "`None`" not in stored


def test_every_function_of_the_schema_is_in_the_catalogue() -> None:
    assert set(study.FACTOR_FUNCTIONS) == set(FUNCTIONS)


def test_every_setting_of_a_model_is_a_parameter_of_its_estimator() -> None:
    assert set(model_settings.Models.model_fields) - {"use", "calibration"} == set(MODELS)
    for name, entry in MODELS.items():
        settings = getattr(model_settings.Models(), name)
        known = set(entry.make().get_params())
        of_recipe = {"angles", "scaling", "settings", "context", "exclusion"}
        assert set(type(settings).model_fields) - of_recipe <= known, name


def test_paths_start_from_the_study_or_from_data(tmp_path: Path) -> None:
    path = write(tmp_path, '[layers.dem]\npath = "a/dem.tif"\n')
    assert study.load(path)[0].layers["dem"].path == tmp_path / "a/dem.tif"
    other = tmp_path / "data"
    other.mkdir()
    assert study.load(path, other)[0].layers["dem"].path == other / "a/dem.tif"
    with pytest.raises(InputError, match="no such folder"):
        study.load(path, tmp_path / "nowhere")


def test_overrides_take_numbers_words_and_lists(tmp_path: Path) -> None:
    loaded, document = study.load(
        write(tmp_path),
        None,
        [
            "evaluation.repeats=3",
            "study.name=Two words",
            'models.use=["lr"]',
            "factors.ST.use=false",
        ],
    )
    assert loaded.evaluation.repeats == 3
    assert loaded.study.name == "Two words"
    assert loaded.models.use == ["lr"]
    assert "ST" not in loaded.active_factors
    assert document["evaluation"] == {"repeats": 3}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[evaluation]\nrepeat = 3", ["evaluation", "repeat", "Did you mean 'repeats'"]),
        ("[layer.dem]\npath='x'", ["'layer'", "Did you mean 'layers'"]),
        ("[layers.river]\npath='x'", ["layers.river", "Did you mean 'rivers'"]),
        ("[factors.SRD]\nsubsektion = 1", ["factors.SRD", "Did you mean 'subsection'"]),
        ("[factors.SRD]\nsubsection = -1", ["factors.SRD.subsection", "greater than 0", "-1"]),
        ("[factors.NDVI]\nlayer='x'", ["factors.NDVI", "function"]),
        ("[factors.X1]\nfunction='valu'", ["factors.X1", "Did you mean 'value'"]),
        ("[factors.slo]\nuse=false", ["write the code as SLO"]),
        ("[factors.'A B']\nfunction='slope'", ["letters, digits"]),
        ("[factors]\nSLO = 3", ["SLO", "table"]),
        ("[models]\nuse = ['fr0']", ["models.use", "'sae'"]),
        ("[models.rf]\nn_tree = 3", ["models.rf", "n_tree"]),
        ("[study]\nseed = 'a'", ["study.seed", "integer"]),
        ("[layers.dem]\ncolumn='a'", ["layers.dem.path", "required"]),
        ("x =", ["not valid TOML"]),
    ],
)
def test_a_wrong_study_is_told_in_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        study.load(write(tmp_path, text))
    message = str(caught.value)
    assert "\n" not in message
    assert "study.toml" in message
    for word in words:
        assert word in message


def refused(path: Path, *overrides: str) -> str:
    """The line that refuses a study."""
    with pytest.raises(InputError) as caught:
        study.load(path, None, overrides)
    line = str(caught.value)
    assert len(line) < 1000
    return line


DEEP = "[" * 3000 + "]" * 3000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"x = {DEEP}", ["deep"]),
        ("x = " + "[" * 100 + "]" * 100, ["deep"]),
        ("x = " + "{a = " * 100 + "1" + "}" * 100, ["deep"]),
        ("x = " + "9" * 5000, ["digits"]),
        ("[study]\nseed = 0x" + "f" * 5000, ["64 bits"]),
        ("[factors.RER]\nwindow = 1" + "0" * 300, ["64 bits"]),
        ("a." * 200_000 + "a = 1", ["parts"]),
        ('"a"."b".' * 20 + "a = 1", ["parts"]),
        ("[" + " . ".join("a" * 40) + "]", ["parts"]),
        ('[study]\nname = "a\\u0000b"', ["\\x00"]),
        ('"a\\u001b" = 1', ["\\x1b"]),
        ("y" * 50_000 + " = 1", ["unknown key"]),
        ("[event]\ncrs = '" + "y" * 50_000 + "'", ["event.crs", "is not a CRS"]),
        ("[models]\nuse = ['" + "y" * 50_000 + "']", ["models.use", "no model"]),
        ("[study]\nseed = '" + "y" * 50_000 + "'", ["study.seed", "integer"]),
        ("[factors.X1]\nfunction = '" + "y" * 50_000 + "'", ["function", "unknown"]),
        ("[map]\nbreaks = [" + "0.5, " * 9_000 + "]", ["map.breaks", "does not rise"]),
    ],
    ids=range(17),
)
def test_beyond_all_limits(tmp_path: Path, text: str, words: list[str]) -> None:
    line = refused(write(tmp_path, text))
    for word in words:
        assert word in line


def test_a_dotted_text_is_no_key(tmp_path: Path) -> None:
    dots = ".".join("abcdefghijklmnopqrstuvwxyz")
    path = write(tmp_path, f"[study]  # {dots}\nname = \"{dots}\"\ndescription = '''{dots}'''")
    assert study.load(path)[0].study.name == dots


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (f"map.breaks={DEEP}", ["deep"]),
        ("study.seed=" + "9" * 5000, ["digits"]),
        ("a." * 100 + "b=1", ["parts"]),
        ("study.name=a\udcff", ["character"]),
        ("study.seed=" + "y" * 9000, ["study.seed", "integer"]),
        ("inventory.ambiguous.\u00b2.name=x", ["ambiguous"]),
        ("evaluation.protocols." + "9" * 5000 + "=x", ["no list"]),
    ],
    ids=range(7),
)
def test_overrides_have_the_same_limits(tmp_path: Path, item: str, words: list[str]) -> None:
    line = refused(write(tmp_path), item)
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[layers.dem]\npath = "C:\\Users\\dem.tif"', "single quotes"),
        ('[layers.dem]\npath = "D:\\temp\\new.tif"', "single quotes"),
        ("[layers.dem]\npath = \u201cdem.tif\u201d", "straight quotes"),
        ("[grid]\n[grid]", "only once"),
        ('[study]\nname = "a"\nname = "b"', "only once"),
        ('{"study": {"name": "a"}}', "JSON"),
        ("study:\n  name: a", "YAML"),
        ("[layers.dem]\npath = dem.tif", "quotes"),
        ("[study]\nname\u00a0= 'a'", "no-break space"),
        ("[masks]\npath = 'a'", "[[masks]]"),
        ("[models]\nsae = 3", "table"),
        ("[map]\nbreaks = 0.5", "list"),
        ("[event]\ntime = 2005", "2005-10-08"),
        ('[event]\ntime = "20051008"', "2005-10-08"),
        ("[event]\ntime = 0001-01-01T00:00:00+12:00", "year"),
        ("[event]\ntime = 9999-12-31T23:59:59-12:00", "year"),
        ("[factors.AF]\nend = 2005.5", "2005-10-08"),
        ("[event]\nmagnitude = true", "number"),
        ("[event]\nepicentre = [true, 1]", "number"),
        ("[models.ahp.comparisons]\n'SLO/DR' = true", "number"),
        ("[layers.dem]\npath = ''", "empty"),
        ("[layers.dem]\npath = '~nobody-at-all/dem.tif'", "home"),
        ("[layers.dem]\npath = '" + "y" * 256 + "'", "longer"),
        ("[layers.dem]\npath = '" + "y/" * 2500 + "'", "longer"),
        ('[factors."AB\\n"]\nfunction = "slope"', "letters"),
        ("[factors.X1]\nfunction = [1]", "unknown"),
        ("[inventory]\nencoding = 'base64'", "encoding"),
        ("[inventory]\nencoding = 'rot13'", "encoding"),
        ("[layers.soil]\npath = 'a'\nencoding = 'zip'", "encoding"),
        ("[inventory]\nwhere = '1=1; DROP TABLE x'", "inventory.where"),
        ("[inventory]\nsource_where = 'SELECT 1'", "inventory.source_where"),
        ("[layers.soil]\npath = 'a'\nwhere = ''", "layers.soil.where"),
        ("[inventory]\nbuffer = nan", "finite"),
        ("[event]\nepicentre = [1, inf]", "finite"),
        ("[grid]\nbounds = [0, 0, nan, 1]", "finite"),
    ],
    ids=range(35),
)
def test_a_line_says_what_to_write(tmp_path: Path, text: str, hint: str) -> None:
    assert hint in refused(write(tmp_path, text))


def test_encodings_of_texts_are_known(tmp_path: Path) -> None:
    for name in ("cp1251", "gb18030", "UTF-8"):
        path = write(tmp_path, f"[inventory]\nencoding = '{name}'")
        assert study.load(path)[0].inventory.encoding == name


def test_what_is_no_study_file(tmp_path: Path) -> None:
    folder, pipe, large = tmp_path / "folder", tmp_path / "pipe", tmp_path / "large.toml"
    folder.mkdir()
    assert "folder" in refused(folder)
    large.write_bytes(b"#" * 1_000_001)
    assert "larger than 1 MB" in refused(large)
    large.write_bytes("[study]".encode("utf-16"))
    assert "UTF-16" in refused(large)
    assert "cannot be read" in refused(tmp_path / ("y" * 5000))
    assert "cannot be read" in refused(Path("a\0b"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)
        assert "not a regular file" in refused(pipe)
    if Path("/dev/zero").exists():
        assert "not a regular file" in refused(Path("/dev/zero"))
    with pytest.raises(InputError, match="no such folder"):
        study.load(write(tmp_path), Path("y" * 5000))


def test_a_study_of_comments_alone_has_the_defaults(tmp_path: Path) -> None:
    for text in ("", "# nothing", "\t\n"):
        assert study.load(write(tmp_path, text))[0].evaluation.repeats == 20


def test_a_missing_study_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shakeslide init"):
        study.load(tmp_path / "nothing.toml")


@pytest.mark.parametrize("item", ["repeats", "=3", "evaluation.=3", "study.name.x=1"])
def test_a_wrong_override_is_told(tmp_path: Path, item: str) -> None:
    with pytest.raises(InputError, match="--set"):
        study.load(write(tmp_path, '[study]\nname = "a"'), None, [item])


def test_a_factor_of_the_preset_may_change_its_function(tmp_path: Path) -> None:
    text = "[layers.soil]\npath='ndvi.tif'\n[factors.ST]\nfunction='value'\nunit='1'"
    loaded, _ = study.load(write(tmp_path, text))
    factor = loaded.factors["ST"]
    assert isinstance(factor, ValueFactor)
    assert factor.layer == "soil"


def test_tables_of_comparisons_strengths_and_ratings(tmp_path: Path) -> None:
    text = """
    [models.ahp.comparisons]
    "SLO/DR" = 3
    [models.ahp.ratings.SLO]
    limits = [15, 30]
    values = [0.1, 0.5, 1]
    [models.newmark.strength."Qal, young"]
    c = 5
    phi = 28
    gamma = 18.5
    """
    models = study.load(write(tmp_path, text))[0].models
    assert models.ahp.comparisons == {"SLO/DR": 3}
    assert models.ahp.ratings is not None
    assert models.ahp.ratings["SLO"].values == [0.1, 0.5, 1]
    assert models.newmark.strength is not None
    assert models.newmark.strength["Qal, young"].gamma == 18.5
    for wrong, words in {
        '[models.ahp.comparisons]\n"SLO/DR" = 0': "models.ahp.comparisons.SLO/DR",
        "[models.newmark.strength.a]\nc = 5\nphi = 95\ngamma = 20": "models.newmark.strength.a.phi",
        "[models.newmark.strength.a]\nc = 5\nfi = 9": "unknown key 'fi'",
        "[models.newmarc]\nt = 2": "Did you mean 'newmark'",
        "[models.jessee2018.land_cover_classes]\nwood = 'x'": "land_cover_classes.wood",
    }.items():
        with pytest.raises(InputError, match=words):
            study.load(write(tmp_path, wrong))
