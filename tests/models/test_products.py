"""Own matrix products against chains of fused multiplications, element by element."""

import numpy as np
import pytest
from numba import njit

from shakeslide.models.intrinsics import fma
from shakeslide.models.products import product, row_sums, square, tile, transpose

TYPES = (np.float32, pytest.param(np.float64, marks=pytest.mark.slow))
"""The networks are of float32; float64 is for the tests of their gradients."""
SHAPES = [(112, 112, 512), (112, 16, 80), (2, 112, 256), (112, 2, 16), (13, 7, 48), (5, 1, 144)]


@njit(nogil=True)
def chains(w, h, out):
    for i in range(w.shape[0]):
        for j in range(h.shape[1]):
            for k in range(w.shape[1]):
                out[i, j] = fma(w[i, k], h[k, j], out[i, j])


def matrices(m, k, n, dtype):
    rng = np.random.default_rng(m + 1000 * k + n)
    return rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_element_is_one_chain_of_fused_products(shape, dtype):
    w, h = matrices(*shape, dtype)
    want, out = np.zeros((len(w), h.shape[1]), dtype), np.full((len(w), h.shape[1]), np.nan, dtype)
    chains(w, h, want)
    product(w, h, out, False)
    np.testing.assert_array_equal(out, want)
    size = np.abs(w) @ np.abs(h)
    assert (np.abs(out - w.astype(float) @ h) <= shape[1] * np.finfo(dtype).eps * size).all()
    chains(w, h, want)  # goes on from the first product
    product(w, h, out, True)
    np.testing.assert_array_equal(out, want)


def test_fused_products_are_rounded_once():
    w, h = matrices(16, 1, 16, np.float32)
    start, out = np.float32(0.3), np.full((16, 16), 0.3, np.float32)
    product(w, h, out, True)
    exact = w.astype(float) @ h.astype(float) + float(start)  # a product of two has 48 bits of 53
    twice = w @ h + start
    assert (out != twice).any()
    np.testing.assert_array_equal(out, exact.astype(np.float32))


def test_bits_of_a_column_depend_neither_on_its_place_nor_on_its_company():
    w, h = matrices(112, 112, 528, np.float32)
    whole = np.empty((112, 528), np.float32)
    product(w, h, whole, False)
    order = np.random.default_rng(0).permutation(528)
    for columns in (order, order[:16], order[100:340]):
        some, out = np.ascontiguousarray(h[:, columns]), np.empty((112, columns.size), np.float32)
        product(w, some, out, False)
        np.testing.assert_array_equal(out, whole[:, columns])


@pytest.mark.parametrize("dtype", TYPES)
def test_any_strides_will_do_for_weights_and_any_between_rows(dtype):
    w, h = matrices(48, 32, 64, dtype)
    want = np.empty((48, 64), dtype)
    product(w, h, want, False)
    room = np.zeros((33, 100), dtype)
    room[:32, 20:84] = h
    wide = np.zeros((48, 90), dtype)
    for left in (np.asfortranarray(w), np.repeat(w, 3, axis=1)[:, ::3], w[::-1][::-1]):
        product(left, room[:32, 20:84], wide[:, 7:71], False)
        np.testing.assert_array_equal(wide[:, 7:71], want)
    assert not wide[:, :7].any()
    assert not wide[:, 71:].any()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("rows", "registers", "size"), [(8, 2, 64), (4, 3, 32), (8, 2, 16)])
def test_tiles_of_all_processors_give_the_same_bits(rows, registers, size, dtype):
    one, turn, lanes = tile(rows, registers, size), square(size), size // np.dtype(dtype).itemsize

    @njit(nogil=True)
    def whole(w, h, out, turned):
        for i in range(0, w.shape[0], rows):
            for j in range(0, h.shape[1], registers * lanes):
                one(w, h, out, i, j, False)
        for i in range(0, h.shape[0], lanes):
            for j in range(0, h.shape[1], lanes):
                turn(h, turned, i, j)

    w, h = matrices(16, 32, 96 if registers == 3 else 64, dtype)
    want, out = (np.zeros((16, h.shape[1]), dtype) for _ in range(2))
    turned = np.zeros(h.T.shape, dtype)
    chains(w, h, want)
    whole(w, h, out, turned)
    np.testing.assert_array_equal(out, want)
    np.testing.assert_array_equal(turned, h.T)


@pytest.mark.parametrize("dtype", TYPES)
def test_transpose(dtype):
    h = np.random.default_rng(0).normal(size=(48, 112)).astype(dtype)
    out = np.empty((112, 48), dtype)
    transpose(h, out)
    np.testing.assert_array_equal(out, h.T)


@pytest.mark.parametrize("dtype", TYPES)
def test_row_sums_run_over_sixteen_lanes(dtype):
    h = np.random.default_rng(0).normal(size=(7, 80)).astype(dtype)
    lanes = h[:, :16].copy()
    for start in range(16, 80, 16):
        lanes += h[:, start : start + 16]
    while lanes.shape[1] > 1:
        half = lanes.shape[1] // 2
        lanes = lanes[:, :half] + lanes[:, half:]
    out = np.full(7, np.nan, dtype)
    row_sums(h, out, False)
    np.testing.assert_array_equal(out, lanes[:, 0])
    row_sums(h, out, True)
    np.testing.assert_array_equal(out, 2 * lanes[:, 0])


def test_shapes_that_do_not_fit_are_refused():
    def empty(*shape):
        return np.zeros(shape, np.float32)

    for w, h, out in (
        (empty(4, 5), empty(6, 16), empty(4, 16)),
        (empty(4, 5), empty(5, 16), empty(3, 16)),
        (empty(4, 5), empty(5, 17), empty(4, 17)),
        (empty(4, 0), empty(0, 16), empty(4, 16)),
    ):
        with pytest.raises(ValueError, match="product"):
            product(w, h, out, False)
    with pytest.raises(ValueError, match="transpose"):
        transpose(empty(16, 32), empty(16, 32))
    with pytest.raises(ValueError, match="row_sums"):
        row_sums(empty(4, 10), empty(4), False)
