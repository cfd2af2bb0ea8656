"""What `explain --at` prints: factors by name, classes by theirs."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyproj import Transformer

from shakeslide import pipeline
from shakeslide.cli import app
from shakeslide.core.errors import InputError
from shakeslide.layers.masks import Mask, Masks
from shakeslide.layers.polygons import Polygons
from shakeslide.learning import bundle, explanation
from shakeslide.study.factor_settings import PAPER_FACTORS

from . import small_site as site
from .lines import lacks
from .test_uncertainty import copied


@pytest.fixture
def printed(
    finished: pipeline.Run, site_study: str, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    x, y = site.point(30.5, 40.5)
    place = ["--at", str(x), str(y), "--model", "lr"]
    assert app.main(["explain", str(site_study), "--out", str(finished.out), *place]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_factor_stands_with_its_name(printed: list[str]) -> None:
    head, *rows = printed
    assert head.startswith("lr: 0.")
    assert len(rows) == len(PAPER_FACTORS)
    for code, factor in PAPER_FACTORS.items():
        assert any(row.startswith(f"{code:<6} {factor['name']}  ") for row in rows), code
    assert len({row.index("log-odds") for row in rows}) == 1


def test_a_class_stands_with_its_name_or_alone_where_it_has_none(printed: list[str]) -> None:
    # The column is 30: the westernmost unit is schist, third of the three names in their order.
    lithology = next(row for row in printed if row.startswith("LITH"))
    assert " 3 = schist " in lithology
    # A raster of codes; at row 40 and column 30 the site's formula gives 1.
    soil = next(row for row in printed if row.startswith("ST "))
    assert " 1 class " in soil
    assert "=" not in soil


def row(**part: Any) -> str:
    whole = explanation.Part("SLO", "Slope gradient", "deg", 1.0, None, 0.84, 0.02)
    told = explanation.Attribution("rf", 0.5, 0.1, (replace(whole, **part),))
    line = explanation.lines(told)[1]
    return " ".join(line.split())


def test_a_number_stands_with_its_unit() -> None:
    told = row(value=31.8667, unit="deg")
    assert not lacks(told, "SLO Slope gradient", " 31.87 deg ", "+0.84 ± 0.02")


def test_a_class_named_by_its_own_number_stands_once() -> None:
    assert row(value=7.0, unit="class", class_name="7").split(" log")[0].endswith(" 7 class")


def test_a_place_is_named_in_degrees_too(
    finished: pipeline.Run, site_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = site.point(30.5, 40.5)
    lon, lat = Transformer.from_crs(site.CRS, "EPSG:4326", always_xy=True).transform(x, y)

    def told(*place: float, quiet: bool = False) -> tuple[str, str]:
        given = ["--at", *map(str, place), "--model", "lr", *(["-q"] if quiet else [])]
        assert app.main(["explain", str(site_study), "--out", str(finished.out), *given]) == 0
        read = capsys.readouterr()
        return read.out, read.err

    metres, said = told(x, y)
    assert said == ""
    degrees, said = told(lon, lat)
    assert degrees == metres != ""
    assert "longitude and latitude" in said
    assert told(lon, lat, quiet=True) == (metres, "")


@pytest.mark.parametrize("place", [(0.0, 0.0), (73.3, 95.0), (1e5, 1e5), (float("nan"), 1.0)])
def test_a_place_off_the_grid_is_refused(
    finished: pipeline.Run, place: tuple[float, float]
) -> None:
    with pytest.raises(InputError, match=r"--at .*: (lies outside the grid|give two numbers)"):
        pipeline.explain_place(finished, "lr", *place)


def test_a_masked_place_and_one_without_values_are_refused(
    finished: pipeline.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The third unit of the site has no lithology.
    with pytest.raises(InputError, match=r"--at .*: the cell has no value of LITH"):
        pipeline.explain_place(finished, "lr", *site.point(110.5, 40.5))
    shape = np.array([site.box(25, 35, 10, 10)], object)
    mask = Mask(Polygons.on_grid(shape, np.ones(1), finished.grid()), None, 0.0)
    masks = Masks(finished.grid(), (mask,))
    monkeypatch.setattr(pipeline.Run, "masks", lambda _: masks)
    with pytest.raises(InputError, match=r"--at .*: is masked"):
        pipeline.explain_place(finished, "lr", *site.point(30.5, 40.5))


def test_a_broken_explain_goes_on_from_its_steps(
    finished: pipeline.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation, "STEPS", 2)
    monkeypatch.setattr(explanation, "SHUFFLES", 2)
    real, predicted = bundle.FittedModel.predict, []

    def predict(model: bundle.FittedModel, raw: np.ndarray) -> np.ndarray:
        predicted.append(model.name)
        if len(predicted) == broken:
            raise KeyboardInterrupt
        return real(model, raw)

    monkeypatch.setattr(bundle.FittedModel, "predict", predict)
    whole, run = (copied(finished, tmp_path / n, 'models.use=["lr", "rf"]') for n in ("a", "b"))
    broken = 0
    pipeline.explain(whole)
    count, broken = len(predicted), 40
    predicted.clear()
    with pytest.raises(KeyboardInterrupt):
        pipeline.explain(run)
    pipeline.explain(run)
    assert predicted[0] == "lr"
    assert predicted[-1] == "rf"
    # The step that was broken off may have made some predictions before.
    assert count < len(predicted) <= count + explanation.STEPS + 1
    name = "importance.json"
    assert (run.out / name).read_bytes() == (whole.out / name).read_bytes()
    assert not list((run.ledger.work / "shards").glob("explain-*"))


@pytest.fixture
def unwritable(finished: pipeline.Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished run in a folder where an ordinary user can write nothing."""
    out = finished.out

    def refused(path: object) -> bool:
        return isinstance(path, str | Path) and Path(path).is_relative_to(out)

    def guard(module: Any, name: str, writes: Callable[..., bool]) -> None:
        real = getattr(module, name)

        def guarded(path: Any, *args: Any, **kw: Any) -> Any:
            if refused(path) and writes(path, *args, **kw):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real(path, *args, **kw)

        monkeypatch.setattr(module, name, guarded)

    def by_mode(_: object, mode: str = "r", *args: object, **kw: object) -> bool:
        return not set(mode).isdisjoint("wax+")

    for module in (builtins, io):
        guard(module, "open", by_mode)
    guard(os, "open", lambda _, flags, *a, **kw: bool(flags & (os.O_WRONLY | os.O_RDWR)))
    guard(os, "mkdir", lambda path, *a, **kw: not Path(path).is_dir())
    for name in ("unlink", "remove", "rmdir", "rename", "replace"):
        guard(os, name, lambda *a, **kw: True)
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda p, mode: access(p, mode) and not (refused(p) and mode & os.W_OK)
    )
    return out


X, Y = map(str, site.point(30.5, 40.5))


@pytest.mark.parametrize(
    ("command", "code"),
    [(["check"], 0), (["explain", "--at", X, Y, "--model", "lr"], 0), (["report"], 2)],
)
def test_a_finished_run_that_cannot_be_written_to(
    command: list[str],
    code: int,
    unwritable: Path,
    site_study: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, *more = command
    assert app.main([name, str(site_study), "--out", str(unwritable), *more]) == code
    shown = capsys.readouterr()
    if code == 0:
        assert shown.out
        assert "error" not in shown.err
    else:
        assert shown.err.startswith(f"error: {name}: {unwritable}")
        assert shown.err.count("\n") == 1
