"""The stacked sparse autoencoder as a scikit-learn estimator."""

from __future__ import annotations

import copy
import importlib
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_array, check_is_fitted

from shakeslide.core.errors import InputError, did_you_mean
from shakeslide.models.base import ArrayReader, Arrays, Model
from shakeslide.models.bayes import GaussianNaiveBayes
from shakeslide.models.kernel_machines.svm import SupportVectorMachine
from shakeslide.models.logistic import logistic
from shakeslide.models.parallel import processors
from shakeslide.models.sae import sae_checkpoint as checkpoints
from shakeslide.models.sae import sae_training as training
from shakeslide.models.sae.modern import BOUNDED, MODERN
from shakeslide.models.sae.sae_network import ACTIVATIONS, Autoencoder, Floats, Network, joined

NEARLY = 1e-6
"""Rounding that features may lie beyond [0, 1] without being scaled."""
FARTHEST = 10.0
"""Greatest feature that a network without decoders takes unscaled: normal scores end at 3."""
_CHOICES: dict[str, tuple[str, ...]] = {
    "loss_reduction": ("sum", "mean"),
    "optimiser": ("sgd", "adamw"),
    "schedule": ("constant", "one_cycle"),
    "init": ("xavier", "glorot4", "normal"),
    "activation": tuple(ACTIVATIONS),
    "average": ("probability", "logit"),
    "head": ("softmax", "naive_bayes", "svm"),
    "precision": ("float32", "bfloat16"),
    "device": ("auto", "cpu", "cuda"),
}
_RANGES: dict[str, tuple[float, float]] = {
    # The divergence is infinite at 0 and 1.
    "rho": (1e-6, 1 - 1e-6),
    "beta": (0, np.inf),
    "weight_decay": (0, np.inf),
    "pretrain_steps": (0, 2**40),
    "steps": (0, 2**40),
    "learning_rate": (1e-12, np.inf),
    "validation_fraction": (1e-6, 1 - 1e-6),
    "patience": (1, 2**40),
    "check_every": (1, 2**40),
    "members": (1, 10_000),
    "dropout": (0, 0.95),
    "input_dropout": (0, 0.95),
    "passes": (1e-6, np.inf),
}
# Of NVIDIA's driver on Linux, and of Linux inside Windows.
_CARD_DRIVERS = ("/dev/nvidiactl", "/dev/dxg")
_HEADS: dict[str, Callable[[int], Model]] = {
    "naive_bayes": lambda seed: GaussianNaiveBayes(),
    # scikit-learn takes seeds of 32 bits.
    "svm": lambda seed: SupportVectorMachine(random_state=seed % 2**32),
}


