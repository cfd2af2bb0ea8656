"""How the numerical kernels are compiled, in one place.

Kernels are serial and release the GIL: the caller's threads work on different tiles.
They contain no contractible arithmetic: where a fused multiply-add is wanted it is asked for by
`fma`, so that vectorised loops and their remainders round alike and a cell's value does not
depend on its position in the tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

_F = TypeVar("_F", bound=Callable[..., Any])


def kernel(function: _F) -> _F:
    """Compile `function` with the settings that every kernel shares.

    `error_model="numpy"`: a division by zero gives inf or NaN instead of raising, which is what
    lets loops be vectorised. No fast-math: NaN means nodata, and sums must not be reordered.
    """
    return cast(_F, njit(nogil=True, cache=True, error_model="numpy")(function))


def inlined(function: _F) -> _F:
    """Compile a small function so that it melts into the loops of the kernels that call it."""
    compiled = njit(nogil=True, cache=True, error_model="numpy", forceinline=True)(function)
    return cast(_F, compiled)


def minimum(function: _F) -> _F:
    """Compile a kernel that looks for a smallest value among numbers that are never NaN.

    Which of two equal values is taken does not matter, so that the search can be vectorised.
    """
    flags = {"nnan", "nsz"}
    compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath=flags)(function)
    return cast(_F, compiled)


def _fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c, rounded once (IEEE 754 fusedMultiplyAdd), for floats of one type."""
    if not (a == b == c and a in (types.float32, types.float64)):
        return None

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return a(a, b, c), build


fma = cast(Callable[[Any, Any, Any], Any], intrinsic(_fma))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
def any_nan(values: Any) -> bool:
    """Whether an array holds NaN or infinities: the sum of its products with 0 is then NaN.

    The order of this sum alone may be changed, so that it runs at the speed of the cache.
    """
    total = np.float32(0)
    for j in range(values.size):
        total += np.float32(values[j]) * np.float32(0)
    return bool(total != total)
