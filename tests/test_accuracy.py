"""The accuracy contract against the independent float64 oracle: every 16-bit pattern, stratified float32 points.

And what holds beside it: limits at the infinities, NaN for NaN, signs, symmetry and order. XLA's CPU backend takes
subnormal numbers for zeros, so inputs below 2**-126 count as themselves or as 0.
`JAXACT_ACCURACY_POINTS` sets how many float32 points; the contract is stated for 4 million. Compilation and the
oracle take the time: what is asked of a case and a dtype is asked of the results of one program, and exact results
serve the engine and the inline form.
"""

import dataclasses
import os
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from cases import CASES, DEFAULTS, Case
from oracle import ORACLE
from ulp import Reference, on_a_kink, patterns, stratified

import jaxact
from jaxact._src import elementary

POINTS = int(os.environ.get("JAXACT_ACCURACY_POINTS", "200000"))
SMALLEST = 2.0**-126
LIMIT_16 = 0.51
LIMITS = {jnp.float32: (4.0, 8.0, 16.0), jnp.float64: (8.0, 16.0, 32.0)}
ORDERS = (0, 1, 2)
ENDS = np.array([-np.inf, np.inf, np.nan], np.float32)

ODD = {"identity", "tanh", "soft_sign", "tanh_shrink", "hard_tanh", "hard_shrink", "soft_shrink", "softcap"}
EVEN = {"lisht"}
# Activations that nowhere decrease, whatever their parameters in the case table.
MONOTONE = ODD | {
    "relu6",
    "celu",
    "selu",
    "softplus",
    "log_sigmoid",
    "sigmoid",
    "hard_sigmoid",
    "squareplus",
    "sparse_plus",
    "sparse_sigmoid",
    "thresholded_relu",
    "fat_relu",
    "relu_squared",
    "laplace",
    "exponential",
    "clip",
    "sqrt_softplus",
    "bent_identity",
}
# Settings that take a function out of these sets: unequal limits, and a fall at a negative theta.
EXCEPT = {"hard_tanh": ("min_val", "max_val"), "thresholded_relu": ("theta",)}


DEFAULT_IDS = {str(c) for c in DEFAULTS}


def among(names: set[str], case: Case) -> bool:
    return case.name in names and not set(EXCEPT.get(case.name, ())) & set(case.params)


def derivatives(case: Case, highest: int = 2):
    """The value and the derivatives in x up to the first or second, in one program, as a numpy function."""

    def value_and_first(x):
        return jax.jvp(case, (x,), (jnp.ones_like(x),))

    def all_three(x):
        (value, first), (_, second) = jax.jvp(value_and_first, (x,), (jnp.ones_like(x),))
        return value, first, second

    return jax.jit(all_three if highest == 2 else value_and_first)


def parameter_derivatives(case: Case):
    """The first derivatives in all parameters in one program, as a numpy function."""
    values = [np.float32(v) for v in case.values()]

    def slopes(x):
        # One copy of the parameters an element, so that nothing is summed.
        spread = [jnp.full(x.shape, v, jnp.float32) for v in values]
        return jax.vjp(case.with_parameters, x, *spread)[1](jnp.ones_like(x))[1:]

    return jax.jit(slopes)


def check(
    cases: Sequence[Case], points, limits: Sequence[float], skip_kinks: bool = True
) -> list[list[np.ndarray]]:
    """Measure forms of one activation, as many orders as there are limits; kinks count for the value.

    The points may end with what is not finite; there the limits are checked. Returns the orders of each form.
    """
    oracle, params = ORACLE[cases[0].name], cases[0].params
    on_kink = on_a_kink(points, oracle.kinks(**params))
    beyond = ~cases[0].within_reach(points)
    counted, references = [], []
    for order in range(len(limits)):
        counted.append(normal(points) & ~((on_kink & bool(order or skip_kinks)) | (beyond & bool(order))))
        references.append(Reference.of(oracle, order, points[counted[-1]], **params))
    forms = [[np.asarray(v) for v in derivatives(case, len(limits) - 1)(points)] for case in cases]
    exceeded = []
    for case, orders in zip(cases, forms):
        for order, limit in enumerate(limits):
            found = references[order].report(orders[order][counted[order]])
            print(case, found)
            if not found.within(limit):
                exceeded.append((str(case), limit, str(found)))
        exceeded += at_the_ends(case, points, orders)
    assert not exceeded, exceeded
    return forms


def at_the_ends(case: Case, points, orders: Sequence[np.ndarray]) -> list[str]:
    """What is wrong at infinities, which give the limits (finite ones, if the oracle has none), and at NaN."""
    oracle, x, wrong = ORACLE[case.name], points.astype(np.float64), []
    for order, actual in enumerate(orders):
        infinite = actual[np.isinf(x)].astype(np.float64)
        at_nan = actual[np.isnan(x)].astype(np.float32)
        if case.definition.facts.passes and order:
            at_nan = np.where(at_nan == (order == 1), np.nan, at_nan)  # that of x, which no comparison has decided
        if not np.all(np.isnan(at_nan)):
            wrong.append(f"{case}: a finite derivative {order} of NaN")
        if order and oracle.endless:
            right = np.isfinite(infinite)
        else:
            exact = oracle.derivative(order)(x[np.isinf(x)], **case.params)
            right = np.isclose(infinite, exact, rtol=float(ml_dtypes.finfo(points.dtype).eps), atol=0)
        if not np.all(right):
            wrong.append(f"{case}: derivative {order} is {infinite} at {x[np.isinf(x)]}")
    return wrong


