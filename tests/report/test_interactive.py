"""The map that the reader moves: its bytes against the files, and the page in a real browser."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from shakeslide.report import StudyFacts, artefacts, interactive

from .fabricated import CELL, GRID, LIMITS, MODELS, STUDY, THRESHOLD

CHROMIUM = next((p for n in ("chromium", "google-chrome") if (p := shutil.which(n))), None)
browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def run(run_folder: Path) -> artefacts.Artefacts:
    return artefacts.load(run_folder)


@pytest.fixture(scope="module")
def made(run: artefacts.Artefacts) -> interactive.InteractiveMap:
    told = interactive.interactive_map(run, STUDY)
    assert told is not None
    return told


def codes_of(made: interactive.InteractiveMap, layer: str) -> np.ndarray:
    uri = made.data.images[made.data.layers[layer].image].uri
    kind, _, code = uri.partition(";base64,")
    assert kind == "data:image/webp"
    image = Image.open(io.BytesIO(base64.b64decode(code)))
    bands = np.asarray(image.convert("RGB"))
    assert (bands == bands[..., :1]).all()
    return bands[..., 0]


def layer_of(made: interactive.InteractiveMap, layer: str) -> Any:
    return made.data.layers[layer]


def values_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as src:
        return np.asarray(src.read(1))


FILES = {
    **{f"{m}-probability": f"{m}_probability" for m in MODELS},
    "rf-sd": "rf_sd",
    "applicability": "applicability",
}

# ------------------------------------------------------------------ bytes


@given(
    arrays.arrays(
        np.float32,
        (6, 7),
        elements=st.one_of(st.just(np.nan), st.floats(0, 1, width=32, allow_subnormal=False)),
    ),
    st.none() | st.floats(2**-10, 1, width=32),
    st.sampled_from([1.0, 1.5, 2.0]),
    st.sampled_from([16, 128, 255]),
)
def test_a_code_tells_the_value_to_half_a_bin(
    values: np.ndarray, limit: float | None, power: float, count: int
) -> None:
    byte = interactive.coded(values, limit, power=power, count=count)
    known = np.isfinite(values)
    assert ((byte.codes == 0) == ~known).all()
    assert len(byte.values) <= 255
    assert (np.diff(byte.edges) >= 0).all()
    at = byte.codes[known].astype(int) - 1
    assert (np.abs(byte.values[at] - values[known]) <= byte.halves[at] + 1e-9).all()
    if limit is not None:
        # On either side of the limit the codes differ.
        below, above = byte.codes[known & (values <= limit)], byte.codes[known & (values > limit)]
        assert not below.size or not above.size or below.max() < above.min()


def test_nothing_known_has_no_codes() -> None:
    assert not interactive.coded(np.full((3, 3), np.nan, np.float32)).codes.any()
    assert interactive.coded(np.zeros((3, 3), np.float32)).values[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("layer", "file"), FILES.items())
def test_pictures_hold_the_files_values(
    run_folder: Path, made: interactive.InteractiveMap, layer: str, file: str
) -> None:
    values, codes = values_of(run_folder / "maps" / f"{file}.tif"), codes_of(made, layer)
    about = layer_of(made, layer)
    known = np.isfinite(values)
    assert ((codes > 0) == known).all()
    at = codes[known].astype(int) - 1
    error = np.abs(np.array(about.values)[at] - values[known])
    assert (error <= np.array(about.halves)[at] + 1e-6).all()
    stated = next(x for x in made.layers if x.id == layer).legend.precision
    assert error.max() <= float(stated) + 1e-6
    assert float(stated) == pytest.approx(max(about.halves), rel=0.1)


def test_pictures_hold_the_files_classes(
    run_folder: Path, made: interactive.InteractiveMap
) -> None:
    for model in MODELS:
        classes = values_of(run_folder / "maps" / f"{model}_class.tif")
        assert (codes_of(made, f"{model}-class") == classes).all()
        assert layer_of(made, f"{model}-class").names == list(LIMITS.values())


def test_beyond_the_limit_has_its_own_colour(
    run_folder: Path, made: interactive.InteractiveMap
) -> None:
    index = values_of(run_folder / "maps" / "applicability.tif")
    codes, colours = (
        codes_of(made, "applicability"),
        layer_of(made, "applicability").colours,
    )
    outside = [colours[i : i + 6] == "d55e00" for i in range(0, len(colours), 6)]
    drawn = np.array([False, *outside])[codes]
    assert (drawn == (index > np.float32(THRESHOLD))).all()
    assert drawn.any()


def test_large_grids_are_means_and_say_so(
    run: artefacts.Artefacts, made: interactive.InteractiveMap, run_folder: Path
) -> None:
    coarse = interactive.interactive_map(run, STUDY, most=500)
    assert coarse is not None
    # 70 x 56 cells; 18 x 14 = 252 is the finest power of two below 500.
    assert coarse.data.shape == (18, 14)
    assert coarse.data.cell == (4 * CELL, 4 * CELL)
    assert (coarse.step, made.step) == (4, 1)
    p = values_of(run_folder / "maps" / "rf_probability.tif")
    row, col = 7, 5
    wanted = p[4 * row : 4 * row + 4, 4 * col : 4 * col + 4].mean()
    about = layer_of(coarse, "rf-probability")
    code = codes_of(coarse, "rf-probability")[row, col] - 1
    assert about.values[code] == pytest.approx(wanted, abs=about.halves[code] + 1e-6)


def test_the_best_model_comes_first(made: interactive.InteractiveMap) -> None:
    # By the AUC on blocks held out: of the fabricated scores the forest's is the highest.
    groups = [layer.id.partition("-")[0] for layer in made.layers if layer.id.endswith("class")]
    assert groups == ["rf", "sae", "lr"]
    assert made.layers[0].id == "rf-probability"


def test_nothing_mapped_no_map(run: artefacts.Artefacts) -> None:
    assert interactive.interactive_map(replace(run, maps=[]), STUDY) is None


# ------------------------------------------------------------------ lines


def places(overlay: interactive.Overlay, line: int = 0) -> np.ndarray:
    steps = np.array(overlay.lines[line]).reshape(-1, 2)
    left, top = GRID.boundingbox.left, GRID.boundingbox.top
    return np.cumsum(steps, axis=0) * overlay.unit * (1, -1) + (left, top)


def test_outlines_and_marks_lie_where_they_are(made: interactive.InteractiveMap) -> None:
    assert [(o.id, o.shown) for o in made.data.overlays.values()] == [
        ("outlines", True),
        ("lines-FD", False),
    ]
    ring = shapely.Polygon(places(made.data.overlays["outlines"]))
    given = STUDY.outlines[0]
    assert ring.symmetric_difference(given).area < 0.1 * given.area
    line = places(made.data.overlays["lines-FD"])
    # The mark starts and ends beyond the map, whose left edge is at 340,000.
    assert line[0] == pytest.approx([340_000, 3_838_833.3], abs=CELL / 8)
    assert line[-1][0] == pytest.approx(GRID.boundingbox.right, abs=CELL / 8)


def test_source_areas_are_laid_over_where_the_run_made_them(
    run: artefacts.Artefacts, tmp_path: Path
) -> None:
    inside, far = shapely.Point(341_000, 3_839_000), shapely.Point(400_000, 3_839_000)
    frame = gpd.GeoDataFrame(geometry=[inside.buffer(100), far.buffer(100)], crs="EPSG:32643")
    frame.to_file(tmp_path / "sources.gpkg", layer="source")
    told = interactive.interactive_map(replace(run, out=tmp_path), StudyFacts())
    assert told is not None
    assert [o.id for o in told.data.overlays.values()] == ["sources"]
    (ring,) = told.data.overlays["sources"].lines
    assert shapely.Polygon(places(told.data.overlays["sources"])).contains(inside)
    assert len(ring) > 8


def test_the_same_lines_are_offered_once(run: artefacts.Artefacts) -> None:
    lines = STUDY.marks["FD"]
    points = np.array([shapely.Point(341_000, 3_839_000)])
    marks = {"FD": lines, "DEM": lines, "TPI": points, "XX": lines}
    told = interactive.interactive_map(run, StudyFacts(marks=marks))
    assert told is not None
    assert [o.id for o in told.data.overlays.values()] == ["lines-FD"]


# ------------------------------------------------------------------ in a browser

WATCH = """
window.wrong = [];
window.addEventListener("error", (e) => window.wrong.push(String(e.message)));
window.addEventListener("unhandledrejection", (e) => window.wrong.push(String(e.reason)));
document.addEventListener("securitypolicyviolation", (e) => window.wrong.push(e.violatedDirective));
// Without a screen, frames come when they like.
window.requestAnimationFrame = (draw) => setTimeout(draw, 0);
// The browser's clock leaps when nothing is due, though a picture is still being decoded.
const beat = setInterval(() => document.getElementById("told") && clearInterval(beat), 1);
console.error = console.warn = (...parts) => window.wrong.push(parts.join(" "));
"""


def loaded(page: Path, folder: Path, script: str, *options: str) -> tuple[Any, str]:
    """Return what an async script says of a page in a headless browser, and the browser's log.

    The script and a watch for errors get into a copy of the page, which allows just them.
    """
    text = page.read_text(encoding="utf-8")
    run = f"""(async () => {{
      let told;
      const wrong = window.wrong;
      try {{
        told = await (async () => {{ {script} }})();
      }} catch (error) {{
        wrong.push(String(error));
      }}
      const names = performance.getEntriesByType("resource").map((r) => r.name);
      const remote = names.filter((name) => !name.startsWith("data:"));
      const out = document.createElement("pre");
      out.id = "told";
      out.textContent = JSON.stringify({{ told, wrong, remote }});
      document.body.append(out);
    }})();"""
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in (WATCH, run)]
    allowed = " ".join(f"'sha256-{h}'" for h in hashes)
    assert text.count("script-src ") == 1
    text = text.replace("script-src ", f"script-src {allowed} ")
    text = text.replace("<style>", f"<script>{WATCH}</script><style>", 1)
    text = text.replace("</body>", f"<script>{run}</script></body>")
    copy = folder / "copy.html"
    copy.write_text(text, encoding="utf-8")
    for _ in range(3):  # on a busy machine even that may be too fast
        dom, log = chromium(copy, folder, "--dump-dom", *options)
        if found := re.search(r'(?s)<pre id="told">(.*?)</pre>', dom):
            break
    assert found, log
    result = json.loads(html.unescape(found[1]))
    assert result["wrong"] == []
    assert result["remote"] == []
    return result["told"], log


def chromium(page: Path, folder: Path, *options: str) -> tuple[str, str]:
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--window-size=1200,1000",
        "--virtual-time-budget=600000",
        f"--user-data-dir={folder / 'profile'}",
        *options,
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return done.stdout, done.stderr


@browser
def test_the_page_as_written_says_nothing_to_the_console(run_folder: Path, tmp_path: Path) -> None:
    dom, log = chromium(run_folder / "report.html", tmp_path, "--dump-dom")
    assert "CONSOLE" not in log
    # The script ran: it shows the map, which is hidden without it.
    assert re.search(r'<div id="map" class="map">', dom)


@browser
def test_values_in_the_browser_are_the_files(run_folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    rows, cols = rng.integers(0, 70, 20), rng.integers(0, 56, 20)
    rows[0], cols[0] = 2, 2  # without a value
    x = (340_000 + (cols + rng.uniform(0.05, 0.95, 20)) * CELL).tolist()
    y = (3_840_000 - (rows + rng.uniform(0.05, 0.95, 20)) * CELL).tolist()
    script = f"""
      const map = window.shakeslideMap, told = {{}}, x = {x}, y = {y};
      await map.ready;
      for (const id of map.layers()) {{
        await map.show(id);
        if (map.active() !== id) throw new Error(id);
        told[id] = x.map((_, i) => map.value_at(x[i], y[i]));
      }}
      told.outside = map.value_at(339990, 3839000);
      return told;
    """
    told, _ = loaded(run_folder / "report.html", tmp_path, script)
    assert told.pop("outside") is None
    assert set(told) == {*FILES, *(f"{m}-class" for m in MODELS)}
    for layer, file in FILES.items():
        values = values_of(run_folder / "maps" / f"{file}.tif")[rows, cols]
        assert np.isnan(values[0])
        for wanted, got in zip(values, told[layer], strict=True):
            if np.isnan(wanted):
                assert got is None
                continue
            assert got["value"] == pytest.approx(wanted, abs=got["half"] + 1e-6)
            assert got["half"] < 0.02
    names = artefacts.load(run_folder).maps[0].class_names
    for model in MODELS:
        classes = values_of(run_folder / "maps" / f"{model}_class.tif")[rows, cols]
        wanted = [{"name": names[k]} if k else None for k in classes]
        assert told[f"{model}-class"] == wanted


@pytest.mark.slow
@browser
def test_the_map_moves_by_mouse_fingers_buttons_and_keys(run_folder: Path, tmp_path: Path) -> None:
    script = """
      const map = window.shakeslideMap, canvas = document.getElementById("map-canvas");
      const by = (id) => document.getElementById(id);
      await map.ready;
      const seen = { start: map.view() };
      const at = (type, id, x, y, kind = "mouse") => canvas.dispatchEvent(new PointerEvent(type, {
        pointerId: id, pointerType: kind, clientX: canvas.getBoundingClientRect().left + x + 1,
        clientY: canvas.getBoundingClientRect().top + y + 1, bubbles: true,
      }));
      const key = (name) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key: name }));
      const whole = () => by("map-whole").click();
      at("pointerdown", 1, 200, 200); at("pointermove", 1, 260, 170); at("pointerup", 1, 260, 170);
      seen.dragged = map.view();
      whole();
      seen.whole = map.view();
      at("pointerdown", 1, 200, 200, "touch"); at("pointermove", 1, 200, 100, "touch");
      at("pointercancel", 1, 200, 100, "touch");
      seen.brushed = map.view();
      at("pointerdown", 1, 200, 200, "touch"); at("pointerdown", 2, 300, 200, "touch");
      at("pointermove", 2, 400, 200, "touch");
      at("pointerup", 1, 200, 200, "touch"); at("pointerup", 2, 400, 200, "touch");
      seen.pinched = map.view();
      whole();
      by("map-in").click(); seen.closer = map.view();
      by("map-out").click(); seen.farther = map.view();
      whole();
      const turn = { deltaY: -100, cancelable: true };
      const wheel = () => canvas.dispatchEvent(new WheelEvent("wheel", turn));
      seen.scrolled = !wheel() || map.view().scale !== seen.whole.scale;
      canvas.focus(); seen.wheeled = !wheel() && map.view().scale > seen.whole.scale;
      key("0"); seen.zero = map.view();
      key("+"); key("ArrowLeft"); seen.keyed = map.view();
      seen.told = by("map-told").textContent;
      seen.value = map.value_at(seen.keyed.x, seen.keyed.y);
      by("map-layer").value = "rf-sd"; by("map-layer").dispatchEvent(new Event("change"));
      await map.show("rf-sd");
      const legends = [...document.querySelectorAll("[data-legend]:not([hidden])")];
      seen.legends = legends.map((legend) => legend.dataset.legend);
      seen.label = by("map-told").textContent;
      return seen;
    """
    seen, _ = loaded(run_folder / "report.html", tmp_path, script)
    start, scale = seen["start"], seen["start"]["scale"]
    assert (start["x"], start["y"]) == (340_840, 3_838_950)
    assert seen["dragged"]["x"] == pytest.approx(start["x"] - 60 / scale)
    assert seen["dragged"]["y"] == pytest.approx(start["y"] - 30 / scale)
    assert seen["whole"] == seen["zero"] == start
    assert seen["brushed"] == start  # one finger scrolls the page
    assert seen["pinched"]["scale"] == pytest.approx(2 * scale)
    assert seen["closer"]["scale"] == pytest.approx(1.5 * scale)
    assert seen["farther"]["scale"] == pytest.approx(scale)
    assert seen["scrolled"] is False
    assert seen["wheeled"] is True
    assert seen["keyed"]["x"] == pytest.approx(start["x"] - 60 / (1.5 * scale))
    told = re.match(r"Susceptibility \(RF\): ([\d.]+) ± ([\d.]+) · x 340", seen["told"])
    assert told
    assert float(told[1]) == pytest.approx(seen["value"]["value"], abs=float(told[2]))
    # WGS 84 of the place at the centre, by the library.
    lon, lat = GRID.crs.transformer_to_crs("EPSG:4326")(seen["keyed"]["x"], seen["keyed"]["y"])
    place = re.search(r"([\d.]+)° N, ([\d.]+)° E$", seen["told"])
    assert place
    assert [float(v) for v in place.groups()] == pytest.approx([lat, lon], abs=6e-5)
    assert seen["legends"] == ["rf-sd"]
    assert seen["label"].startswith("Standard deviation (RF): 0.0")


@pytest.mark.slow
@browser
def test_no_value_is_told_of_altered_pictures(run_folder: Path, tmp_path: Path) -> None:
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    altered = tmp_path / "altered.html"
    # As if the browser had read one code wrongly in the first picture.
    altered.write_text(
        re.sub(r'"sum": ?(\d+)', lambda m: f'"sum": {int(m[1]) + 1}', text, count=1),
        encoding="utf-8",
    )
    script = """
      const map = window.shakeslideMap, seen = {}, canvas = document.getElementById("map-canvas");
      for (const id of ["rf-probability", "lr-probability"]) {
        await map.show(id);
        canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
        const told = document.getElementById("map-told").textContent;
        seen[id] = [map.value_at(340840, 3838950), told];
      }
      return seen;
    """
    seen, _ = loaded(altered, tmp_path, script)
    value, told = seen["rf-probability"]
    assert value is None
    assert told.startswith("Susceptibility (RF): not shown")
    value, told = seen["lr-probability"]
    assert value["value"] > 0.5
    assert told.startswith("Susceptibility (LR): 0.")


@browser
def test_what_is_drawn_follows_the_choices(run_folder: Path, tmp_path: Path) -> None:
    script = """
      const map = window.shakeslideMap, canvas = document.getElementById("map-canvas");
      const next = () => new Promise(requestAnimationFrame);
      const set = async (id, change) => {
        const overlay = `[data-overlay="${id}"]`;
        const part = document.getElementById(id) || document.querySelector(overlay);
        change(part);
        part.dispatchEvent(new Event(part.type === "range" ? "input" : "change"));
        await next();
        await next();
      };
      const pixel = (x, y) => {
        const seen = map.view(), ratio = window.devicePixelRatio;
        const u = canvas.width / 2 + (x - seen.x) * seen.scale * ratio;
        const v = canvas.height / 2 - (y - seen.y) * seen.scale * ratio;
        return [...canvas.getContext("2d").getImageData(Math.round(u), Math.round(v), 1, 1).data];
      };
      const told = {};
      await map.ready;
      await map.show("applicability");
      await set("map-opacity", (p) => (p.value = 100));
      await set("outlines", (p) => (p.checked = false));
      told.outside = pixel(341000, 3840000 - 65.5 * 30);
      told.none = pixel(340100, 3839900);
      await set("map-opacity", (p) => (p.value = 0));
      await set("map-shade", (p) => (p.checked = false));
      told.bare = pixel(341000, 3840000 - 65.5 * 30);
      await set("map-shade", (p) => (p.checked = true));
      told.shaded = pixel(341000, 3840000 - 25.5 * 30);
      await set("outlines", (p) => (p.checked = true));
      told.ring = [];
      for (let x = 341030; x < 341070; x++) told.ring.push(pixel(x, 3839000));
      return told;
    """
    told, _ = loaded(run_folder / "report.html", tmp_path, script)
    assert told["outside"] == [0xD5, 0x5E, 0x00, 255]
    assert told["none"][:3] != told["outside"][:3]
    assert told["bare"] == [0xDB, 0xDE, 0xE0, 255]
    red, green, blue, _ = told["shaded"]
    assert max(red, green, blue) - min(red, green, blue) <= 4
    assert told["shaded"] != told["bare"]
    nearest = min(told["ring"], key=lambda c: abs(c[0]) + abs(c[1] - 0xB4) + abs(c[2] - 0xD8))
    assert nearest[2] - nearest[0] > 100
