"""The accuracy contract against the independent float64 oracle: every 16-bit pattern, stratified float32 points.

XLA's CPU backend takes subnormal numbers for zeros, so inputs below 2**-126 have a test of their own.
`JAXACT_ACCURACY_POINTS` sets how many float32 points; the contract is stated for 4 million. Compilation and the
oracle take the time: all orders of a case are one program, and exact results serve the engine and the inline form.
"""

import dataclasses
import functools
import os
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from cases import CASES, DEFAULTS, Case
from oracle import ORACLE
from ulp import Reference, patterns, stratified

POINTS = int(os.environ.get("JAXACT_ACCURACY_POINTS", "200000"))
SMALLEST = 2.0**-126
LIMIT_16 = 0.51
LIMITS = {jnp.float32: (4.0, 8.0, 16.0), jnp.float64: (8.0, 16.0, 32.0)}
ORDERS = (0, 1, 2)


def derivatives(case: Case):
    """Value, first and second derivative in x in one program, as a numpy function."""

    def value_and_first(x):
        return jax.jvp(case, (x,), (jnp.ones_like(x),))

    def all_three(x):
        (value, first), (_, second) = jax.jvp(value_and_first, (x,), (jnp.ones_like(x),))
        return value, first, second

    return jax.jit(all_three)


def parameter_derivatives(case: Case):
    """The first derivatives in all parameters in one program, as a numpy function."""
    values = [np.float32(v) for v in case.values()]

    def slopes(x):
        # One copy of the parameters an element, so that nothing is summed.
        spread = [jnp.full(x.shape, v, jnp.float32) for v in values]
        return jax.vjp(case.with_parameters, x, *spread)[1](jnp.ones_like(x))[1:]

    return jax.jit(slopes)


def check(cases: Sequence[Case], points, limits: Sequence[float], skip_kinks: bool = True) -> None:
    """Measure forms of one activation, as many orders as there are limits; kinks count for the value."""
    name, params = cases[0].name, cases[0].params
    on_kink = on_a_kink(points, ORACLE[name].kinks(**params))
    beyond = ~within_reach(cases[0], points)
    orders = range(len(limits))
    references = [Reference.of(ORACLE[name], order, points, **params) for order in orders]
    exceeded = []
    for case in cases:
        computed = derivatives(case)(points)
        for order, limit in enumerate(limits):
            skip = (on_kink & bool(order or skip_kinks)) | (beyond & bool(order))
            found = references[order].report(computed[order], skip=skip)
            print(case, found)
            if not found.within(limit):
                exceeded.append((str(case), limit, str(found)))
    assert not exceeded, exceeded


def float32_points(case: Case) -> np.ndarray:
    oracle = ORACLE[case.name]
    dense = {*oracle.kinks(**case.params), *(r for o in ORDERS for r in oracle.roots(o, **case.params))}
    return normal(stratified(POINTS, dense=tuple(sorted(filter(np.isfinite, dense)))))


def normal(points):
    """The points that are not subnormal in float32."""
    return points[(np.abs(points.astype(np.float64)) >= SMALLEST) | (points == 0)]


def on_a_kink(points, kinks):
    """Within two ULP of a kink the rounding of x decides the side; tests/test_kinks.py has the kinks."""
    x = points.astype(np.float64)
    near = [np.abs(x - k) <= 2.0**-22 * np.abs(k) for k in kinks if np.isfinite(k)]
    return functools.reduce(np.logical_or, near, np.zeros(x.shape, bool))


def within_reach(case: Case, points):
    """Where the record promises accurate derivatives: everywhere, unless it is periodic and says how far."""
    reach = case.definition.facts.reach
    if reach is None:
        return np.ones(points.shape, bool)
    defaults = {n: p.default for n, p in case.definition.parameters.items()}
    return np.abs(points.astype(np.float64)) <= reach(**{**defaults, **case.params})


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16], ids=["bf16", "f16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_16_bit_pattern(case, dtype):
    check([case], normal(patterns(dtype)), [LIMIT_16] * 3, skip_kinks=False)


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2], ids=["e4m3fn", "e5m2"])
@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_every_8_bit_pattern(case, dtype):
    check([case], normal(patterns(dtype)), [LIMIT_16] * 2, skip_kinks=False)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float32(case):
    forms = [case, dataclasses.replace(case, implementation="inline")]
    check(forms, float32_points(case), LIMITS[jnp.float32])


@pytest.mark.parametrize("case", [c for c in CASES if c.differentiable], ids=str)
def test_parameters_float32(case):
    oracle, points = ORACLE[case.name], float32_points(case)
    points = points[~on_a_kink(points, oracle.kinks(**case.params)) & within_reach(case, points)]
    # the function is given the parameters as float32 arrays
    params = dict(case.params) | {n: float(np.float32(v)) for n, v in zip(case.differentiable, case.values())}
    limit = LIMITS[jnp.float32][1]
    for wrt, slope in zip(case.differentiable, parameter_derivatives(case)(points)):
        found = Reference.of(oracle, 1, points, wrt=wrt, **params).report(slope)
        print(found)
        assert found.within(limit), found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_subnormal_input_counts_as_itself_or_zero(case):
    points = patterns(ml_dtypes.bfloat16)
    tiny = points[np.abs(points.astype(np.float64)) < SMALLEST]
    zeros = np.array([-0.0, 0.0], tiny.dtype)
    computed = derivatives(case)(np.concatenate([zeros, tiny]))
    for order in (0, 1):
        at_zero, actual = np.split(np.asarray(computed[order]).astype(np.float64), [2])
        exact = ORACLE[case.name].derivative(order)(tiny.astype(np.float64), **case.params)
        itself = np.abs(actual - exact) <= 2.0**-8 * np.abs(exact)
        assert np.all(itself | (actual == at_zero[0]) | (actual == at_zero[1])), order