class StackedAutoencoder(TransformerMixin, Model):  # type: ignore[misc]
    r"""Stacked sparse autoencoder with a softmax on top (Remote Sens. 2021, 13, 3436).

    Autoencoder k encodes its input x as t = f(W_x x + b_x) and decodes y = f(W_y t + b_y).
    Greedy pre-training minimises, autoencoder by autoencoder, on the features of the one below,

    .. math:: J = \frac{1}{2n}\sum_i \|x_i-y_i\|^2 + 2\lambda(\|W_x\|^2+\|W_y\|^2)
              + \beta\sum_j KL(\rho\|\hat\rho_j)

    with \|·\|² a sum over features (a mean with ``loss_reduction="mean"``) and ρ̂_j the mean
    activation of unit j over the batch. Then the decoders go, a softmax of two classes goes on top
    and cross-entropy + 2λΣ\|W\|² is minimised over all weights.

    The inputs are those that the encoder of a study gives: within [0, 1], or normal scores. Where
    they are others, each column is scaled to [0, 1] between its least and greatest value in `fit`,
    a `UserWarning` says so, and what is given later is scaled, and cut, alike: on a raw table of
    metres and degrees nothing would be learnt. Others are values beyond [0, 1] where bounded units
    (sigmoid, tanh) are pre-trained, since their decoders cannot give them back, and values beyond
    ±10 where nothing is pre-trained.

    Parameters
    ----------
    units : sequence of int
        Units of each layer, from the bottom.
    rho, beta : float
        Wanted mean activation and weight of the sparsity term. `beta` must be 0 unless the
        activation is the sigmoid.
    weight_decay : float
        λ. With AdamW its gradient 4λW is decoupled from the moments.
    loss_reduction : {"sum", "mean"}
        Over features, in pre-training.
    pretrain_steps, steps : int
        Steps for each autoencoder, and of fine-tuning.
    passes : float or None
        Most passes of fine-tuning over the training rows: fewer steps are taken where the rows are
        few, since a network learns few rows by rote.
    learning_rate, pretrain_learning_rate : float
        The second is the first unless given.
    batch_size : int or "full"
    optimiser : {"sgd", "adamw"}
    schedule : {"constant", "one_cycle"}
    init : {"xavier", "glorot4", "normal"}
    activation : {"sigmoid", "tanh", "relu", "linear", "silu"}
        With "silu", z σ(z), the decoders of pre-training are linear.
    head : {"softmax", "naive_bayes", "svm"}
        What tells the classes apart on the features of the highest layer. The last two replace the
        softmax after fine-tuning; with ``steps=0`` the features are those of pre-training.
    early_stopping : bool
        Hold `validation_fraction` of the training rows back, look at their cross-entropy every
        `check_every` steps, stop after `patience` looks without a better one, and keep the best.
    validation_fraction : float
    patience, check_every : int
    members : int
        Networks trained on the same rows, each from first weights, batches and held-back rows of
        its own.
    average : {"probability", "logit"}
        What of the members is averaged.
    dropout, input_dropout : float
        Share of the hidden units, and of the inputs, that each row loses in each step of
        fine-tuning (Srivastava et al. 2014, JMLR 15:1929).
    balanced : bool
        Take half of each batch of fine-tuning from either class. The probabilities are those of
        the rows' own balance all the same.
    precision : {"float32", "bfloat16"}
        Of prediction; training is always in float32. With bfloat16 `precision_error` tells how
        far the probabilities are off.
    device : {"auto", "cpu", "cuda"}
        Where to train; "auto" takes a graphics processor if PyTorch finds one. Only on the
        processor are the weights the same bits whatever else is trained beside them. Dropout and
        "silu" are trained on the processor alone.
    random_state : int or None
        Decides first weights, batches and held-back rows, whatever the number of threads.

    Attributes
    ----------
    networks_ : list of Network
        One per member; the attributes below are those of the first.
    weights_, biases_ : list of ndarray
        Of each layer, shapes (outputs, inputs) and (outputs,); the last is the softmax.
    decoders_ : list of tuple of ndarray
        Encoder and decoder, weights and biases, of each autoencoder as pre-training left them;
        empty without pre-training.
    mean_activation_ : list of ndarray
        Mean activation of every unit of each layer over the training rows.
    curves_ : dict of ndarray
        ``pretraining_1`` …, ``fine_tuning``, ``validation``, ``monitor``: rows of (step, loss,
        accuracy). The loss of pre-training is J; that of fine-tuning leaves the penalty out.
    limits_ : ndarray, shape (2, n_features), or None
        Least and greatest value of each column of `fit`, where they are scaled.
    seeds_ : list of int
        Seed of each member: a network of one member with it as `random_state` is the same network.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((400, 2))
    >>> y = (X[:, 0] > 0.5).astype(int)
    >>> model = ss.StackedAutoencoder((8, 8), pretrain_steps=50, steps=500, random_state=0)
    >>> model = model.fit(X, y)
    >>> model.predict([[0.1, 0.5], [0.9, 0.5]])
    array([0, 1])
    """

    smooth = True

    def __init__(
        self,
        units: Sequence[int] = (110, 110, 110),
        rho: float = 0.05,
        beta: float = 1e-3,
        weight_decay: float = 1e-6,
        loss_reduction: str = "sum",
        pretrain_steps: int = 2000,
        steps: int = 20_000,
        learning_rate: float = 0.8,
        pretrain_learning_rate: float | None = None,
        batch_size: int | str = 256,
        optimiser: str = "sgd",
        schedule: str = "constant",
        init: str = "xavier",
        activation: str = "sigmoid",
        head: str = "softmax",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        check_every: int = 250,
        members: int = 1,
        precision: str = "float32",
        device: str = "auto",
        random_state: int | None = None,
        average: str = "probability",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        balanced: bool = False,
        passes: float | None = None,
    ) -> None:
        self.units = units
        self.rho = rho
        self.beta = beta
        self.weight_decay = weight_decay
        self.loss_reduction = loss_reduction
        self.pretrain_steps = pretrain_steps
        self.steps = steps
        self.learning_rate = learning_rate
        self.pretrain_learning_rate = pretrain_learning_rate
        self.batch_size = batch_size
        self.optimiser = optimiser
        self.schedule = schedule
        self.init = init
        self.activation = activation
        self.head = head
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.check_every = check_every
        self.members = members
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.average = average
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.balanced = balanced
        self.passes = passes

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """Settings of the paper; `changes` go over them."""
        return cls(**changes)

    @classmethod
    def modern(cls, **changes: Any) -> Self:
        """Present-day settings: a few networks, trained for a short time; `changes` go over them.

        Four networks of two layers, without pre-training, trained for 1,200 steps by AdamW on one
        cycle, or for 100 passes over the rows where that is less, their logits averaged. They are
        meant for normal scores.
        """
        return cls(**{**MODERN, **changes})

    limits_: NDArray[np.float32] | None = None

    def fit(self, X: ArrayLike, y: ArrayLike, unlabelled: ArrayLike | None = None) -> Self:
        """Fit to rows of features and their labels.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
        y : array_like, shape (n_samples,)
        unlabelled : array_like, shape (n, n_features), optional
            More rows for pre-training. Rows that the model will be tested on make the test
            transductive.
        """
        fit_members([self], [X], [y], unlabelled=[unlabelled])
        return self

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        self.fit(X, y)

    def _training_rows(
        self, X: ArrayLike, y: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        rows, labels = super()._training_rows(X, y)
        self.limits_ = None
        low, high = float(rows.min()), float(rows.max())
        beyond = max(-low, high) > FARTHEST
        if self.pretrain_steps > 0:
            # Unbounded units give back any number.
            beyond = self.activation in BOUNDED and not -NEARLY <= low <= high <= 1 + NEARLY
        if beyond:
            self.limits_ = np.stack([rows.min(axis=0), rows.max(axis=0)])
            warnings.warn(
                f"sae: features from {low:.4g} to {high:.4g} are scaled to [0, 1], column by "
                "column, because the network needs this range",
                UserWarning,
                stacklevel=4,
            )
        return self._scaled(rows), labels

    def _rows(self, X: ArrayLike) -> NDArray[np.float32]:
        return self._scaled(super()._rows(X))

    def _scaled(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return rows as the network takes them."""
        if self.limits_ is None:
            return rows
        low, high = self.limits_.astype(np.float64)
        # A constant column becomes 0 instead of a division by 0.
        span = np.where(high > low, high - low, 1.0)
        scaled: NDArray[np.float32] = np.clip((rows - low) / span, 0.0, 1.0).astype(np.float32)
        return scaled

    def _members(
        self,
        X: NDArray[np.float32],
        y: NDArray[np.uint8],
        unlabelled: ArrayLike | None,
        monitor: tuple[ArrayLike, ArrayLike] | None,
    ) -> list[training.Member]:
        """Networks to be trained."""
        settings = self._settings()
        if self.passes is not None:
            batch = settings.batch_size or len(X)
            most = max(1, round(self.passes * len(X) / batch))
            settings = replace(settings, steps=min(settings.steps, most))
        seed = self.random_state
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        self.seeds_ = [int(seed)]
        if self.members > 1:
            # Keys 0 to 2 are those of first weights, batches and held-back rows.
            states = np.random.SeedSequence(seed, spawn_key=(3,)).generate_state(self.members)
            self.seeds_ = [int(s) for s in states]
        more = (
            [] if unlabelled is None else [self._scaled(check_array(unlabelled, dtype=np.float32))]
        )
        watched = {}
        if monitor is not None:
            labels = (np.asarray(monitor[1]) == self.classes_[1]).astype(np.uint8)
            watched["monitor"] = (self._rows(monitor[0]), labels)
        return [self._member(X, y, more, watched, settings, s) for s in self.seeds_]

    def _member(
        self,
        X: NDArray[np.float32],
        y: NDArray[np.uint8],
        unlabelled: list[NDArray[np.float32]],
        watched: dict[str, training.Labelled],
        settings: training.Settings,
        seed: int,
    ) -> training.Member:
        if self.early_stopping:
            state = int(training.generator(seed, 2).integers(2**31))
            X, held_X, y, held_y = train_test_split(
                X, y, test_size=self._held_back(y), stratify=y, random_state=state
            )
            watched = {**watched, "validation": (np.ascontiguousarray(held_X), held_y)}
        rows = np.ascontiguousarray(X)
        more = np.concatenate([rows, *unlabelled]) if unlabelled else rows
        return training.Member(settings, seed, rows, y.astype(np.float32), more, watched)

    def _held_back(self, y: NDArray[np.uint8]) -> float | int:
        """Return which share of the rows is held back, or how many where it is too few of them."""
        if np.bincount(y, minlength=2).min() < 2:
            raise InputError(
                "sae: early_stopping sets rows of both classes aside, but one class has only one "
                "training row: set early_stopping = false, or give more landslides"
            )
        enough = self.validation_fraction * len(y) >= 2 <= len(y) * (1 - self.validation_fraction)
        return self.validation_fraction if enough else 2

    def _take(
        self, members: list[training.Member], X: NDArray[np.float32], y: NDArray[np.uint8]
    ) -> None:
        """Keep what training left."""
        self.networks_ = [member.network() for member in members]
        self._heads: list[Model] = []
        if self.head != "softmax":
            for network, seed in zip(self.networks_, self.seeds_, strict=True):
                features = network.outputs(X, len(network.plan) - 1)
                self._heads.append(_HEADS[self.head](seed).fit(features, y))

    @property
    def weights_(self) -> list[Floats]:
        """Weights of each layer of the first member, (outputs, inputs) each."""
        return self._first().weights

    @property
    def biases_(self) -> list[Floats]:
        """Biases of each layer of the first member, (outputs,) each."""
        return self._first().biases

    @property
    def decoders_(self) -> list[Autoencoder]:
        """Autoencoders of the first member as pre-training left them.

        Of each: weights (units, inputs) and biases (units,) of the encoder, weights (inputs, units)
        and biases (inputs,) of the decoder.
        """
        return self._first().decoders

    @property
    def mean_activation_(self) -> list[NDArray[np.float64]]:
        """Mean activations of each hidden layer of the first member, (units,) each."""
        return self._first().mean_activation

    @property
    def curves_(self) -> dict[str, NDArray[np.float64]]:
        """Curves of the first member by phase: (n, 3) of step, loss and accuracy."""
        return self._first().curves

    def _first(self) -> Network:
        check_is_fitted(self, "networks_")
        return self.networks_[0]

    def _member_output(self, member: int, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what of a member is averaged: its probabilities or its logits."""
        network = self.networks_[member]
        outputs = network.outputs
        if self.precision == "bfloat16":
            outputs = _torch().Bfloat16Network(network).outputs
        if self._heads:
            features = outputs(X, len(network.plan) - 1)
            return self._heads[member]._positive_probability(features)
        outs = outputs(X)
        # The softmax of two outputs is the logistic function of their difference.
        logit: NDArray[np.float64] = outs[:, 1].astype(np.float64) - outs[:, 0]
        return logit if self.average == "logit" else logistic(logit)

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        mean = self._member_output(0, X)
        # A running mean: no member's outputs are kept.
        for k in range(1, len(self.networks_)):
            step = self._member_output(k, X)
            step -= mean
            mean += step / (k + 1)
        return logistic(mean) if self.average == "logit" else mean

    def precision_error(self, X: ArrayLike) -> tuple[float, float]:
        """Largest and root mean square error of the probabilities that `precision` brings.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
        """
        rows = self._rows(X)
        exact = _twin(self, precision="float32")
        error = self._positive_probability(rows) - exact._positive_probability(rows)
        return float(np.abs(error).max()), float(np.sqrt(np.mean(error**2)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # `transform` gives float32 whatever it is given.
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def transform(self, X: ArrayLike, layer: int | None = None) -> NDArray[np.float32]:
        """Features of a layer of the first member.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
        layer : int, optional
            1 for the lowest; the highest unless given.

        Returns
        -------
        ndarray of float32, shape (n_samples, units of the layer)
        """
        rows = self._rows(X)
        depth = len(self._first().plan) - 1
        layer = depth if layer is None else layer
        if not 1 <= layer <= depth:
            raise InputError(f"there is no layer {layer}: the network has layers 1 to {depth}")
        return self._first().outputs(rows, layer)

    def reconstruct(self, X: ArrayLike, layers: int = 1) -> NDArray[np.float32]:
        """Encode with the pre-trained encoders up to `layers`, decode back to the (scaled) inputs.

        Fine-tuning moves the encoders away from their decoders: this uses both as pre-training
        left them, in the first member.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_features)

        Raises
        ------
        InputError
            If the network was not pre-trained, or has fewer layers.
        """
        rows = self._rows(X)
        if not 1 <= layers <= len(self.decoders_):
            raise InputError(
                f"can't reconstruct from layer {layers}: {len(self.decoders_)} are pre-trained"
            )
        return joined(self.decoders_[:layers], self.activation).outputs(rows)

    def _settings(self) -> training.Settings:
        """Return checked settings."""
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise InputError(f"{name}: no choice '{value}'.{did_you_mean(str(value), allowed)}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if name == "passes" and value is None:
                continue
            if not _is_number(value) or not low <= value <= high:
                raise InputError(f"{name}: {value} is not a number from {low:g} to {high:g}")
        if self.beta > 0 and self.pretrain_steps > 0 and self.activation != "sigmoid":
            raise InputError(
                f"beta: the sparsity term needs activation 'sigmoid', not '{self.activation}';"
                " set beta to 0"
            )
        if self.average == "logit" and self.head != "softmax":
            raise InputError(
                f"average: the head '{self.head}' gives no logits; set average to 'probability'"
            )
        counts: list[Any] = [*self.units, 1 if self.batch_size == "full" else self.batch_size]
        if self.balanced and counts[-1] == 1 and self.batch_size != "full":
            raise InputError(
                "balanced: a batch of 1 row cannot have both classes; set batch_size = 2 or more"
            )
        if len(counts) < 2 or not all(_is_number(c) and c >= 1 and c == int(c) for c in counts):
            raise InputError(
                f"units {self.units}, batch_size {self.batch_size}: units must be a list of"
                " positive whole numbers, batch_size one or 'full'"
            )
        plain = {name: getattr(self, name) for name in training.Settings.__dataclass_fields__}
        rate = self.pretrain_learning_rate
        plain["pretrain_learning_rate"] = self.learning_rate if rate is None else rate
        plain["device"] = self._device()
        plain["units"] = tuple(int(u) for u in self.units)
        plain["batch_size"] = None if self.batch_size == "full" else int(self.batch_size)
        return training.Settings(**plain)

    def _device(self) -> str:
        if self.device == "cpu":
            return "cpu"
        if self.activation == "silu" or self.dropout > 0 or self.input_dropout > 0:
            if self.device == "cuda":
                raise InputError(
                    "device: activation 'silu' and dropout can only be trained on the CPU; "
                    "use 'auto' or 'cpu'"
                )
            return "cpu"
        if self.device == "cuda":
            if not _torch().cuda_is_there():
                raise InputError("device: 'cuda' is not available; use 'auto' or 'cpu'")
            return "cuda"
        # Importing PyTorch takes seconds, so a card's driver is looked for first.
        possible = any(Path(p).exists() for p in _CARD_DRIVERS) and find_spec("torch") is not None
        return "cuda" if possible and _torch().cuda_is_there() else "cpu"

    def _arrays(self) -> Arrays:
        arrays: Arrays = {"seeds": np.array(self.seeds_, dtype=np.int64)}
        if self.limits_ is not None:
            arrays["limits"] = self.limits_
        for k, network in enumerate(self.networks_, start=1):
            arrays |= {f"member_{k}.{name}": a for name, a in network.arrays().items()}
        for k, head in enumerate(self._heads, start=1):
            arrays |= {f"head_{k}.{name}": a for name, a in head.arrays().items()}
        return arrays

    def _restore(self, reader: ArrayReader) -> None:
        settings = self._settings()
        seeds = reader.take("seeds", np.int64, (self.members,), low=0)
        self.seeds_ = [int(s) for s in seeds]
        self.networks_, self._heads, self.limits_ = [], [], None
        if reader.holds("limits"):
            self.limits_ = reader.take("limits", np.float32, (2, None))
        for k in range(1, self.members + 1):
            part = reader.part(f"member_{k}.")
            pretrained = settings.pretrain_steps > 0
            network = Network.restore(part, settings.units, settings.activation, pretrained)
            part.finish()
            self.networks_.append(network)
            self.n_features_in_ = network.weights[0].shape[1]
            if network.weights[0].shape != self.networks_[0].weights[0].shape:
                raise reader.error(f"member_{k}.weights_1", "has another number of inputs")
            if self.head != "softmax":
                arrays = reader.take_part(f"head_{k}.")
                cls = type(_HEADS[self.head](0))
                head = cls.from_arrays(arrays, _HEADS[self.head](self.seeds_[k - 1]).get_params())
                if head.n_features_in_ != settings.units[-1]:
                    raise reader.error(f"head_{k}", "doesn't fit the highest layer")
                self._heads.append(head)
        if self.limits_ is not None and self.limits_.shape[1] != self.n_features_in_:
            raise reader.error("limits", "doesn't fit the number of inputs")


def _torch() -> ModuleType:
    """Import what needs PyTorch, which is optional and takes seconds to load."""
    try:
        return importlib.import_module("shakeslide.models.sae.autoencoder_torch")
    except ModuleNotFoundError as error:
        raise InputError(
            "sae: a graphics processor and bfloat16 need PyTorch: pip install torch"
        ) from error


def _twin(model: StackedAutoencoder, **changes: Any) -> StackedAutoencoder:
    """The same fitted model with other parameters."""
    # Shallow: the twin shares the networks, which prediction doesn't change.
    twin = copy.copy(model)
    for name, value in changes.items():
        setattr(twin, name, value)
    return twin


def _is_number(value: object) -> bool:
    # True and False are ints to Python.
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def fit_members(
    models: Sequence[StackedAutoencoder],
    Xs: Sequence[ArrayLike],
    ys: Sequence[ArrayLike],
    callback: Callable[[int, int], None] | None = None,
    *,
    unlabelled: Sequence[ArrayLike | None] | None = None,
    monitor: Sequence[tuple[ArrayLike, ArrayLike] | None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    threads: int | None = None,
) -> None:
    """Fit several networks at once, each with its own rows, settings and seed.

    Every one ends with the very bits that ``models[i].fit(Xs[i], ys[i])`` gives.

    Parameters
    ----------
    models : sequence of StackedAutoencoder
    Xs, ys : sequences of array_like
        Rows and labels of each model; their numbers may differ.
    callback : callable, optional
        Called with (steps done, steps in all).
    unlabelled : sequence of array_like or None, optional
        More rows for the pre-training of each model.
    monitor : sequence of (array_like, array_like) or None, optional
        Rows and labels whose loss and accuracy are noted every `check_every` steps of
        fine-tuning; training is the same with and without them.
    checkpoint : path, optional
        Folder for the state of the training, made if need be. A training that was broken off goes
        on from there, and ends with the weights of an unbroken one; the state of any other
        training is left aside and replaced. It is the caller's to delete.
    threads : int, optional
        Networks trained at the same time; the processors at hand unless given. It doesn't change
        the result.
    """
    nothing = [None] * len(models)
    checked = []
    # No comprehension: before Python 3.12 it is a call, and a warning would name this file.
    for model, rows, labels in zip(models, Xs, ys, strict=True):
        checked.append(model._training_rows(rows, labels))
    extras = zip(unlabelled or nothing, monitor or nothing, strict=True)
    groups = [
        model._members(X, y, more, watched)
        for model, (X, y), (more, watched) in zip(models, checked, extras, strict=True)
    ]
    members = [member for group in groups for member in group]
    save = _resumed(members, Path(checkpoint)) if checkpoint is not None else None
    _train(members, callback, threads or processors(), save)
    for model, group, (X, y) in zip(models, groups, checked, strict=True):
        model._take(group, X, y)


def _train(
    members: Sequence[training.Member],
    callback: Callable[[int, int], None] | None,
    threads: int,
    save: Callable[[int, training.Member], None] | None,
) -> None:
    """Train each member on the device that it asks for: elsewhere its last bits differ."""
    total = sum(member.total_steps() for member in members)

    def advance(_done: int, _of: int) -> None:
        if callback is not None:
            callback(sum(member.done_steps() for member in members), total)

    for card in (True, False):
        here = [k for k, m in enumerate(members) if (m.settings.device == "cuda") == card]
        if not here:
            continue

        def keep(k: int, member: training.Member, here: list[int] = here) -> None:
            if save is not None:
                save(here[k], member)

        together = _torch().TorchSteps("cuda").run if card else None
        training.train([members[k] for k in here], advance, threads, keep, together)


def _resumed(
    members: Sequence[training.Member], folder: Path
) -> Callable[[int, training.Member], None]:
    """Bring members to their stored state; return what stores it."""
    folder.mkdir(parents=True, exist_ok=True)
    marks = [checkpoints.fingerprint(member) for member in members]
    paths = [folder / f"member_{k}.safetensors" for k in range(1, len(members) + 1)]
    for member, mark, path in zip(members, marks, paths, strict=True):
        checkpoints.resume(path, member, mark)
    return lambda k, member: checkpoints.save(paths[k], member, marks[k])
