"""A tiny study, and ways to damage its text, its layers and the records of its results."""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from numpy.random import Generator

from shakeslide.cli.template import toml
from shakeslide.study import settings as studies
from shakeslide.study.factor_settings import FACTOR_FUNCTIONS, PAPER_FACTORS

CRS = "EPSG:32643"
CELLS, CELL = 40, 30.0
WEST, NORTH = 340_000.0, 3_840_000.0
SIDE = CELLS * CELL
TRANSFORM = Affine(CELL, 0, WEST, 0, -CELL, NORTH)

STUDY: dict[str, Any] = {
    "study": {"name": "Tiny", "seed": 7},
    "event": {"epicentre": [73.25, 34.68], "magnitude": 7.0},
    "grid": {"tile": 32},
    "layers": {
        "dem": {"path": "dem.tif"},
        "intensity": {"path": "intensity.gpkg", "column": "mmi"},
        "rupture": {"path": "rupture.geojson"},
        "aftershocks": {
            "path": "aftershocks.csv",
            "x": "longitude",
            "y": "latitude",
            "crs": "EPSG:4326",
        },
        "lithology": {"path": "lithology.gpkg", "column": "unit"},
        "faults": {"path": "faults.shp"},
        "rivers": {"path": "rivers.gpkg"},
        "soil": {"path": "soil.tif"},
        "pga": {"path": "pga.tif"},
    },
    "factors": {
        "RER": {"window": 150},
        "PGA": {"function": "value", "layer": "pga", "unit": "g"},
        "UPA": {"function": "upstream_area"},
    },
    "masks": [{"path": "lakes.gpkg", "map_value": "nodata"}],
    "inventory": {"path": "landslides.gpkg", "where": "year = 2005"},
    "samples": {},
    "evaluation": {"repeats": 2, "folds": 2, "block_size": 300, "buffer": 30},
}
"""The study whose parts are damaged."""
LAYERS = (
    "dem.tif", "intensity.gpkg", "rupture.geojson", "aftershocks.csv", "lithology.gpkg",
    "faults.shp", "rivers.gpkg", "soil.tif", "pga.tif", "lakes.gpkg", "landslides.gpkg",
)  # fmt: skip
RASTERS = [name for name in LAYERS if name.endswith(".tif")]
VECTORS = [name for name in LAYERS if not name.endswith(".tif")]


class Raw(str):
    """A value as it stands in the file."""


ODD = tuple(
    Raw(text)
    for text in (
        "nan", "inf", "-inf", "-1", "0", "1", "2", "3.7", "16", "1e-300", "1e-3", "1e300", "-0.0",
        "9223372036854775807", "-9223372036854775808", "true", "false", '""', '" "', '"x"', "[]",
        "[[]]", "[1]", "[1, 2]", "[2, 1]", "[nan, 1]", "[1, 2, 3, 4]", "[4, 3, 2, 1]", "{}",
        "{a = 1}", "{path = 'dem.tif'}", "[{path = 'lakes.gpkg'}]", "2005-10-08", "12:00:00",
        "2005-10-08T03:50:40Z", "0001-01-01", "9999-12-31", '"2005"', '"nan"', '"auto"',
        '"dem.tif"', '"rivers.gpkg"', '"aftershocks.csv"', '"nothing.tif"', '"."', '"/"',
        '"/dev/null"', '"/dev/zero"', '"~/x"', '"a\\nb"', '"a\\u0000b"', '"C:\\\\a"', '"é\\u202e"',
        '"EPSG:4326"', '"EPSG:3857"', '"EPSG:32643+5773"', '"EPSG:4978"', '"EPSG:32718"',
        '"+proj=tmerc +lat_0=34 +lon_0=73 +units=km"', '"LOCAL_CS[\\"x\\"]"', '"1=1"', '"1=0"',
        '"year"', '"year = 2005; DROP TABLE x"', '"year IN (SELECT 1)"', '"\\"yaer\\" <> 1"',
        '"mmi"', '"geometry"', '"fid"', '"unit"', '"slope"', '"value"', '"category"', '"density"',
        '"distance"', '"epicentre"', '"cp1251"', '"utf-16"', '"base64"', '"lr"', '["lr", "lr"]',
        '["pixel"]', '["event"]', '"nodata"', '"S" ', "0x" + "f" * 40, "1" * 400,
        "[" * 60 + "]" * 60,        '"' + "x" * 3000 + '"', '"' + "y/" * 3000 + '"',
    )
)  # fmt: skip
"""Values that some key somewhere may not bear."""


