"""Greedy pre-training and fine-tuning of stacked autoencoders, member by member or together."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError
from shakeslide.models.sae import sae_kernels as kernels
from shakeslide.models.sae.sae_kernels import (
    INPUTS,
    OUTPUTS,
    Batch,
    Dropout,
    Net,
    Rows,
    Schedule,
    Step,
    Task,
)
from shakeslide.models.sae.sae_network import (
    Autoencoder,
    Network,
    aligned_zeros,
    autoencoder_plan,
    bias_view,
    classifier_plan,
    draw_weights,
    parameter_count,
    weight_view,
)

OPTIMISERS = {"sgd": kernels.SGD, "adamw": kernels.ADAMW}
_SEGMENT = 250  # steps between two looks at progress
_POINTS = 200  # of a curve
_GROUPS = 16  # parts of a large batch: their gradients are added in order, whoever computes them
_LARGE = 8 * kernels.BLOCK  # rows from which a batch is worth several threads
_CHECKPOINT_SECONDS = 2.0

Labelled = tuple[NDArray[np.float32], NDArray[np.uint8]]


@dataclass(frozen=True)
class Settings:
    """What training needs to know, checked by the estimator."""

    units: tuple[int, ...]
    rho: float
    beta: float
    weight_decay: float
    loss_reduction: str
    pretrain_steps: int
    steps: int
    learning_rate: float
    pretrain_learning_rate: float
    batch_size: int | None
    optimiser: str
    schedule: str
    init: str
    activation: str
    device: str
    patience: int
    check_every: int
    dropout: float
    input_dropout: float
    balanced: bool


def learning_rates(schedule: str, peak: float, steps: int) -> NDArray[np.float32]:
    """Return the learning rate of every step, (steps,) float32.

    ``one_cycle`` rises from peak/25 over the first 30 % and falls to peak/25/10⁴, both along half
    a cosine (Smith 2018, arXiv:1803.09820).
    """
    if schedule == "constant":
        return np.full(steps, peak, dtype=np.float32)
    # The shape and its numbers are those of PyTorch's OneCycleLR.
    top = 0.3 * steps - 1
    step = np.arange(steps)
    up = np.clip(step / max(top, 1e-9), 0, 1)
    down = np.clip((step - top) / max(steps - 1 - top, 1e-9), 0, 1)
    start, end = peak / 25, peak / 25 / 1e4
    rising = start + (peak - start) * (0.5 - 0.5 * np.cos(np.pi * up))
    falling = peak + (end - peak) * (0.5 - 0.5 * np.cos(np.pi * down))
    return np.where(step <= top, rising, falling).astype(np.float32)


def generator(seed: int, *key: int) -> np.random.Generator:
    """Random generator of one purpose: seed and purpose make the stream, nothing else."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