def float32_points(case: Case) -> np.ndarray:
    oracle = ORACLE[case.name]
    dense = {*oracle.kinks(**case.params), *(r for o in ORDERS for r in oracle.roots(o, **case.params))}
    points = stratified(POINTS, dense=tuple(sorted(filter(np.isfinite, dense))))
    return np.append(points[normal(points)], ENDS)


def normal(points):
    """Which points are finite and not subnormal where they are computed."""
    size = np.abs(points.astype(np.float64))
    smallest = np.finfo(np.float64).smallest_normal if points.dtype == np.float64 else SMALLEST
    return np.isfinite(size) & ((size >= smallest) | (size == 0))


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16], ids=["bf16", "f16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_16_bit_pattern(case, dtype):
    points = np.append(patterns(dtype), ENDS.astype(dtype))
    (orders,) = check([case], points, [LIMIT_16] * 3, skip_kinks=False)
    at_subnormal_numbers(case, points, orders)
    if among(ODD | EVEN, case):
        mirrored(case, points, orders[0])
    if among(MONOTONE, case):
        in_order(case, points, orders[0])


def at_subnormal_numbers(case: Case, points, orders: Sequence[np.ndarray]) -> None:
    """Below 2**-126 the result is that at the number itself or at a zero."""
    x = points.astype(np.float64)
    tiny = (np.abs(x) < SMALLEST) & (x != 0)
    for order in (0, 1):
        actual = orders[order].astype(np.float64)
        exact = ORACLE[case.name].derivative(order)(x[tiny], **case.params)
        itself = np.abs(actual[tiny] - exact) <= 2.0**-8 * np.abs(exact)
        assert np.all(itself | np.isin(actual[tiny], actual[x == 0])), order


def mirrored(case: Case, points, y: np.ndarray) -> None:
    """f(-x) is -f(x) for odd functions, whose zeros keep their sign, and f(x) for even ones."""
    right, left = np.split(
        y[: -len(ENDS)], 2
    )  # patterns are in the order of their bits, the first of which is the sign
    np.testing.assert_array_equal(left, right if case.name in EVEN else -right)
    if case.name not in EVEN | {"hard_shrink", "soft_shrink"}:
        np.testing.assert_array_equal(np.signbit(y[points == 0]), np.signbit(points[points == 0]))


def in_order(case: Case, points, y: np.ndarray) -> None:
    """Sorted inputs give sorted results.

    At other settings than the defaults two inputs' exact results may be closer than float32 can tell: one tie may
    round the wrong way.
    """
    x = points.astype(np.float32)
    y = y.astype(np.float32)[np.argsort(x)][:-1]  # NaN is the last
    back = np.flatnonzero(y[1:] < y[:-1])
    assert len(back) <= (str(case) not in DEFAULT_IDS)
    assert np.all(y[:-1][back] - y[1:][back] <= np.abs(y[:-1][back]) * float(ml_dtypes.finfo(points.dtype).eps))


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2], ids=["e4m3fn", "e5m2"])
@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_every_8_bit_pattern(case, dtype):
    points = patterns(dtype)
    check([case], points[normal(points)], [LIMIT_16] * 2, skip_kinks=False)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float32(case):
    forms = [case, dataclasses.replace(case, implementation="inline")]
    check(forms, float32_points(case), LIMITS[jnp.float32])


@pytest.mark.parametrize("implementation", [None, "inline"])
@pytest.mark.parametrize("case", [c for c in CASES if among(ODD | EVEN, c)], ids=str)
def test_float32_symmetry(case, implementation):
    case = dataclasses.replace(case, implementation=implementation)
    x = np.append(np.geomspace(1e-30, 1e30, 400), 0.0).astype(np.float32)
    y, mirrored = np.split(np.asarray(case(np.concatenate([x, -x]))), 2)
    np.testing.assert_array_equal(mirrored, y if case.name in EVEN else -y)
    if case.name not in EVEN | {"hard_shrink", "soft_shrink"}:
        assert not np.signbit(y[-1])
        assert np.signbit(mirrored[-1])


@pytest.mark.parametrize("case", [c for c in CASES if c.differentiable], ids=str)
def test_parameters_float32(case):
    oracle, points = ORACLE[case.name], float32_points(case)
    counted = normal(points) & ~on_a_kink(points, oracle.kinks(**case.params)) & case.within_reach(points)
    points = points[counted]
    # the function is given the parameters as float32 arrays
    params = dict(case.params) | {n: float(np.float32(v)) for n, v in zip(case.differentiable, case.values())}
    limit = LIMITS[jnp.float32][1]
    for wrt, slope in zip(case.differentiable, parameter_derivatives(case)(points)):
        found = Reference.of(oracle, 1, points, wrt=wrt, **params).report(slope)
        print(found)
        assert found.within(limit), found


def test_bodies_of_identity():
    """A call hands x on; these are for kernels that are asked for by name."""
    definition, x = jaxact.identity.definition, np.float32([-3.0, 0.0, 2.5])
    el = elementary.PORTABLE
    np.testing.assert_array_equal(definition.body(())(el, x), x)
    for derivative in (definition.body(("x",)), definition.output_body(1)):
        np.testing.assert_array_equal(derivative(el, x), np.ones_like(x))
