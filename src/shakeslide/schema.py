"""What all tables of the study file share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import pyproj
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from shakeslide.errors import did_you_mean, shortened


def _resolve(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base")
    return path if base is None else Path(base) / path.expanduser()


def _known_crs(text: str) -> str:
    try:
        crs = pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise ValueError(
            f"'{shortened(text)}' is not a CRS that PROJ knows; write for example \"EPSG:32643\""
        ) from error
    if crs.is_engineering:
        raise ValueError(
            f"'{shortened(text)}' is a local (engineering) CRS without a place on the Earth; name "
            'the CRS of the map, for example "EPSG:32643"'
        )
    if crs.is_geocentric or (crs.is_vertical and not crs.is_compound):
        raise ValueError(
            f"'{shortened(text)}' ({shortened(crs.name)}) has no x and y; name the CRS of the map"
        )
    return text


class Shown:
    """Marks a key that is only shown to readers: no result depends on it."""


ShownText = Annotated[str, Shown()]
DataPath = Annotated[Path, AfterValidator(_resolve)]
CrsText = Annotated[str, AfterValidator(_known_crs)]
Positive = Annotated[float, Field(gt=0)]


class Settings(BaseModel):
    """Base of all tables: an unknown key is an error that names the nearest right one."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and cls.model_config.get("extra") == "forbid":
            names = {f.alias or n for n, f in cls.model_fields.items()}
            for key in data:
                if key not in names:
                    raise ValueError(f"unknown key '{key}'.{did_you_mean(str(key), names)}")
        return data

    def essence(self, content: Callable[[Path], str]) -> dict[str, Any]:
        """Return what results depend on: no key that is only shown, files by what they hold.

        Parameters
        ----------
        content : callable
            Returns a hash of a file's content.
        """
        return {
            name: _essence(getattr(self, name), content)
            for name, field in type(self).model_fields.items()
            if not any(isinstance(m, Shown) for m in field.metadata)
        }


def _essence(value: Any, content: Callable[[Path], str]) -> Any:
    if isinstance(value, Settings):
        return value.essence(content)
    if isinstance(value, Path):
        return content(value)
    if isinstance(value, Mapping):
        return {k: _essence(v, content) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_essence(v, content) for v in value]
    return value


def _no_repeats(names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' is named {names.count(name)} times; name it once")
    return names


def _ascending(limits: list[float]) -> list[float]:
    if not limits:
        raise ValueError("is empty; give at least one limit, for example [0.5]")
    if any(b <= a for a, b in itertools.pairwise(limits)):
        raise ValueError(f"{limits} does not rise; write the limits in ascending order, each once")
    return limits


Once = AfterValidator(_no_repeats)
Ascending = AfterValidator(_ascending)
