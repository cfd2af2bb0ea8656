"""What the tests of networks share: independent code for their losses, small data and settings."""

import numpy as np

from shakeslide.models.sae import sae_kernels as kernels
from shakeslide.models.sae.sae_network import bias_view, parameter_count, weight_view

ACTIVATE = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "silu": lambda z: z / (1 + np.exp(-z)),
}


def reference_loss(theta, plan, first, kinds, X, y, rho, beta, decay, scale):
    """J, or cross-entropy and penalty, in plain numpy; `decay` is lambda."""
    h = X
    below = X
    layers = range(len(plan))
    for k in layers:
        if k == first:
            below = h
        h = ACTIVATE[kinds[k]](h @ weight_view(theta, plan, k).T + bias_view(theta, plan, k))
        if k == first:
            rho_hat = h.mean(axis=0)
    penalty = (
        2 * decay * sum((weight_view(theta, plan, k) ** 2).sum() for k in layers if k >= first)
    )
    if y is not None:
        log_p = h - np.logaddexp(h[:, :1], h[:, 1:])
        return -log_p[np.arange(len(y)), y.astype(int)].mean() + penalty
    kl = rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat))
    sparsity = beta * kl.sum() if beta else 0.0
    return scale * ((below - h) ** 2).sum() / (2 * len(X)) + penalty + sparsity


def gradient(theta, plan, first, loss, X, y, settings, slopes=None):
    """The network's own gradient, computed in the type of the parameters."""
    n = len(X)
    X, y, settings = (np.asarray(a, theta.dtype) for a in (X, y, settings))
    net = kernels.Net(theta, plan)
    work = kernels.workspace(net, n)
    slopes = np.empty(0, theta.dtype) if slopes is None else slopes
    index = np.arange(n)
    kernels.add_gradient(
        net,
        kernels.Task(first, loss, settings),
        kernels.Rows(X, index, 0, n),
        kernels.Batch(y, n, slopes),
        work,
        False,
    )
    return work.grad


def random_stack(plan, rng):
    theta = np.zeros(parameter_count(plan))
    for k in range(len(plan)):
        weight_view(theta, plan, k)[:] = rng.normal(0, 0.6, weight_view(theta, plan, k).shape)
        bias_view(theta, plan, k)[:] = rng.normal(0, 0.3, bias_view(theta, plan, k).shape)
    return theta


def numeric_gradient(f, theta, plan, first):
    """Finite differences, in double precision."""
    theta = theta.astype(float)
    grad = np.zeros_like(theta)
    step = 1e-6
    marks = np.zeros_like(theta)
    for k in range(first, len(plan)):
        weight_view(marks, plan, k)[:] = 1
        bias_view(marks, plan, k)[:] = 1
    for i in np.flatnonzero(marks):
        up, down = theta.copy(), theta.copy()
        up[i] += step
        down[i] -= step
        grad[i] = (f(up) - f(down)) / (2 * step)
    return grad


def data(n=2000, features=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, features)).astype(np.float32)
    return X, ((X[:, 0] > 0.5) != (X[:, 1] > 0.5)).astype(int)


QUICK = {"units": (12, 8), "pretrain_steps": 40, "steps": 150, "batch_size": 64, "init": "glorot4"}


def weights_of(model):
    return [np.array(a) for n in model.networks_ for a in (*n.weights, *n.biases)]


def assert_same(a, b):
    for x, y in zip(weights_of(a), weights_of(b), strict=True):
        np.testing.assert_array_equal(x, y)
