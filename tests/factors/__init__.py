"""Tests of the factors and of the kernels that compute them."""
