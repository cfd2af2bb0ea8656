"""The demonstration makes its earthquake once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shakeslide import synthetic
from shakeslide.cli import demo as demonstration


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data of a small earthquake."""
    out = tmp_path_factory.mktemp("demo")
    demo(out)
    return out


def demo(out: Path, seed: int = 1) -> None:
    list(demonstration.run(out, size=64, seed=seed, only_data=True))


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, however the terminal folds it."""
    return " ".join(capsys.readouterr().err.split())


def contents(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (out / "data").iterdir() if p.is_file()}


def test_it_is_not_made_again_and_an_edited_study_stays(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(made, tmp_path / "demo", copy_function=shutil.copyfile)
    study = out / "data" / "study.toml"
    study.write_text(study.read_text() + "# tried something\n")
    before = contents(out)
    monkeypatch.setattr(synthetic, "create", lambda *_, **__: pytest.fail("made again"))
    capsys.readouterr()
    demo(out)
    assert "up to date" in said(capsys)
    assert contents(out) == before


@pytest.mark.parametrize("why", ["is not made yet", "other settings", "has changed", "study.toml"])
def test_it_is_made_again_for_a_reason_that_is_said(
    why: str,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "demo"
    if why != "is not made yet":
        shutil.copytree(made, out)
    if why == "has changed":
        (out / "data" / "rivers.gpkg").write_bytes(b"other")
    if why == "study.toml":
        (out / "data" / "study.toml").unlink()

    def create(scenario: synthetic.Scenario, folder: Path, **_: object) -> None:
        for name, held in contents(made).items():
            (folder / name).write_bytes(held)

    monkeypatch.setattr(synthetic, "create", create)
    capsys.readouterr()
    demo(out, seed=2 if why == "other settings" else 1)
    assert why in said(capsys)
    assert contents(out) == contents(made)


def test_the_same_earthquake_is_the_same_bytes(made: Path, tmp_path: Path) -> None:
    demo(tmp_path)
    assert contents(tmp_path) == contents(made)