def make(folder: Path) -> None:
    """Write the layers and the study file."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[0:CELLS, 0:CELLS] * CELL
    z = 1500 + 0.2 * x + 80 * np.sin(x / 170) * np.cos(y / 210) + 0.1 * y
    raster(folder / "dem.tif", z.astype(np.float32))
    raster(folder / "soil.tif", (1 + (x // 400 + y // 500) % 3).astype(np.int16), nodata=-1)
    raster(folder / "pga.tif", (0.3 + x / 8000).astype(np.float32))
    bands = [box(-5, 8 * i - 5, CELLS + 10, 8 + 5 * (i == 0)) for i in range(6)]
    frame(bands, mmi=[8.5, 8.0, 7.5, 7.0, 6.5, 6.0]).to_file(folder / "intensity.gpkg")
    units = ["schist", "granite", None, "limestone"]
    frame([box(10 * i, -5, 10, CELLS + 10) for i in range(4)], unit=units).to_file(
        folder / "lithology.gpkg"
    )
    line = shapely.LineString
    lines = [line([at(-9, -5), at(20, 16), at(60, 55)]), line([at(5, 35), at(35, 30)])]
    frame(lines[:1]).to_crs(4326).to_file(folder / "rupture.geojson", driver="GeoJSON")
    frame(lines).to_file(folder / "faults.shp")
    frame([line([at(c, 20 + 5 * np.sin(c / 4)) for c in range(-3, 44)])]).to_file(
        folder / "rivers.gpkg"
    )
    rng = np.random.default_rng(4)
    shocks = gpd.GeoSeries(
        [shapely.Point(at(*rng.uniform(0, CELLS, 2))) for _ in range(30)], crs=CRS
    )
    shocks = shocks.to_crs(4326)
    pd.DataFrame(
        {"longitude": shocks.x, "latitude": shocks.y, "magnitude": 4 + rng.exponential(0.4, 30)}
    ).to_csv(folder / "aftershocks.csv", index=False)
    frame([box(30, 30, 5, 4)]).to_file(folder / "lakes.gpkg")
    corners = [(c, r) for c in range(1, 38, 6) for r in range(1, 38, 5)]
    frame(
        [box(c - 0.2, r - 0.3, 2.1, 3.2) for c, r in corners],
        year=[2005 if i % 5 else 2001 for i in range(len(corners))],
    ).to_file(folder / "landslides.gpkg")
    (folder / "study.toml").write_text(text(STUDY), encoding="utf-8")


def raster(path: Path, values: np.ndarray, **profile: Any) -> None:
    """Write one band on the site's grid."""
    full = {
        "driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1,
        "dtype": values.dtype.name, "crs": CRS, "transform": TRANSFORM, **profile,
    }  # fmt: skip
    with rasterio.open(path, "w", **full) as dst:
        dst.write(values, 1)


def at(col: float, row: float) -> tuple[float, float]:
    """Coordinates of a place given in cells."""
    return WEST + col * CELL, NORTH - row * CELL


def box(col: float, row: float, width: float, height: float) -> shapely.Polygon:
    """A rectangle given in cells from its north-west corner."""
    x, y = at(col, row)
    return shapely.box(x, y - height * CELL, x + width * CELL, y)


def frame(geometry: list[shapely.Geometry], **columns: Any) -> gpd.GeoDataFrame:
    """Features in the site's CRS."""
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=CRS)


# ------------------------------------------------------------------ the study file


def text(document: Mapping[str, Any]) -> str:
    """Return a study's tables as TOML, one table of the first level after the other."""
    return "".join(f"{_key(name)} = {_value(table)}\n" for name, table in document.items())


def _key(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, Raw):
        return value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return toml(value)


