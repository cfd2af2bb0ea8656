"""Nothing that a study reads opens a connection, unless the study says so."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyogrio
import pytest
import rasterio
from odc.geo.crs import CRS

from shakeslide.core.errors import InputError
from shakeslide.io import datasets, dependencies, gdal, raster, vector
from shakeslide.io.gdal import options
from shakeslide.study import settings


class Listener:
    """Counts the connections to a port of this machine, and refuses what they ask."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1)
                self.calls.append(connection.recv(100))
                connection.sendall(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    # Hosts that are asked without a proxy, as many institutes set them: they do not matter.
    for key in gdal.BYPASSES:
        monkeypatch.setenv(key, "127.0.0.1")
    gdal.allow_network(False)
    heard = Listener()
    # Cloud storage is asked for here too, so that a request to it would be heard.
    monkeypatch.setenv("AWS_S3_ENDPOINT", heard.address.removeprefix("http://"))
    monkeypatch.setenv("AWS_HTTPS", "NO")
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTING", "FALSE")
    yield heard
    heard.close()
    gdal.allow_network(False)
    gdal._Web.bypasses.clear()  # of this test alone


def raster_vrt(source: str) -> str:
    return (
        "<VRTDataset rasterXSize='5' rasterYSize='4'><SRS>EPSG:32643</SRS>"
        "<GeoTransform>500000,10,0,4000000,0,-10</GeoTransform>"
        "<VRTRasterBand dataType='Byte' band='1'><SimpleSource>"
        f"<SourceFilename relativeToVRT='0'>{source}</SourceFilename>"
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )


def vector_vrt(source: str) -> str:
    return (
        "<OGRVRTDataSource><OGRVRTLayer name='a'>"
        f"<SrcDataSource>{source}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )


WMS = (
    "<GDAL_WMS><Service name='TMS'><ServerUrl>{0}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service>"
    "<DataWindow><UpperLeftX>-2e7</UpperLeftX><UpperLeftY>2e7</UpperLeftY>"
    "<LowerRightX>2e7</LowerRightX><LowerRightY>-2e7</LowerRightY><TileLevel>2</TileLevel>"
    "<TileCountX>1</TileCountX><TileCountY>1</TileCountY></DataWindow>"
    "<Projection>EPSG:3857</Projection><BandsCount>3</BandsCount></GDAL_WMS>"
)
STAC = (
    '{{"type": "FeatureCollection", "stac_version": "1.0.0", "features": [{{"type": "Feature", '
    '"stac_version": "1.0.0", "id": "a", "bbox": [73, 36, 73.1, 36.1], "geometry": null, '
    '"collection": "c", "properties": {{"proj:epsg": 32643}}, "assets": {{"B": '
    '{{"href": "{0}/a.tif", "roles": ["data"], "type": "image/tiff", '
    '"proj:transform": [10, 0, 500000, 0, -10, 4000000],'
    ' "proj:shape": [4, 5]}}}}}}]}}'
)
RASTERS = {
    "curl.vrt": raster_vrt("/vsicurl/{0}/a.tif"),
    "http.vrt": raster_vrt("{0}/a.tif"),
    "s3.vrt": raster_vrt("/vsis3/bucket/a.tif"),
    "azure.vrt": raster_vrt("/vsiaz/bucket/a.tif"),
    "google.vrt": raster_vrt("/vsigs/bucket/a.tif"),
    "zip.vrt": raster_vrt("/vsizip//vsicurl/{0}/a.zip/a.tif"),
    "stdin.vrt": raster_vrt("/vsistdin/"),
    "dap.vrt": raster_vrt('NETCDF:"{0}/a.nc":v'),
    "zarr.vrt": raster_vrt('ZARR:"/vsicurl/{0}/a.zarr"'),
    "within.vrt": raster_vrt(WMS.replace("<", "&lt;").replace(">", "&gt;")),
    "wms.tif": WMS,
    "a.wms": WMS,
    "wcs.tif": "<WCS_GDAL><ServiceURL>{0}/w?</ServiceURL><CoverageName>a</CoverageName></WCS_GDAL>",
    "wmts.xml": "<GDAL_WMTS><GetCapabilitiesUrl>{0}/c</GetCapabilitiesUrl></GDAL_WMTS>",
    "a.mrf": (
        "<MRF_META><CachedSource><Source>{0}/a.tif</Source></CachedSource><Raster>"
        '<Size x="512" y="512" c="1"/><PageSize x="512" y="512" c="1"/></Raster></MRF_META>'
    ),
    "stac.json": STAC,
}
VECTORS = {
    "curl.vrt": vector_vrt("/vsicurl/{0}/a.geojson"),
    "http.vrt": vector_vrt("{0}/a.geojson"),
    "s3.vrt": vector_vrt("/vsis3/bucket/a.geojson"),
    "wfs.vrt": vector_vrt("WFS:{0}/wfs"),
    "features.vrt": vector_vrt("OAPIF:{0}/"),
    "search.vrt": vector_vrt("ES:{0}"),
    "items.vrt": vector_vrt("{0}/collections/a/items?f=json"),
    "tiles.vrt": vector_vrt("MVT:{0}/0/0/0.pbf"),
    "postgres.vrt": vector_vrt("PG:host=127.0.0.1 port={1} dbname=a"),
    "mysql.vrt": vector_vrt("MYSQL:a,host=127.0.0.1,port={1}"),
    "odbc.vrt": vector_vrt("ODBC:Driver=a;Server=127.0.0.1;Port={1}"),
    "http_driver.vrt": vector_vrt("HTTP:{0}/a.geojson"),
    "hadoop.vrt": vector_vrt("/vsihdfs/hdfs://127.0.0.1:{1}/a.geojson"),
    "webhadoop.vrt": vector_vrt("/vsiwebhdfs/{0}/webhdfs/v1/a.geojson"),
    "sftp.vrt": vector_vrt("/vsisftp/127.0.0.1:{1}/a.geojson"),
    "netcdf.vrt": vector_vrt('NETCDF:"{0}/a.nc"'),
    "ftp.vrt": vector_vrt("ftp://127.0.0.1:{1}/a.geojson"),
    "esri.vrt": vector_vrt("ESRIJSON:{0}/a?f=json"),
    "wfs.xml": "<OGRWFSDataSource><URL>{0}/wfs</URL></OGRWFSDataSource>",
    "wfs.gml": "<OGRWFSDataSource><URL>{0}/wfs</URL></OGRWFSDataSource>",
    "a.gdalg.json": (
        '{{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read '
        '/vsicurl/{0}/a.geojson ! write --of stream streamed"}}'
    ),
}


def written(folder: Path, name: str, text: str, listener: Listener) -> Path:
    path = folder / name
    text = text.replace("{0}", listener.address).replace("{1}", listener.address.split(":")[-1])
    path.write_text(text.replace("{{", "{").replace("}}", "}"))
    return path


@pytest.mark.parametrize("name", list(RASTERS))
def test_no_raster_reaches_the_web(tmp_path: Path, listener: Listener, name: str) -> None:
    path = written(tmp_path, name, RASTERS[name], listener)
    outer = tmp_path / "outer.vrt"
    outer.write_text(raster_vrt(str(path)))
    for top in (path, outer):
        for read in (raster.info, datasets.is_raster, dependencies.files_of):
            with contextlib.suppress(InputError):
                read(top)
        with pytest.raises(InputError):
            raster.RasterSource(top).read(raster.info(top).grid)
    assert listener.calls == []
    # Nor would GDAL by itself, were the file not looked into: but for netCDF's own client.
    if name not in ("dap.vrt", "stdin.vrt"):
        with (
            pytest.raises(rasterio.errors.RasterioError),
            rasterio.Env(**options()),
            rasterio.open(path) as dataset,
        ):
            dataset.read(1, window=((0, 4), (0, 5)))
    assert listener.calls == []


@pytest.mark.parametrize("name", list(VECTORS))
def test_no_vector_reaches_the_web(tmp_path: Path, listener: Listener, name: str) -> None:
    path = written(tmp_path, name, VECTORS[name], listener)
    with pytest.raises(InputError):
        vector.read(vector.VectorSource(path), CRS("EPSG:32643"))
    with gdal.vectors(), pytest.raises(Exception):  # noqa: B017 - whatever it is
        pyogrio.read_dataframe(path)
    assert listener.calls == []


@pytest.mark.parametrize("name", ["curl.vrt", "http.vrt", "a.wms", "s3.vrt"])
def test_who_wants_it_may_read_from_the_web(tmp_path: Path, listener: Listener, name: str) -> None:
    """The same files are heard of: so the tests above can fail."""
    path = written(tmp_path, name, RASTERS[name], listener)
    gdal.allow_network(True)
    with pytest.raises(InputError):
        raster.RasterSource(path).read(raster.info(path).grid)
    assert listener.calls
    gdal.allow_network(False)
    heard = len(listener.calls)
    with pytest.raises(InputError, match="web"):
        raster.info(path)
    assert len(listener.calls) == heard


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], raster.RasterSource]:
    """Unpickles a source as a worker of a cluster does, which has heard of no study."""

    def receive(sent: bytes) -> raster.RasterSource:
        gdal.allow_network(False)
        monkeypatch.setattr(gdal._Web, "closed", False)
        for key in gdal.BYPASSES:
            monkeypatch.setenv(key, "127.0.0.1")
        return pickle.loads(sent)

    return receive


