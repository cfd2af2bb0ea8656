"""The page: one file, safe from the texts it prints, with the numbers of the evaluation."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from shakeslide import report
from shakeslide.core import documents
from shakeslide.core.errors import InputError
from shakeslide.io import raster
from shakeslide.layers.positives import Positive
from shakeslide.learning.bundle import TrainedOn
from shakeslide.report import artefacts, drawing, figures, findings, places, words
from shakeslide.report import page as report_page
from shakeslide.results import evaluation_document, provenance_document
from shakeslide.results.evaluation_document import Spread, summary_of
from shakeslide.sampling import sample_table
from shakeslide.sources import source_files

from .fabricated import (
    EVIL,
    GRID,
    MODELS,
    PROVENANCE,
    STUDY,
    evaluation,
    fabricate,
    layer_row,
    sources_record,
    write_json,
    write_manifest,
    write_raster,
    write_uncertainty,
)

VOID = {"meta", "img", "br", "input"}


class Page(HTMLParser):
    """Elements, texts and tables of a page; complains of elements that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.facts: list[tuple[dict[str, str | None], list[str]]] = []
        self.tables: list[tuple[dict[str, Any], list[tuple[dict[str, Any], list[str]]]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))
        if "data-fact" in dict(attrs):
            self.facts.append((self.open[-1][1], []))
        if tag == "table":
            self.tables.append((dict(attrs), []))
        elif tag == "tr":
            self.tables[-1][1].append((dict(attrs), []))
        elif tag in ("td", "th"):
            self.tables[-1][1][-1][1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        inside = {tag for tag, _ in self.open}
        if "script" in inside:
            return
        self.texts.append(data)
        for attrs, texts in self.facts:
            if any(attrs is a for _, a in self.open):
                texts.append(data)
        if inside & {"td", "th"} and ("span", {"class": "short"}) not in self.open:
            self.tables[-1][1][-1][1][-1] += data

    @property
    def text(self) -> str:
        """All text, without style."""
        return " ".join(" ".join(self.texts).split())

    def told(self, name: str, **data: str) -> list[str]:
        """Texts of the elements that state a fact, with these data attributes."""
        wanted = {"data-fact": name} | {f"data-{k}": v for k, v in data.items()}
        return [
            " ".join("".join(texts).replace("\u00a0", " ").split())
            for attrs, texts in self.facts
            if wanted.items() <= attrs.items()
        ]

    def fact(self, name: str, **data: str) -> str:
        """Text of the one element that states a fact."""
        (text,) = self.told(name, **data)
        return text

    def data(self, name: str) -> dict[str, str | None]:
        """Data attributes of the one element that states a fact, without `data-`."""
        (attrs,) = (a for a, _ in self.facts if a["data-fact"] == name)
        return {k.removeprefix("data-"): v for k, v in attrs.items()}

    def rows(self, kind: str, **attributes: str) -> dict[str, list[str]]:
        """Cells of the rows of models of a table of this class."""
        for attrs, rows in self.tables:
            if kind in (attrs.get("class") or "") and attributes.items() <= attrs.items():
                return {a["data-model"]: cells[1:] for a, cells in rows if "data-model" in a}
        raise AssertionError(f"no table {kind} {attributes}")


@pytest.fixture(scope="module")
def page(run_folder: Path) -> Page:
    return Page((run_folder / "report.html").read_text(encoding="utf-8"))


def numbers(cell: str) -> list[float]:
    return [float(v) for v in re.findall(r"-?\d+(?:\.\d+)?", cell)]


# ------------------------------------------------------------------ one file, safe


def test_page_loads_nothing(run_folder: Path, page: Page) -> None:
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    for tag, attrs in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        if "src" in attrs:
            assert str(attrs["src"]).startswith("data:image/")
        assert tag == "a" or "href" not in attrs
        assert not [a for a in attrs if a.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    policy = next(a for t, a in page.elements if a.get("http-equiv"))
    assert "default-src 'none'" in str(policy["content"])
    # Of scripts, only the map's own may run: the data beside it are no script.
    data, script = scripts(text)
    assert data.startswith('type="application/json" id="map-data">{')
    digest = base64.b64encode(hashlib.sha256(script[1:].encode()).digest()).decode()
    allowed = re.findall(r"script-src ([^;]*)", str(policy["content"]))
    assert allowed == [f"'sha256-{digest}'"]


def scripts(text: str) -> list[str]:
    """Return the page's scripts, from the end of the tag's name."""
    return [s.lstrip(" ") for s in re.findall(r"(?s)<script(.*?)</script", text)]


def test_texts_never_become_markup(page: Page) -> None:
    # Name, description, title, layer, its source, factor and its source, input file, command.
    assert page.text.count(EVIL) >= 8
    assert len([t for t, _ in page.elements if t == "script"]) == 2
    assert any(EVIL in str(a.get("alt")) for _, a in page.elements)


def test_pictures_of_the_page_are_whole(page: Page) -> None:
    pictures = [a for t, a in page.elements if t == "img"]
    # Factors, maps, uncertainty, samples, scores and curves by protocol, importance.
    assert len(pictures) == 5 + 3 + 2 + 1 + 4 + 3
    for attrs in pictures:
        assert attrs["alt"]
        kind, _, code = str(attrs["src"]).partition(";base64,")
        start = {"data:image/png": b"\x89PNG", "data:image/webp": b"RIFF"}[kind]
        assert base64.b64decode(code, validate=True).startswith(start)


def test_size_of_the_page(run_folder: Path) -> None:
    assert (run_folder / "report.html").stat().st_size < 3_000_000


# ------------------------------------------------------------------ numbers


@pytest.mark.parametrize("protocol", ["pixel", "block"])
def test_scores_are_the_evaluations(run_folder: Path, page: Page, protocol: str) -> None:
    summary = json.loads((run_folder / "evaluation.json").read_text())["summary"]
    measures = ["oa", "precision", "recall", "f1", "mcc", "roc_auc", "pr_auc", "brier", "ece"]
    rows = page.rows("scores", **{"data-protocol": protocol})
    assert list(rows) == list(MODELS)
    for row in summary:
        if row["protocol"] != protocol:
            continue
        for measure, cell in zip(measures, rows[row["model"]], strict=True):
            scale, half = (100, 0.005) if measure in words.PERCENT else (1, 0.0005)
            mean, sd = numbers(cell)
            assert mean == pytest.approx(scale * row[measure]["mean"], abs=half * 1.001)
            assert sd == pytest.approx(scale * row[measure]["sd"], abs=half * 1.001)


def test_protocols_stand_side_by_side(run_folder: Path, page: Page) -> None:
    summary = json.loads((run_folder / "evaluation.json").read_text())["summary"]
    rows = page.rows("sides")
    for i, row in enumerate(summary):
        first = 2 * (i // len(MODELS))
        for j, (measure, scale, half) in enumerate((("oa", 100, 0.05), ("roc_auc", 1, 0.0005))):
            printed = numbers(rows[row["model"]][first + j])
            wanted = [scale * row[measure][k] for k in ("mean", "low", "high")]
            assert printed == pytest.approx(wanted, abs=half * 1.001)


def test_captured_shares(run_folder: Path, page: Page) -> None:
    rows = page.rows("captured")
    assert [numbers(c) for c in rows["rf"]] == [[36], [56], [36], [56]]
    assert [numbers(c) for c in rows["lr"]] == [[28], [48], [28], [48]]
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    table = text[text.index('class="numbers captured"') :]
    bold = re.findall(r'class="best[^"]*">(\d+)', table[: table.index("</table>")])
    assert bold == ["36", "56", "36", "56"]


def test_confusion_matrices(page: Page) -> None:
    found = [
        (attrs, [numbers(c) for _, cells in rows for c in cells[1:]])
        for attrs, rows in page.tables
        if attrs.get("class") == "matrix"
    ]
    assert len(found) == 2 * len(MODELS)
    # Block, settings, hashes; another protocol's area, differences, classes.
    assert [t for t, _ in page.elements].count("details") == 3 + 3
    for _, cells in found:
        assert cells[2:] == [[70, 87.5], [10, 12.5], [12, 15.0], [68, 85.0]]


def test_counts_and_facts(page: Page) -> None:
    known = 70 * 56 - 72
    for wanted in (f"{known:,}", "70 × 56", "M 7.25", "34.600° S, 73.300° E"):
        assert wanted in page.text.replace("\u00a0", " ")
    assert "85.9 ± 0.2 %" in page.fact("best", protocol="pixel", model="rf")
    assert "3 repeats" in page.fact("best", protocol="pixel")
    assert "3 folds" in page.fact("best", protocol="block")
    assert "870 m" in page.fact("blocks")
    assert "3.46 km²" in page.fact("key-area")
    assert "2.63 %" in page.fact("key-share")
    # The best AUC of the strictest protocol, and the models that are as good.
    auc = page.fact("key-auc")
    assert auc.endswith("0.849")
    assert re.findall(r"\b(RF|SAE|LR)\b", auc) == ["RF", "SAE", "LR"]


def test_the_map_comes_first(run_folder: Path, page: Page) -> None:
    found = places.find(artefacts.load(run_folder))
    assert found is not None
    answer, first = page.fact("answer", place="A"), found.ranked[0]
    assert first.centre.replace("\u00a0", " ") in answer
    assert places.hectares(first.expected) in answer
    ids = [str(a["id"]) for t, a in page.elements if t == "section"]
    assert ids[:3] == ["maps", "summary", "good"]
    assert ids.index("scores") < ids.index("factors")


def test_warnings_are_told(page: Page) -> None:
    assert page.text.count("covers 98 % of the grid") == 2  # in the summary and at its layer
    assert "1 invalid geometry repaired" in page.text
    assert "1 to 2" in page.text


@pytest.mark.usefixtures("undrawn")
def test_remarks_of_every_layer_are_told_and_escaped(tmp_path: Path) -> None:
    out = fabricate(tmp_path / "run", repeats=1)
    names = ("dem", "rivers", "inventory", "epicentre")
    rows = [
        layer_row(n, notes=[f"note of {n} {EVIL}"], warnings=[f"{n} {k} {EVIL}" for k in "ab"])
        for n in names
    ]
    report.write(out, report.StudyFacts(layers=rows, event=STUDY.event))
    page = Page((out / "report.html").read_text(encoding="utf-8"))
    assert len([t for t, _ in page.elements if t == "script"]) == 2
    for name in names:
        assert page.text.count(f"note of {name} {EVIL}") == 1
        for k in "ab":
            # In the summary and at the layer.
            assert page.text.count(f"{name} {k} {EVIL}") == 2
    alerts = [a for t, a in page.elements if a.get("class") == "note alert"]
    assert len(alerts) == 2 * len(names)


@pytest.mark.usefixtures("undrawn")
def test_samples_drawn_of_more_source_cells_are_told(tmp_path: Path, page: Page) -> None:
    # 200 cells about the median elevation: 100 are sources, as many as there are.
    # The landslides of the samples are numbered from 1 to 7.
    assert numbers(page.fact("sampled"))[:4] == [100, 7, 11, 100]
    assert page.data("positives")["drawn"] == page.data("positives")["of"] == "100"
    out = fabricate(tmp_path / "run", repeats=1)
    samples = sample_table.load(out / "samples.parquet")
    more = dataclasses.replace(
        samples, counts=dataclasses.replace(samples.counts, source_cells=4321)
    )
    sample_table.save(more, out / "samples.parquet")
    report.write(out, STUDY)
    told = Page((out / "report.html").read_text(encoding="utf-8"))
    assert numbers(told.fact("sampled").replace(",", ""))[:5] == [100, 4321, 7, 11, 100]
    assert (told.data("positives")["drawn"], told.data("positives")["of"]) == ("100", "4321")


@pytest.mark.usefixtures("undrawn")
def test_best_is_bold_and_lowest_brier_is_best(tmp_path: Path) -> None:
    out = fabricate(tmp_path / "run")
    result, brier = evaluation(2), {"lr": 0.1, "rf": 0.2, "sae": 0.3}
    rows = tuple(
        replace(row, brier=replace(row.brier, mean=brier[row.model])) for row in result.summary
    )
    evaluation_document.save(out, replace(result, summary=rows))
    report.write(out, STUDY)
    text = (out / "report.html").read_text(encoding="utf-8")
    table = text[text.index('class="numbers scores" data-protocol="pixel"') :]
    rows = {m: table[table.index(f'data-model="{m}"') :] for m in MODELS}
    bold = {m: re.findall(r'class="best">([\d.]+)', r[: r.index("</tr>")]) for m, r in rows.items()}
    assert "0.100" in bold["lr"]
    assert len(bold["rf"]) == 8  # all but the Brier score
    assert bold["sae"] == ["0.020"]  # ece, the same for all


def write_single(out: Path, advance: Callable[[float], None]) -> Page:
    """Write the report of one repeat, whose first score is undefined."""
    fabricate(out, repeats=1)
    result = evaluation(1, ("pixel",))
    first = replace(result.summary[0], precision=Spread())
    records = (replace(result.records[0], precision=None), *result.records[1:])
    evaluation_document.save(
        out, replace(result, summary=(first, *result.summary[1:]), records=records)
    )
    study = report.StudyFacts(layers=[layer_row("dem")])
    report.write(out, study, advance)
    return Page((out / "report.html").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("undrawn")
def test_a_single_repeat_and_undefined_scores(tmp_path: Path) -> None:
    page = write_single(tmp_path / "run", lambda _: None)
    assert page.data("scores")["single"] == "true"
    assert not [a for a, _ in page.tables if "sides" in (a.get("class") or "")]
    rows = page.rows("scores")
    assert rows["lr"][1] == "–"
    assert len(numbers(rows["rf"][0])) == 1
    assert not [a for _, a in page.elements if a.get("class") == "warning"]
    assert page.told("no-sources")


@pytest.mark.slow
@pytest.mark.usefixtures("coarse")
def test_undefined_scores_can_be_drawn_and_parts_of_the_work_add_up(tmp_path: Path) -> None:
    parts: list[float] = []
    write_single(tmp_path / "run", parts.append)
    assert sum(parts) == pytest.approx(1.0)
    assert min(parts) > 0


@pytest.fixture(scope="module")
def coarse_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose figures have few pixels."""
    out = fabricate(tmp_path_factory.mktemp("coarse") / "run")
    write_uncertainty(out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "DPI", 30)
        report.write(out, STUDY)
    return out


@pytest.mark.slow
@pytest.mark.usefixtures("coarse")
def test_outlines_and_marks_are_drawn_where_given(coarse_run: Path, tmp_path: Path) -> None:
    out = fabricate(tmp_path / "run")
    report.write(out, report.StudyFacts(layers=STUDY.layers, event=STUDY.event))
    changed = {
        p.name
        for p in (out / "figures").iterdir()
        if p.read_bytes() != (coarse_run / "figures" / p.name).read_bytes()
    }
    assert changed == {*(f"map_{m}.png" for m in MODELS), "factor_FD.png", "factors.png"}


def test_same_pictures_same_page(
    run_folder: Path, undrawn: drawing.Pictures, tmp_path: Path
) -> None:
    out = fabricate(tmp_path / "run")
    write_uncertainty(out)
    report.write(out, STUDY)
    assert (out / "report.html").read_bytes() == (run_folder / "report.html").read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("coarse")
def test_same_run_same_bytes(coarse_run: Path, tmp_path: Path) -> None:
    out = fabricate(tmp_path / "run")
    write_uncertainty(out)
    report.write(out, STUDY)
    for path in [out / "report.html", *(out / "figures").iterdir()]:
        assert path.read_bytes() == (coarse_run / path.relative_to(out)).read_bytes(), path.name


@pytest.mark.parametrize(
    "missing", ["samples.parquet", "evaluation.json", "provenance.json", "factors/DEM.tif"]
)
def test_missing_artefacts_are_named(tmp_path: Path, missing: str) -> None:
    out = fabricate(tmp_path / "run", repeats=1)
    (out / missing).unlink()
    with pytest.raises(InputError, match=re.escape(Path(missing).name)):
        report.write(out, STUDY)
    assert not (out / "report.html").exists()


@pytest.mark.parametrize(
    "summary",
    [None, [], [1], [{"model": "rf"}], [{"model": 1, "protocol": "pixel"}],
     [{"model": "rf", "protocol": "pixel", "oa": {"mean": "<b>"}}]],
)  # fmt: skip
def test_an_evaluation_without_a_summary_is_named(tmp_path: Path, summary: Any) -> None:
    out = fabricate(tmp_path / "run")
    told = json.loads((out / "evaluation.json").read_text())
    write_json(out / "evaluation.json", told | {"summary": summary})
    with pytest.raises(InputError, match=r"evaluation\.json: .*summary.*shakeslide evaluate"):
        artefacts.load(out)


def test_deeply_nested_json_is_named(tmp_path: Path) -> None:
    out = fabricate(tmp_path / "run")
    (out / "evaluation.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"evaluation\.json: is damaged"):
        artefacts.load(out)


@pytest.mark.parametrize("kind", ["probability", "class"])
def test_a_truncated_map_is_named(tmp_path: Path, kind: str) -> None:
    out = fabricate(tmp_path / "run")
    path = next((out / "maps").glob(f"*_{kind}.tif"))
    path.write_bytes(path.read_bytes()[:-200])
    with (
        pytest.raises(InputError, match=rf"{path.name}: cannot be read to the end"),
        raster.result(path) as src,
    ):
        src.read(1)


def test_classes_are_numbers_that_a_cell_can_have(tmp_path: Path) -> None:
    out = fabricate(tmp_path / "run")
    before = artefacts.load(out).maps[0]
    with rasterio.open(before.classes, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as src:
        src.update_tags(class_999="beyond", class_x="none", class_0="nodata")
    assert artefacts.load(out).maps[0].class_names == before.class_names


def test_damaged_evaluation_is_named(tmp_path: Path) -> None:
    out = fabricate(tmp_path / "run", repeats=1)
    (out / "evaluation.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"evaluation\.json: is damaged"):
        report.write(out, STUDY)


# ------------------------------------------------------------------ classes and words


def test_class_shares_count_every_cell(run_folder: Path) -> None:
    run = artefacts.load(run_folder)
    with rasterio.open(run_folder / "maps" / "rf_class.tif") as src:
        classes = src.read(1)
    table = run.samples.table[run.samples.table["label"] == 1]
    at = classes[table["row"], table["col"]]
    shares = artefacts.class_shares(run, run.maps[1])
    assert [s.code for s in shares] == [1, 2]
    for s in shares:
        assert s.area == pytest.approx((classes == s.code).sum() / (classes > 0).sum())
        assert s.sources == pytest.approx(np.mean(at == s.code))
        assert s.density == pytest.approx(s.sources / s.area)
    assert sum(s.area for s in shares) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (words.score("oa", 0.8565, 0.00104), "85.65 ± 0.10 %"),
        (words.score("oa", 0.8565, 0.00104, digits=1), "85.7 ± 0.1 %"),
        (words.score("roc_auc", 0.92849), "0.928"),
        (words.score("mcc", float("nan"), 0.1), "–"),
        (words.score("oa", None), "–"),
        (words.share(0.00939), "0.939 %"),
        (words.area(664.8e6), "665 km²"),
        (words.area(3.4632e6), "3.46 km²"),
        (words.length(500.0), "500 m"),
        (words.length(5000.0), "5 km"),
        (words.seconds(0.0305), "30 ms"),
        (words.seconds(150), "2.5 min"),
        (words.joined(["a", "b", "c"]), "a, b and c"),
        (words.plain([True, 0.25, None]), "yes, 0.25, –"),
        (words.unit("deg"), "°"),
    ],
)
def test_words(text: str, wanted: str) -> None:
    assert text.replace("\u00a0", " ") == wanted


def test_flat_settings() -> None:
    nested = {"a": {"b": 1, "c": {"d": "x"}}, "e": {}}
    assert words.flat(nested) == [("a.b", "1"), ("a.c.d", "x"), ("e", "–")]


def test_of_many_models_the_page_shows_the_best_four(run_folder: Path) -> None:
    run = artefacts.load(run_folder)
    aucs = {"a": 0.7, "b": 0.9, "c": 0.6, "d": 0.8, "e": 0.95, "f": 0.5}
    files = run.maps[0]
    summary = tuple(
        summary_of(p, m, 3, 0.5, {"roc_auc": Spread(auc if p == "block" else 1 - auc)})
        for p in ("pixel", "block")
        for m, auc in aucs.items()
    )
    many = replace(
        run,
        maps=[replace(files, model=m) for m in aucs],
        evaluation=replace(run.evaluation, summary=summary),
    )
    best = [files.model for files in findings.ranked(many)[: report_page.MOST_PLATES]]
    assert best == ["e", "b", "d", "a"]


def test_plates_and_classes_begin_with_the_best_model(run_folder: Path) -> None:
    # As the scores by blocks have it, whatever the order of the study.
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'data-plate="(\w+)"', text) == ["rf", "sae", "lr"]
    assert re.findall(r'<option value="(\w+)-probability">', text) == ["rf", "sae", "lr"]


# ------------------------------------------------------------------ what was learnt


def settled(tmp_path: Path, inventory: dict[str, Any], positives: Positive, **more: Any) -> Page:
    """Return the page of a run whose study has this inventory."""
    out = fabricate(tmp_path / "run", 1, positives)
    study = {"inventory": inventory, **more.pop("study", {})}
    told = replace(
        PROVENANCE, study=study, settings={**PROVENANCE.settings, **more.pop("settings", {})}
    )
    provenance_document.save(out, told)
    if "sources" in more:
        documents.write(out / source_files.NAME, more["sources"])
    report.write(out, STUDY)
    return Page((out / "report.html").read_text(encoding="utf-8"))


OF_OUTLINES = {"path": "all.gpkg", "buffer": 50.0, "ambiguous": [{"path": "x"}]}
# Factors, layers and data have sources too; "no source areas" is said on purpose.
OF_SOURCES = ("source cell", "landslide source", "are sources", "of sources", "sources among")


@pytest.mark.usefixtures("undrawn")
def test_whole_outlines_are_never_called_sources(tmp_path: Path) -> None:
    page = settled(tmp_path, OF_OUTLINES, Positive.OUTLINES)
    learnt = Positive.OUTLINES
    text = page.text.replace("\u00a0", " ")
    assert learnt.cells == "landslide cells"
    for fact in ("sampled", "key-share", "shown"):
        assert learnt.aside in page.fact(fact), fact
    assert learnt.definition in page.fact("definitions")
    for word in ("buffer", "ambiguous"):
        assert word in page.fact("definitions")
    for word in OF_SOURCES:
        assert word not in text, word


@pytest.mark.slow
@pytest.mark.usefixtures("sketched")
def test_pictures_of_whole_outlines_are_never_called_of_sources(tmp_path: Path) -> None:
    page = settled(tmp_path, OF_OUTLINES, Positive.OUTLINES)
    for word in OF_SOURCES:
        assert not [a for _, a in page.elements if word in str(a.get("alt"))], word
    alts = [str(a.get("alt")) for _, a in page.elements]
    assert any("sampled landslide cells" in alt for alt in alts)


@pytest.mark.usefixtures("undrawn")
def test_mapped_sources_are_called_so(tmp_path: Path) -> None:
    page = settled(tmp_path, {"path": "all.gpkg"}, Positive.SOURCES)
    assert Positive.SOURCES.definition in page.fact("definitions")
    assert Positive.SOURCES.cells in page.fact("key-share")
    assert "whole outlines" not in page.text
    for word in ("buffer", "ambiguous"):
        assert word not in page.fact("definitions")


@pytest.mark.usefixtures("undrawn")
def test_cells_of_points_are_called_so(tmp_path: Path) -> None:
    page = settled(tmp_path, {"path": "all.gpkg"}, Positive.POINTS)
    assert Positive.POINTS.aside in page.fact("sampled")
    assert "whole outlines" not in page.text


@pytest.mark.usefixtures("undrawn")
def test_how_sources_were_told_is_in_the_summary(tmp_path: Path) -> None:
    told = sources_record(
        landslides=2677,
        methods={"S3": 442, "S2": 30, "whole": 2205},
        area_m2=4.0e6,
        source_m2=3.0e6,
    )
    page = settled(tmp_path, {"path": "a.gpkg"}, Positive.EXTRACTED, sources=told)
    assert Positive.EXTRACTED.aside in page.fact("sampled")
    text = page.fact("extraction")
    assert re.findall(r"[\d,]+ ?%?|S\d", text) == [
        "75 %", "2,677 ", "442 ", "S3", "30 ", "S2", "2,205 ",
    ]  # fmt: skip
    # What lies there of another way of learning is not told.
    (tmp_path / "other").mkdir()
    plain = settled(tmp_path / "other", {"path": "a.gpkg"}, Positive.OUTLINES, sources=told)
    assert not plain.told("extraction")


# ------------------------------------------------------------------ what the maps show


def probability(out: Path, model: str, value: float) -> None:
    """Write a map of probabilities at the area's share: one value, with a corner of none."""
    p = np.full(GRID.shape, value, np.float32)
    p[:8, :9] = np.nan
    p[60:] = 2 * value
    tags = {"shows": "probability"}
    write_raster(out / "maps" / f"{model}_probability.tif", p, tags=tags, cloud_optimised="average")


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("calibration", ["none", "platt"])
def test_means_of_the_maps_stand_beside_the_areas_share(tmp_path: Path, calibration: str) -> None:
    out = fabricate(tmp_path / "run", repeats=1)
    for k, model in enumerate(MODELS):
        probability(out, model, 0.02 * (k + 1))
    evaluation_document.save(out, replace(evaluation(1), calibration=calibration))
    report.write(out, STUDY)
    page = Page((out / "report.html").read_text(encoding="utf-8"))
    assert page.told("calibration", calibration=calibration)
    # 560 of 70 x 56 - 72 cells have twice the value.
    means = [f"{2 * (k + 1) * (1 + 560 / (70 * 56 - 72)):.3g} %" for k in range(3)]
    told = f"{means[0]} (LR), {means[1]} (RF) and {means[2]} (SAE)"
    for share in (told, "2.63 %"):
        assert share in page.fact("shown", shows="probability")
        assert [share in text for text in page.told("uncalibrated")] == (
            [True] if calibration == "none" else []
        )


def test_susceptibility_needs_no_calibration(page: Page) -> None:
    assert not page.told("uncalibrated")
    assert page.told("shown", shows="susceptibility")


@pytest.mark.usefixtures("undrawn")
def test_rows_of_the_mapped_models_are_told(tmp_path: Path, page: Page) -> None:
    assert not page.told("trained")
    out = fabricate(tmp_path / "run", repeats=1)
    about = TrainedOn(seed=7, rows=40, sample_share=0.5, prevalence=0.03)
    for model in ("lr", "rf"):
        write_manifest(out, model, about)
    write_manifest(out, "sae", replace(about, static=True, rows=50))
    report.write(out, STUDY)
    told = Page((out / "report.html").read_text(encoding="utf-8"))
    assert numbers(told.fact("trained")) == [40, 200, 0.2]


# ------------------------------------------------------------------ plain words


def test_leads_that_are_not_resolved_are_said_so(page: Page) -> None:
    # Those of the fabricated pixel protocol are significant, those of the blocks are not.
    blocks, pixels = (page.fact("best", protocol=p, model="rf") for p in ("block", "pixel"))
    assert re.search(r"0\.849 .*SAE and LR", blocks)
    assert re.search(r"85\.9 ± 0\.2 % at a threshold of 0\.5;", pixels)


def test_factors_are_named_beside_their_codes(page: Page) -> None:
    assert "Elevation (DEM)" in page.fact("gain", code="DEM")
    names = [rows[i][1][0] for a, rows in page.tables if "permutation" in (a.get("class") or "")
             for i in range(len(rows)) if "data-model" in rows[i][0]]  # fmt: skip
    assert names[0].split(" ", 3)[:3] == ["DEM", "and", "TPI"]
    assert names[0].endswith("Elevation, Topographic position index")


@pytest.mark.usefixtures("undrawn")
def test_all_tables_of_the_study_are_among_the_settings(tmp_path: Path) -> None:
    inventory = {
        "path": "all.gpkg",
        "where": "year = 2005",
        "ambiguous": [{"path": "old.gpkg"}, {"path": "clouds.gpkg", "where": "a > 1"}],
    }
    page = settled(
        tmp_path,
        inventory,
        Positive.SOURCES,
        study={"layers": {"dem": {"path": "dem.tif", "source": "made"}}},
        settings={"masks": [{"path": "lakes.gpkg", "map_value": 0}]},
    )
    wanted = [
        "layers.dem.path dem.tif layers.dem.source made",
        "inventory.ambiguous.0.path old.gpkg inventory.ambiguous.1.path clouds.gpkg",
        "inventory.ambiguous.1.where a > 1",
        "masks.0.path lakes.gpkg masks.0.map_value 0",
        "inventory.path all.gpkg",
        "inventory.positives_from mapped",
        "inventory.small leave",
    ]
    for text in wanted:
        assert text in page.text