def places() -> list[tuple[str, ...]]:
    """Return all keys of a study that can be set, as paths."""
    layers = [("layers", n, k) for n in STUDY["layers"] for k in studies.Layer.model_fields]
    factors = [
        ("factors", code, key)
        for code, preset in PAPER_FACTORS.items()
        for key in FACTOR_FUNCTIONS[preset["function"]].model_fields
    ]
    tables = [
        (table, key)
        for table in ("study", "event", "grid", "inventory", "sources", "samples", "evaluation")
        for key in studies.Study.model_fields[table].annotation.model_fields
    ]
    masks = [("masks", "0", key) for key in studies.Mask.model_fields]
    parts = [("inventory", p, k) for p in ("extent", "sources") for k in studies.Layer.model_fields]
    return [*layers, *factors, *tables, *masks, *parts]


def other_study(rng: Generator) -> str:
    """Return the text of a study with some keys changed, added, left out or misspelt."""
    document = json.loads(json.dumps(STUDY))
    keys = places()
    for _ in range(int(rng.integers(1, 3))):
        path = list(keys[rng.integers(len(keys))])
        value: Any = ODD[rng.integers(len(ODD))]
        table: Any = document
        for part in path[:-1]:
            table = table[int(part)] if isinstance(table, list) else table.setdefault(part, {})
            if not isinstance(table, dict | list):
                break
        else:
            _change(table, path[-1], value, rng)
    return text(document)


def _change(table: dict[str, Any], key: str, value: Any, rng: Generator) -> None:
    action = rng.integers(10)
    if action == 0:
        table.pop(key, None)
    elif action == 1:
        table[f"{key}{chr(int(rng.integers(33, 400)))}"] = value
    elif action == 2:
        table.clear()
    else:
        table[key] = value


def torn_study(rng: Generator) -> bytes:
    """Return the bytes of a study file with some of them damaged."""
    return torn((text(STUDY)).encode(), rng)


def one_setting(rng: Generator) -> str:
    """Return what `--set` may be given."""
    keys = places()
    path = ".".join(keys[rng.integers(len(keys))])
    return f"{path}={ODD[rng.integers(len(ODD))]}"


