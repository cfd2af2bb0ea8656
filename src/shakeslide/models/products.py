"""Matrix products of compiled code whose bits depend on nothing but the numbers.

A library for matrix products picks its kernel by shape and processor, and some kernels treat the
columns at the end of a block another way than the others, so that a row's prediction would depend
on its company. Here every element of a product is one chain of fused multiplications and additions,
in the order of the inner index: the bits are the same at every place, in every shape, and on every
processor. Sums of rows run over 16 lanes whatever the width of a register, for the same reason.

A *tile* is what one pass over the inner index computes: so many rows by so many registers, all held
in registers (Goto & van de Geijn 2008, doi:10.1145/1356052.1356053). Matrices of a few hundred rows
and columns need none of the packing that makes large products fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from shakeslide.core.compiled import kernel

LANE = 16  # columns come in multiples of this: the floats of a 64-byte cache line


def _registers() -> tuple[int, int, int]:
    """Bytes of a vector register of this processor; rows and registers of a tile that fit in all.

    Twelve sums or more are under way at once, since a fused multiplication takes four or five
    cycles and two start in each.
    """
    features = binding.get_host_cpu_features()
    if features.get("avx512f", False):
        return 64, 8, 2  # 16 sums of 32 registers
    if features.get("avx2", False) and features.get("fma", False):
        return 32, 4, 3  # 12 of 16
    return 16, 8, 2  # 16 of 32 on ARM


_BYTES, _HIGH, _WIDE = _registers()
_LONG = 4  # registers of a tile of one row


class _Matrix:
    """Addresses and vectors of one array inside a function that is being generated."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any, lanes: int) -> None:
        array = context.make_array(kind)(context, builder, value)
        self.builder = builder
        self.shape = [builder.extract_value(array.shape, axis) for axis in (0, 1)]
        self._strides = [builder.extract_value(array.strides, axis) for axis in (0, 1)]
        self._itemsize = context.get_abi_sizeof(array.data.type.pointee)
        self.scalar = array.data.type.pointee
        self.vector = ir.VectorType(self.scalar, lanes)
        self._start = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        # A constant stride, where the layout tells it, saves a multiplication
        item = ir.Constant(ir.IntType(64), self._itemsize)
        if kind.layout in "CF":
            self._strides[1 if kind.layout == "C" else 0] = item

    def place(self, row: Any, column: Any) -> Any:
        """Address of an element."""
        builder = self.builder
        offset = builder.add(
            builder.mul(row, self._strides[0]), builder.mul(column, self._strides[1])
        )
        return builder.bitcast(builder.gep(self._start, [offset]), self.scalar.as_pointer())

    def load(self, row: Any, column: Any) -> Any:
        """Vector of a row's neighbouring elements."""
        place = self.builder.bitcast(self.place(row, column), self.vector.as_pointer())
        # Rows of a view start anywhere: no more is promised than an element's alignment.
        return self.builder.load(place, align=self._itemsize)

    def store(self, vector: Any, row: Any, column: Any) -> None:
        place = self.builder.bitcast(self.place(row, column), self.vector.as_pointer())
        self.builder.store(vector, place, align=self._itemsize)


def _number(n: int) -> Any:
    return ir.Constant(ir.IntType(64), n)


def _shuffled(builder: Any, a: Any, b: Any, places: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)
    return builder.shuffle_vector(a, b, mask)


def _spread(builder: Any, scalar: Any, lanes: int) -> Any:
    """The same number in all lanes."""
    # Every lane is taken from lane 0, so that the others may hold anything.
    nothing = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(nothing, scalar, ir.Constant(ir.IntType(32), 0))
    return _shuffled(builder, first, nothing, [0] * lanes)


def _fused(builder: Any, vector: Any) -> Any:
    """a*b + c of vectors, rounded once."""
    bits = 32 if vector.element == ir.FloatType() else 64
    kind = ir.FunctionType(vector, [vector] * 3)
    name = f"llvm.fma.v{vector.count}f{bits}"
    # A module may declare a name only once.
    return builder.module.globals.get(name) or ir.Function(builder.module, kind, name)


