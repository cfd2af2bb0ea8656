"""Storage of fitted models as JSON and plain arrays: loading one cannot run code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.models.arrayfile import read, write
from shakeslide.models.base import Arrays, Model, ModelParameter
from shakeslide.models.own import OwnModel
from shakeslide.models.registry import MODELS, entry

WEIGHTS_FILE = "weights.safetensors"
"""Name of the file in a model's folder."""

__all__ = ["WEIGHTS_FILE", "ModelDescription", "dump", "read", "restore", "write"]


class ModelDescription(TypedDict):
    """What JSON holds of a fitted model.

    Attributes
    ----------
    model : str
        Its name in the registry.
    params : dict
        Its constructor parameters.
    """

    model: str
    params: dict[str, ModelParameter]


def dump(model: Model) -> tuple[ModelDescription, Arrays]:
    """Split a fitted model into what JSON holds and what the weights file holds.

    Returns
    -------
    description : ModelDescription
        Plain JSON types.
    arrays : dict of str to ndarray, any shape
        As `Model.arrays` returns them.

    Raises
    ------
    InputError
        If the class is not in the registry or its labels are not numbers.
    """
    if isinstance(model, OwnModel):
        names = [model.name]
    else:
        # `is`, not `isinstance`: the perceptron derives from the autoencoder and is another model.
        names = [name for name, e in MODELS.items() if e.cls is type(model)]
    if not names:
        raise InputError(f"{type(model).__name__} is not a model that can be stored")
    # To JSON and back: the caller sees the types that a reader of the file will.
    params = json.loads(json.dumps(model.get_params(), default=_plain))
    return {"model": names[0], "params": params}, model.arrays()


def restore(
    name: str, params: Mapping[str, ModelParameter], arrays: Mapping[str, NDArray[Any]]
) -> Model:
    """Rebuild the model that `dump` split; everything is checked.

    Parameters
    ----------
    name : str
        In the registry.
    params : mapping
        Constructor parameters.
    arrays : mapping of str to ndarray, any shape
        As `dump` returned them.

    Raises
    ------
    InputError
        Unknown name or parameter, missing or impossible array.
    """
    if not isinstance(params, Mapping):
        raise InputError(f"stored {name}: its parameters must be a table of names and values")
    found = entry(name)
    if found.own and params.get("name") != name:
        raise InputError(f"stored {name}: its parameters are those of another model")
    restored: Model = found.cls.from_arrays(arrays, params)
    return restored


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise InputError(f"parameter value {value!r} can't be stored as JSON")