def test_a_source_takes_along_that_it_may_read_from_the_web(
    tmp_path: Path, listener: Listener, worker: Callable[[bytes], raster.RasterSource]
) -> None:
    path = written(tmp_path, "http.vrt", RASTERS["http.vrt"], listener)
    gdal.allow_network(True)
    grid = raster.info(path).grid
    online = pickle.dumps(raster.RasterSource(path))
    gdal.allow_network(False)
    offline = pickle.dumps(raster.RasterSource(path))
    heard = len(listener.calls)
    with pytest.raises(InputError):
        worker(online).read(grid)
    assert len(listener.calls) > heard
    heard = len(listener.calls)
    with pytest.raises(InputError, match="web"):
        worker(offline).read(grid)
    assert len(listener.calls) == heard


def test_workers_that_keep_off_the_web_ask_no_host_without_a_proxy(
    tmp_path: Path, listener: Listener, worker: Callable[[bytes], raster.RasterSource]
) -> None:
    path = written(tmp_path, "a.wms", RASTERS["a.wms"], listener)
    source = worker(pickle.dumps(raster.RasterSource(path)))
    with gdal.reading_for(source.network):
        assert not any(key in os.environ for key in gdal.BYPASSES)
        # A thread that may does not let the other out meanwhile.
        with gdal.reading_for(network=True):
            assert not gdal.is_offline()
            assert not any(key in os.environ for key in gdal.BYPASSES)
        assert gdal.is_offline()
    assert [os.environ[key] for key in gdal.BYPASSES] == ["127.0.0.1"] * 2


