"""Numba kernels of the stacked autoencoder: one stack of dense layers, its gradient, its steps.

Numbers lie feature by feature: activations are (units, rows), weights (outputs, inputs), so that
biases are scalars and sums over rows are contiguous. Units and rows are filled up with zeros to
multiples of 16, whole registers: units added so stay zero because their activations are never
computed, rows added so move nothing because their errors are zero.

A *plan* describes a stack, one row per layer: inputs, outputs, padded inputs, padded outputs,
offsets of the weights and of the biases in the flat parameter vector, activation.

Names stand for the same arrays everywhere: `theta` and `grad`, (n,), parameters and their
gradient; `moments`, (2, n), of AdamW; `plan`, (layers, 7) int64; `X`, (rows, inputs), rows of the
study and `y`, (rows,), their labels; `index` and `order`, (m,), numbers of rows; `settings`, (4,),
with the places `RHO` to `DECAY`; `rates`, (steps,).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from shakeslide.models.intrinsics import sigmoid
from shakeslide.models.products import LANE, product, row_sums, transpose

INPUTS, OUTPUTS, PADDED_IN, PADDED_OUT, WEIGHTS, BIASES, ACTIVATION = range(7)
LINEAR, SIGMOID, TANH, RELU = range(4)
CROSS_ENTROPY, RECONSTRUCTION = range(2)
SGD, ADAMW = range(2)
RHO, BETA, RECONSTRUCTION_SCALE, DECAY = range(4)  # places in a settings array

BLOCK = 512  # rows that pass the whole stack together: their activations stay in the L2 cache
# The divergence is infinite where a mean activation is 0 or 1.
_KL_MARGIN = 1e-6
# As Kingma & Ba (2015) advise.
ADAM_1, ADAM_2, ADAM_EPSILON = 0.9, 0.999, 1e-8


@njit(nogil=True, cache=True, error_model="numpy")
def _activate(z: Any, bias: Any, units: int, activation: int) -> None:
    """Add biases and apply the activation to the first `units` rows of `z`, in place."""
    for i in range(units):
        row = z[i]
        b = bias[i]
        if activation == SIGMOID:
            for j in range(row.size):
                row[j] = sigmoid(row[j] + b)
        elif activation == TANH:
            for j in range(row.size):
                # tanh z = 2 σ(2z) − 1, with the one vectorised exponential there is.
                s = sigmoid((row[j] + b) + (row[j] + b))
                row[j] = s + s - z.dtype.type(1)
        elif activation == RELU:
            for j in range(row.size):
                v = row[j] + b
                row[j] = v if v > 0 else z.dtype.type(0)
        else:
            for j in range(row.size):
                row[j] += b


@njit(nogil=True, cache=True, error_model="numpy")
def _through_activation(delta: Any, h: Any, units: int, activation: int) -> None:
    """Multiply dJ/dh by dh/dz, written in terms of h, in place."""
    # Python's own numbers would widen float32 to double.
    one = h.dtype.type(1)
    zero = h.dtype.type(0)
    for i in range(units):
        d = delta[i]
        a = h[i]
        if activation == SIGMOID:
            for j in range(d.size):
                d[j] *= a[j] * (one - a[j])
        elif activation == TANH:
            for j in range(d.size):
                d[j] *= one - a[j] * a[j]
        elif activation == RELU:
            for j in range(d.size):
                d[j] = d[j] if a[j] > 0 else zero


@njit(nogil=True, cache=True)
def _filled_up(rows: int) -> int:
    """Rows and what fills them up to whole registers."""
    return (rows + LANE - 1) // LANE * LANE


@njit(nogil=True, cache=True)
def activation_offsets(plan: Any, rows: int) -> Any:
    """Place of every layer's input, and of the last output, in scratch for `rows` rows."""
    layers = len(plan)
    offsets = np.zeros(layers + 2, dtype=np.int64)
    for k in range(layers):
        offsets[k + 1] = offsets[k] + plan[k, PADDED_IN] * rows
    offsets[layers + 1] = offsets[layers] + plan[layers - 1, PADDED_OUT] * rows
    return offsets


