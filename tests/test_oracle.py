"""The oracle against itself: float64 closed forms, mpmath definitions, numerical differentiation."""

from __future__ import annotations

import inspect

import ml_dtypes
import numpy as np
import pytest
from mpmath import mp, mpf
from oracle import ORACLE, textbook
from ulp import errors, measure, near_root, patterns, stratified, ulp

CASES = [(name, {}) for name in ORACLE if name not in ("softcap", "threshold", "prelu")] + [
    ("gelu", {"approximate": False}),
    ("softcap", {"cap": 30.0}),
    ("softcap", {"cap": 0.3}),
    ("threshold", {"threshold": 0.1, "value": -3.0}),
    ("prelu", {"negative_slope": -0.3}),
    ("srelu", {"t_left": -1.0, "a_left": -0.5, "t_right": 3.0, "a_right": -0.7}),
    ("swish_beta", {"beta": -1.3}),
    ("acon_c", {"p1": -0.6, "p2": 0.7, "beta": -1.5}),
    ("dice", {"alpha": -0.4, "mean": -0.7, "var": 0.3, "eps": 1e-3}),
    ("xielu", {"alpha_p": 0.2, "alpha_n": 0.6, "beta": -0.4, "eps": -0.01}),
    ("pade", {"a0": -0.1, "a1": 0.3, "b1": 0.2, "b4": -0.7}),
    ("snake", {"alpha": 0.3}),
    ("snake_beta", {"alpha": 2.5, "beta": 0.9}),
    ("pelu", {"a": 2.5, "b": 0.4}),
    ("dyt", {"alpha": -0.7, "weight": 3.0}),
    ("relu", {"negative_slope": 0.1, "max_value": 5.0, "threshold": 0.5}),
    ("relu", {"negative_slope": -0.1, "max_value": 5.0}),
    ("leaky_relu", {"negative_slope": -0.3}),
    ("softplus", {"beta": 2.3}),
    ("softplus", {"beta": 0.1}),
    ("elu", {"alpha": 0.7}),
    ("celu", {"alpha": 0.37}),
    ("laplace", {"mu": -0.3, "sigma": 2.1}),
    ("gelu_clipped", {"min_val": -0.1, "max_val": 1.3}),
    ("squareplus", {"b": 0.01}),
    ("squareplus", {"b": 0.0}),
    ("hard_tanh", {"min_val": -0.3, "max_val": 2.5}),
    ("soft_shrink", {"threshold": 0.1}),
]


def derivatives(name, params):
    """(order, wrt) of everything the oracle offers for this case."""
    wrt = [(0, p) for p in ORACLE[name].parameters if p != "max_value" or params.get(p) is not None]
    return [(0, None), (1, None), (2, None), *wrt]


def all_derivatives():
    cases = []
    for name, params in CASES:
        label = name + "".join(f"-{k}={v}" for k, v in params.items())
        for order, wrt in derivatives(name, params):
            cases.append(pytest.param(name, params, order, wrt, id=f"{label}-{wrt or order}"))
    return cases


def hard_points():
    rng = np.random.default_rng(7)
    huge = [3.4028234663852886e38, -3.4028234663852886e38, 1.4e-45, -1.4e-45, 0.0]
    series = [1e-6, -1e-6, 1e-3, -1e-3, 0.2499, 0.2501, -0.2499, -0.2501]
    tails = [rng.uniform(-14, 14, 12), rng.uniform(-110, 110, 12)]
    magnitudes = 10.0 ** rng.uniform(-45, 38, 12) * rng.choice([-1, 1], 12)
    return np.concatenate([huge, series, *tails, magnitudes, rng.uniform(-3, 3, 12)])


HARD = hard_points()


@pytest.mark.parametrize(("name", "params", "order", "wrt"), all_derivatives())
def test_float64_agrees_with_the_definition(name, params, order, wrt):
    oracle = ORACLE[name]
    beside = [r + d for r in oracle.roots(order, wrt, **params) for d in (1e-4, 1e-6, -1e-6, -1e-9)]
    points = np.concatenate([HARD, beside])
    for x, got in zip(points, oracle.derivative(order, wrt)(points, **params), strict=True):
        exact = oracle.exact(x, order, wrt, **params)
        if np.isinf(got) or abs(exact) < 1e-200:  # outside float32 by far
            assert got == pytest.approx(float(exact), rel=1e-9, abs=1e-190)
        else:
            assert abs(got - exact) <= 1e-14 * abs(exact), x