class BatchOrder:
    """Rows of every batch: one permutation per epoch, its incomplete last batch left out.

    A batch is a function of seed, phase and step alone, so that training may stop and go on
    anywhere.
    """

    def __init__(self, seed: int, phase: int, rows: int, batch: int) -> None:
        self._seed, self._phase, self._rows, self._batch = seed, phase, rows, batch
        self._per_epoch = rows // batch
        self._epoch = -1
        self._order = np.empty(0, dtype=np.int64)

    def rows(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the rows of the batches of steps `start` to `stop`, one batch after the other.

        Their numbers: (n,) int64 with n = (stop - start) times the size of a batch.
        """
        parts = []
        while start < stop:
            epoch, place = divmod(start, self._per_epoch)
            if epoch != self._epoch:
                rng = generator(self._seed, 1, self._phase, epoch)
                whole = self._batch == self._rows  # its order is of no account
                self._order = np.arange(self._rows) if whole else rng.permutation(self._rows)
                self._epoch = epoch
            end = min(stop - start + place, self._per_epoch)
            parts.append(self._order[place * self._batch : end * self._batch])
            start += end - place
        return np.concatenate(parts)


class BalancedOrder(BatchOrder):
    """Rows of every batch, half of them of either class: each class goes through its own epochs.

    Parameters
    ----------
    seed, phase : int
    y : ndarray, shape (n,)
        Labels, 0 or 1.
    batch : int
    """

    def __init__(self, seed: int, phase: int, y: NDArray[np.float32], batch: int) -> None:
        super().__init__(seed, phase, len(y), batch)
        self._classes = [np.flatnonzero(y == label) for label in (0, 1)]
        # An odd batch has one clear cell more.
        self._sizes = [batch - batch // 2, batch // 2]

    def rows(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the rows of the batches of steps `start` to `stop`, as `BatchOrder` does."""
        halves = [
            self._class(label, start * size, stop * size).reshape(stop - start, size)
            for label, size in enumerate(self._sizes)
        ]
        return np.concatenate(halves, axis=1).ravel()

    def _class(self, label: int, start: int, stop: int) -> NDArray[np.int64]:
        """Return places `start` to `stop` of an endless row of permutations of one class."""
        rows = self._classes[label]
        epochs = range(start // len(rows), -(-stop // len(rows)))
        parts = [
            generator(self._seed, 1, self._phase, epoch, label).permutation(rows)
            for epoch in epochs
        ]
        first = epochs.start * len(rows)
        return np.concatenate([*parts, rows[:0]])[start - first : stop - first]


Together = Callable[
    [Sequence["Member"], Sequence[BatchOrder], NDArray[np.float32]], list[NDArray[np.float64]]
]


@dataclass
class Member:
    """One network in training.

    Attributes
    ----------
    X, y : ndarray of float32
        Training rows and labels.
    pretraining_X : ndarray of float32
        Rows of pre-training: those of `X`, and unlabelled ones.
    watched : dict
        Rows looked at every `check_every` steps: "validation" decides when to stop.
    theta, moments, plan
        The stack in training: the encoders so far, then a decoder or the softmax.
    phase : int
        Encoder in training; the number of encoders when fine-tuning; one more when done.
    step : int
        Steps done in this phase.
    best, best_loss, best_step
        Parameters of the lowest validation loss.
    curves : dict
        Of each phase, rows of (step, loss, accuracy).
    """

    settings: Settings
    seed: int
    X: NDArray[np.float32]
    y: NDArray[np.float32]
    pretraining_X: NDArray[np.float32]
    watched: dict[str, Labelled] = field(default_factory=dict)
    theta: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    moments: NDArray[np.float32] = field(default_factory=lambda: np.empty((2, 0), np.float32))
    plan: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 7), np.int64))
    phase: int = -1
    step: int = 0
    best: NDArray[np.float32] | None = None
    best_loss: float = np.inf
    best_step: int = 0
    curves: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    decoders: list[Autoencoder] = field(default_factory=list)

    @property
    def depth(self) -> int:
        """Number of encoders."""
        return len(self.settings.units)

    @property
    def fine_tuning(self) -> bool:
        """Whether all encoders are pre-trained."""
        return self.phase == self.depth

    @property
    def rows(self) -> NDArray[np.float32]:
        """Rows of the present phase, (n, n_features) float32."""
        return self.X if self.fine_tuning else self.pretraining_X

    @property
    def batch(self) -> int:
        """Rows of a batch in the present phase."""
        size = self.settings.batch_size
        return len(self.rows) if size is None else min(size, len(self.rows))

    @property
    def first(self) -> int:
        """Lowest layer in training."""
        return 0 if self.fine_tuning else self.phase

    @property
    def loss(self) -> int:
        """Kernel's code of the loss of the present phase."""
        return kernels.CROSS_ENTROPY if self.fine_tuning else kernels.RECONSTRUCTION

    @property
    def curve_name(self) -> str:
        """Name of the present phase."""
        return "fine_tuning" if self.fine_tuning else f"pretraining_{self.phase + 1}"

    def phase_steps(self) -> int:
        """Steps of the present phase."""
        return self.settings.steps if self.fine_tuning else self.settings.pretrain_steps

    def total_steps(self) -> int:
        """Steps of all phases."""
        return self.settings.pretrain_steps * self.depth + self.settings.steps

    def done_steps(self) -> int:
        """Steps done of all phases; those that early stopping spares count as done."""
        if self.phase > self.depth:
            return self.total_steps()
        return self.settings.pretrain_steps * max(self.phase, 0) + self.step

    @property
    def net(self) -> Net:
        """The stack in training, as the kernels take it."""
        return Net(self.theta, self.plan)

    def task(self) -> Task:
        """Return what the kernels do in the present phase.

        Its settings, (4,) float32, are the sparsity ρ, its weight β, the scale of the loss and 4
        times the weight decay.
        """
        s = self.settings
        features = int(self.plan[self.first, INPUTS])
        scale = 1.0 / features if s.loss_reduction == "mean" else 1.0
        # The gradient of 2λW² is 4λW.
        numbers = np.array([s.rho, s.beta, scale, 4.0 * s.weight_decay], dtype=np.float32)
        if not self.fine_tuning or s.dropout == s.input_dropout == 0:
            return Task(self.first, self.loss, numbers)
        key = generator(self.seed, 4).integers(2**64, dtype=np.uint64)
        dropout = Dropout(float(s.input_dropout), float(s.dropout), key)
        return Task(self.first, self.loss, numbers, dropout)

    def shift(self) -> float:
        """What the logits lack to be those of the rows: batches of equal classes hide their share.

        The odds in a balanced batch are those of the rows times clear over positive rows.
        """
        if not self.settings.balanced:
            return 0.0
        positive = float(np.sum(self.y > 0))
        return float(np.log(positive / (len(self.y) - positive)))

    def network(self) -> Network:
        """The trained network."""
        curves = {name: np.concatenate(parts) for name, parts in sorted(self.curves.items())}
        means = kernels.mean_activations(self.net, self.X)
        units = self.plan[:-1, OUTPUTS]
        # `means` has a row more, that of the softmax.
        mean_activation = [row[:n].copy() for row, n in zip(means, units, strict=False)]
        return Network(self.theta, self.plan, self.decoders, mean_activation, curves)


