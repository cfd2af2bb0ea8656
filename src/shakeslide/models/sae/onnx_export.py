"""The stacked autoencoder as an ONNX file, for programs without Python."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from shakeslide.core.errors import InputError
from shakeslide.core.files import replacing
from shakeslide.models.sae.autoencoder import StackedAutoencoder
from shakeslide.models.sae.sae_network import Network

# Of ONNX 1.12: the newest, which `onnx` writes unless told, are refused by older runtimes.
_OPSET = 17
_IR_VERSION = 8
_OPERATORS = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}


def write_onnx(model: StackedAutoencoder, path: str | os.PathLike[str]) -> None:
    """Write a fitted autoencoder as ONNX.

    The graph takes ``features``, float32 (rows, n_features), encoded as in training, and gives
    ``probability``, float32 (rows, 2): the mean over members of their softmax, or the softmax of
    the mean of their outputs (`average`).

    Parameters
    ----------
    model : StackedAutoencoder
        With a softmax on top.
    path : path

    Raises
    ------
    InputError
        For another head, or if the package ``onnx`` is not installed.
    """
    check_is_fitted(model)
    if model.head != "softmax":
        raise InputError(f"only a softmax on top can be written as ONNX, not '{model.head}'")
    if model.limits_ is not None:
        raise InputError("a model that scales its features cannot be written as ONNX: scale first")
    try:
        onnx = importlib.import_module("onnx")
    except ImportError as error:
        raise InputError("writing ONNX needs the package 'onnx': pip install onnx") from error
    helper = onnx.helper
    nodes: list[Any] = []
    weights: list[Any] = []
    members = []
    for k, network in enumerate(model.networks_):
        member_nodes, member_weights = _member(onnx, network, model, f"member{k}")
        nodes += member_nodes
        weights += member_weights
        members.append(member_nodes[-1].output[0])
    of_logits = model.average == "logit"
    nodes.append(helper.make_node("Mean", members, ["mean" if of_logits else "probability"]))
    if of_logits:
        nodes.append(helper.make_node("Softmax", ["mean"], ["probability"], axis=1))
    number = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "stacked_autoencoder",
        [helper.make_tensor_value_info("features", number, ["rows", model.n_features_in_])],
        [helper.make_tensor_value_info("probability", number, ["rows", 2])],
        weights,
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    whole.ir_version = _IR_VERSION
    onnx.checker.check_model(whole)
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(whole.SerializeToString())


def _member(
    onnx: Any, network: Network, model: StackedAutoencoder, name: str
) -> tuple[list[Any], list[Any]]:
    """Nodes and weights of one network, ending in what of the members is averaged."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes: list[Any] = []
    weights: list[Any] = []
    at = "features"
    last = len(network.weights) - 1
    for k, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        label = f"{name}_layer{k + 1}"
        weights += [
            numpy_helper.from_array(np.ascontiguousarray(w), f"{label}_weights"),
            numpy_helper.from_array(np.ascontiguousarray(b), f"{label}_biases"),
        ]
        inputs = [at, f"{label}_weights", f"{label}_biases"]
        # Our weights are (outputs, inputs): Gemm is to turn them.
        nodes.append(helper.make_node("Gemm", inputs, [f"{label}_sum"], transB=1))
        at = f"{label}_sum"
        if k == last:
            if model.average == "probability":
                nodes.append(helper.make_node("Softmax", [at], [f"{name}_softmax"], axis=1))
        elif model.activation == "silu":
            # Of the operators that old runtimes have: ONNX has none for z σ(z).
            nodes.append(helper.make_node("Sigmoid", [at], [f"{label}_sigmoid"]))
            nodes.append(helper.make_node("Mul", [at, f"{label}_sigmoid"], [f"{label}_out"]))
            at = f"{label}_out"
        elif model.activation in _OPERATORS:
            nodes.append(helper.make_node(_OPERATORS[model.activation], [at], [f"{label}_out"]))
            at = f"{label}_out"
    return nodes, weights
