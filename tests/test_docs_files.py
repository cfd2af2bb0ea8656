"""The tutorial's table has every file that a run leaves."""

from __future__ import annotations

import re
from pathlib import Path

from shakeslide import pipeline

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"


def test_every_file_of_a_run_is_in_the_tutorial(finished: pipeline.Run) -> None:
    text = TUTORIAL.read_text(encoding="utf-8").split("## 2. ")[1].split("## 3. ")[0]
    told = " ".join(re.findall(r"^\| (.+?) \|", text, re.M)).replace("`.csv`", "`evaluation.csv`")
    made = {p.name for p in finished.out.iterdir() if not p.name.startswith(".")}
    assert {"samples.parquet", "class_areas.parquet", "evaluation.json", "maps"} <= made
    reported = {"report.html", "summary.pdf", "places.csv", "places.geojson", "shakeslide.qgs"}
    for name in made | reported | {"provenance.json"}:
        assert f"`{name}" in told, name