@pytest.mark.parametrize("name", ["http.vrt", "wfs.vrt", "wfs.gml"])
def test_who_wants_it_may_read_vectors_from_the_web(
    tmp_path: Path, listener: Listener, name: str
) -> None:
    path = written(tmp_path, name, VECTORS[name], listener)
    gdal.allow_network(True)
    with pytest.raises(InputError):
        vector.read(vector.VectorSource(path), CRS("EPSG:32643"))
    assert listener.calls


def test_the_vectors_library_is_left_as_it_was() -> None:
    before = pyogrio.get_gdal_config_option("GDAL_HTTP_PROXY")
    with gdal.vectors(), gdal.vectors():
        assert pyogrio.get_gdal_config_option("GDAL_HTTP_PROXY") == gdal.NOWHERE
    assert pyogrio.get_gdal_config_option("GDAL_HTTP_PROXY") == before


def test_hosts_without_a_proxy_are_back_once_the_web_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for key in gdal.BYPASSES:
        monkeypatch.setenv(key, "a.example")
    gdal.allow_network(False)
    gdal.allow_network(False)
    assert not any(key in os.environ for key in gdal.BYPASSES)
    gdal.allow_network(True)
    assert [os.environ[key] for key in gdal.BYPASSES] == ["a.example"] * 2
    gdal.allow_network(False)
    gdal._Web.bypasses.clear()


def test_a_study_keeps_off_the_web_by_default() -> None:
    assert settings.StudyInfo().network is False
