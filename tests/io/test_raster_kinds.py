"""Every way in which a raster may be stored gives the same values, aligned and resampled."""

from __future__ import annotations

import gzip
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import ColorInterp

from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.io import datasets, dependencies, raster

from ..stored import scaled, store

ROWS, COLS = 20, 24
UTM = "EPSG:32643"
NORTH_UP = Affine(10, 0, 500_000, 0, -10, 4_000_000)
GRID = GeoBox((ROWS, COLS), NORTH_UP, UTM)
SHIFTED = GeoBox((ROWS - 4, COLS - 4), NORTH_UP * Affine.translation(2.3, 1.6), UTM)
"""Its cells' centres lie in the cells that are 2 columns and 2 rows on."""
NODATA = {"uint8": 7, "int8": -7, "uint16": 60_000, "int16": -32_768, "int32": -(2**31)}
NODATA |= {"uint32": 2**32 - 1, "int64": -9999, "uint64": 2**53}
NODATA |= {"float32": -9999.0, "float64": -1.7e308}
VRT_TYPES = {"uint8": "Byte", "int16": "Int16", "int64": "Int64", "float32": "Float32"}


def truth(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Values north up, and which of them a mask hides."""
    values = (np.arange(ROWS * COLS).reshape(ROWS, COLS) % 90 + 10).astype(dtype)
    hidden = np.zeros((ROWS, COLS), bool)
    hidden[5:8, 6:12] = True
    hidden[15, 3] = True
    return values, hidden


def expected(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    return np.where(missing, np.nan, values.astype(np.float64))


def require(source: raster.RasterSource, right: np.ndarray) -> None:
    """The truth on the file's own grid and a part of it, the nearest cells on a shifted one."""
    read = source.nearest()
    np.testing.assert_array_equal(read.read(GRID), right.astype(np.float32))
    np.testing.assert_array_equal(read.read(GRID[3:9, 5:12]), right[3:9, 5:12].astype(np.float32))
    np.testing.assert_array_equal(read.read(SHIFTED), right[2:-2, 2:-2].astype(np.float32))
    known = np.isfinite(source.read(SHIFTED))
    # Bilinear: a missing cell hides no more than itself.
    np.testing.assert_array_equal(known, np.isfinite(right[2:-2, 2:-2]))


TURNS = ("", "south", "east", "south and east")
MASKS = ("", "internal", "msk", "alpha")
WAYS = ("no", "file", "study")
"""Who states nodata."""
CONTAINERS = ("tif", "zip", "vrt", "cog", "gz")


def case(dtype: int, turn: int, mask: int) -> tuple[str, bool, str]:
    """Return who states nodata, whether there is a scale, and the container, by numbers.

    With these, 160 of 4,800 cases hold every pair of all six and 95 % of the triples.
    """
    way = WAYS[(turn + mask + dtype // 3) % 3]
    is_scaled = bool((mask + turn // 2 + dtype // 5) % 2)
    container = CONTAINERS[(dtype + 4 * turn + mask) % 5]
    # A file packed alone has no mask beside it.
    return way, is_scaled, "tif" if (container, MASKS[mask]) == ("gz", "msk") else container


def contained(path: Path, container: str) -> Path:
    """Return a GeoTIFF, with what lies beside it, in a container."""
    beside = sorted(path.parent.glob(f"{path.name}*"))
    if container == "zip":
        return archive(path.with_suffix(".zip"), *beside)
    if container == "gz":
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes(), 1))
        return packed
    if container == "tif":
        return path
    driver, suffix = {"vrt": ("VRT", ".vrt"), "cog": ("COG", "_cog.tif")}[container]
    copied = path.with_name(f"{path.stem}{suffix}")
    with rasterio.Env(GDAL_PAM_ENABLED="NO"):
        rasterio.shutil.copy(path, copied, driver=driver)
    return copied


@pytest.mark.parametrize("mask", range(len(MASKS)), ids=MASKS)
@pytest.mark.parametrize("turn", range(len(TURNS)), ids=TURNS)
def test_orientation_mask_type_nodata_scale_container(tmp_path: Path, mask: int, turn: int) -> None:
    for k, (dtype, nodata) in enumerate(NODATA.items()):
        way, is_scaled, container = case(k, turn, mask)
        values, hidden = truth(dtype)
        missing = hidden & (mask > 0)
        if way != "no":
            values[1, 1] = values[18, 20] = nodata
            missing = missing | (values == nodata)
        own = nodata if way == "file" else None
        path = store(
            tmp_path / f"{dtype}.tif", values, hidden, TURNS[turn], MASKS[mask], nodata=own
        )
        right = expected(values, missing)
        if is_scaled:
            scaled(path, 0.5, 3.0)
            right = right * 0.5 + 3
        path = contained(path, container)
        stated = float(nodata) if way == "study" else None
        require(raster.RasterSource(path, nodata=stated), right)
        info = raster.info(path, nodata=stated)
        assert info.grid == GRID
        assert any("north up" in note for note in info.notes) == bool(turn)
        assert sum("no data" in note for note in info.notes) == bool(mask)


@pytest.mark.parametrize("mask", ["", "internal"])
def test_a_stated_nodata_counts_in_place_of_the_files_own(tmp_path: Path, mask: str) -> None:
    values, hidden = truth("int16")
    values[1, 1], values[18, 20] = -32_768, -9999
    path = store(tmp_path / "a.tif", values, hidden, mask=mask, nodata=-32_768)
    missing = (values == -9999) | (hidden & (mask != ""))
    require(raster.RasterSource(path, nodata=-9999), expected(values, missing))
    assert raster.info(path, nodata=-9999).nodata == -9999


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("uint8", -9999),
        ("uint8", -1),
        ("uint16", -1),
        ("int16", 40_000),
        ("int32", 0.5),
        ("float32", 1e39),
        ("int16", np.nan),
        ("int64", 1e19),
    ],
)
def test_stated_nodata_beyond_the_type_is_refused(
    tmp_path: Path, dtype: str, nodata: float
) -> None:
    path = store(tmp_path / "a.tif", *truth(dtype))
    for read in (
        lambda: raster.info(path, nodata=nodata),
        lambda: raster.RasterSource(path, nodata=nodata).read(GRID),
        lambda: raster.RasterSource(path, nodata=nodata).read(SHIFTED),
    ):
        with pytest.raises(InputError, match=rf"nodata = .*{dtype}"):
            read()


@pytest.mark.parametrize(
    ("dtype", "nodata", "wrapped"),
    [("uint8", -9999, 241), ("int16", -3.4e38, 0), ("float32", -1.7e308, 1), ("int16", 0.5, 0)],
)
def test_a_files_own_nodata_beyond_the_type_hides_nothing(
    tmp_path: Path, dtype: str, nodata: float, wrapped: int
) -> None:
    """As a tag left over from a type that was wider; 241 is -9999 in eight bits, and 0.5 is 0
    as a whole number."""
    values, hidden = truth(dtype)
    values[3, 3] = wrapped
    source = store(tmp_path / "a.tif", values, hidden)
    path = virtual(tmp_path / "a.vrt", source, nodata=str(nodata))
    require(raster.RasterSource(path), expected(values, np.zeros_like(hidden)))
    assert raster.info(path).nodata is None


def virtual(path: Path, source: Path, nodata: str = "", mask: Path | None = None) -> Path:
    with rasterio.open(source) as src:
        a, size, dtype = src.transform, (src.width, src.height), VRT_TYPES[src.dtypes[0]]
    tag = f"<NoDataValue>{nodata}</NoDataValue>" if nodata else ""
    inner = (
        "<SimpleSource><SourceFilename relativeToVRT='1'>{}</SourceFilename>"
        "<SourceBand>1</SourceBand></SimpleSource>"
    )
    hides = ""
    if mask is not None:
        band = f"<VRTRasterBand dataType='Byte'>{inner.format(mask.name)}</VRTRasterBand>"
        hides = f"<MaskBand>{band}</MaskBand>"
    path.write_text(
        f"<VRTDataset rasterXSize='{size[0]}' rasterYSize='{size[1]}'><SRS>{UTM}</SRS>"
        f"<GeoTransform>{a.c},{a.a},0,{a.f},0,{a.e}</GeoTransform>"
        f"<VRTRasterBand dataType='{dtype}' band='1'>{tag}{inner.format(source.name)}{hides}"
        "</VRTRasterBand></VRTDataset>"
    )
    return path


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("turn", ["", "south"])
def test_a_mask_of_the_band(tmp_path: Path, dtype: str, turn: str) -> None:
    values, hidden = truth(dtype)
    source = store(tmp_path / "a.tif", values, hidden, turn)
    mask = store(tmp_path / "m.tif", np.where(hidden, 0, 255).astype(np.uint8), hidden, turn)
    path = virtual(tmp_path / "a.vrt", source, mask=mask)
    require(raster.RasterSource(path), expected(values, hidden))


def two_bands(path: Path, *nodata: float | None) -> tuple[Path, np.ndarray]:
    """Bands whose nodata differ; a VRT, since a GeoTIFF holds one for all."""
    values, hidden = truth("int16")
    values[4, 4], values[9, 9] = 5, 6
    store(path.parent / "one.tif", values, hidden)
    text = virtual(path, path.parent / "one.tif").read_text()
    band = text[text.index("<VRTRasterBand") : text.index("</VRTDataset>")]
    both = [
        band.replace("band='1'>", f"band='{i + 1}'><NoDataValue>{n}</NoDataValue>")
        for i, n in enumerate(nodata)
    ]
    path.write_text(text.replace(band, "".join(both)))
    return path, values


@pytest.mark.parametrize("band", [1, 2])
def test_nodata_is_that_of_the_band(tmp_path: Path, band: int) -> None:
    path, values = two_bands(tmp_path / "a.vrt", 5, 6)
    require(raster.RasterSource(path, band=band), expected(values, values == (5, 6)[band - 1]))
    assert raster.info(path, band=band).nodata == (5, 6)[band - 1]


def test_the_alpha_band_is_no_band_of_values(tmp_path: Path) -> None:
    path = store(tmp_path / "a.tif", *truth("uint8"), mask="alpha")
    with pytest.raises(InputError, match="alpha"):
        raster.info(path, band=2)
    with pytest.raises(InputError, match=r"band = 3.* 2$"):
        raster.info(path, band=3)
    # A band alone holds values, whatever it is called.
    values, hidden = truth("uint8")
    alone = store(tmp_path / "b.tif", values, hidden, photometric="MINISBLACK")
    with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(alone, "r+") as dst:
        dst.colorinterp = [ColorInterp.alpha]
    with rasterio.open(alone) as src:
        assert src.colorinterp == (ColorInterp.alpha,)
    np.testing.assert_array_equal(raster.RasterSource(alone).read(GRID), values)


@pytest.mark.parametrize("mask", ["", "msk"])
def test_scale_and_offset_come_after_nodata(tmp_path: Path, mask: str) -> None:
    values, hidden = truth("int16")
    values[2, 2] = -100
    path = store(tmp_path / "a.tif", values, hidden, "south", mask, nodata=-100)
    scaled(path, 0.5, 3.0)
    missing = (values == -100) | (hidden & (mask != ""))
    require(raster.RasterSource(path), expected(values * 0.5 + 3, missing))
    require(raster.RasterSource(path, scale=2), expected(values * 2.0, missing))
    with pytest.raises(InputError, match="not whole numbers"):
        raster.RasterSource(path, classes=True).read(GRID)
    whole = raster.RasterSource(path, scale=2, classes=True)
    np.testing.assert_array_equal(whole.read_codes(GRID), expected(values * 2.0, missing))


@pytest.mark.parametrize(
    ("dtype", "first"),
    [
        ("int32", 16_777_217),
        ("uint32", 4_294_000_001),
        ("int64", 2**52 + 1),
        ("int64", -(2**52)),
        ("uint64", 2**52 + 1),
        ("float64", 2**40 + 1),
    ],
)
@pytest.mark.parametrize("mask", ["", "internal"])
def test_large_codes_are_exact(tmp_path: Path, dtype: str, first: int, mask: str) -> None:
    values, hidden = truth("int64")
    values = (values + first).astype(dtype)
    path = store(tmp_path / "a.tif", values, hidden, "", mask)
    source = raster.RasterSource(path, classes=True, resampling="nearest")
    right = expected(values, hidden & (mask != ""))
    np.testing.assert_array_equal(source.read_codes(GRID), right)
    np.testing.assert_array_equal(source.read_codes(SHIFTED), right[2:-2, 2:-2])


@pytest.mark.parametrize("first", [2**60, -(2**60)])
def test_codes_that_no_number_here_holds_are_refused(tmp_path: Path, first: int) -> None:
    values, hidden = truth("int64")
    path = store(tmp_path / "a.tif", values + first, hidden)
    for block in (GRID, SHIFTED):
        with pytest.raises(InputError, match="renumber its classes"):
            raster.RasterSource(path, classes=True).read_codes(block)


@pytest.mark.parametrize("nodata", [-(2**63), 2**63 - 1])
@pytest.mark.parametrize("mask", ["", "msk"])
def test_nodata_may_be_beyond_exact_codes(tmp_path: Path, nodata: int, mask: str) -> None:
    values, hidden = truth("int64")
    values[4, 4] = nodata
    values[hidden & (mask != "")] = 2**60
    path = store(tmp_path / "a.tif", values, hidden, mask=mask)
    source = raster.RasterSource(path, nodata=float(nodata), classes=True)
    right = expected(values, (values == nodata) | (hidden & (mask != "")))
    np.testing.assert_array_equal(source.read_codes(GRID), right)


def test_masked_and_plain_are_resampled_alike(tmp_path: Path) -> None:
    """A mask that hides nothing changes no value, in another CRS too."""
    values = np.random.default_rng(1).random((ROWS, COLS)).astype(np.float32)
    none = np.zeros((ROWS, COLS), bool)
    plain = store(tmp_path / "a.tif", values, none)
    masked = store(tmp_path / "b.tif", values, none, mask="internal")
    other = GeoBox.from_bbox((500_050, 3_999_850, 500_200, 3_999_980), UTM, resolution=7)
    for block in (SHIFTED, other, GRID.to_crs("EPSG:32642"), GRID.zoom_out(3)):
        right = raster.RasterSource(plain).read(block)
        read = raster.RasterSource(masked).read(block)
        np.testing.assert_allclose(read, right, rtol=1e-5)
        assert np.isfinite(right).any()


def test_what_lies_off_a_masked_raster_is_missing(tmp_path: Path) -> None:
    path = store(tmp_path / "a.tif", *truth("uint8"), mask="internal")
    far = GeoBox((4, 4), NORTH_UP * Affine.translation(100.5, 100.5), UTM)
    assert np.isnan(raster.RasterSource(path).read(far)).all()


@pytest.mark.parametrize("turn", ["south", "east", "south and east"])
def test_the_middle_of_a_turned_raster(tmp_path: Path, turn: str) -> None:
    values, hidden = truth("float32")
    path = store(tmp_path / "a.tif", values, hidden, turn)
    own, cell = raster.native_window(raster.RasterSource(path), raster.info(path), GRID, 10)
    straight = store(tmp_path / "b.tif", values, hidden)
    right = raster.native_window(raster.RasterSource(straight), raster.info(straight), GRID, 10)
    np.testing.assert_array_equal(own, right[0])
    assert cell == right[1] == 10


# ------------------------------------------------------------------ containers


def archive(path: Path, *files: Path) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for file in files:
            zipped.write(file, f"data/{file.name}")
    return path


def test_a_raster_within_an_archive(tmp_path: Path) -> None:
    values, hidden = truth("int16")
    one = store(tmp_path / "one.tif", values, hidden, "south")
    two = store(tmp_path / "two.tif", values + 1, hidden)
    (tmp_path / "readme.txt").write_text("x")
    right = expected(values, np.zeros_like(hidden))
    (tmp_path / "preview.png").write_bytes(b"no values")
    single = archive(tmp_path / "a.zip", one, tmp_path / "preview.png", tmp_path / "readme.txt")
    require(raster.RasterSource(single), right)
    assert datasets.is_raster(single)
    several = archive(tmp_path / "b.zip", one, two)
    assert datasets.is_raster(several)
    with pytest.raises(InputError, match=r"one\.tif.*two\.tif"):
        raster.info(several)
    require(raster.RasterSource(several / "data" / "two.tif"), right + 1)
    with pytest.raises(InputError, match="no such file"):
        raster.info(several / "data" / "three.tif")
    (tmp_path / "c.zip").write_bytes(several.read_bytes()[:100])
    with pytest.raises(InputError, match="archive"):
        raster.info(tmp_path / "c.zip")


def test_a_raster_packed_alone(tmp_path: Path) -> None:
    values, hidden = truth("int16")
    path = store(tmp_path / "one.tif", values, hidden)
    packed = tmp_path / "one.tif.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    require(raster.RasterSource(packed), expected(values, np.zeros_like(hidden)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.tif", "one.tif.gz"]


