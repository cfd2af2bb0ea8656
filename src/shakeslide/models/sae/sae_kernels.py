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

from typing import Any, NamedTuple

import numpy as np

from shakeslide.core.compiled import kernel
from shakeslide.models.intrinsics import sigmoid
from shakeslide.models.products import LANE, product, row_sums, transpose

INPUTS, OUTPUTS, PADDED_IN, PADDED_OUT, WEIGHTS, BIASES, ACTIVATION = range(7)
LINEAR, SIGMOID, TANH, RELU, SILU = range(5)
CROSS_ENTROPY, RECONSTRUCTION = range(2)
SGD, ADAMW = range(2)
RHO, BETA, RECONSTRUCTION_SCALE, DECAY = range(4)  # places in a settings array

BLOCK = 512  # rows that pass the whole stack together: their activations stay in the L2 cache
# The divergence is infinite where a mean activation is 0 or 1.
_KL_MARGIN = 1e-6
# As Kingma & Ba (2015) advise.
ADAM_1, ADAM_2, ADAM_EPSILON = 0.9, 0.999, 1e-8


class Net(NamedTuple):
    """A stack of layers.

    Attributes
    ----------
    theta : ndarray, shape (parameters,)
        Weights and biases.
    plan : ndarray of int64, shape (layers, 7)
        How they lie.
    """

    theta: Any
    plan: Any


class Rows(NamedTuple):
    """Rows ``index[start:start + count]`` of `X`, which has shape (all rows, inputs)."""

    X: Any
    index: Any
    start: Any
    count: Any


class Batch(NamedTuple):
    """What rows of one step share: all labels, the batch's size, sparsity's slopes by unit.

    Empty slopes with a sparsity weight mean that the rows are the whole batch and a single block:
    the mean activation is taken on the way. `number` is that of the step.
    """

    y: Any
    size: Any
    slopes: Any
    number: Any = 0


class Dropout(NamedTuple):
    """Shares of the inputs and of the hidden units that each row loses in each step.

    Which ones follows from `key`, step, layer, unit and the number of the row, and from nothing
    else: a row loses the same ones whatever the threads and wherever training went on.
    """

    inputs: Any
    hidden: Any
    key: Any


NO_DROPOUT = Dropout(0.0, 0.0, np.uint64(0))


class Task(NamedTuple):
    """What is trained: layers `first` and up, for a loss; `settings` are numbers by place."""

    first: Any
    loss: Any
    settings: Any
    dropout: Any = NO_DROPOUT


class Work(NamedTuple):
    """Scratch of `add_gradient`, and the gradient that it makes; all of one dimension.

    `slopes` holds dh/dz of all activations where it does not follow from h: h = z σ(z) does not
    rise everywhere, and a unit that is left out has a slope of 0.
    """

    acts: Any
    deltas: Any
    turned: Any
    grad: Any
    slopes: Any


class Step(NamedTuple):
    """One step of an optimiser: its rate and number, and AdamW's moments (2, parameters)."""

    optimiser: Any
    rate: Any
    number: Any
    moments: Any


class Schedule(NamedTuple):
    """Steps: the rate of each, the number of the first, and how often the loss is noted."""

    optimiser: Any
    rates: Any
    first: Any
    every: Any


@kernel
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
        elif activation == SILU:
            for j in range(row.size):
                v = row[j] + b
                row[j] = v * sigmoid(v)
        else:
            for j in range(row.size):
                row[j] += b


@kernel
def _slopes(z: Any, bias: Any, slopes: Any, units: int, activation: int) -> None:
    """Write dh/dz of the first `units` rows of `z` with their biases to `slopes`."""
    one = z.dtype.type(1)
    zero = z.dtype.type(0)
    for i in range(units):
        row = z[i]
        out = slopes[i]
        b = bias[i]
        if activation == SILU:
            for j in range(row.size):
                v = row[j] + b
                s = sigmoid(v)
                out[j] = s * (one + v * (one - s))
        elif activation == SIGMOID:
            for j in range(row.size):
                s = sigmoid(row[j] + b)
                out[j] = s * (one - s)
        elif activation == TANH:
            for j in range(row.size):
                s = sigmoid((row[j] + b) + (row[j] + b))
                h = s + s - one
                out[j] = one - h * h
        elif activation == RELU:
            for j in range(row.size):
                out[j] = one if row[j] + b > 0 else zero
        else:
            for j in range(row.size):
                out[j] = one


