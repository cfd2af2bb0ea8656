"""What all stages do alike, on stages of a folder that is no study."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from shakeslide.core.errors import InputError
from shakeslide.core.progress import Reporter
from shakeslide.pipeline import run_stages
from shakeslide.pipeline.inputs import Prepare
from shakeslide.pipeline.memory import is_known, once
from shakeslide.pipeline.stage import Artefact, Group, Stage, Work
from shakeslide.results.ledger import Ledger


class Said(Reporter):
    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Folder:
    """A folder with a ledger, and settings of two stages."""

    out: Path
    setting: str = "a"
    title: str = "one"
    fails: bool = False
    reporter: Said = field(default_factory=Said)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.out)


class Count(Stage[Folder]):
    name = "count"
    result = "count.txt"

    def artefacts(self, run: Folder) -> list[Artefact]:
        return [Artefact("count", run.setting, "count", run.title)]

    def summary(self, run: Folder) -> str:
        return "count.txt is"

    def rename(self, work: Work[Folder]) -> None:
        work.say("renamed")
        work.relabel(*work.renamed)

    def make(self, work: Work[Folder]) -> None:
        (part,) = work.parts
        steps = sorted(part.glob("*")) if part.exists() else []
        part.mkdir(parents=True, exist_ok=True)
        with work.making(*work.stale) as made:
            work.say(f"made after {len(steps)} steps")
            (part / f"step{len(steps)}").write_text("x")
            if work.run.fails:
                raise OSError(5, "broken", "disk")
            (work.run.out / self.result).write_text(work.run.setting)
            made[work.stale[0]] = [work.run.out / self.result]


count = Count()


class Double(Stage[Folder]):
    name = "double"
    command = "count-twice"

    def artefacts(self, run: Folder) -> list[Artefact]:
        return [Artefact(f"double-{k}", run.setting, self.command) for k in "xy"]

    def needs(self, run: Folder, stale: Sequence[Artefact]) -> list[Artefact]:
        return count.artefacts(run)

    def make(self, work: Work[Folder]) -> None:
        for one in work.stale:
            with work.making(one) as made:
                path = work.run.out / f"{one.name}.txt"
                path.write_text("twice")
                made[one] = [path]


double = Double()


def test_stages_make_what_is_stale_and_nothing_else(tmp_path: Path) -> None:
    first = Folder(tmp_path)
    assert run_stages(first, [count, double]) == tmp_path
    assert {*first.ledger.all_made()} == {"count", "double-x", "double-y"}
    assert not list(first.ledger.work.glob("shards/*"))
    again = Folder(tmp_path)
    assert run_stages(again, [double, count]) == tmp_path / "count.txt"
    assert again.reporter.lines == ["count: count.txt is up to date"]
    (tmp_path / "x.txt").write_text("thrice")
    before = (tmp_path / "y.txt").stat().st_mtime_ns
    double(again)
    assert (tmp_path / "x.txt").read_text() == "twice"
    assert (tmp_path / "y.txt").stat().st_mtime_ns == before


def test_other_labels_are_written_without_making_anew(tmp_path: Path) -> None:
    count(Folder(tmp_path))
    run = Folder(tmp_path, title="two")
    count(run)
    assert run.reporter.lines == ["count: renamed", "count: count.txt is up to date"]
    assert run.ledger.is_fresh("count", "a", "two")


def test_stale_input_is_refused_by_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"count is not made yet; run `shakeslide count` first"):
        double(Folder(tmp_path))
    assert Folder(tmp_path).ledger.all_made() == {}


def test_a_stopped_stage_goes_on_and_other_settings_begin_anew(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="count: disk"):
        count(Folder(tmp_path, fails=True))
    assert Folder(tmp_path).ledger.all_made() == {}
    goes_on, other = Folder(tmp_path), Folder(tmp_path, setting="b", fails=True)
    with pytest.raises(InputError):
        count(other)
    assert other.reporter.lines == ["count: made after 0 steps"]
    with pytest.raises(InputError):
        count(Folder(tmp_path, setting="b", fails=True))
    again = Folder(tmp_path, setting="b")
    count(again)
    assert again.reporter.lines == ["count: made after 2 steps"]
    count(goes_on)
    assert goes_on.reporter.lines == ["count: made after 0 steps"]


def test_a_group_runs_its_stages_and_names_its_command(tmp_path: Path) -> None:
    group = Group("count-twice", (count, double))
    assert group(Folder(tmp_path)) == tmp_path
    assert {*Folder(tmp_path).ledger.all_made()} == {"count", "double-x", "double-y"}


def test_once_keeps_answers_but_no_failure() -> None:
    class Reader:
        calls = 0

        @once
        def value(self) -> int:
            self.calls += 1
            if self.calls == 1:
                raise InputError("not yet")
            return self.calls

    reader = Reader()
    with pytest.raises(InputError):
        reader.value()
    assert not is_known(Reader.value, reader)
    assert (reader.value(), reader.value()) == (2, 2)
    assert is_known(Reader.value, reader)
    assert Reader().calls == 0


@pytest.mark.parametrize("damage", [b"{", b"", b'{"LITH": {"1": "other"}}', None])
def test_damaged_legends_are_made_anew_and_told(tmp_path, monkeypatch, damage):
    run = SimpleNamespace(
        out=tmp_path,
        reporter=Said(),
        factors=lambda: [SimpleNamespace(code="LITH", legend={1: "marl"})],
    )
    # All factors are up to date.
    monkeypatch.setattr(Stage, "__call__", lambda self, run: run.out / "factors")
    path = tmp_path / "factors" / "legends.json"
    path.parent.mkdir()
    if damage is not None:
        path.write_bytes(damage)
    for _ in range(2):
        Prepare()(run)
        assert json.loads(path.read_text()) == {"LITH": {"1": "marl"}}
        assert [str(path) in line for line in run.reporter.lines] == [True]


def test_a_folder_in_place_of_the_legends_is_one_line(tmp_path, monkeypatch):
    run = SimpleNamespace(out=tmp_path, reporter=Said(), factors=list)
    monkeypatch.setattr(Stage, "__call__", lambda self, run: run.out / "factors")
    (tmp_path / "factors" / "legends.json").mkdir(parents=True)
    with pytest.raises(InputError, match=r"legends\.json"):
        Prepare()(run)