@pytest.mark.parametrize(("name", "params", "order", "wrt"), all_derivatives())
def test_definition_agrees_with_numerical_differentiation(name, params, order, wrt):
    oracle = ORACLE[name]
    kinks = oracle.kinks(**params)
    with mp.workdps(40):
        for x in (-37.0, -4.3, -1.7, -0.6, -0.03, 0.02, 0.4, 1.1, 2.9, 21.0):
            if min((abs(x - k) for k in kinks), default=1) < 1e-3:
                continue
            exact = oracle.exact(x, order, wrt, **params)
            if wrt is None:
                numeric = mp.diff(lambda t: oracle.exact(t, **params), x, order)
            else:
                at = params[wrt] if wrt in params else default_of(name, wrt)
                numeric = mp.diff(lambda p, x=x: oracle.exact(x, **(params | {wrt: p})), mpf(at))
            assert abs(numeric - exact) <= mpf(10) ** -25 * abs(exact) + mpf(10) ** -35, x


def default_of(name, parameter):
    return inspect.signature(textbook.FUNCTIONS[name]).parameters[parameter].default


# the formulas of the papers, taken literally: correct at 700 digits only
LITERAL = {
    "gelu": lambda x: x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mpf("0.044715") * x**3))),
    "quick_gelu": lambda x: x / (1 + mp.exp(-mpf("1.702") * x)),
    "gelu_clipped": lambda x: max(-10, min(10, x / 2 * (1 + mp.erf(x / mp.sqrt(2))))),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "mish": lambda x: x * mp.tanh(mp.log(1 + mp.exp(x))),
    "softplus": lambda x: mp.log(1 + mp.exp(x)),
    "log_sigmoid": lambda x: mp.log(1 / (1 + mp.exp(-x))),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "tanh": lambda x: (mp.exp(x) - mp.exp(-x)) / (mp.exp(x) + mp.exp(-x)),
    "hard_sigmoid": lambda x: max(0, min(6, x + 3)) / 6,
    "hard_silu": lambda x: x * max(0, min(6, x + 3)) / 6,
    "hard_mish": lambda x: x / 2 * max(0, min(2, x + 2)),
    "squareplus": lambda x: (x + mp.sqrt(x**2 + 4)) / 2,
    "tanh_shrink": lambda x: x - mp.tanh(x),
    "laplace": lambda x: (1 + mp.erf((x - mpf(0.707107)) / (mpf(0.282095) * mp.sqrt(2)))) / 2,
    "lisht": lambda x: x * mp.tanh(x),
    "telu": lambda x: x * mp.tanh(mp.exp(x)),
    "serf": lambda x: x * mp.erf(mp.log(1 + mp.exp(x))),
    "sqrt_softplus": lambda x: mp.sqrt(mp.log(1 + mp.exp(x))),
    "bent_identity": lambda x: (mp.sqrt(x**2 + 1) - 1) / 2 + x,
    "relu_squared": lambda x: max(x, 0) ** 2,
    "soft_sign": lambda x: x / (1 + abs(x)),
    "exponential": mp.exp,
}


@pytest.mark.parametrize("name", LITERAL)
def test_definition_agrees_with_the_literal_formula(name):
    for x in (-12.0, -9.1, -2.5, -0.7, -1e-30, 1e-30, 0.3, 1.9, 5.7, 12.0):
        exact = ORACLE[name].exact(x)
        with mp.workdps(700):
            literal = LITERAL[name](mpf(x))
        assert abs(exact - literal) <= mpf(10) ** -55 * abs(literal)


