"""What `shakeslide init` writes: every key of the schema, with the default that is used."""

from __future__ import annotations

import inspect
import re
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest

from shakeslide import pipeline
from shakeslide.cli import app, template
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.learning import training
from shakeslide.models.registry import MODELS
from shakeslide.study import factor_sets, layer_settings, settings
from shakeslide.study.factor_settings import FACTOR_FUNCTIONS, PAPER_FACTORS
from shakeslide.study.schema import Settings

SETTING = re.compile(r"^# (?=\[+[\w.]+\]+  #|\[+[\w.]+\]+$|\w+ = )", re.MULTILINE)
NOTHING = "..."


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("init") / "myquake"
    assert app.main(["init", str(folder)]) == 0
    return folder / "study.toml"


@pytest.fixture(scope="module")
def every(written: Path) -> dict[str, Any]:
    """The file with all that is commented out taken in; what has no default is "..."."""
    text = SETTING.sub("", written.read_text(encoding="utf-8"))
    return tomllib.loads(re.sub(r" = \.\.\.(?=\s)", f' = "{NOTHING}"', text))


def given(value: Any) -> Any:
    """A document without what is no value, and without tables of which only that is left."""
    if isinstance(value, dict):
        kept = {k: given(v) for k, v in value.items() if v != NOTHING}
        return {k: v for k, v in kept.items() if v not in ({}, [{}])}
    return [given(v) for v in value] if isinstance(value, list) else value


def recipe(loaded: settings.Study, name: str, folder: Path) -> dict[str, Any]:
    """How the inputs of a model are encoded, and its parameters."""
    return told(pipeline.Run(loaded, {}, folder, Engine(1), Reporter(True)).models.recipe(name))


def told(made: training.Recipe) -> dict[str, Any]:
    of_recipe = {k: getattr(made, k) for k in ("angles", "scaling", "context", "exclusion")}
    if made.members:
        # Of a blend the parameters of its members, whether they are given or defaults.
        names = tuple(m.name for m in made.members)
        return {"members": names, "each": [told(m) for m in made.members], **of_recipe}
    return {**made.make(0).get_params(), **of_recipe}


def inner(annotation: Any) -> type[Settings] | None:
    if inspect.isclass(annotation) and issubclass(annotation, Settings):
        return annotation
    return next((found for p in typing.get_args(annotation) if (found := inner(p))), None)


def missing(model: type[Settings], table: dict[str, Any], where: str) -> list[str]:
    """Keys of the schema that a table of the file has not, tables within it included."""
    lacks = []
    for key, field in model.model_fields.items():
        part = inner(field.annotation)
        if key not in table:
            lacks.append(f"{where}.{key}")
        elif part is not None and not issubclass(part, layer_settings.Layer):
            below = table[key]
            if typing.get_origin(field.annotation) is not None:
                below = next(iter(below.values()))  # a table by the name of a class
            lacks += missing(part, below, f"{where}.{key}")
    return lacks


def test_it_is_a_valid_study_whose_settings_are_the_defaults(written: Path) -> None:
    loaded, document = settings.load(written)
    bare = {k: document[k] for k in ("study", "event", "layers", "inventory")}
    assert loaded == settings.validate(bare, written.parent, "bare")


def test_every_key_of_the_schema_is_in_it(written: Path, every: dict[str, Any]) -> None:
    lacks = []
    for name, field in settings.Study.model_fields.items():
        if name not in ("layers", "factors", "masks"):
            lacks += missing(typing.cast(type[Settings], field.annotation), every[name], name)
    text = written.read_text(encoding="utf-8")
    lacks += [k for k in layer_settings.Layer.model_fields if f"\n#   {k}: " not in text]
    lacks += {*settings.Mask.model_fields} - {
        *layer_settings.Layer.model_fields,
        *every["masks"][0],
    }
    tables = {code: t for code, t in every["factors"].items() if code not in factor_sets.KEYS}
    for code, table in tables.items():
        if code != "PGA":
            lacks += missing(FACTOR_FUNCTIONS[table["function"]], table, code)
    lacks += missing(factor_sets.FactorSets, every["factors"], "factors")
    assert lacks == []
    assert {t["function"] for t in tables.values()} == set(FACTOR_FUNCTIONS)


def test_every_default_that_it_shows_is_the_one_used(
    written: Path, every: dict[str, Any], tmp_path: Path
) -> None:
    shown = settings.validate(given(every), written.parent, "every")
    used, _ = settings.load(written)
    for table in ("study", "event", "grid", "inventory", "sources", "samples", "evaluation", "map"):
        assert getattr(shown, table) == getattr(used, table), table
    for code in PAPER_FACTORS:
        assert shown.factors[code] == used.factors[code], code
    for name in MODELS:
        assert recipe(shown, name, tmp_path) == recipe(used, name, tmp_path), name
    for key in ("use", "calibration"):
        assert getattr(shown.models, key) == getattr(used.models, key), key


def test_what_a_model_is_trained_with_is_a_value_in_it(
    written: Path, every: dict[str, Any], tmp_path: Path
) -> None:
    used, _ = settings.load(written, overrides=["event.epicentre=[0, 0]"])
    checked = 0
    for name in MODELS:
        trained = {**recipe(used, name, tmp_path), "settings": used.models.sae.settings}
        for key in type(used.models.settings_of(name)).model_fields:
            value = trained[key]
            if value is not None and (name, key) != ("newmark", "magnitude"):  # the event's
                told = every["models"][name][key]
                assert told == (list(value) if isinstance(value, tuple) else value), (name, key)
                checked += 1
    assert checked > 60
    assert every["models"]["rf"]["n_estimators"] == 62
    assert every["models"]["rf"]["max_depth"] == 13


def test_taking_one_sign_away_leaves_a_factor_out(written: Path, tmp_path: Path) -> None:
    head, rest = written.read_text(encoding="utf-8").split("[factors.ST]")
    changed = tmp_path / "study.toml"
    text = head + "[factors.ST]" + rest.replace("# use = true", "use = false", 1)
    changed.write_text(text, encoding="utf-8")
    assert list(settings.load(changed)[0].active_factors) == [c for c in PAPER_FACTORS if c != "ST"]


def test_choices_are_told() -> None:
    line = next(v for v in template.text().splitlines() if v.startswith("# optimiser"))
    assert line.startswith('# optimiser = "adamw"  #')
    assert line.endswith("('sgd' | 'adamw')")


def test_what_a_raster_has_not_is_said_where_it_stands() -> None:
    lines = [line for line in template.text().splitlines() if line.startswith("column = ")]
    assert len(lines) == sum("column" in e for e in template.EXAMPLE_LAYERS.values()) == 3
    assert all("raster" in line.partition("#")[2] for line in lines)


def test_init_does_not_write_where_a_link_leads(tmp_path, capsys):
    (tmp_path / "study.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert app.main(["init", str(tmp_path)]) == 2
    assert "study.toml" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere.toml").exists()
