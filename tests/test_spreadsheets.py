"""Tables for spreadsheets: texts of strangers never run as formulas."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

import shakeslide
from shakeslide.core import spreadsheets
from shakeslide.rapid import computing, event_report, settlements
from shakeslide.rapid.exposure import RoadCells
from shakeslide.rapid.settlements import Settlement
from shakeslide.rapid.tiles import Cuts

STARTS = ["=", "+", "-", "@", "\t", "\r", "\n"]


@pytest.mark.parametrize("start", STARTS)
def test_a_text_that_would_run_begins_with_an_apostrophe(start):
    text = f'{start}HYPERLINK("http://x")'
    assert spreadsheets.harmless(text) == f"'{text}"
    assert spreadsheets.plain(f"'{text}") == text


@pytest.mark.parametrize("value", [-1, -0.5, None, True, "-1", "+2.5e-3", "-.5", "a=b", "", "'tis"])
def test_other_values_stay(value):
    assert spreadsheets.harmless(value) is value


@pytest.mark.parametrize("text", ["'=1+1", "''-a", "'", "'tis", "-1", "-a", "x"])
def test_any_text_is_found_again(text):
    assert spreadsheets.plain(spreadsheets.harmless(text)) == text


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_a_table_keeps_its_numbers(tmp_path):
    table = pd.DataFrame(
        {
            "=name": ["=1+1", "plain", None],
            "class": pd.Categorical(["-x", "y", "-x"]),
            "mixed": [-1, "@a", None],
            "number": [-1.5, np.nan, 3e-9],
            "flag": [True, False, True],
        }
    )
    before = table.copy()
    spreadsheets.write(tmp_path / "table.csv", table)
    assert rows(tmp_path / "table.csv") == [
        ["'=name", "class", "mixed", "number", "flag"],
        ["'=1+1", "'-x", "-1", "-1.5", "True"],
        ["plain", "y", "'@a", "", "False"],
        ["", "'-x", "", "3e-09", "True"],
    ]
    pd.testing.assert_frame_equal(table, before)
    again = spreadsheets.read(tmp_path / "table.csv")
    assert again.columns.tolist() == before.columns.tolist()
    assert again["=name"].dropna().tolist() == ["=1+1", "plain"]
    assert again["class"].tolist() == ["-x", "y", "-x"]
    assert again["number"].dropna().tolist() == [-1.5, 3e-9]


def test_names_of_places_and_roads_are_harmless_in_files_and_whole_in_reports(tmp_path):
    name = "=cmd|' /C calc'!A0"
    place = Settlement(name=name, latitude=-1, longitude=-2, expected=3, ground=4)
    settlements.write(tmp_path, [place])
    assert rows(tmp_path / "places.csv")[1][:3] == [f"'{name}", "-1", "-2"]
    assert settlements.read(tmp_path, 1)[0].name == name
    line = np.array([shapely.LineString([(0, 0), (1000, 0)])])
    roads = RoadCells(counted=None, segment=None, names=(name,), lines=line)
    computing._write_roads(tmp_path, roads, Cuts(np.array([0.5]), np.ones(3)))
    assert rows(tmp_path / "roads.csv")[1] == [f"'{name}", "1.0", "0.5"]
    assert event_report._most_cut(tmp_path)[0].name == name


def test_no_other_module_writes_a_table_as_text():
    package = Path(shakeslide.__file__).parent
    ways = (
        ".to_csv(",
        "pd.read_csv(",
        "csv.writer",
        "DictWriter",
        "write_csv",
        ".to_excel(",
        "savetxt",
    )
    writers = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(way in path.read_text(encoding="utf-8") for way in ways)
    ]
    assert writers == ["core/spreadsheets.py"]