def _loop(builder: Any, count: Any, starts: list[Any], step: int, body: Any) -> list[Any]:
    """Carry `starts` through ``body(index, values)`` for index 0, step, … below `count` > 0."""
    before = builder.block
    loop, after = builder.append_basic_block("loop"), builder.append_basic_block("after")
    builder.branch(loop)
    builder.position_at_end(loop)
    index = builder.phi(ir.IntType(64))
    values = [builder.phi(start.type) for start in starts]
    ends: list[Any] = body(index, values)
    following = builder.add(index, _number(step))
    index.add_incoming(_number(0), before)
    index.add_incoming(following, loop)
    for value, start, end in zip(values, starts, ends, strict=True):
        value.add_incoming(start, before)
        value.add_incoming(end, loop)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
    builder.position_at_end(after)
    return ends


def tile(rows: int, registers: int, register_bytes: int = _BYTES) -> Callable[..., None]:
    """Make a compiled function that computes one tile of a product.

    Parameters
    ----------
    rows, registers : int
        Of the tile.
    register_bytes : int
        Bytes of a register.

    Returns
    -------
    callable
        ``f(w, h, out, row, column, add)``, to be called from compiled code only: the tile of
        ``w @ h`` that begins at (row, column) is written to `out`, or added to what it holds.
    """

    def of_types(
        typing_context: Any, w: Any, h: Any, out: Any, row: Any, column: Any, add: Any
    ) -> Any:
        lanes = register_bytes * 8 // h.dtype.bitwidth

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            left, right, result = (
                _Matrix(context, builder, kind, value, lanes)
                for kind, value in zip(signature.args[:3], args[:3], strict=True)
            )
            rows_here = [builder.add(args[3], _number(i)) for i in range(rows)]
            columns = [builder.add(args[4], _number(j * lanes)) for j in range(registers)]
            places = [(i, j) for i in range(rows) for j in range(registers)]
            zero = ir.Constant(right.vector, [0.0] * lanes)
            # Loaded even where it isn't added: a choice of values needs no branch.
            starts = [
                builder.select(args[5], result.load(rows_here[i], columns[j]), zero)
                for i, j in places
            ]

            fused = _fused(builder, right.vector)

            def step(k: Any, sums: list[Any]) -> list[Any]:
                vectors = [right.load(k, column) for column in columns]
                ends = []
                for i, j in places:
                    # Spread once for all registers of a row of the tile.
                    if j == 0:
                        scalar = builder.load(left.place(rows_here[i], k))
                        factor = _spread(builder, scalar, lanes)
                    ends.append(builder.call(fused, [factor, vectors[j], sums[i * registers + j]]))
                return ends

            sums = _loop(builder, left.shape[1], starts, 1, step)
            for (i, j), total in zip(places, sums, strict=True):
                result.store(total, rows_here[i], columns[j])
            return context.get_dummy_value()

        return types.void(w, h, out, types.int64, types.int64, types.boolean), generate

    return cast(Callable[..., None], intrinsic(of_types))


def square(register_bytes: int = _BYTES) -> Callable[..., None]:
    """Make a compiled function that transposes one square of as many rows as a register has lanes.

    Returns
    -------
    callable
        ``f(h, out, row, column)``: the square of `h` that begins at (row, column) is written to
        `out`, at (column, row).
    """

    def of_types(typing_context: Any, h: Any, out: Any, row: Any, column: Any) -> Any:
        lanes = register_bytes * 8 // h.dtype.bitwidth

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            source, target = (
                _Matrix(context, builder, kind, value, lanes)
                for kind, value in zip(signature.args[:2], args[:2], strict=True)
            )
            v = [source.load(builder.add(args[2], _number(i)), args[3]) for i in range(lanes)]
            # Two by two squares change places across the diagonal, then squares of those, …
            half = 1
            while half < lanes:
                low = [c if not c & half else lanes + c - half for c in range(lanes)]
                high = [c + half if not c & half else lanes + c for c in range(lanes)]
                for i in range(lanes):
                    if not i & half:
                        a, b = v[i], v[i + half]
                        v[i] = _shuffled(builder, a, b, low)
                        v[i + half] = _shuffled(builder, a, b, high)
                half *= 2
            for i in range(lanes):
                target.store(v[i], builder.add(args[3], _number(i)), args[2])
            return context.get_dummy_value()

        return types.void(h, out, types.int64, types.int64), generate

    return cast(Callable[..., None], intrinsic(of_types))


