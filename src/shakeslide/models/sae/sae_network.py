"""A stack of dense layers in one flat vector: its layout, its first weights, its stored form."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide.models.base import ArrayReader, Arrays
from shakeslide.models.products import LANE
from shakeslide.models.sae import sae_kernels as kernels
from shakeslide.models.sae.sae_kernels import (
    BIASES,
    INPUTS,
    OUTPUTS,
    PADDED_IN,
    PADDED_OUT,
    WEIGHTS,
)

ACTIVATIONS = {
    "linear": kernels.LINEAR,
    "sigmoid": kernels.SIGMOID,
    "tanh": kernels.TANH,
    "relu": kernels.RELU,
    "silu": kernels.SILU,
}
AUTOENCODER_PARTS = ("encoder", "encoder_bias", "decoder", "decoder_bias")

Autoencoder = tuple[NDArray[np.float32], ...]  # in the order of AUTOENCODER_PARTS
Floats = NDArray[np.floating[Any]]


@dataclass
class Network:
    """A trained network: encoders and softmax, with what training left beside them.

    Attributes
    ----------
    theta, plan : ndarray
        Parameters and their layout, as `sae_kernels` reads them.
    decoders : list of tuple of ndarray
        Weights and biases of encoder and decoder of each autoencoder as pre-training left them.
    mean_activation : list of ndarray of float64
        Of every unit of each hidden layer over the training rows.
    curves : dict of ndarray of float64, shape (n, 3)
        Step, loss, accuracy.
    """

    theta: NDArray[np.float32]
    plan: NDArray[np.int64]
    decoders: list[Autoencoder] = field(default_factory=list)
    mean_activation: list[NDArray[np.float64]] = field(default_factory=list)
    curves: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def weights(self) -> list[Floats]:
        """Weights of each layer, views of shape (outputs, inputs)."""
        return [weight_view(self.theta, self.plan, k) for k in range(len(self.plan))]

    @property
    def biases(self) -> list[Floats]:
        """Biases of each layer, views of shape (outputs,)."""
        return [bias_view(self.theta, self.plan, k) for k in range(len(self.plan))]

    def outputs(self, X: NDArray[np.float32], layers: int | None = None) -> NDArray[np.float32]:
        """Activations behind the first `layers` layers (all), shape (n_samples, units).

        The rows, `X`, have shape (n_samples, n_features).
        """
        out: NDArray[np.float32] = kernels.outputs(
            kernels.Net(self.theta, self.plan), len(self.plan) if layers is None else layers, X
        )
        return out

    def arrays(self) -> Arrays:
        """Return everything by name; layers count from 1.

        Returns
        -------
        dict of ndarray
            `weights_<k>`, (outputs, inputs), and `biases_<k>`, (outputs,), of each layer;
            `encoder_<k>`, `encoder_bias_<k>`, `decoder_<k>` and `decoder_bias_<k>` of each
            autoencoder; `mean_activation_<k>`, (units,); `curve_<phase>`, (n, 3).
        """
        arrays: Arrays = {}
        for k, (w, b) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            arrays[f"weights_{k}"], arrays[f"biases_{k}"] = w.copy(), b.copy()
        for k, parts in enumerate(self.decoders, start=1):
            for name, part in zip(AUTOENCODER_PARTS, parts, strict=True):
                arrays[f"{name}_{k}"] = part
        for k, mean in enumerate(self.mean_activation, start=1):
            arrays[f"mean_activation_{k}"] = mean
        return arrays | {f"curve_{name}": curve for name, curve in self.curves.items()}

    @classmethod
    def restore(
        cls, reader: ArrayReader, units: Sequence[int], activation: str, decoders: bool
    ) -> Network:
        """Take the arrays of a network, each checked."""
        first = reader.take("weights_1", np.float32, (units[0], None))
        sizes = [first.shape[1], *units, 2]
        layers = []
        for k, (n_in, n_out) in enumerate(itertools.pairwise(sizes), start=1):
            w = first if k == 1 else reader.take(f"weights_{k}", np.float32, (n_out, n_in))
            layers.append((w, reader.take(f"biases_{k}", np.float32, (n_out,))))
        # Only now is it known that the file holds as many numbers as the settings claim
        plan = classifier_plan(sizes[0], units, activation)
        network = cls(aligned_zeros(parameter_count(plan)), plan)
        for (w, b), weights, biases in zip(layers, network.weights, network.biases, strict=True):
            weights[:], biases[:] = w, b
        for k, (n_in, n_out) in enumerate(itertools.pairwise(sizes[:-1]), start=1):
            mean = reader.take(f"mean_activation_{k}", np.float64, (n_out,))
            network.mean_activation.append(mean)
            shapes = ((n_out, n_in), (n_out,), (n_in, n_out), (n_in,))
            named = zip(AUTOENCODER_PARTS, shapes, strict=True) if decoders else ()
            parts = tuple(reader.take(f"{n}_{k}", np.float32, s) for n, s in named)
            network.decoders += [parts] if decoders else []
        for name in reader.names("curve_"):
            curve = reader.take(name, np.float64, (None, 3))
            network.curves[name.removeprefix("curve_")] = curve
        return network


def build_plan(sizes: Sequence[int], activations: Sequence[int]) -> NDArray[np.int64]:
    """Lay out a stack of dense layers in one flat vector.

    Parameters
    ----------
    sizes : sequence of int
        Units of the input and of every layer.
    activations : sequence of int
        One per layer.

    Returns
    -------
    ndarray of int64, shape (n_layers, 7)
        As `sae_kernels` reads it.
    """
    plan = np.zeros((len(activations), 7), dtype=np.int64)
    offset = 0
    for k, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        # Two outputs (a softmax) are not worth a padding to 16
        p_out = n_out if k == len(activations) - 1 and n_out == 2 else _padded(n_out)
        plan[k] = n_in, n_out, _padded(n_in), p_out, offset, 0, activations[k]
        offset += p_out * _padded(n_in)
        plan[k, BIASES] = offset
        # Filled up, so that the next layer's weights begin at a cache line too.
        offset += _padded(p_out)
    return plan


def classifier_plan(n_features: int, units: Sequence[int], activation: str) -> NDArray[np.int64]:
    """Return the plan, (layers, 7) int64, of all encoders and the softmax."""
    activations = [ACTIVATIONS[activation]] * len(units) + [kernels.LINEAR]
    return build_plan([n_features, *units, 2], activations)


def autoencoder_plan(n_features: int, units: Sequence[int], activation: str) -> NDArray[np.int64]:
    """Return the plan, (layers, 7) int64, of the encoders and the decoder of the last one."""
    sizes = [n_features, *units]
    activations = [ACTIVATIONS[activation]] * len(units) + [_decoding(activation)]
    return build_plan([*sizes, sizes[-2]], activations)


def _decoding(activation: str) -> int:
    # A decoder's outputs are an encoder's inputs: rectified units would be stuck where those are 0
    return kernels.LINEAR if activation in ("relu", "silu") else ACTIVATIONS[activation]


def parameter_count(plan: NDArray[np.int64]) -> int:
    """Return the length of the flat vector of a plan, (layers, 7)."""
    return int(plan[-1, BIASES] + _padded(int(plan[-1, PADDED_OUT])))


def weight_view(theta: Floats, plan: NDArray[np.int64], layer: int) -> Floats:
    """Weights of one layer as a view, shape (outputs, inputs).

    They lie in the flat vector `theta`, shape (n,), as `plan`, shape (layers, 7), lays it out.
    """
    p_out, p_in, start = (int(plan[layer, c]) for c in (PADDED_OUT, PADDED_IN, WEIGHTS))
    whole = theta[start : start + p_out * p_in].reshape(p_out, p_in)
    return whole[: plan[layer, OUTPUTS], : plan[layer, INPUTS]]


def bias_view(theta: Floats, plan: NDArray[np.int64], layer: int) -> Floats:
    """Biases of one layer as a view, shape (outputs,).

    They lie in the flat vector `theta`, shape (n,), as `plan`, shape (layers, 7), lays it out.
    """
    start = int(plan[layer, BIASES])
    return theta[start : start + int(plan[layer, OUTPUTS])]


def aligned_zeros(size: int) -> NDArray[np.float32]:
    """Return zeros, (size,), that start at a cache line, which no load of a register straddles."""
    room = np.zeros(size + LANE, dtype=np.float32)
    skip = -(room.ctypes.data // room.itemsize) % LANE
    return room[skip : skip + size]


def _padded(units: int) -> int:
    return -(-units // LANE) * LANE


def draw_weights(rng: np.random.Generator, n_in: int, n_out: int, init: str) -> Floats:
    """First weights of a layer, shape (n_out, n_in).

    ``xavier``: uniform up to sqrt(6/(n_in+n_out)) (Glorot & Bengio 2010); ``glorot4``: four times
    that, as they advise for the logistic sigmoid; ``normal``: N(0, 0.01²).
    """
    if init == "normal":
        return rng.normal(0.0, 0.01, (n_out, n_in)).astype(np.float32)
    limit = np.sqrt(6.0 / (n_in + n_out)) * (4.0 if init == "glorot4" else 1.0)
    return rng.uniform(-limit, limit, (n_out, n_in)).astype(np.float32)


def joined(autoencoders: Sequence[Autoencoder], activation: str) -> Network:
    """Return one stack that encodes with all autoencoders upwards and decodes back down.

    Parameters
    ----------
    autoencoders : sequence of tuple of ndarray
        From the bottom up; of each: weights (units, inputs) and biases (units,) of the encoder,
        weights (inputs, units) and biases (inputs,) of the decoder.
    activation : str
        Of the encoders.
    """
    n_features = autoencoders[0][0].shape[1]
    up = [a[0].shape[0] for a in autoencoders]
    layers = [a[:2] for a in autoencoders] + [a[2:] for a in reversed(autoencoders)]
    sizes = [n_features, *up, *reversed(up[:-1]), n_features]
    kinds = [ACTIVATIONS[activation]] * len(up) + [_decoding(activation)] * len(up)
    plan = build_plan(sizes, kinds)
    network = Network(aligned_zeros(parameter_count(plan)), plan)
    for (weights, biases), w, b in zip(layers, network.weights, network.biases, strict=True):
        w[:], b[:] = weights, biases
    return network