def torn(content: bytes, rng: Generator) -> bytes:
    """Return bytes that are cut, flipped, repeated, emptied or something else."""
    array = bytearray(content)
    place = int(rng.integers(max(1, len(array))))
    action = rng.integers(7)
    if action == 0:
        return bytes(array[:place])
    if action == 1:
        for i in rng.integers(max(1, len(array)), size=int(rng.integers(1, 20))):
            array[i : i + 1] = bytes([int(rng.integers(256))])
        return bytes(array)
    if action == 2:
        return bytes(array[:place] + array[place // 2 :])
    if action == 3:
        array[place : place + 200] = bytes(len(array[place : place + 200]))
        return bytes(array)
    if action == 4:
        return b""
    if action == 5:
        return bytes(array[:place] + array[place + int(rng.integers(1, 40)) :])
    return rng.bytes(int(rng.integers(1, 5000)))


# ------------------------------------------------------------------ layers


def damage_layer(folder: Path, rng: Generator) -> str:
    """Damage one of the layers' files and return its name."""
    name = LAYERS[rng.integers(len(LAYERS))]
    path = folder / name
    # What a library refuses to write is damage too: the file is then missing or cut.
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if rng.random() < 0.4:
            _damage_file(path, folder, rng)
        elif name in RASTERS:
            _pick(RASTER_FAULTS, rng)(path, rng)
        elif path.suffix != ".csv":
            _pick(VECTOR_FAULTS, rng)(path, rng)
        else:
            _damage_table(path, rng)
    return name


def _pick(choices: list[Callable[..., None]], rng: Generator) -> Callable[..., None]:
    return choices[int(rng.integers(len(choices)))]


def _damage_file(path: Path, folder: Path, rng: Generator) -> None:
    """Damage a file, or one of those that belong to it, whatever it holds."""
    action = rng.integers(5)
    if action < 3:
        beside = sorted(folder.glob(f"{path.stem}.*"))
        one = beside[int(rng.integers(len(beside)))]
        one.write_bytes(torn(one.read_bytes(), rng))
    elif action == 3:
        other = folder / LAYERS[rng.integers(len(LAYERS))]
        path.write_bytes(other.read_bytes())
    else:
        path.unlink()
        if rng.random() < 0.5:
            path.mkdir()


def _rewrite(path: Path, change: Callable[[np.ndarray, dict[str, Any]], np.ndarray]) -> None:
    with rasterio.open(path) as src:
        values, profile = src.read(1), {"crs": src.crs, "transform": src.transform}
        profile["nodata"] = src.nodata
    profile = {k: v for k, v in profile.items() if v is not None}
    raster(path, change(values, profile), **profile)


def _other_type(path: Path, rng: Generator) -> None:
    names = ("uint8", "int8", "uint16", "int32", "int64", "uint64", "float64", "complex64")
    name = names[rng.integers(len(names))]

    def change(values: np.ndarray, profile: dict[str, Any]) -> np.ndarray:
        profile.pop("nodata", None)
        return (values % 200).astype(name) if name in ("uint8", "int8") else values.astype(name)

    _rewrite(path, change)


def _odd_values(path: Path, rng: Generator) -> None:
    odd = (np.nan, np.inf, -np.inf, 1e38, -1e38, -9999.0, 32767.0, 0.0)[rng.integers(8)]
    share = (0.0, 0.01, 0.5, 1.0)[rng.integers(4)]

    def change(values: np.ndarray, profile: dict[str, Any]) -> np.ndarray:
        whole = values.astype(np.float32)
        whole[rng.random(whole.shape) <= share] = odd
        return whole

    _rewrite(path, change)


def _odd_nodata(path: Path, rng: Generator) -> None:
    nodata = (1.0, 2.0, 1500.0, -9999.0, 0.0)[rng.integers(5)]

    def change(values: np.ndarray, profile: dict[str, Any]) -> np.ndarray:
        profile["nodata"] = nodata
        return values

    _rewrite(path, change)


def _other_place(path: Path, rng: Generator) -> None:
    changes: tuple[dict[str, Any], ...] = (
        {"crs": "EPSG:4326"}, {"crs": "EPSG:32718"}, {"crs": "EPSG:3857"}, {"crs": "EPSG:4978"},
        {"transform": Affine(30, 0, 0, 0, -30, 0)}, {"transform": TRANSFORM @ Affine.scale(1, -1)},
        {"transform": TRANSFORM @ Affine.rotation(20)}, {"transform": Affine(0, 0, 0, 0, 0, 0)},
        {"transform": TRANSFORM @ Affine.scale(1e6)}, {"transform": TRANSFORM @ Affine.scale(1e-6)},
        {"transform": Affine(np.nan, 0, 0, 0, np.nan, 0)},
        {"transform": Affine(1e300, 0, 0, 0, -1, 0)},
    )  # fmt: skip
    chosen = changes[rng.integers(len(changes))]

    def change(values: np.ndarray, profile: dict[str, Any]) -> np.ndarray:
        profile.update(chosen)
        return values

    _rewrite(path, change)


def _other_shape(path: Path, rng: Generator) -> None:
    rows, cols = ((1, 1), (1, 40), (2, 2), (3, 3), (39, 40), (200, 3))[rng.integers(6)]

    def change(values: np.ndarray, profile: dict[str, Any]) -> np.ndarray:
        return np.resize(values, (rows, cols))

    _rewrite(path, change)


RASTER_FAULTS: list[Callable[..., None]] = [
    _other_type, _odd_values, _odd_nodata, _other_place, _other_shape,
]  # fmt: skip


def _save(path: Path, features: gpd.GeoDataFrame) -> None:
    drivers = {".gpkg": "GPKG", ".shp": "ESRI Shapefile", ".geojson": "GeoJSON"}
    for old in path.parent.glob(f"{path.stem}.*"):
        old.unlink()
    features.to_file(path, driver=drivers[path.suffix])


def _other_kind(path: Path, rng: Generator) -> None:
    features = gpd.read_file(path)
    kinds: tuple[Callable[[Any], Any], ...] = (
        lambda g: g.centroid,
        lambda g: g.boundary,
        lambda g: g.buffer(50),
        lambda g: g.buffer(0) if g.geom_type.endswith("Polygon") else shapely.Polygon(),
        lambda g: shapely.MultiPoint(shapely.get_coordinates(g)),
        lambda g: shapely.force_3d(g, 1e300),
        lambda g: None,
        lambda g: shapely.Point(),
        lambda g: shapely.LineString([(0, 0), (0, 0)]),
        lambda g: shapely.Polygon([(WEST, NORTH), (WEST + 90, NORTH - 90), (WEST + 90, NORTH),
                                   (WEST, NORTH - 90)]),
    )  # fmt: skip
    change = kinds[rng.integers(len(kinds))]
    _save(path, features.set_geometry([change(g) for g in features.geometry], crs=features.crs))


def _other_coordinates(path: Path, rng: Generator) -> None:
    features = gpd.read_file(path)
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda c: c[:, ::-1], lambda c: c * 1e6, lambda c: c * 1e300, lambda c: c * 0,
        lambda c: c + 1e5, lambda c: np.full_like(c, np.inf), lambda c: np.full_like(c, np.nan),
        lambda c: c / 1e5, lambda c: -c, lambda c: np.round(c, -3),
    )  # fmt: skip
    change = changes[rng.integers(len(changes))]
    moved = shapely.transform(np.asarray(features.geometry.values), change)
    _save(path, features.set_geometry(moved, crs=features.crs))


def _other_crs(path: Path, rng: Generator) -> None:
    crs = (None, 4326, 3857, 32718, 4979)[rng.integers(5)]
    _save(path, gpd.read_file(path).set_crs(crs, allow_override=True))


def _other_columns(path: Path, rng: Generator) -> None:
    features = gpd.read_file(path)
    odd = (None, "a", "", "1", 0, -1, 1e300, np.nan, 2005, True)[rng.integers(10)]
    for name in [c for c in features.columns if c != "geometry"]:
        action = rng.integers(4)
        if action == 0:
            features = features.drop(columns=name)
        elif action == 1:
            features = features.rename(columns={name: f"{name}_é"})
        else:
            features[name] = pd.Series([odd] * len(features), index=features.index)
    _save(path, features)


def _other_number(path: Path, rng: Generator) -> None:
    features = gpd.read_file(path)
    count = int((0, 1, 2)[rng.integers(3)])
    if count == 2:
        features = pd.concat([features] * 3, ignore_index=True)
    else:
        features = features.iloc[:count]
    _save(path, gpd.GeoDataFrame(features, crs=features.crs))


VECTOR_FAULTS: list[Callable[..., None]] = [
    _other_kind, _other_coordinates, _other_crs, _other_columns, _other_number,
]  # fmt: skip


def _damage_table(path: Path, rng: Generator) -> None:
    table = pd.read_csv(path)
    column = table.columns[rng.integers(len(table.columns))]
    odd = (np.nan, "", "a", 1e300, -1e300, np.inf, 0, "2005-10-08", "12,5", "é")[rng.integers(10)]
    rows = rng.random(len(table)) < (0.1, 0.6, 1.1)[rng.integers(3)]
    table[column] = table[column].astype(object).mask(rows, odd)
    action = rng.integers(5)
    if action == 0:
        table = table.drop(columns=column)
    elif action == 1:
        table = table.head(int(rng.integers(0, 3)))
    elif action == 2:
        table[column + " "] = table[column]
    table.to_csv(path, index=False, sep=",;\t"[rng.integers(3)])


# ------------------------------------------------------------------ records and results

SHAPES = ("null", "[]", "{}", "3", '"a"', '{"fingerprint": 3}', '{"files": null}', "[[[", "nan")
"""JSON that is none of the records'."""


def damage_record(out: Path, rng: Generator) -> str:
    """Damage a file of a finished run and return its name."""
    files = sorted(p for p in out.rglob("*") if p.is_file())
    path = files[int(rng.integers(len(files)))]
    action = rng.integers(6)
    if action == 0:
        path.unlink()
    elif action == 1:
        path.unlink()
        path.mkdir()
    elif action == 2 and path.suffix == ".json":
        path.write_text(SHAPES[rng.integers(len(SHAPES))])
    elif action == 3:
        folder = path.parent
        if folder != out:
            shutil.rmtree(folder)
            folder.write_bytes(b"")
    elif action == 4 and path.suffix == ".json":
        record = json.loads(path.read_text())
        if isinstance(record, dict) and record:
            record.pop(sorted(record)[int(rng.integers(len(record)))])
        path.write_text(json.dumps(record))
    else:
        path.write_bytes(torn(path.read_bytes(), rng))
    return str(path.relative_to(out))