AT_KINKS = [  # name, parameters, x; value, first, second
    ("relu", {}, 0, (0, 0, 0)),
    ("relu", {"negative_slope": 0.25, "threshold": 1, "max_value": 3}, 1, (0, 0.25, 0)),
    ("relu", {"negative_slope": 0.25, "threshold": 1, "max_value": 3}, 3, (3, 0, 0)),
    ("relu6", {}, 0, (0, 0, 0)),
    ("relu6", {}, 6, (6, 0, 0)),
    ("leaky_relu", {"negative_slope": 0.25}, 0, (0, 0.25, 0)),
    ("elu", {"alpha": 2}, 0, (0, 2, 2)),
    ("celu", {"alpha": 2}, 0, (0, 1, 0.5)),
    ("selu", {}, 0, (0, 1.7580993408473766, 1.7580993408473766)),
    ("soft_sign", {}, 0, (0, 1, 0)),
    ("hard_sigmoid", {}, -3, (0, 0, 0)),
    ("hard_sigmoid", {}, 3, (1, 0, 0)),
    ("hard_silu", {}, -3, (0, 0, 0)),
    ("hard_silu", {}, 3, (3, 1, 0)),
    ("hard_tanh", {}, -1, (-1, 0, 0)),
    ("hard_tanh", {}, 1, (1, 0, 0)),
    ("hard_mish", {}, -2, (0, 0, 0)),
    ("hard_mish", {}, 0, (0, 1, 0)),
    ("squareplus", {"b": 0}, 0, (0, 0.5, 0)),
    ("sparse_plus", {}, -1, (0, 0, 0)),
    ("sparse_plus", {}, 1, (1, 1, 0)),
    ("sparse_sigmoid", {}, -1, (0, 0, 0)),
    ("sparse_sigmoid", {}, 1, (1, 0, 0)),
    ("hard_shrink", {}, 0.5, (0, 0, 0)),
    ("hard_shrink", {}, -0.5, (0, 0, 0)),
    ("soft_shrink", {}, 0.5, (0, 0, 0)),
    ("soft_shrink", {}, -0.5, (0, 0, 0)),
    ("threshold", {"threshold": 1, "value": 7}, 1, (7, 0, 0)),
    ("thresholded_relu", {}, 1, (0, 0, 0)),
    ("fat_relu", {}, 0.01, (0, 0, 0)),
    ("relu_squared", {}, 0, (0, 0, 0)),
    ("clip", {}, 0, (0, 0, 0)),
    ("clip", {}, 6, (6, 0, 0)),
]


@pytest.mark.parametrize(("name", "params", "x", "results"), AT_KINKS)
def test_conventions_at_kinks(name, params, x, results):
    oracle = ORACLE[name]
    assert x in oracle.kinks(**params)
    for order, expected in enumerate(results):
        assert oracle.derivative(order)(x, **params) == pytest.approx(expected, rel=1e-15)
        assert float(oracle.exact(x, order, **params)) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(("name", "params"), CASES)
def test_something_jumps_at_every_kink(name, params):
    oracle = ORACLE[name]
    for kink in oracle.kinks(**params):
        sides = [[oracle.derivative(k)(kink + d, **params) for k in range(3)] for d in (-1e-9, 1e-9)]
        assert np.max(np.abs(np.subtract(*sides))) > 1e-3


def with_limits():
    """All but the derivatives that swing for ever."""
    return [c for c in all_derivatives() if not ORACLE[c.values[0]].endless or c.values[2:] == (0, None)]


@pytest.mark.parametrize(("name", "params", "order", "wrt"), with_limits())
def test_infinities_give_the_limit(name, params, order, wrt):
    function = ORACLE[name].derivative(order, wrt)
    low, high, nan = function(np.array([-np.inf, np.inf, np.nan]), **params)
    assert np.isnan(nan)
    near_low, near_high = function(np.array([-1e45, 1e45]), **params)
    for limit, near in ((low, near_low), (high, near_high)):
        if np.isinf(limit):
            assert np.sign(near) == np.sign(limit)
            assert abs(near) > 1e20
        else:
            assert near == pytest.approx(limit, rel=1e-15, abs=1e-20)


def test_known_limits():
    for name, low, high in [
        ("silu", 0, np.inf),
        ("tanh", -1, 1),
        ("relu", 0, np.inf),
        ("selu", -1.75810, np.inf),
    ]:
        np.testing.assert_allclose(ORACLE[name].value([-np.inf, np.inf]), [low, high], rtol=1e-5)


def test_known_roots():
    (root,) = ORACLE["gelu"].roots(1, approximate=False)
    assert root == pytest.approx(-0.7517915246935645, rel=1e-15)
    assert ORACLE["silu"].roots() == (0.0,)
    assert ORACLE["silu"].roots(1) == pytest.approx([-1.2784645427610738], rel=1e-15)
    assert ORACLE["hard_shrink"].roots() == ()  # a jump, and a flat 0
    assert ORACLE["relu"].roots(1) == ()


# ---- the measuring tools

BFLOAT16, E4M3, E5M2 = ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2