def _row_sum(typing_context: Any, h: Any, row: Any) -> Any:
    """Sum of a row: 16 sums side by side, then halves of them added up."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        matrix = _Matrix(context, builder, signature.args[0], args[0], LANE)

        def step(column: Any, sums: list[Any]) -> list[Any]:
            return [builder.fadd(sums[0], matrix.load(args[1], column))]

        zero = ir.Constant(matrix.vector, [0.0] * LANE)
        (total,) = _loop(builder, matrix.shape[1], [zero], LANE, step)
        lanes = LANE
        while lanes > 1:
            lanes //= 2
            low = _shuffled(builder, total, total, list(range(lanes)))
            high = _shuffled(builder, total, total, list(range(lanes, 2 * lanes)))
            total = builder.fadd(low, high)
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return h.dtype(h, types.int64), generate


# Narrower and lower tiles compute what whole ones leave at the edges.
_wide, _narrow = tile(_HIGH, _WIDE), tile(_HIGH, 1)
_long, _short = tile(1, _LONG), tile(1, 1)
_square = square()
_sum_of_row = cast(Callable[..., Any], intrinsic(_row_sum))


@kernel
def product(w: Any, h: Any, out: Any, add: bool) -> None:
    """Write ``w @ h`` to `out`, or add it to what `out` holds.

    Every element is one chain of ``fma(w[i, k], h[k, j], sum)`` over k, from 0 or from the element
    of `out`: its bits depend neither on its place nor on the shapes nor on the processor.

    Parameters
    ----------
    w : ndarray, shape (m, k)
        With any strides; fastest if m is a multiple of 8.
    h : ndarray, shape (k, n)
        Elements of a row side by side; n a multiple of 16.
    out : ndarray, shape (m, n)
        Elements of a row side by side; of the same type as `w` and `h`, float32 or float64.
    add : bool

    Raises
    ------
    ValueError
        If the shapes don't fit.
    """
    m, inner = w.shape
    n = h.shape[1]
    # An inner length of 0 is refused because `_loop` passes at least once.
    if h.shape[0] != inner or out.shape != (m, n) or n % LANE or inner == 0:
        raise ValueError("product: shapes don't fit, or columns are no multiple of 16")
    lanes = _BYTES // h.itemsize
    tall = m // _HIGH * _HIGH
    wide = n // (_WIDE * lanes) * (_WIDE * lanes)
    # Columns outside: a strip of `h` stays in the cache while all rows of `w` pass over it.
    for j in range(0, wide, _WIDE * lanes):
        for i in range(0, tall, _HIGH):
            _wide(w, h, out, i, j, add)
    for j in range(wide, n, lanes):
        for i in range(0, tall, _HIGH):
            _narrow(w, h, out, i, j, add)
    long = n // (_LONG * lanes) * (_LONG * lanes)
    for i in range(tall, m):
        for j in range(0, long, _LONG * lanes):
            _long(w, h, out, i, j, add)
        for j in range(long, n, lanes):
            _short(w, h, out, i, j, add)


@kernel
def transpose(h: Any, out: Any) -> None:
    """Write the transpose of `h` to `out`.

    Parameters
    ----------
    h : ndarray of float32 or float64, shape (m, n)
        Elements of a row side by side; m and n multiples of 16.
    out : ndarray of the same type, shape (n, m)
        Elements of a row side by side.

    Raises
    ------
    ValueError
        If the shapes don't fit.
    """
    m, n = h.shape
    if out.shape != (n, m) or m % LANE or n % LANE:
        raise ValueError("transpose: shapes don't fit, or are no multiples of 16")
    lanes = _BYTES // h.itemsize
    for i in range(0, m, lanes):
        for j in range(0, n, lanes):
            _square(h, out, i, j)


@kernel
def row_sums(h: Any, out: Any, add: bool) -> None:
    """Write the sum of every row of `h` to `out`, or add it to what `out` holds.

    Parameters
    ----------
    h : ndarray of float32 or float64, shape (m, n)
        Elements of a row side by side; n a multiple of 16.
    out : ndarray of the same type, shape (m,)
    add : bool

    Raises
    ------
    ValueError
        If the shapes don't fit.
    """
    if out.size != len(h) or h.shape[1] % LANE or h.shape[1] == 0:
        raise ValueError("row_sums: shapes don't fit, or columns are no multiple of 16")
    for i in range(len(h)):
        total = _sum_of_row(h, i)
        out[i] = out[i] + total if add else total
