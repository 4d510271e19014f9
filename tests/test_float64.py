"""The accuracy contract in float64, against the 60-digit definitions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, Case
from oracle import ORACLE
from test_accuracy import ORDERS, on_a_kink
from ulp import measure, stratified

POINTS = 1500
LIMITS = (8.0, 16.0, 32.0)
FINITE = [c for c in CASES if all(np.isfinite(list(c.params.values())))]  # mpmath knows no infinite limits
SMALLEST = np.finfo(np.float64).smallest_normal


def _derivative(case: Case, order: int):
    value = case
    for _ in range(order):
        value = functools.partial(lambda f, v: jax.jvp(f, (v,), (jnp.ones_like(v),))[1], value)
    return jax.jit(value)


def _points(case: Case) -> np.ndarray:
    oracle = ORACLE[case.name]
    kinks = oracle.kinks(**case.params)
    points = stratified(POINTS, dense=kinks, dtype=np.float64)
    subnormal = (np.abs(points) < SMALLEST) & (points != 0)  # XLA's CPU backend takes them for zeros
    return points[~subnormal & ~on_a_kink(points, kinks)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", FINITE, ids=str)
def test_float64(case, order):
    with jax.enable_x64(True):
        function = _derivative(case, order)
        found = measure(
            lambda x: np.asarray(function(x)), ORACLE[case.name], order, np.float64, _points(case), **case.params
        )
    print(found)
    assert found.within(LIMITS[order]), found