def test_jpeg_2000(tmp_path: Path) -> None:
    values, hidden = truth("int16")
    path = store(tmp_path / "one.tif", values, hidden)
    lossless = {"QUALITY": 100, "REVERSIBLE": "YES"}
    whole = tmp_path / "one.jp2"
    with rasterio.Env(GDAL_PAM_ENABLED="NO"):
        rasterio.shutil.copy(path, whole, driver="JP2OpenJPEG", **lossless)
    require(raster.RasterSource(whole), expected(values, np.zeros_like(hidden)))
    (tmp_path / "cut.jp2").write_bytes(whole.read_bytes()[:300])
    with pytest.raises(InputError, match=r"cut\.jp2"):
        raster.info(tmp_path / "cut.jp2")


def test_tables_of_a_geopackage(tmp_path: Path) -> None:
    values, hidden = truth("int16")
    path = tmp_path / "a.gpkg"
    for k, name in enumerate(("first", "second")):
        more = {"driver": "GPKG", "RASTER_TABLE": name, "TILE_FORMAT": "TIFF"}
        more |= {"APPEND_SUBDATASET": "YES"} if k else {}
        profile = {"height": ROWS, "width": COLS, "count": 1, "dtype": "float32", "crs": UTM}
        with (
            rasterio.Env(GDAL_PAM_ENABLED="NO"),
            rasterio.open(path, "w", **profile, transform=NORTH_UP, **more) as dst,
        ):
            dst.write((values + k).astype(np.float32), 1)
        if not k:
            right = expected(values, np.zeros_like(hidden))
            require(raster.RasterSource(path), right)
            require(raster.RasterSource(path, layer="first"), right)
    with pytest.raises(InputError, match=r"first.*second.*layer ="):
        raster.info(path)
    require(raster.RasterSource(path, layer="second"), right + 1)
    with pytest.raises(InputError, match=r"no raster 'secnd'.*second"):
        raster.info(path, layer="secnd")


