"""Public functions that take or return arrays state shapes."""

from __future__ import annotations

import ast

import pytest
from benchmarks import structure


def test_every_public_function_of_arrays_names_a_shape() -> None:
    public = structure.public_of_arrays()
    assert len(public) > 300
    assert [str(p) for p in public if structure.names_no_shape(p)] == []


@pytest.mark.parametrize(
    "text",
    [
        "Return the slope in degrees, (rows, cols).",
        "Rows, (n,), of `X`, (n, n_features).",
        "Elevation with a margin, (rows + 2, cols + 2).",
        "The probabilities of the rows to test, (test rows,).",
        "x : ndarray, shape (n,)",
        "p : array_like, any shape",
    ],
)
def test_a_shape_is_seen(text: str) -> None:
    assert not structure.names_no_shape(function(f'"""{text}"""'))


@pytest.mark.parametrize(
    "text",
    [
        "Return the slope in degrees.",
        "Return slopes (Horn 1981, Proceedings of the IEEE).",
        "origin : (float, float)",
        "Return the shapes that lie in the box.",
    ],
)
def test_what_names_no_shape_is_seen(text: str) -> None:
    assert structure.names_no_shape(function(f'"""{text}"""'))


def function(body: str) -> structure.Public:
    tree = ast.parse(f"def slope(z: NDArray[np.float32]) -> Float:\n    {body}")
    (found,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return structure.Public("terrain", None, found)