def test_patterns_are_all_finite_values():
    assert [len(patterns(t)) for t in (E4M3, E5M2, np.float16, BFLOAT16)] == [254, 248, 63488, 65280]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stratified_points(dtype):
    points = stratified(10000, dense=[-0.75, 0.0], dtype=dtype)
    info = np.finfo(dtype)
    assert points.dtype == dtype
    assert np.isfinite(points).all()
    assert {float(info.max), float(-info.smallest_subnormal), 0.0} <= set(points.tolist())
    assert {False, True} == set(np.signbit(points[points == 0]).tolist())
    for sign in (1, -1):
        normal = points[points * sign >= info.smallest_normal]
        assert len(np.unique(np.frexp(normal)[1])) == info.maxexp - info.minexp
    assert np.nextafter(dtype(-0.75), dtype(0)) in points
    assert np.array_equal(points, stratified(10000, dense=[-0.75, 0.0], dtype=dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, BFLOAT16, E4M3, E5M2])
def test_one_ulp_is_one(dtype):
    for exact in (1.0, 1.5, -3.25, 48.0):
        x = np.array([exact], dtype)
        off = (x.astype(np.float64) + ulp(x.astype(np.float64), dtype)).astype(dtype)
        assert errors(x, x.astype(np.float64), dtype) == 0
        assert errors(off, x.astype(np.float64), dtype) == 1


def test_error_is_measured_from_the_unrounded_result():
    with mp.workdps(40):
        exact = [1 + mpf(2) ** -53, 1 - mpf(2) ** -60]
    np.testing.assert_allclose(errors(np.ones(2), exact, np.float64), [0.5, 2.0**-8])
    assert errors(np.float32([1]), np.array([1 + 2.0**-25]), np.float32) == 0.25


def test_nan_and_infinity_are_flagged():
    actual = np.array([np.nan, np.inf, 1, np.nan, np.inf, -np.inf], np.float32)
    exact = np.array([1, 1, np.nan, np.nan, 1e39, 1e39])
    assert errors(actual, exact, np.float32).tolist() == [np.inf, np.inf, np.inf, 0, 0, np.inf]


def test_zeros():
    actual = np.array([0.0, -0.0, 0.0, -0.0, 0.0, 1e-45, 1e-45, 1e-40, -0.0], np.float32)
    exact = np.array([1e-40, 1e-40, 1e-50, -1e-50, 0.0, 0.0, 2e-45, 1.1e-40, 1e-46])
    expected = [0, np.inf, 0, 0, 0, np.inf, 0, np.inf, np.inf]
    assert errors(actual, exact, np.float32).tolist() == expected
    assert errors(actual[:1], exact[:1], np.float32, flush=False) == np.inf
    assert errors(np.float32([0]), np.array([1.2e-38]), np.float32) > 1e6  # a normal number flushed


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, E5M2, E4M3, np.float32])
def test_overflow_is_what_the_cast_gives(dtype):
    largest = float(ml_dtypes.finfo(dtype).max)
    half = float(ulp(np.float64(largest), dtype)) / 2
    exact = np.array([largest + half * k for k in (0, 0.9, 1, 1.1, 100)] + [np.inf])
    exact = np.concatenate([exact, -exact])
    with np.errstate(over="ignore"):
        actual = exact.astype(dtype)
    assert errors(actual, exact, dtype).max() <= 0.5
    assert errors(np.full(4, largest).astype(dtype), exact[[3, 4, 5, 9]], dtype).tolist() == [np.inf] * 4


def test_near_root():
    assert near_root([-0.7, -0.75, 0.75, 1e-9, 0.0], [-0.75, 0.0]).tolist() == [True, True] + [False] * 3


@pytest.mark.parametrize("dtype", [np.float32, BFLOAT16, np.float64])
def test_measure(dtype):
    def rounded(order):
        return lambda x: oracle.derivative(order)(x.astype(np.float64)).astype(dtype)

    oracle = ORACLE["silu"]
    points = stratified(400, dense=[-1.278], dtype=np.float64 if dtype == np.float64 else np.float32)
    for order in range(3):
        report = measure(rounded(order), oracle, order, dtype, points[np.abs(points) < 1e38])
        assert report.within(8 if dtype == np.float64 else 0.5, near_limit=1), str(report)
    assert (report.near_count > 0) == (dtype != BFLOAT16)


def test_measure_finds_the_worst():
    def spoilt(x):
        y = np.maximum(x, 0)
        y[3] = np.nextafter(y[3], np.float32(np.inf))
        return y

    report = measure(spoilt, ORACLE["relu"], 0, np.float32, np.arange(-2, 5))
    assert str(report) == ("relu d0 float32: 1 ULP at x=1.0 (got 1.0000001192092896, exact 1.0), 7 points")
    wrong = measure(lambda x: x - x, ORACLE["silu"], 1, np.float32, np.linspace(-1.3, -1.2, 9))
    assert wrong.near_worst > 1e3
    assert wrong.count == 0