def test_variables_of_a_netcdf(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    values, _ = truth("float32")
    path = tmp_path / "a.nc"
    with h5py.File(path, "w") as file:
        for name, size, start, step in (("y", ROWS, 3_999_995, -10), ("x", COLS, 500_005, 10)):
            file[name] = start + step * np.arange(size, dtype=np.float64)
            file[name].make_scale(name)
            file[name].attrs["standard_name"] = f"projection_{name}_coordinate"
        for k, name in enumerate(("height", "slope")):
            file[name] = values + k
            file[name].dims[0].attach_scale(file["y"])
            file[name].dims[1].attach_scale(file["x"])
    with pytest.raises(InputError, match=r"height.*slope.*variable.*layer ="):
        raster.info(path)
    for k, name in enumerate(("height", "slope")):
        source = raster.RasterSource(path, crs=UTM, layer=name)
        np.testing.assert_array_equal(source.read(GRID), values + k)


def test_a_layer_of_a_file_that_has_none(tmp_path: Path) -> None:
    path = store(tmp_path / "a.tif", *truth("uint8"))
    with pytest.raises(InputError, match="has no layers"):
        raster.info(path, layer="x")


# ------------------------------------------------------------------ refusals


def test_control_points_alone(tmp_path: Path) -> None:
    corners = [(0, 0, 500_000, 4e6), (0, COLS, 500_240, 4e6), (ROWS, 0, 500_000, 3_999_800)]
    gcps = [rasterio.control.GroundControlPoint(r, c, x, y) for r, c, x, y in corners]
    profile = {"driver": "GTiff", "height": ROWS, "width": COLS, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, gcps=gcps, crs=UTM) as dst:
        dst.write(truth("uint8")[0], 1)
    with pytest.raises(InputError, match=r"control points.*gdalwarp"):
        raster.info(tmp_path / "a.tif")


def test_only_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tif")
    for read in (raster.info, datasets.is_raster):
        with pytest.raises(InputError, match="named pipe"):
            read(tmp_path / "a.tif")
        with pytest.raises(InputError, match="device"):
            read(Path("/dev/zero"))


def test_a_tile_that_is_gone_is_named(tmp_path: Path) -> None:
    source = store(tmp_path / "a.tif", *truth("uint8"))
    path = virtual(tmp_path / "a.vrt", source)
    source.unlink()
    with pytest.raises(InputError, match=r"a\.tif"):
        raster.RasterSource(path).read(GRID)


def test_a_raster_in_kilometres_is_read_in_metres(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    values, hidden = truth("int16")
    place = Affine(0.01, 0, 500, 0, -0.01, 4000)
    km = {"crs": "+proj=utm +zone=43 +datum=WGS84 +units=km", "transform": place}
    path = store(tmp_path / "a.tif", values, hidden, **km)
    capfd.readouterr()
    read = raster.RasterSource(path).nearest().read(SHIFTED)
    np.testing.assert_array_equal(read, values[2:-2, 2:-2])
    assert capfd.readouterr().err == ""  # what PROJ says of the unit misleads


def test_announced_sizes_take_no_memory(tmp_path: Path) -> None:
    """A raster of a million cells a side, nearly all of them not stored."""
    side = {"height": 1_000_000, "width": 1_000_000, "tiled": True}
    size = {"blockxsize": 8192, "blockysize": 8192, "SPARSE_OK": True, "nodata": 255}
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": UTM, "transform": NORTH_UP}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, **side, **size):
        pass
    info = raster.info(tmp_path / "a.tif")
    assert info.grid.shape == (1_000_000, 1_000_000)
    for block in (GRID, SHIFTED):
        assert np.isnan(raster.RasterSource(tmp_path / "a.tif").read(block)).all()


# ------------------------------------------------------------------ grids as text


def ascii_grid(path: Path, cell: str) -> Path:
    head = "ncols 3\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 10\nNODATA_value -9999\n"
    path.write_text(f"{head}1.5 2 3\n4 {cell} 6\n")
    return path


@pytest.mark.parametrize("cell", ["abc", "NA", "-", "--", "*", "#N/A", "null", "12m", "1,234.5"])
def test_what_is_no_number_in_an_ascii_grid_is_refused(tmp_path: Path, cell: str) -> None:
    path = ascii_grid(tmp_path / "a.asc", cell)
    with pytest.raises(InputError, match=rf"a\.asc.*{re.escape(cell)}"):
        raster.info(path, "EPSG:32643")


@pytest.mark.parametrize(
    ("cell", "value"),
    [("5", 5), ("-5.25", -5.25), ("5,5", 5.5), ("+1e2", 100), ("nan", np.nan), ("-9999", np.nan)],
)
def test_numbers_in_an_ascii_grid(tmp_path: Path, cell: str, value: float) -> None:
    path = ascii_grid(tmp_path / "a.asc", cell)
    grid = raster.info(path, "EPSG:32643").grid
    read = raster.RasterSource(path, crs="EPSG:32643").read(grid)
    np.testing.assert_array_equal(read[1], np.float32([4, value, 6]))


def test_metres_that_are_called_degrees_are_refused(tmp_path: Path) -> None:
    values, hidden = truth("int16")
    path = store(tmp_path / "a.tif", values, hidden)
    with pytest.raises(InputError, match=r"a\.tif.*not degrees.*EPSG:4326"):
        raster.info(path, "EPSG:4326")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("beside", ["a.tfw", "a.tif.msk", "a.tif.aux.xml"])
def test_a_pipe_beside_a_raster_is_refused(tmp_path: Path, beside: str) -> None:
    values, hidden = truth("int16")
    path = store(tmp_path / "a.tif", values, hidden)
    os.mkfifo(tmp_path / beside)
    for read in (raster.info, datasets.is_raster, dependencies.files_of):
        with pytest.raises(InputError, match=f"pipe.*{beside}"):
            read(path)


def test_a_vrt_within_an_archive(tmp_path: Path) -> None:
    values, hidden = truth("int16")
    path = store(tmp_path / "one.tif", values, hidden)
    vrt = rasterio.shutil.copy(path, tmp_path / "one.vrt", driver="VRT") or tmp_path / "one.vrt"
    packed = archive(tmp_path / "a.zip", path, vrt)
    require(
        raster.RasterSource(packed / "data" / "one.vrt"), expected(values, np.zeros_like(hidden))
    )


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("datum", "west", "east", "utm", "lon", "lat"),
    [
        (4301, 0.0, 360.0, 32654, 139.0, 36.0),  # Tokyo
        (4267, 0.0, 360.0, 32610, -122.0, 38.0),  # NAD27
        (4301, -300.0, -60.0, 32654, 139.0, 36.0),
        (4721, 170.0, 190.0, 32701, 180.0, -16.8),  # Fiji 1956, across longitude 180
    ],
)
def test_longitudes_beyond_180_keep_their_datum(
    tmp_path: Path, masked: bool, datum: int, west: float, east: float, utm: int, lon: float,
    lat: float,
) -> None:  # fmt: skip
    """Each cell holds its own latitude: what is read is the latitude that PROJ gives."""
    south, cols = round(lat) - 4.0, round(2 * (east - west))
    rows = np.tile(south + 8 - 0.5 * (np.arange(16) + 0.5)[:, None], (1, cols))
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            tmp_path / "a.tif", "w", driver="GTiff", height=16, width=cols, count=1,
            dtype="float64", crs=f"EPSG:{datum}",
            transform=Affine(0.5, 0, west, 0, -0.5, south + 8),
        ) as dst,
    ):  # fmt: skip
        dst.write(rows, 1)
        if masked:
            shown = np.full(rows.shape, 255, np.uint8)
            shown[0] = 0
            dst.write_mask(shown)
    x, y = Transformer.from_crs(4326, utm, always_xy=True).transform(lon, lat)
    block = GeoBox((4, 6), Affine(900, 0, x - 2700, 0, -900, y + 1800), f"EPSG:{utm}")
    xs, ys = np.meshgrid(*grids.cell_centres(block, grids.tiles(block, 64)[0]))
    to_datum = Transformer.from_crs(utm, datum, always_xy=True)
    want = to_datum.transform(xs, ys)[1]
    assert np.abs(want - Transformer.from_crs(utm, 4326).transform(xs, ys)[0]).min() > 1e-5
    got = raster.RasterSource(tmp_path / "a.tif").read(block)
    np.testing.assert_allclose(got, want, rtol=0, atol=3e-6)
