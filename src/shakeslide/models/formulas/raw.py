"""Models that take raw factors, with units and classes, instead of encoded features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from shakeslide.core.errors import InputError
from shakeslide.models.base import ArrayReader, Arrays, Model

Conversion = Callable[[str, str], float | None]
"""(unit given, unit wanted) -> what to multiply by, None where nothing does."""


class Described(Protocol):
    """What is known of a factor: code, unit, kind and, where it has classes, their names."""

    @property
    def code(self) -> str:
        """Short name."""

    @property
    def unit(self) -> str:
        """Unit of its values."""

    @property
    def kind(self) -> str:
        """One of "continuous", "circular", "axial", "categorical"."""

    @property
    def legend(self) -> Mapping[int, str]:
        """Names of the classes; empty where they have codes only."""


@dataclass(frozen=True)
class Quantity:
    """A quantity that a formula takes from a factor.

    Attributes
    ----------
    setting : str
        The parameter that holds the factor's code.
    what : str
        Its name, for messages.
    unit : str
        Unit that the formula takes it in; "class" for a categorical factor.
    """

    setting: str
    what: str
    unit: str


class RawModel(Model):
    """A model of raw factors; `describe` tells it what the columns are, before `fit`.

    Attributes
    ----------
    column_ : ndarray of int64, shape (n_used,)
        Columns that the model reads.
    """

    column_: NDArray[np.int64]

    @abstractmethod
    def lacks(self, factors: Sequence[Described], conversion: Conversion) -> list[str]:
        """Name what the model needs and neither the factors nor its settings give."""

    @abstractmethod
    def describe(
        self,
        factors: Sequence[Described],
        conversion: Conversion,
        present: Mapping[str, Collection[int]],
    ) -> Self:
        """Tell what the columns are.

        Parameters
        ----------
        factors : sequence of Described
            One per column.
        conversion : callable
            Turns units into each other.
        present : mapping
            Per categorical factor, the codes of the classes that occur.

        Raises
        ------
        InputError
            Naming what is missing.
        """

    def _require(self, name: str, factors: Sequence[Described], conversion: Conversion) -> None:
        """Raise `InputError` that names what the factors lack."""
        if missing := self.lacks(factors, conversion):
            raise InputError(f"{name} lacks {'; '.join(missing)}")

    def remarks(self) -> list[str]:
        """Return what the user should know of the settings, a line each."""
        return []

    @property
    def meaning(self) -> str:
        """What its output is, where that is a published formula's own; else ""."""
        return ""

    @property
    def title(self) -> str:
        """The same in a few words, for legends."""
        return ""

    def _check_described(self, width: int) -> None:
        if not hasattr(self, "column_"):
            raise NotFittedError(f"{type(self).__name__}: call describe before fit")
        if self.column_.size and self.column_.max() >= width:
            raise ValueError(f"{type(self).__name__} was described for more than {width} columns")

    def _restore_columns(self, reader: ArrayReader, used: int | None) -> None:
        width = reader.take("width", np.int64, (1,), low=1, high=2**20)
        self.n_features_in_ = int(width[0])
        self.column_ = reader.take("column", np.int64, (used,), low=0, high=self.n_features_in_ - 1)

    def _column_arrays(self) -> Arrays:
        return {"column": self.column_, "width": np.array([self.n_features_in_], np.int64)}


