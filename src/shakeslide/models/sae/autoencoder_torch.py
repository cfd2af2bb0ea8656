"""The autoencoder's steps in PyTorch, for a graphics processor; prediction in bfloat16.

The same mathematics as `sae_kernels`, for several networks of one shape in batched products. On
processors without a graphics card the kernels are faster.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shakeslide.core.compiled import kernel
from shakeslide.models.chunks import CHUNK_ROWS
from shakeslide.models.intrinsics import bits_of_float, float_of_bits, sigmoid
from shakeslide.models.products import LANE
from shakeslide.models.sae import sae_kernels as kernels
from shakeslide.models.sae.sae_kernels import (
    ACTIVATION,
    BIASES,
    INPUTS,
    OUTPUTS,
    PADDED_IN,
    PADDED_OUT,
    WEIGHTS,
)
from shakeslide.models.sae.sae_network import Network
from shakeslide.models.sae.sae_training import OPTIMISERS, BatchOrder, Member, record_every

_ROWS = 65_536  # of a batch that are on the card together

_lock = threading.Lock()
_inside = 0
_threads = 1


def cuda_is_there() -> bool:
    """Whether PyTorch finds a graphics processor."""
    return bool(torch.cuda.is_available())


class TorchSteps:
    """Steps of members of one shape, together, on a device.

    Parameters
    ----------
    device : str
        As PyTorch names it.
    dtype : torch.dtype
    """

    def __init__(self, device: str, dtype: torch.dtype = torch.float32) -> None:
        self.device, self.dtype = torch.device(device), dtype

    def run(
        self, members: Sequence[Member], orders: Sequence[BatchOrder], rates: NDArray[np.float32]
    ) -> list[NDArray[np.float64]]:
        """Train members that stand at the same step of the same phase.

        Parameters
        ----------
        members : sequence of Member
            Of one layout; their parameters are changed in place.
        orders : sequence of BatchOrder
            The batches of each member.
        rates : ndarray of float32, shape (steps,)
            Learning rate of each step.

        Returns
        -------
        list of ndarray of float64, shape (n, 3)
            Step, loss and accuracy of each member, at every `record_every` steps.
        """
        plan, first, step = members[0].plan, members[0].first, members[0].step
        theta = self._put(np.stack([m.theta for m in members]))
        moments = self._put(np.stack([m.moments for m in members], axis=1))
        rows = [self._put(m.rows) for m in members]
        labels = [self._put(m.y) for m in members]
        batches = [o.rows(step, step + rates.size).reshape(rates.size, -1) for o in orders]
        every, curves = record_every(members[0]), []
        stack = _Stack(plan, first, members[0].loss, members[0].task().settings)
        for s, rate in enumerate(rates.tolist()):
            want = (step + s) % every == 0
            index = [torch.from_numpy(b[s]).to(self.device) for b in batches]
            grad, loss, right = stack.gradient(theta, rows, labels, index, want)
            if want:
                curves.append(np.stack([np.full(len(members), step + s), loss, right], axis=1))
            optimiser = OPTIMISERS[members[0].settings.optimiser]
            stack.update(theta, grad, moments, optimiser, rate, step + s)
        for k, member in enumerate(members):
            member.theta[:] = theta[k].cpu().numpy()
            member.moments[:] = moments[:, k].cpu().numpy()
        empty = np.empty((0, 3))
        return [np.array([c[k] for c in curves]).reshape(-1, 3) if curves else empty
                for k in range(len(members))]  # fmt: skip

    def _put(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, self.dtype)


class _Stack:
    """Gradient and update of one plan for a batch of flat parameter vectors (members, size)."""

    def __init__(
        self, plan: NDArray[np.int64], first: int, loss: int, numbers: NDArray[np.float32]
    ) -> None:
        self.plan, self.first, self.loss = plan.tolist(), first, loss
        self.rho, self.beta, self.scale, self.decay = (float(v) for v in numbers)

    def gradient(
        self,
        theta: Tensor,
        rows: list[Tensor],
        labels: list[Tensor],
        index: list[Tensor],
        want: bool,
    ) -> tuple[Tensor, NDArray[np.float64], NDArray[np.float64]]:
        """Gradient without the penalty; loss and share of right rows of each member if wanted."""
        n = len(index[0])
        grad = torch.zeros_like(theta)
        loss = torch.zeros(len(theta), dtype=torch.float64, device=theta.device)
        right = torch.zeros_like(loss)
        slopes = None
        parts = [slice(k, k + _ROWS) for k in range(0, n, _ROWS)]
        # A pass of its own: the mean over the whole batch comes before any part's gradient.
        if self.loss == kernels.RECONSTRUCTION and self.beta > 0:
            sums = [self._forward(theta, rows, index, p, self.first + 1)[-1].sum(1) for p in parts]
            # Kept off 0 and 1, where the divergence is infinite.
            rho_hat = (torch.stack(sums).sum(0) / n).clamp(1e-6, 1 - 1e-6)
            slopes = self.beta / n * ((1 - self.rho) / (1 - rho_hat) - self.rho / rho_hat)
            kl = self.rho * torch.log(self.rho / rho_hat)
            kl = kl + (1 - self.rho) * torch.log((1 - self.rho) / (1 - rho_hat))
            loss += self.beta * kl.double().sum(1)
        for part in parts:
            acts = self._forward(theta, rows, index, part, len(self.plan))
            if self.loss == kernels.CROSS_ENTROPY:
                y = torch.stack([y[i[part]] for y, i in zip(labels, index, strict=True)])
                # A softmax of two depends on the difference alone: the slopes are opposite.
                z = acts[-1][..., 1] - acts[-1][..., 0]
                d = (torch.sigmoid(z) - y) / n
                delta = torch.stack([-d, d], dim=-1)
                if want:
                    against = torch.where(y > 0, -z, z).double()
                    loss += torch.nn.functional.softplus(against).sum(1) / n
                    right += ((z > 0) == (y > 0)).double().sum(1) / n
            else:
                error = acts[-1] - acts[self.first]
                delta = self._through(error * (self.scale / n), acts[-1], len(self.plan) - 1)
                if want:
                    loss += 0.5 * self.scale / n * error.double().square().sum((1, 2))
            self._backward(theta, acts, delta, slopes, grad)
        if want and self.loss == kernels.RECONSTRUCTION:
            for k in range(self.first, len(self.plan)):
                loss += 0.5 * self.decay * self._weights(theta, k).double().square().sum((1, 2))
        return grad, loss.cpu().numpy(), right.cpu().numpy()

    def _weights(self, flat: Tensor, k: int) -> Tensor:
        p_out, p_in, start = (self.plan[k][c] for c in (PADDED_OUT, PADDED_IN, WEIGHTS))
        whole = flat[:, start : start + p_out * p_in].view(len(flat), p_out, p_in)
        return whole[:, : self.plan[k][OUTPUTS], : self.plan[k][INPUTS]]

    def _biases(self, flat: Tensor, k: int) -> Tensor:
        start = self.plan[k][BIASES]
        return flat[:, start : start + self.plan[k][OUTPUTS]]

    def _forward(
        self, theta: Tensor, rows: list[Tensor], index: list[Tensor], part: slice, layers: int
    ) -> list[Tensor]:
        """Input and activations of the first layers, each (members, rows, units)."""
        acts = [torch.stack([x[i[part]] for x, i in zip(rows, index, strict=True)])]
        for k in range(layers):
            bias = self._biases(theta, k).unsqueeze(1)
            z = torch.baddbmm(bias, acts[-1], self._weights(theta, k).mT)
            kind = self.plan[k][ACTIVATION]
            if kind == kernels.SIGMOID:
                z.sigmoid_()
            elif kind == kernels.TANH:
                z.tanh_()
            elif kind == kernels.RELU:
                z.relu_()
            acts.append(z)
        return acts

    def _through(self, delta: Tensor, h: Tensor, k: int) -> Tensor:
        """dJ/dz of layer k from dJ/dh."""
        kind = self.plan[k][ACTIVATION]
        if kind == kernels.SIGMOID:
            return delta * (h * (1 - h))
        if kind == kernels.TANH:
            return delta * (1 - h * h)
        return delta * (h > 0) if kind == kernels.RELU else delta

    def _backward(
        self, theta: Tensor, acts: list[Tensor], delta: Tensor, slopes: Tensor | None, grad: Tensor
    ) -> None:
        for k in range(len(self.plan) - 1, self.first - 1, -1):
            self._weights(grad, k).add_(delta.mT @ acts[k])
            self._biases(grad, k).add_(delta.sum(1))
            if k > self.first:
                below = delta @ self._weights(theta, k)
                # Only the units in training are held sparse.
                if slopes is not None and k == self.first + 1:
                    below += slopes.unsqueeze(1)
                delta = self._through(below, acts[k], k - 1)

    def update(
        self, theta: Tensor, grad: Tensor, moments: Tensor, optimiser: int, rate: float, step: int
    ) -> None:
        """One step of gradient descent or AdamW."""
        change = grad
        if optimiser == kernels.ADAMW:
            b1, b2 = kernels.ADAM_1, kernels.ADAM_2
            moments[0].mul_(b1).add_(grad, alpha=1 - b1)
            moments[1].mul_(b2).addcmul_(grad, grad, value=1 - b2)
            # Corrected for moments that start at 0, as in `sae_kernels.update`.
            root = (moments[1] / (1 - b2 ** (step + 1))).sqrt_().add_(kernels.ADAM_EPSILON)
            change = moments[0] / (1 - b1 ** (step + 1)) / root
        for k in range(self.first, len(self.plan)):
            self._weights(theta, k).mul_(1 - rate * self.decay)
            self._weights(theta, k).sub_(self._weights(change, k), alpha=rate)
            self._biases(theta, k).sub_(self._biases(change, k), alpha=rate)


class Bfloat16Network:
    """Prediction of a network with weights and activations in bfloat16, sums in float32.

    Faster than float32 on processors with bfloat16 matrix units, slow on others; the probabilities
    keep two to three digits.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self._units = [len(w) for w in network.weights]
        self._kinds = [int(k) for k in network.plan[:, ACTIVATION]]
        # Whole registers are faster; a unit added here has no weight above it
        sizes = [network.weights[0].shape[1], *(-(-u // LANE) * LANE for u in self._units)]
        self._weights = [torch.zeros(size, dtype=torch.bfloat16) for size in pairwise(sizes)]
        self._biases = [np.zeros(size, dtype=np.float32) for size in sizes[1:]]
        for k, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
            self._weights[k][: w.shape[1], : len(w)] = torch.from_numpy(w.T.copy())
            self._biases[k][: len(b)] = b

    def outputs(self, X: NDArray[np.float32], layers: int | None = None) -> NDArray[np.float32]:
        """Activations behind the first `layers` layers (all), shape (n_samples, units).

        The rows, `X`, have shape (n_samples, n_features). They pass in chunks of one size, the last
        filled up with earlier rows or zeros.
        """
        layers = len(self._weights) if layers is None else layers
        units = self._units[layers - 1]
        out = np.empty((len(X), units), dtype=np.float32)
        buffers = [torch.empty(CHUNK_ROWS, w.shape[1], dtype=torch.bfloat16) for w in self._weights]
        first = torch.zeros(CHUNK_ROWS, X.shape[1], dtype=torch.bfloat16)
        with one_torch_thread():
            for start in range(0, len(X), CHUNK_ROWS):
                rows = min(CHUNK_ROWS, len(X) - start)
                first[:rows] = torch.from_numpy(X[start : start + rows])
                h = first
                for k in range(layers):
                    torch.mm(h, self._weights[k], out=buffers[k])
                    h = buffers[k]
                    bits = h.view(torch.int16).numpy().view(np.uint16)
                    _activate_bfloat16(bits, self._biases[k], self._kinds[k])
                out[start : start + rows] = h[:rows, :units].float().numpy()
        return out


@kernel
def _activate_bfloat16(bits: Any, bias: Any, kind: int) -> None:
    """Add biases and apply the activation to bfloat16 numbers given as their bits, in place."""
    n, units = bits.shape
    z = np.empty((1, units), dtype=np.float32)
    number, one, low = z[0], np.uint32(1), np.uint32(16)
    for i in range(n):
        row = bits[i]
        for j in range(units):
            # A bfloat16 is the upper half of a float32.
            high = np.uint32(np.uint32(row[j]) << low)
            number[j] = float_of_bits(high) + bias[j]
        if kind == kernels.SIGMOID:
            for j in range(units):
                number[j] = sigmoid(number[j])
        elif kind == kernels.TANH:
            for j in range(units):
                s = sigmoid(number[j] + number[j])
                number[j] = s + s - np.float32(1)
        elif kind == kernels.RELU:
            for j in range(units):
                number[j] = max(number[j], np.float32(0))
        elif kind == kernels.SILU:
            for j in range(units):
                number[j] = number[j] * sigmoid(number[j])
        for j in range(units):
            u = bits_of_float(number[j])
            # To the nearest, ties to even
            half = np.uint32(0x7FFF) + np.uint32(np.uint32(u >> low) & one)
            row[j] = np.uint16(np.uint32(u + half) >> low)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let PyTorch use one thread in the calling thread; its number is restored by the last out."""
    global _inside, _threads
    with _lock:
        if _inside == 0:
            _threads = torch.get_num_threads()
        _inside += 1
        # Each thread has its own number in PyTorch, so every one that enters sets it.
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            torch.set_num_threads(_threads)
