"""The accuracy contract against the independent float64 oracle: every 16-bit pattern, stratified float32 points.

XLA's CPU backend takes subnormal numbers for zeros, so inputs below 2**-126 have a test of their own.
`JAXACT_ACCURACY_POINTS` sets how many float32 points; the contract is stated for 4 million.
"""

import functools
import os

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from cases import CASES, DEFAULTS, INLINE, Case
from oracle import ORACLE
from ulp import Report, measure, patterns, stratified

POINTS = int(os.environ.get("JAXACT_ACCURACY_POINTS", "60000"))
SMALLEST = 2.0**-126
LIMITS_16 = 0.51
LIMITS = {jnp.float32: (4.0, 8.0, 16.0), jnp.float64: (8.0, 16.0, 32.0)}
ORDERS = (0, 1, 2)


def derivative(case: Case, order: int, wrt: str | None = None):
    """A numpy function: the `order`-th derivative in x, or the first in a parameter."""
    if wrt is not None:
        values = [np.float32(v) for v in case.values()]
        i = case.differentiable.index(wrt)

        def slope(x):
            # One copy of the parameters an element, so that nothing is summed.
            spread = [jnp.full(x.shape, v, jnp.float32) for v in values]
            return jax.vjp(case.with_parameters, x, *spread)[1](jnp.ones_like(x))[1 + i]

        return jax.jit(slope)

    def function(x):
        value = case
        for _ in range(order):
            value = functools.partial(lambda f, v: jax.jvp(f, (v,), (jnp.ones_like(v),))[1], value)
        return value(x)

    return jax.jit(function)


def report(case: Case, order: int, points, wrt: str | None = None) -> Report:
    oracle = ORACLE[case.name]
    params = dict(case.params)
    if wrt is not None:  # `derivative` passes them as float32 arrays
        params |= {n: float(np.float32(v)) for n, v in zip(case.differentiable, case.values())}
    function = derivative(case, order, wrt)
    return measure(lambda x: np.asarray(function(x)), oracle, order, points.dtype, points, wrt=wrt, **params)


@functools.cache
def float32_points(case_name: str, params: tuple) -> np.ndarray:
    oracle = ORACLE[case_name]
    dense = {*oracle.kinks(**dict(params)), *(r for o in ORDERS for r in oracle.roots(o, **dict(params)))}
    points = stratified(POINTS, dense=tuple(sorted(filter(np.isfinite, dense))))
    return checked(points, oracle.kinks(**dict(params)))


def checked(points, kinks=()):
    """The points that are not subnormal in float32 and not on a kink."""
    subnormal = np.abs(points.astype(np.float64)) < SMALLEST
    zero = points == 0
    return points[(~subnormal | zero) & ~on_a_kink(points, kinks)]


def on_a_kink(points, kinks):
    """Within two ULP of a kink the rounding of x decides the side; tests/test_kinks.py has the kinks."""
    x = points.astype(np.float64)
    near = [np.abs(x - k) <= 2.0**-22 * np.abs(k) for k in kinks if np.isfinite(k)]
    return functools.reduce(np.logical_or, near, np.zeros(x.shape, bool))


def items(case: Case) -> tuple:
    return tuple(sorted(case.params.items()))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16], ids=["bf16", "f16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_16_bit_pattern(case, dtype, order):
    kinks = ORACLE[case.name].kinks(**case.params) if order else ()
    found = report(case, order, checked(patterns(dtype), kinks))
    print(found)
    assert found.within(LIMITS_16), found


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_float32(case, order):
    found = report(case, order, float32_points(case.name, items(case)))
    print(found)
    assert found.within(LIMITS[jnp.float32][order]), found


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("case", INLINE, ids=str)
def test_float32_inline(case, order):
    found = report(case, order, float32_points(case.name, items(case)))
    print(found)
    assert found.within(LIMITS[jnp.float32][order]), found


@pytest.mark.parametrize(
    ("case", "wrt"), [pytest.param(c, p, id=f"{c}-{p}") for c in CASES for p in c.differentiable]
)
def test_parameter_float32(case, wrt):
    found = report(case, 1, float32_points(case.name, items(case)), wrt)
    print(found)
    assert found.within(LIMITS[jnp.float32][1]), found


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_subnormal_input_counts_as_itself_or_zero(case, order):
    points = patterns(ml_dtypes.bfloat16)
    tiny = points[np.abs(points.astype(np.float64)) < SMALLEST]
    function = derivative(case, order)
    exact = ORACLE[case.name].derivative(order)(tiny.astype(np.float64), **case.params)
    actual = np.asarray(function(tiny)).astype(np.float64)
    at_zero = [float(function(np.array(z, tiny.dtype))) for z in (-0.0, 0.0)]
    itself = np.abs(actual - exact) <= 2.0**-8 * np.abs(exact)
    assert np.all(itself | (actual == at_zero[0]) | (actual == at_zero[1]))


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2], ids=["e4m3fn", "e5m2"])
@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_every_8_bit_pattern(case, dtype):
    for order in ORDERS[:2]:
        kinks = ORACLE[case.name].kinks(**case.params) if order else ()
        found = report(case, order, checked(patterns(dtype), kinks))
        print(found)
        assert found.within(LIMITS_16), found