class Formula(RawModel):
    """A published formula: nothing is learnt from labels, nothing is guessed.

    A subclass lists its `quantities` and implements `class_properties` and `_evaluate`.

    Attributes
    ----------
    ranks : bool
        Whether its values only order places: sums of them over ground mean nothing.
    gain_ : ndarray of float64, shape (n_quantities,)
        What turns each factor's unit into the formula's.
    code_ : tuple of ndarray of int64
        Per categorical quantity, the codes of its classes, rising.
    property_ : tuple of ndarray of float64, each (n_classes, n_properties)
        Per categorical quantity, what the formula takes of each class.
    """

    gain_: NDArray[np.float64]
    code_: tuple[NDArray[np.int64], ...]
    property_: tuple[NDArray[np.float64], ...]
    n_properties: ClassVar[int] = 1
    ranks: ClassVar[bool] = False

    smooth = True

    @abstractmethod
    def quantities(self) -> tuple[Quantity, ...]:
        """Return what the formula takes, in the order of `column_`; classes last."""

    @abstractmethod
    def class_properties(self, setting: str, name: str) -> tuple[float, ...] | None:
        """Return what the formula takes of a class, None where the settings don't give it."""

    @abstractmethod
    def _evaluate(
        self,
        values: Sequence[NDArray[np.float64]],
        properties: Sequence[NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        """Probability of rows without unknown classes.

        Parameters
        ----------
        values : sequence of (n,) arrays
            The quantities that are numbers, in the formula's units.
        properties : sequence of (n, n_properties) arrays
            Of each row's class, per categorical quantity.
        """

    def lacks(self, factors: Sequence[Described], conversion: Conversion) -> list[str]:
        """Name the quantities that no factor gives in a unit that converts, and the classes."""
        here = {f.code: f for f in factors}
        out = []
        for q in self.quantities():
            code = str(getattr(self, q.setting))
            factor = here.get(code)
            if factor is None:
                wanted = "" if q.unit in ("1", "class") else f" in {q.unit}"
                out.append(f"{q.what}{wanted} (no factor {code})")
            elif q.unit == "class":
                if factor.kind != "categorical":
                    out.append(f"{q.what} (factor {code} has no classes)")
                elif factor.legend and all(
                    self.class_properties(q.setting, n) is None for n in factor.legend.values()
                ):
                    out.append(f"{self.class_remedy(q.setting)} for the classes of {code}")
            elif self._gain(q, factor, conversion) is None:
                unit = f"in '{factor.unit}'" if factor.unit else "without a unit"
                out.append(f"{q.what} in {q.unit} (factor {code} is {unit})")
        return out

    @abstractmethod
    def class_remedy(self, setting: str) -> str:
        """Return which settings give the properties of classes."""

    @staticmethod
    def _gain(q: Quantity, factor: Described, conversion: Conversion) -> float | None:
        if factor.kind == "categorical":
            return None
        # A factor without a unit is a plain number, which is all that unit 1 asks for.
        return 1.0 if q.unit == "1" and not factor.unit else conversion(factor.unit, q.unit)

    def describe(
        self,
        factors: Sequence[Described],
        conversion: Conversion,
        present: Mapping[str, Collection[int]],
    ) -> Self:
        """Tell what the columns are; see `RawModel.describe`."""
        self._require(type(self).__name__, factors, conversion)
        codes = [f.code for f in factors]
        wanted = self.quantities()
        at = [codes.index(str(getattr(self, q.setting))) for q in wanted]
        self.column_ = np.array(at, np.int64)
        numbers = [(q, factors[i]) for q, i in zip(wanted, at, strict=True) if q.unit != "class"]
        self.gain_ = np.array([self._gain(q, f, conversion) for q, f in numbers], np.float64)
        tables = [
            self._class_table(q.setting, factors[i], present.get(codes[i], ()))
            for q, i in zip(wanted, at, strict=True)
            if q.unit == "class"
        ]
        self.code_ = tuple(t[0] for t in tables)
        self.property_ = tuple(t[1] for t in tables)
        return self

    def _class_table(
        self, setting: str, factor: Described, present: Collection[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        names = {int(c): factor.legend.get(int(c), str(int(c))) for c in {*factor.legend, *present}}
        known = {c: self.class_properties(setting, n) for c, n in sorted(names.items())}
        # A legend names classes of the whole map; only those that occur here must be known.
        unknown = [names[c] for c, v in known.items() if v is None and c in present]
        if unknown:
            raise InputError(
                f"{type(self).__name__}: {self.class_remedy(setting)} lacks "
                f"{', '.join(map(repr, unknown[:8]))}{' and more' * (len(unknown) > 8)}, which "
                f"{factor.code} has here; add them, mask that ground, or leave the model out"
            )
        rows = [(c, v) for c, v in known.items() if v is not None]
        if not rows:
            raise InputError(f"{type(self).__name__}: {factor.code} has no class here")
        return np.array([c for c, _ in rows], np.int64), np.array([v for _, v in rows], np.float64)

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        self._check_described(X.shape[1])

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        values, properties, known = self._taken(X)
        # A class that the formula doesn't know has no probability, rather than a low one.
        return np.where(known, self._evaluate(values, properties), np.nan)

    def _taken(
        self, X: NDArray[np.float32]
    ) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]], NDArray[np.bool_]]:
        """Return numbers in the formula's units, properties of classes, and which are known."""
        # One contiguous column each: how values lie in memory must not change their last bits
        taken = [np.ascontiguousarray(X[:, c], np.float64) for c in self.column_]
        count = self.gain_.size
        values = [v * g for v, g in zip(taken[:count], self.gain_, strict=True)]
        known = np.ones(len(X), bool)
        properties = []
        for value, codes, table in zip(taken[count:], self.code_, self.property_, strict=True):
            # A code above the last one has no place; the comparison below finds it.
            place = np.clip(np.searchsorted(codes, value), 0, codes.size - 1)
            known &= codes[place] == value
            properties.append(table[place])
        return values, properties, known

    def _arrays(self) -> Arrays:
        tables: dict[str, Any] = {}
        for k, (codes, table) in enumerate(zip(self.code_, self.property_, strict=True)):
            tables |= {f"class_{k}": codes, f"property_{k}": table}
        return {**self._column_arrays(), "gain": self.gain_, **tables}

    def _restore(self, reader: ArrayReader) -> None:
        wanted = self.quantities()
        classes = sum(q.unit == "class" for q in wanted)
        self._restore_columns(reader, len(wanted))
        self.gain_ = reader.take("gain", np.float64, (len(wanted) - classes,), low=0)
        codes, tables = [], []
        for k in range(classes):
            code = reader.take(f"class_{k}", np.int64, (None,), low=0)
            if (np.diff(code) <= 0).any():
                raise reader.error(f"class_{k}", "must rise")
            codes.append(code)
            tables.append(reader.take(f"property_{k}", np.float64, (code.size, self.n_properties)))
        self.code_, self.property_ = tuple(codes), tuple(tables)