@njit(nogil=True, cache=True)
def _scratch(size: int, like: Any) -> Any:
    """Zeros that start at a cache line, which no load of a register then straddles."""
    room = np.zeros(size + LANE, dtype=like.dtype)
    skip = (-(room.ctypes.data // room.itemsize)) % LANE
    return room[skip : skip + size]


@njit(nogil=True, cache=True)
def _activations(plan: Any, rows: int, like: Any) -> Any:
    """Scratch for all activations of blocks of up to `rows` rows."""
    return _scratch(activation_offsets(plan, _filled_up(min(rows, BLOCK)))[-1], like)


@njit(nogil=True, cache=True)
def _layer(flat: Any, offset: int, units: int, rows: int) -> Any:
    return flat[offset : offset + units * rows].reshape(units, rows)


@njit(nogil=True, cache=True)
def _clear(h: Any, units: int, rows: int) -> None:
    """Put zeros behind the first `units` units and the first `rows` columns."""
    for i in range(len(h)):
        for j in range(rows if i < units else 0, h.shape[1]):
            h[i, j] = 0


@njit(nogil=True, cache=True)
def _gather(X: Any, index: Any, start: int, rows: int, out: Any) -> None:
    """Copy rows of `X` into the columns of `out`, and zeros into those behind."""
    for i in range(rows):
        source = X[index[start + i]]
        for j in range(source.size):
            out[j, i] = source[j]
    _clear(out, X.shape[1], rows)  # scratch of another block's shape may have left numbers there


@njit(nogil=True, cache=True)
def _forward(theta: Any, plan: Any, acts: Any, offsets: Any, rows: int, layers: int) -> None:
    """Pass `rows` columns through the first `layers` layers."""
    for k in range(layers):
        p_in, p_out = plan[k, PADDED_IN], plan[k, PADDED_OUT]
        w = _layer(theta, plan[k, WEIGHTS], p_out, p_in)
        z = _layer(acts, offsets[k + 1], p_out, rows)
        product(w, _layer(acts, offsets[k], p_in, rows), z, False)
        bias = theta[plan[k, BIASES] : plan[k, BIASES] + p_out]
        _activate(z, bias, plan[k, OUTPUTS], plan[k, ACTIVATION])


@njit(nogil=True, cache=True)
def _pass(
    theta: Any, plan: Any, X: Any, index: Any, start: int, rows: int, acts: Any, layers: int
) -> Any:
    """Pass rows ``index[start:start+rows]`` through the first `layers` layers.

    Returns
    -------
    tuple
        Columns that the rows take in `acts`, and the places of its layers.
    """
    columns = _filled_up(rows)
    offsets = activation_offsets(plan, columns)
    _gather(X, index, start, rows, _layer(acts, 0, plan[0, PADDED_IN], columns))
    _forward(theta, plan, acts, offsets, columns, layers)
    return columns, offsets


@njit(nogil=True, cache=True)
def _backward(
    theta: Any, plan: Any, first: int, acts: Any, deltas: Any, offsets: Any, rows: int,
    sparsity: Any, grad: Any, turned: Any, add: bool,
) -> None:  # fmt: skip
    """Gradient of layers `first` and up from dJ/dz of the last, which lies in `deltas`.

    `sparsity` holds dJ/dh that every row adds at the units of layer `first` (none if empty).
    """
    columns = _filled_up(rows)
    last = len(plan) - 1
    for k in range(last, first - 1, -1):
        p_in, p_out = plan[k, PADDED_IN], plan[k, PADDED_OUT]
        delta = _layer(deltas, offsets[k + 1], p_out, columns)
        h = _layer(acts, offsets[k], p_in, columns)
        h_turned = _layer(turned, 0, columns, p_in)
        # `product` reads its right side row by row, hence rows of the study down and units across.
        transpose(h, h_turned)
        product(delta, h_turned, _layer(grad, plan[k, WEIGHTS], p_out, p_in), add)
        row_sums(delta, grad[plan[k, BIASES] : plan[k, BIASES] + p_out], add)
        if k > first:
            below = _layer(deltas, offsets[k], p_in, columns)
            product(_layer(theta, plan[k, WEIGHTS], p_out, p_in).T, delta, below, False)
            if k == first + 1 and sparsity.size:
                for i in range(plan[k, INPUTS]):
                    # Not the columns behind: what fills up must move nothing.
                    for j in range(rows):
                        below[i, j] += sparsity[i]
            _through_activation(below, h, plan[k, INPUTS], plan[k - 1, ACTIVATION])


@njit(nogil=True, cache=True, error_model="numpy")
def _softmax_delta(
    out: Any, delta: Any, y: Any, index: Any, start: int, rows: int, scale: Any
) -> None:
    """dJ/dz of cross-entropy, `scale` times per row."""
    for i in range(rows):
        d = (sigmoid(out[1, i] - out[0, i]) - y[index[start + i]]) * scale
        delta[1, i] = d
        delta[0, i] = -d


@njit(nogil=True, cache=True, error_model="numpy")
def _softmax_loss(out: Any, y: Any, index: Any, start: int, rows: int) -> Any:
    """Sum of cross-entropy and number of rows told right."""
    loss, right = 0.0, 0.0
    for i in range(rows):
        z = np.float64(out[1, i]) - np.float64(out[0, i])
        label = y[index[start + i]]
        against = -z if label > 0 else z
        # ln(1 + exp(x)) without overflow.
        loss += max(against, 0.0) + np.log1p(np.exp(-abs(against)))
        right += 1.0 if (z > 0) == (label > 0) else 0.0
    return loss, right


@njit(nogil=True, cache=True)
def _reconstruction_delta(out: Any, target: Any, delta: Any, units: int, scale: Any) -> None:
    """dJ/dy of half the squared error, `scale` times per row."""
    for i in range(units):
        for j in range(out.shape[1]):
            delta[i, j] = (out[i, j] - target[i, j]) * scale


@njit(nogil=True, cache=True)
def _squared_error(out: Any, target: Any, units: int, rows: int) -> float:
    total = 0.0
    for i in range(units):
        for j in range(rows):
            d = np.float64(out[i, j]) - np.float64(target[i, j])
            total += d * d
    return total


@njit(nogil=True, cache=True)
def sparsity_slopes(rho_hat: Any, n: int, settings: Any) -> Any:
    """d(beta KL)/dh, (units,), the same for all n rows; `rho_hat`, (units,): mean activations."""
    slopes = np.zeros_like(rho_hat)
    rho, beta = np.float64(settings[RHO]), np.float64(settings[BETA])
    for j in range(rho_hat.size):
        r = min(max(np.float64(rho_hat[j]), _KL_MARGIN), 1.0 - _KL_MARGIN)
        slopes[j] = beta / n * ((1.0 - rho) / (1.0 - r) - rho / r)
    return slopes


@njit(nogil=True, cache=True)
def sparsity_penalty(rho_hat: Any, rho: float) -> float:
    """Sum over units of KL(rho || rho_hat), rho_hat kept 1e-6 away from 0 and 1."""
    total = 0.0
    for j in range(rho_hat.size):
        r = min(max(np.float64(rho_hat[j]), _KL_MARGIN), 1.0 - _KL_MARGIN)
        total += rho * np.log(rho / r) + (1.0 - rho) * np.log((1.0 - rho) / (1.0 - r))
    return total


@njit(nogil=True, cache=True)
def _add_sums(h: Any, rows: int, sums: Any) -> None:
    """Add activations of the first `rows` columns to `sums`; the columns behind become zero."""
    _clear(h, len(h), rows)
    row_sums(h, sums, True)


@njit(nogil=True, cache=True)
def activation_sums(
    theta: Any, plan: Any, layers: int, X: Any, index: Any, start: int, rows: int, acts: Any
) -> Any:
    """Sum over rows of the activations behind the first `layers` layers, (units,)."""
    p_out = plan[layers - 1, PADDED_OUT]
    sums = np.zeros(p_out, dtype=theta.dtype)
    for begin in range(start, start + rows, BLOCK):
        size = min(BLOCK, start + rows - begin)
        columns, offsets = _pass(theta, plan, X, index, begin, size, acts, layers)
        _add_sums(_layer(acts, offsets[layers], p_out, columns), size, sums)
    return sums[: plan[layers - 1, OUTPUTS]]


@njit(nogil=True, cache=True)
def penalty(theta: Any, plan: Any, first: int) -> float:
    """Sum of the squared weights of layers `first` and up (without biases)."""
    total = 0.0
    for k in range(first, len(plan)):
        size = plan[k, PADDED_IN] * plan[k, PADDED_OUT]
        # Padding is 0 and adds nothing.
        for i in range(plan[k, WEIGHTS], plan[k, WEIGHTS] + size):
            total += np.float64(theta[i]) * np.float64(theta[i])
    return total


@njit(nogil=True, cache=True)
def add_gradient(
    theta: Any, plan: Any, first: int, loss: int, X: Any, y: Any, index: Any, start: int,
    rows: int, n: int, slopes: Any, settings: Any, grad: Any, work: Any, want_loss: bool,
    fresh: bool,
) -> Any:  # fmt: skip
    """Gradient of rows ``index[start:start+rows]`` of a batch of `n`, without the L2 penalty.

    Written to `grad` if `fresh`, else added. An empty `slopes` with a sparsity weight means that
    the rows are the whole batch and a single block: the mean activation is taken on the way.

    Returns
    -------
    tuple of float
        Sum of the rows' losses (0 unless `want_loss`), number of rows told right, and the KL term
        (0 unless taken on the way).
    """
    acts, deltas, turned = work
    layers = len(plan)
    units = plan[layers - 1, OUTPUTS]
    p_out = plan[layers - 1, PADDED_OUT]
    value, right, kl = 0.0, 0.0, 0.0
    # Of the whole batch, of which these rows may be a part.
    scale = theta.dtype.type(1.0 / n)
    for begin in range(start, start + rows, BLOCK):
        size = min(BLOCK, start + rows - begin)
        columns, offsets = _pass(theta, plan, X, index, begin, size, acts, layers)
        out = _layer(acts, offsets[layers], p_out, columns)
        delta = _layer(deltas, offsets[layers], p_out, columns)
        here = slopes
        if loss == CROSS_ENTROPY:
            _softmax_delta(out, delta, y, index, begin, size, scale)
            if want_loss:
                v, r = _softmax_loss(out, y, index, begin, size)
                value += v
                right += r
        else:
            # A higher autoencoder gives back the features below it, not the rows.
            target = _layer(acts, offsets[first], plan[first, PADDED_IN], columns)
            _reconstruction_delta(out, target, delta, units, scale * settings[RECONSTRUCTION_SCALE])
            _through_activation(delta, out, units, plan[layers - 1, ACTIVATION])
            if want_loss:
                error = _squared_error(out, target, units, size)
                value += 0.5 * error * settings[RECONSTRUCTION_SCALE]
            if slopes.size == 0 and settings[BETA] > 0:
                sums = np.zeros(plan[first, PADDED_OUT], dtype=theta.dtype)
                _add_sums(_layer(acts, offsets[first + 1], sums.size, columns), size, sums)
                rho_hat = sums[: plan[first, OUTPUTS]] * scale
                here = sparsity_slopes(rho_hat, n, settings)
                if want_loss:
                    kl = settings[BETA] * sparsity_penalty(rho_hat, settings[RHO])
        _clear(delta, units, size)  # what fills up moves nothing and isn't moved
        add = begin > start or not fresh
        _backward(theta, plan, first, acts, deltas, offsets, size, here, grad, turned, add)
    return value, right, kl


@njit(nogil=True, cache=True)
def workspace(plan: Any, rows: int, like: Any) -> Any:
    """Scratch of `add_gradient` for blocks of up to `rows` rows: three flat vectors like `like`."""
    acts, deltas = _activations(plan, rows, like), _activations(plan, rows, like)
    turned = _filled_up(min(rows, BLOCK)) * plan[:, PADDED_IN].max()
    return acts, deltas, _scratch(turned, like)


@njit(nogil=True, cache=True, error_model="numpy")
def update(
    theta: Any, grad: Any, plan: Any, first: int, optimiser: int, rate: Any, step: int,
    moments: Any, settings: Any,
) -> None:  # fmt: skip
    """One step of gradient descent, or of AdamW, on layers `first` and up.

    The penalty 2 lambda |W|² enters as its gradient 4 lambda W, DECAY being 4 lambda: in plain
    descent it is a part of the gradient, in AdamW it is decoupled from the moments.
    """
    one = theta.dtype.type(1)
    b1, b2 = theta.dtype.type(ADAM_1), theta.dtype.type(ADAM_2)
    # The moments start at 0, for which both are corrected (Kingma and Ba 2015, arXiv:1412.6980).
    c1 = theta.dtype.type(1.0 / (1.0 - ADAM_1 ** (step + 1)))
    c2 = theta.dtype.type(1.0 / (1.0 - ADAM_2 ** (step + 1)))
    eps = theta.dtype.type(ADAM_EPSILON)
    for k in range(first, len(plan)):
        begin, biases = plan[k, WEIGHTS], plan[k, BIASES]
        for lo, hi, decay in (
            (begin, begin + plan[k, PADDED_IN] * plan[k, PADDED_OUT], settings[DECAY]),
            # Biases are not penalised; the product keeps the type.
            (biases, biases + plan[k, PADDED_OUT], settings[DECAY] * theta.dtype.type(0)),
        ):
            w, g = theta[lo:hi], grad[lo:hi]
            # Decoupled from the moments after Loshchilov & Hutter (2019), arXiv:1711.05101.
            keep = one - rate * decay
            if optimiser == SGD:
                for i in range(w.size):
                    w[i] = w[i] * keep - rate * g[i]
            else:
                m, v = moments[0, lo:hi], moments[1, lo:hi]
                for i in range(w.size):
                    m[i] = b1 * m[i] + (one - b1) * g[i]
                    v[i] = b2 * v[i] + (one - b2) * g[i] * g[i]
                    w[i] = w[i] * keep - rate * (m[i] * c1) / (np.sqrt(v[i] * c2) + eps)


@njit(nogil=True, cache=True)
def run_steps(
    theta: Any, moments: Any, plan: Any, first: int, loss: int, X: Any, y: Any, order: Any,
    batch: int, rates: Any, step: int, optimiser: int, settings: Any, every: int,
) -> Any:  # fmt: skip
    """Train in place for ``rates.size`` steps, `batch` rows of `order` each.

    Returns
    -------
    ndarray of float64, shape (recorded, 3)
        Step, mean loss (reconstruction: the whole J; cross-entropy: without the penalty) and share
        of rows told right, at every `every`-th step, measured on its batch before the update.
    """
    work = workspace(plan, batch, theta)
    grad = _scratch(theta.size, theta)
    curve = np.zeros((rates.size // every + 1, 3))
    recorded = 0
    empty = np.empty(0, dtype=theta.dtype)
    for s in range(rates.size):
        want = (step + s) % every == 0
        slopes, spread = empty, 0.0
        # A batch of several blocks needs its mean activation before the first of them goes back.
        if batch > BLOCK and loss == RECONSTRUCTION and settings[BETA] > 0:
            sums = activation_sums(theta, plan, first + 1, X, order, s * batch, batch, work[0])
            rho_hat = sums / theta.dtype.type(batch)
            slopes = sparsity_slopes(rho_hat, batch, settings)
            spread = settings[BETA] * sparsity_penalty(rho_hat, settings[RHO])
        value, right, kl = add_gradient(
            theta, plan, first, loss, X, y, order, s * batch, batch, batch, slopes, settings,
            grad, work, want, True,
        )  # fmt: skip
        if want:
            curve[recorded, 0] = step + s
            curve[recorded, 1] = value / batch + kl + spread
            if loss == RECONSTRUCTION:
                curve[recorded, 1] += 0.5 * settings[DECAY] * penalty(theta, plan, first)
            curve[recorded, 2] = right / batch
            recorded += 1
        update(theta, grad, plan, first, optimiser, rates[s], step + s, moments, settings)
    return curve[:recorded]


@njit(nogil=True, cache=True)
def mean_activations(theta: Any, plan: Any, X: Any) -> Any:
    """Mean over rows of every layer's activations, shape (layers, most units), zeros behind."""
    layers = len(plan)
    means = np.zeros((layers, plan[:, PADDED_OUT].max()))
    acts = _activations(plan, len(X), theta)
    for begin in range(0, len(X), BLOCK):
        size = min(BLOCK, len(X) - begin)
        index = np.arange(begin, begin + size)
        columns, offsets = _pass(theta, plan, X, index, 0, size, acts, layers)
        for k in range(layers):
            sums = np.zeros(plan[k, PADDED_OUT], dtype=theta.dtype)
            _add_sums(_layer(acts, offsets[k + 1], sums.size, columns), size, sums)
            for j in range(sums.size):
                means[k, j] += sums[j] / len(X)
    return means


@njit(nogil=True, cache=True)
def outputs(theta: Any, plan: Any, layers: int, X: Any) -> Any:
    """Activations behind the first `layers` layers, shape (rows, units of the last of them)."""
    n = len(X)
    result = np.empty((n, plan[layers - 1, OUTPUTS]), dtype=theta.dtype)
    acts = _activations(plan, n, theta)
    for begin in range(0, n, BLOCK):
        size = min(BLOCK, n - begin)
        index = np.arange(begin, begin + size)
        columns, offsets = _pass(theta, plan, X, index, 0, size, acts, layers)
        last = _layer(acts, offsets[layers], plan[layers - 1, PADDED_OUT], columns)
        for i in range(size):
            for j in range(result.shape[1]):
                result[begin + i, j] = last[j, i]
    return result