def train(
    members: Sequence[Member],
    callback: Callable[[int, int], None] | None = None,
    threads: int = 1,
    save: Callable[[int, Member], None] | None = None,
    together: Together | None = None,
) -> None:
    """Train members to their end.

    Parameters
    ----------
    members : sequence of Member
        New ones, or ones that an earlier, broken-off training left.
    callback : callable, optional
        Called with (steps done, steps in all) of all members together, never twice at once.
    threads : int
        Shared among members, and within a member among the parts of a large batch.
    save : callable, optional
        Called with a member's number and the member, now and then and at its end.
    together : callable, optional
        Trains several members at the same step of one phase at once, on a graphics processor.
        Without it every member is trained by one thread, to the same bits as if alone.
    """
    if together is not None:
        _train_together(members, callback, save, together)
        return
    lock = threading.Lock()
    total = sum(member.total_steps() for member in members)
    inside = max(1, threads // len(members))
    broken_off = threading.Event()

    def run(number: int) -> None:
        member, saved = members[number], time.monotonic()
        with ThreadPoolExecutor(inside) as pool:
            for _ in _segments(member, pool):
                if broken_off.is_set():
                    return
                if save is not None and time.monotonic() - saved > _CHECKPOINT_SECONDS:
                    save(number, member)
                    saved = time.monotonic()
                with lock:
                    if callback is not None:
                        callback(sum(m.done_steps() for m in members), total)
        if save is not None:
            save(number, member)

    with ThreadPoolExecutor(min(threads, len(members))) as pool:
        try:
            list(pool.map(run, range(len(members))))
        except BaseException:  # an interrupt from the keyboard too
            broken_off.set()
            raise


def _train_together(
    members: Sequence[Member],
    callback: Callable[[int, int], None] | None,
    save: Callable[[int, Member], None] | None,
    together: Together,
) -> None:
    """Train members whose settings agree in step."""
    total = sum(member.total_steps() for member in members)
    while True:
        for member in members:
            while member.phase < 0 or (
                member.phase <= member.depth and member.step >= member.phase_steps()
            ):
                _next_phase(member)
        left = [m for m in members if m.phase <= m.depth]
        if not left:
            break
        # Those furthest behind go first, until all stand at the same step.
        lead = min(left, key=lambda m: (m.phase, m.step))
        group = [m for m in left if _in_step(m, lead)]
        stop = min(lead.phase_steps(), _segment_end(lead))
        tools = [_phase_tools(m) for m in group]
        curves = together(group, [order for order, _ in tools], tools[0][1][lead.step : stop])
        for member, curve in zip(group, curves, strict=True):
            _advance(member, stop, curve)
        for number, member in enumerate(members):
            if save is not None:
                save(number, member)
        if callback is not None:
            callback(sum(m.done_steps() for m in members), total)


def _in_step(member: Member, lead: Member) -> bool:
    same = (member.settings, member.phase, member.step, member.batch, member.X.shape[1])
    return same == (lead.settings, lead.phase, lead.step, lead.batch, lead.X.shape[1])


def _phase_tools(member: Member) -> tuple[BatchOrder, NDArray[np.float32]]:
    """Batches and learning rates of the present phase."""
    s = member.settings
    peak = s.learning_rate if member.fine_tuning else s.pretrain_learning_rate
    order = BatchOrder(member.seed, member.phase, len(member.rows), member.batch)
    if s.balanced and member.fine_tuning:
        order = BalancedOrder(member.seed, member.phase, member.y, member.batch)
    return order, learning_rates(s.schedule, peak, member.phase_steps())


def _advance(member: Member, stop: int, curve: NDArray[np.float64]) -> None:
    """Note that a segment is done.

    Raises
    ------
    InputError
        If the parameters have left the numbers.
    """
    if not np.isfinite(member.theta).all():
        raise InputError(
            f"sae: training diverged in {member.curve_name} by step {stop}; lower the learning rate"
        )
    member.curves.setdefault(member.curve_name, []).append(curve)
    member.step = stop
    if member.fine_tuning and _look(member):
        # As if it were the last one: `_next_phase` then brings the best parameters back.
        member.step = member.phase_steps()


def _segments(member: Member, pool: ThreadPoolExecutor) -> Iterator[None]:
    """Train segment by segment."""
    while member.phase <= member.depth:
        if member.phase < 0 or member.step >= member.phase_steps():
            _next_phase(member)
            continue
        order, rates = _phase_tools(member)
        while member.step < member.phase_steps():
            stop = min(member.phase_steps(), _segment_end(member))
            run = _run_large if member.batch > _LARGE else _run_small
            _advance(member, stop, run(member, order, rates[member.step : stop], pool))
            yield


def _segment_end(member: Member) -> int:
    # A step of a large batch takes long: progress and state after each.
    if member.batch > _LARGE:
        return member.step + 1
    every = member.settings.check_every if member.watched else _SEGMENT
    return (member.step // every + 1) * every


def record_every(member: Member) -> int:
    """Steps between two points of a curve."""
    return max(1, member.phase_steps() // _POINTS)


def _run_small(
    member: Member, order: BatchOrder, rates: NDArray[np.float32], pool: ThreadPoolExecutor
) -> NDArray[np.float64]:
    """Steps of batches that one thread computes."""
    index = order.rows(member.step, member.step + rates.size)
    schedule = Schedule(
        optimiser=OPTIMISERS[member.settings.optimiser],
        rates=rates,
        first=member.step,
        every=record_every(member),
    )
    curve: NDArray[np.float64] = kernels.run_steps(
        member.net,
        member.task(),
        Rows(member.rows, index, 0, member.batch),
        member.y,
        member.moments,
        schedule,
    )
    return curve


def _run_large(
    member: Member, order: BatchOrder, rates: NDArray[np.float32], pool: ThreadPoolExecutor
) -> NDArray[np.float64]:
    """One step of a large batch: gradients of its parts, in memory that doesn't grow with it."""
    net, task = member.net, member.task()
    index, n = order.rows(member.step, member.step + 1), member.batch
    bounds = [n * k // _GROUPS for k in range(_GROUPS + 1)]
    parts = [Rows(member.rows, index, a, b - a) for a, b in itertools.pairwise(bounds)]
    want = member.step % record_every(member) == 0
    slopes, spread = np.zeros(0, dtype=np.float32), 0.0
    if member.loss == kernels.RECONSTRUCTION and member.settings.beta > 0:

        def sums(part: Rows) -> NDArray[np.float32]:
            # Scratch of its own: other parts run at the same time.
            work = kernels.workspace(net, kernels.BLOCK)
            out: NDArray[np.float32] = kernels.activation_sums(net, part, work.acts, task.first + 1)
            return out

        mean = (np.sum(list(pool.map(sums, parts)), axis=0, dtype=np.float64) / n).astype(
            np.float32
        )
        slopes = kernels.sparsity_slopes(mean, n, task.settings)
        spread = member.settings.beta * kernels.sparsity_penalty(mean, member.settings.rho)

    batch = Batch(member.y, n, slopes, member.step)

    def gradient(part: Rows) -> tuple[NDArray[np.float32], float, float]:
        work = kernels.workspace(net, kernels.BLOCK)
        value, right, _ = kernels.add_gradient(net, task, part, batch, work, want)
        return work.grad, value, right

    grads, values, rights = zip(*pool.map(gradient, parts), strict=True)
    total = np.sum(grads, axis=0)
    loss = sum(values) / n + spread
    if want and member.loss == kernels.RECONSTRUCTION:
        loss += 2.0 * member.settings.weight_decay * kernels.penalty(net, task.first)
    step = Step(
        optimiser=OPTIMISERS[member.settings.optimiser],
        rate=rates[0],
        number=member.step,
        moments=member.moments,
    )
    kernels.update(net, task, total, step)
    return np.array([[member.step, loss, sum(rights) / n]] if want else np.empty((0, 3)))


def _next_phase(member: Member) -> None:
    """Set up the stack of the next phase: keep the encoders, put a new decoder or softmax on."""
    s = member.settings
    if 0 <= member.phase < member.depth and s.pretrain_steps > 0:
        k, theta, plan = member.phase, member.theta, member.plan
        # Copied now: fine-tuning moves the encoders away from their decoders.
        views = [view(theta, plan, j) for j in (k, k + 1) for view in (weight_view, bias_view)]
        member.decoders.append(tuple(view.copy() for view in views))
    member.phase += 1
    member.step = 0
    if member.phase > member.depth:
        if member.best is not None:
            member.theta[:] = member.best
        if s.balanced:
            bias_view(member.theta, member.plan, member.depth)[1] += np.float32(member.shift())
        return
    old_theta, old_plan = member.theta, member.plan
    member.plan = phase_plan(member)
    member.theta = aligned_zeros(parameter_count(member.plan))
    size = member.theta.size if s.optimiser == "adamw" else 0
    member.moments = np.zeros((2, size), dtype=np.float32)
    for k in range(len(member.plan)):
        weights = weight_view(member.theta, member.plan, k)
        if k < member.phase:
            weights[:] = weight_view(old_theta, old_plan, k)
            bias_view(member.theta, member.plan, k)[:] = bias_view(old_theta, old_plan, k)
        else:
            # Glorot's factor for sigmoids doesn't concern the softmax
            init = "xavier" if member.fine_tuning and s.init == "glorot4" else s.init
            # A stream per layer: none depends on how many numbers another has drawn.
            rng = generator(member.seed, 0, member.phase, k - member.phase)
            weights[:] = draw_weights(rng, weights.shape[1], weights.shape[0], init)


def phase_plan(member: Member) -> NDArray[np.int64]:
    """Return the plan of the stack of the present phase, (layers, 7) int64."""
    s, features = member.settings, member.X.shape[1]
    if member.phase >= member.depth:
        return classifier_plan(features, s.units, s.activation)
    return autoencoder_plan(features, s.units[: member.phase + 1], s.activation)


def _look(member: Member) -> bool:
    """Note loss and accuracy of the watched rows; tell whether to stop."""
    # The last step is looked at too, multiple or not.
    if member.step % member.settings.check_every and member.step < member.phase_steps():
        return False
    for name, (X, y) in member.watched.items():
        logits = kernels.outputs(member.net, len(member.plan), X)
        z = logits[:, 1].astype(np.float64) - logits[:, 0] + member.shift()
        loss = float(np.logaddexp(0.0, np.where(y > 0, -z, z)).mean())
        accuracy = float(np.mean((z > 0) == (y > 0)))
        member.curves.setdefault(name, []).append(np.array([[member.step, loss, accuracy]]))
        if name == "validation" and loss < member.best_loss:
            member.best, member.best_loss = member.theta.copy(), loss
            member.best_step = member.step
    waited = (member.step - member.best_step) // member.settings.check_every
    return "validation" in member.watched and waited >= member.settings.patience
