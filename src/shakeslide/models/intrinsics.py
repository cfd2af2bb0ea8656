"""Arithmetic that compiled code asks for by name.

No kernel of the models is compiled with fast-math: a function that is compiled into several others
would be optimised anew in each, its sums associated and its products fused another way, and a
process that loads compiled code from disk would differ in the last bits from the one that made it.
Fused products are asked for by `fma`; sums run over lanes side by side, or are left to `products`
or BLAS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic, overload

from shakeslide.core.compiled import fma

# 2**u on [-0.5, 0.5], a least-squares fit at Chebyshev nodes, relative error below 2e-8
_NODES = 0.5 * np.cos(np.pi * (np.arange(400) + 0.5) / 400)
# Weighted by the inverse of the function: the relative error becomes least.
_C0, _C1, _C2, _C3, _C4, _C5, _C6 = np.polynomial.polynomial.polyfit(
    _NODES, 2.0**_NODES, 6, w=2.0**-_NODES
).astype(np.float32)
# exp(−x) = 2**(−x log2 e).
_MINUS_LOG2E = np.float32(-1.4426950408889634)
_SHIFT = np.float32(1.5 * 2**23)  # adding it rounds a float32 to an integer in its lowest bits
# Powers of two that are normal float32 numbers; beyond them the sigmoid is 0 or 1.
_LIMIT = np.float32(126.0)
_ONE = np.float32(1.0)


def _power_of_two(typing_context: Any, shifted: Any) -> Any:
    """2**n from n + _SHIFT: the integer in the low bits becomes the exponent."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        int32 = ir.IntType(32)
        # The exponent of a float32 lies above 23 bits of mantissa.
        bits = builder.shl(builder.bitcast(args[0], int32), ir.Constant(int32, 23))
        # The bits of 1.0, to whose exponent n is added.
        bits = builder.add(bits, ir.Constant(int32, 0x3F800000))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.float32), generate


def _float_of_bits(typing_context: Any, bits: Any) -> Any:
    """The float32 that some 32 bits are."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.uint32), generate


def _bits_of_float(typing_context: Any, number: Any) -> Any:
    """The 32 bits of a float32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(32))

    return types.uint32(types.float32), generate


power_of_two = cast(Callable[[Any], Any], intrinsic(_power_of_two))
float_of_bits = cast(Callable[[Any], Any], intrinsic(_float_of_bits))
bits_of_float = cast(Callable[[Any], Any], intrinsic(_bits_of_float))


def sigmoid(x: Any) -> Any:
    """1/(1+exp(-x)); replaced by `_sigmoid_of` in compiled code."""
    return 1.0 / (1.0 + np.exp(-x))


# Python's error model would test each division for 0, and nothing would be vectorised.
@overload(sigmoid, jit_options={"error_model": "numpy"})
def _sigmoid_of(x: Any) -> Any:
    if x == types.float32:
        # Vectorised by the compiler, which has no vector exp of its own; error below 1e-7
        def single(x: Any) -> Any:
            t = x * _MINUS_LOG2E
            t = -_LIMIT if t < -_LIMIT else t
            t = _LIMIT if t > _LIMIT else t
            # Rounds to an integer; without fast-math the compiler may not cancel the shift.
            shifted = t + _SHIFT
            u = t - (shifted - _SHIFT)
            p = fma(_C6, u, _C5)
            p = fma(p, u, _C4)
            p = fma(p, u, _C3)
            p = fma(p, u, _C2)
            p = fma(p, u, _C1)
            p = fma(p, u, _C0)
            return _ONE / fma(p, power_of_two(shifted), _ONE)

        return single

    def double(x: Any) -> Any:
        return 1.0 / (1.0 + np.exp(-x))

    return double