@kernel
def _mixed(key: Any, number: Any) -> Any:
    """64 random bits of a key and a number (Steele et al. 2014, doi:10.1145/2660193.2660195)."""
    z = key + (np.uint64(number) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def _drop(h: Any, slopes: Any, units: int, rows: Rows, share: float, key: Any) -> None:
    """Leave a share of the first `units` rows of `h` and `slopes` out, column by column.

    What stays is enlarged, so that sums over units are as large on average as with all of them.
    """
    zero = h.dtype.type(0)
    kept = h.dtype.type(1.0 / (1.0 - share))
    limit = np.uint64(share * 2.0**32)
    for i in range(units):
        unit = _mixed(key, i)
        for j in range(rows.count):
            bits = _mixed(unit, rows.index[rows.start + j]) >> np.uint64(32)
            factor = zero if bits < limit else kept
            h[i, j] *= factor
            slopes[i, j] *= factor


@kernel
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


@kernel
def _filled_up(rows: int) -> int:
    """Rows and what fills them up to whole registers."""
    return (rows + LANE - 1) // LANE * LANE


@kernel
def activation_offsets(plan: Any, rows: int) -> Any:
    """Place of every layer's input, and of the last output, in scratch for `rows` rows."""
    layers = len(plan)
    offsets = np.zeros(layers + 2, dtype=np.int64)
    for k in range(layers):
        offsets[k + 1] = offsets[k] + plan[k, PADDED_IN] * rows
    offsets[layers + 1] = offsets[layers] + plan[layers - 1, PADDED_OUT] * rows
    return offsets


@kernel
def _scratch(size: int, like: Any) -> Any:
    """Zeros that start at a cache line, which no load of a register then straddles."""
    room = np.zeros(size + LANE, dtype=like.dtype)
    skip = (-(room.ctypes.data // room.itemsize)) % LANE
    return room[skip : skip + size]


@kernel
def _activations(plan: Any, rows: int, like: Any) -> Any:
    """Scratch for all activations of blocks of up to `rows` rows."""
    return _scratch(activation_offsets(plan, _filled_up(min(rows, BLOCK)))[-1], like)


@kernel
def _layer(flat: Any, offset: int, units: int, rows: int) -> Any:
    return flat[offset : offset + units * rows].reshape(units, rows)


@kernel
def _clear(h: Any, units: int, rows: int) -> None:
    """Put zeros behind the first `units` units and the first `rows` columns."""
    for i in range(len(h)):
        for j in range(rows if i < units else 0, h.shape[1]):
            h[i, j] = 0


@kernel
def _gather(rows: Rows, out: Any) -> None:
    """Copy rows into the columns of `out`, and zeros into those behind."""
    for i in range(rows.count):
        source = rows.X[rows.index[rows.start + i]]
        for j in range(source.size):
            out[j, i] = source[j]
    # Scratch of another block's shape may have left numbers there.
    _clear(out, rows.X.shape[1], rows.count)


@kernel
def _forward(net: Net, acts: Any, offsets: Any, rows: int, layers: int) -> None:
    """Pass `rows` columns through the first `layers` layers."""
    theta, plan = net
    for k in range(layers):
        p_in, p_out = plan[k, PADDED_IN], plan[k, PADDED_OUT]
        w = _layer(theta, plan[k, WEIGHTS], p_out, p_in)
        z = _layer(acts, offsets[k + 1], p_out, rows)
        product(w, _layer(acts, offsets[k], p_in, rows), z, False)
        bias = theta[plan[k, BIASES] : plan[k, BIASES] + p_out]
        _activate(z, bias, plan[k, OUTPUTS], plan[k, ACTIVATION])


@kernel
def _pass(net: Net, rows: Rows, acts: Any, layers: int) -> Any:
    """Pass rows through the first `layers` layers.

    Returns
    -------
    tuple
        Columns that the rows take in `acts`, and the places of its layers.
    """
    columns = _filled_up(rows.count)
    offsets = activation_offsets(net.plan, columns)
    _gather(rows, _layer(acts, 0, net.plan[0, PADDED_IN], columns))
    _forward(net, acts, offsets, columns, layers)
    return columns, offsets


@kernel
def _keeps_slopes(plan: Any, dropout: Dropout) -> bool:
    """Tell whether training needs dh/dz beside h."""
    return bool((plan[:, ACTIVATION] == SILU).any() or dropout.inputs > 0 or dropout.hidden > 0)


@kernel
def _training_pass(net: Net, rows: Rows, work: Work, dropout: Dropout, key: Any) -> Any:
    """Pass rows through all layers, some inputs and units left out; keep dh/dz.

    Returns
    -------
    tuple
        As `_pass` does.
    """
    theta, plan = net
    layers = len(plan)
    columns = _filled_up(rows.count)
    offsets = activation_offsets(plan, columns)
    inputs = _layer(work.acts, 0, plan[0, PADDED_IN], columns)
    _gather(rows, inputs)
    if dropout.inputs > 0:
        unused = _layer(work.slopes, 0, plan[0, PADDED_IN], columns)
        _drop(inputs, unused, plan[0, INPUTS], rows, dropout.inputs, _mixed(key, 0))
    for k in range(layers):
        p_in, p_out, units = plan[k, PADDED_IN], plan[k, PADDED_OUT], plan[k, OUTPUTS]
        z = _layer(work.acts, offsets[k + 1], p_out, columns)
        w = _layer(theta, plan[k, WEIGHTS], p_out, p_in)
        product(w, _layer(work.acts, offsets[k], p_in, columns), z, False)
        bias = theta[plan[k, BIASES] : plan[k, BIASES] + p_out]
        slopes = _layer(work.slopes, offsets[k + 1], p_out, columns)
        _slopes(z, bias, slopes, units, plan[k, ACTIVATION])
        _activate(z, bias, units, plan[k, ACTIVATION])
        if dropout.hidden > 0 and k < layers - 1:
            _drop(z, slopes, units, rows, dropout.hidden, _mixed(key, k + 1))
    return columns, offsets


@kernel
def _times(delta: Any, slopes: Any, units: int) -> None:
    """Multiply the first `units` rows of dJ/dh by dh/dz, in place."""
    for i in range(units):
        for j in range(delta.shape[1]):
            delta[i, j] *= slopes[i, j]


@kernel
def _backward(
    net: Net, task: Task, work: Work, offsets: Any, rows: int, sparsity: Any, add: bool
) -> None:
    """Gradient of layers `task.first` and up from dJ/dz of the last, which lies in `deltas`.

    `sparsity` holds dJ/dh that every row adds at the units of the first layer (none if empty).
    """
    theta, plan = net
    acts, deltas, turned, grad, slopes = work
    first, kept = task.first, _keeps_slopes(plan, task.dropout)
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
            if kept:
                _times(below, _layer(slopes, offsets[k], p_in, columns), plan[k, INPUTS])
            else:
                _through_activation(below, h, plan[k, INPUTS], plan[k - 1, ACTIVATION])


@kernel
def _softmax_delta(out: Any, delta: Any, y: Any, rows: Rows, scale: Any) -> None:
    """dJ/dz of cross-entropy, `scale` times per row."""
    for i in range(rows.count):
        d = (sigmoid(out[1, i] - out[0, i]) - y[rows.index[rows.start + i]]) * scale
        delta[1, i] = d
        delta[0, i] = -d


@kernel
def _softmax_loss(out: Any, y: Any, rows: Rows) -> Any:
    """Sum of cross-entropy and number of rows told right."""
    loss, right = 0.0, 0.0
    for i in range(rows.count):
        z = np.float64(out[1, i]) - np.float64(out[0, i])
        label = y[rows.index[rows.start + i]]
        against = -z if label > 0 else z
        # ln(1 + exp(x)) without overflow.
        loss += max(against, 0.0) + np.log1p(np.exp(-abs(against)))
        right += 1.0 if (z > 0) == (label > 0) else 0.0
    return loss, right


@kernel
def _reconstruction_delta(out: Any, target: Any, delta: Any, units: int, scale: Any) -> None:
    """dJ/dy of half the squared error, `scale` times per row."""
    for i in range(units):
        for j in range(out.shape[1]):
            delta[i, j] = (out[i, j] - target[i, j]) * scale


@kernel
def _squared_error(out: Any, target: Any, units: int, rows: int) -> float:
    total = 0.0
    for i in range(units):
        for j in range(rows):
            d = np.float64(out[i, j]) - np.float64(target[i, j])
            total += d * d
    return total


@kernel
def sparsity_slopes(rho_hat: Any, n: int, settings: Any) -> Any:
    """d(beta KL)/dh, (units,), the same for all n rows; `rho_hat`, (units,): mean activations."""
    slopes = np.zeros_like(rho_hat)
    rho, beta = np.float64(settings[RHO]), np.float64(settings[BETA])
    for j in range(rho_hat.size):
        r = min(max(np.float64(rho_hat[j]), _KL_MARGIN), 1.0 - _KL_MARGIN)
        slopes[j] = beta / n * ((1.0 - rho) / (1.0 - r) - rho / r)
    return slopes


@kernel
def sparsity_penalty(rho_hat: Any, rho: float) -> float:
    """Sum over units of KL(rho || rho_hat), rho_hat kept 1e-6 away from 0 and 1."""
    total = 0.0
    for j in range(rho_hat.size):
        r = min(max(np.float64(rho_hat[j]), _KL_MARGIN), 1.0 - _KL_MARGIN)
        total += rho * np.log(rho / r) + (1.0 - rho) * np.log((1.0 - rho) / (1.0 - r))
    return total


@kernel
def _add_sums(h: Any, rows: int, sums: Any) -> None:
    """Add activations of the first `rows` columns to `sums`; the columns behind become zero."""
    _clear(h, len(h), rows)
    row_sums(h, sums, True)


@kernel
def activation_sums(net: Net, rows: Rows, acts: Any, layers: int) -> Any:
    """Sum over rows of the activations behind the first `layers` layers, (units,)."""
    plan = net.plan
    p_out = plan[layers - 1, PADDED_OUT]
    sums = np.zeros(p_out, dtype=net.theta.dtype)
    end = rows.start + rows.count
    for begin in range(rows.start, end, BLOCK):
        size = min(BLOCK, end - begin)
        columns, offsets = _pass(net, Rows(rows.X, rows.index, begin, size), acts, layers)
        _add_sums(_layer(acts, offsets[layers], p_out, columns), size, sums)
    return sums[: plan[layers - 1, OUTPUTS]]


@kernel
def penalty(net: Net, first: int) -> float:
    """Sum of the squared weights of layers `first` and up (without biases)."""
    theta, plan = net
    total = 0.0
    for k in range(first, len(plan)):
        size = plan[k, PADDED_IN] * plan[k, PADDED_OUT]
        # Padding is 0 and adds nothing.
        for i in range(plan[k, WEIGHTS], plan[k, WEIGHTS] + size):
            total += np.float64(theta[i]) * np.float64(theta[i])
    return total


@kernel
def add_gradient(
    net: Net, task: Task, rows: Rows, batch: Batch, work: Work, want_loss: bool
) -> Any:
    """Write the gradient of rows of a batch, without the L2 penalty, to `work.grad`.

    Returns
    -------
    tuple of float
        Sum of the rows' losses (0 unless `want_loss`), number of rows told right, and the KL term
        (0 unless taken on the way).
    """
    plan, first, settings = net.plan, task.first, task.settings
    layers = len(plan)
    units = plan[layers - 1, OUTPUTS]
    p_out = plan[layers - 1, PADDED_OUT]
    value, right, kl = 0.0, 0.0, 0.0
    # Of the whole batch, of which these rows may be a part.
    scale = net.theta.dtype.type(1.0 / batch.size)
    kept, key = _keeps_slopes(plan, task.dropout), _mixed(task.dropout.key, batch.number)
    end = rows.start + rows.count
    for begin in range(rows.start, end, BLOCK):
        size = min(BLOCK, end - begin)
        block = Rows(rows.X, rows.index, begin, size)
        if kept:
            columns, offsets = _training_pass(net, block, work, task.dropout, key)
        else:
            columns, offsets = _pass(net, block, work.acts, layers)
        out = _layer(work.acts, offsets[layers], p_out, columns)
        delta = _layer(work.deltas, offsets[layers], p_out, columns)
        here = batch.slopes
        if task.loss == CROSS_ENTROPY:
            _softmax_delta(out, delta, batch.y, block, scale)
            if want_loss:
                v, r = _softmax_loss(out, batch.y, block)
                value += v
                right += r
        else:
            # A higher autoencoder gives back the features below it, not the rows.
            target = _layer(work.acts, offsets[first], plan[first, PADDED_IN], columns)
            _reconstruction_delta(out, target, delta, units, scale * settings[RECONSTRUCTION_SCALE])
            _through_activation(delta, out, units, plan[layers - 1, ACTIVATION])
            if want_loss:
                error = _squared_error(out, target, units, size)
                value += 0.5 * error * settings[RECONSTRUCTION_SCALE]
            if here.size == 0 and settings[BETA] > 0:
                sums = np.zeros(plan[first, PADDED_OUT], dtype=net.theta.dtype)
                _add_sums(_layer(work.acts, offsets[first + 1], sums.size, columns), size, sums)
                rho_hat = sums[: plan[first, OUTPUTS]] * scale
                here = sparsity_slopes(rho_hat, batch.size, settings)
                if want_loss:
                    kl = settings[BETA] * sparsity_penalty(rho_hat, settings[RHO])
        _clear(delta, units, size)  # what fills up moves nothing and isn't moved
        _backward(net, task, work, offsets, size, here, add=begin > rows.start)
    return value, right, kl


@kernel
def workspace(net: Net, rows: int) -> Work:
    """Scratch of `add_gradient` for blocks of up to `rows` rows: flat vectors like `theta`."""
    theta, plan = net
    acts, deltas = _activations(plan, rows, theta), _activations(plan, rows, theta)
    turned = _filled_up(min(rows, BLOCK)) * plan[:, PADDED_IN].max()
    grad, slopes = _scratch(theta.size, theta), _activations(plan, rows, theta)
    return Work(acts, deltas, _scratch(turned, theta), grad, slopes)


@kernel
def update(net: Net, task: Task, grad: Any, step: Step) -> None:
    """One step of gradient descent, or of AdamW, on layers `first` and up.

    The penalty 2 lambda |W|² enters as its gradient 4 lambda W, DECAY being 4 lambda: in plain
    descent it is a part of the gradient, in AdamW it is decoupled from the moments.
    """
    theta, plan = net
    settings, rate, moments = task.settings, step.rate, step.moments
    one = theta.dtype.type(1)
    b1, b2 = theta.dtype.type(ADAM_1), theta.dtype.type(ADAM_2)
    # The moments start at 0, for which both are corrected (Kingma and Ba 2015, arXiv:1412.6980).
    c1 = theta.dtype.type(1.0 / (1.0 - ADAM_1 ** (step.number + 1)))
    c2 = theta.dtype.type(1.0 / (1.0 - ADAM_2 ** (step.number + 1)))
    eps = theta.dtype.type(ADAM_EPSILON)
    for k in range(task.first, len(plan)):
        begin, biases = plan[k, WEIGHTS], plan[k, BIASES]
        for lo, hi, decay in (
            (begin, begin + plan[k, PADDED_IN] * plan[k, PADDED_OUT], settings[DECAY]),
            # Biases are not penalised; the product keeps the type.
            (biases, biases + plan[k, PADDED_OUT], settings[DECAY] * theta.dtype.type(0)),
        ):
            w, g = theta[lo:hi], grad[lo:hi]
            # Decoupled from the moments after Loshchilov & Hutter (2019), arXiv:1711.05101.
            keep = one - rate * decay
            if step.optimiser == SGD:
                for i in range(w.size):
                    w[i] = w[i] * keep - rate * g[i]
            else:
                m, v = moments[0, lo:hi], moments[1, lo:hi]
                for i in range(w.size):
                    m[i] = b1 * m[i] + (one - b1) * g[i]
                    v[i] = b2 * v[i] + (one - b2) * g[i] * g[i]
                    w[i] = w[i] * keep - rate * (m[i] * c1) / (np.sqrt(v[i] * c2) + eps)


@kernel
def run_steps(net: Net, task: Task, rows: Rows, y: Any, moments: Any, schedule: Schedule) -> Any:
    """Train in place: each step of the schedule takes the next ``rows.count`` rows.

    Returns
    -------
    ndarray of float64, shape (recorded, 3)
        Step, mean loss (reconstruction: the whole J; cross-entropy: without the penalty) and share
        of rows told right, at every `every`-th step, measured on its batch before the update.
    """
    theta, batch, settings = net.theta, rows.count, task.settings
    work = workspace(net, batch)
    curve = np.zeros((schedule.rates.size // schedule.every + 1, 3))
    recorded = 0
    empty = np.empty(0, dtype=theta.dtype)
    for s in range(schedule.rates.size):
        number = schedule.first + s
        want = number % schedule.every == 0
        here = Rows(rows.X, rows.index, rows.start + s * batch, batch)
        slopes, spread = empty, 0.0
        # A batch of several blocks needs its mean activation before the first of them goes back.
        if batch > BLOCK and task.loss == RECONSTRUCTION and settings[BETA] > 0:
            sums = activation_sums(net, here, work.acts, task.first + 1)
            rho_hat = sums / theta.dtype.type(batch)
            slopes = sparsity_slopes(rho_hat, batch, settings)
            spread = settings[BETA] * sparsity_penalty(rho_hat, settings[RHO])
        value, right, kl = add_gradient(
            net, task, here, Batch(y, batch, slopes, number), work, want
        )
        if want:
            curve[recorded, 0] = number
            curve[recorded, 1] = value / batch + kl + spread
            if task.loss == RECONSTRUCTION:
                curve[recorded, 1] += 0.5 * settings[DECAY] * penalty(net, task.first)
            curve[recorded, 2] = right / batch
            recorded += 1
        step = Step(schedule.optimiser, schedule.rates[s], number, moments)
        update(net, task, work.grad, step)
    return curve[:recorded]


@kernel
def mean_activations(net: Net, X: Any) -> Any:
    """Mean over rows of every layer's activations, shape (layers, most units), zeros behind."""
    theta, plan = net
    layers = len(plan)
    means = np.zeros((layers, plan[:, PADDED_OUT].max()))
    acts = _activations(plan, len(X), theta)
    index = np.arange(len(X))
    for begin in range(0, len(X), BLOCK):
        size = min(BLOCK, len(X) - begin)
        columns, offsets = _pass(net, Rows(X, index, begin, size), acts, layers)
        for k in range(layers):
            sums = np.zeros(plan[k, PADDED_OUT], dtype=theta.dtype)
            _add_sums(_layer(acts, offsets[k + 1], sums.size, columns), size, sums)
            for j in range(sums.size):
                means[k, j] += sums[j] / len(X)
    return means


@kernel
def outputs(net: Net, layers: int, X: Any) -> Any:
    """Activations behind the first `layers` layers, shape (rows, units of the last of them)."""
    theta, plan = net
    n = len(X)
    index = np.arange(n)
    result = np.empty((n, plan[layers - 1, OUTPUTS]), dtype=theta.dtype)
    acts = _activations(plan, n, theta)
    for begin in range(0, n, BLOCK):
        size = min(BLOCK, n - begin)
        columns, offsets = _pass(net, Rows(X, index, begin, size), acts, layers)
        last = _layer(acts, offsets[layers], plan[layers - 1, PADDED_OUT], columns)
        for i in range(size):
            for j in range(result.shape[1]):
                result[begin + i, j] = last[j, i]
    return result
