"""The ends of the line: infinities give the limits, NaN gives NaN, signed zeros and symmetry hold."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, DEFAULTS, Case
from oracle import ORACLE
from test_accuracy import derivatives

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
# One dtype for each profile; the inline form has a single one. Rounding to float16 is tests/test_accuracy.py's.
DTYPES = {None: [jnp.bfloat16, jnp.float32], "inline": [jnp.float32]}
EVERY = [*CASES, *(dataclasses.replace(c, implementation="inline") for c in DEFAULTS)]
DEFAULT_IDS = {str(c) for c in DEFAULTS}


def among(names):
    return [c for c in EVERY if c.name in names and not set(EXCEPT.get(c.name, ())) & set(c.params)]


def at_the_ends(case: Case) -> dict[str, list[np.ndarray]]:
    """Value and derivatives at -inf, inf and NaN, by dtype; one compilation a case."""
    points = {jnp.dtype(d).name: jnp.array([-jnp.inf, jnp.inf, jnp.nan], d) for d in DTYPES[case.implementation]}
    compute = jax.jit(lambda p: {d: derivatives(case)(x) for d, x in p.items()})
    return {d: [np.asarray(v).astype(np.float64) for v in values] for d, values in compute(points).items()}


@pytest.mark.parametrize("case", EVERY, ids=str)
def test_limits_at_infinity_and_nan(case):
    oracle = ORACLE[case.name]
    for dtype, orders in at_the_ends(case).items():
        for order, actual in enumerate(orders):
            assert np.isnan(actual[2]), f"{dtype}: derivative {order} of NaN is {actual[2]}"
            if order and oracle.endless:
                assert np.all(np.isfinite(actual[:2])), f"{dtype} {order=}: {actual[:2]} without a limit"
                continue
            exact = oracle.derivative(order)(np.array([-np.inf, np.inf]), **case.params)
            rtol = float(jnp.finfo(dtype).eps)
            np.testing.assert_allclose(actual[:2], exact, rtol=rtol, atol=0, err_msg=f"{dtype} {order=}")


@pytest.mark.parametrize("case", among(ODD), ids=str)
def test_odd(case):
    x = np.append(np.geomspace(1e-30, 1e30, 400), 0.0).astype(np.float32)
    right, left = np.asarray(case(x)), np.asarray(case(-x))
    np.testing.assert_array_equal(left, -right)


@pytest.mark.parametrize("case", among(ODD - {"hard_shrink", "soft_shrink"}), ids=str)
def test_zero_keeps_its_sign(case):
    y = np.asarray(case(np.array([-0.0, 0.0], np.float32)))
    assert np.all(y == 0)
    np.testing.assert_array_equal(np.signbit(y), [True, False])


@pytest.mark.parametrize("case", among(EVEN), ids=str)
def test_even(case):
    x = np.append(np.geomspace(1e-30, 1e30, 400), 0.0).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(case(x)), np.asarray(case(-x)))


def sorted_values(case, dtype):
    bits = np.arange(2**16, dtype=np.uint16).view(jnp.dtype(dtype))
    x = np.sort(bits[np.isfinite(bits.astype(np.float32))].astype(np.float32))
    return np.asarray(case(jnp.asarray(x).astype(dtype))).astype(np.float32)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16], ids=lambda d: jnp.dtype(d).name)
@pytest.mark.parametrize("case", [c for c in among(MONOTONE) if str(c) in DEFAULT_IDS], ids=str)
def test_monotone_over_every_16_bit_number(case, dtype):
    y = sorted_values(case, dtype)
    assert np.all(y[1:] >= y[:-1])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16], ids=lambda d: jnp.dtype(d).name)
@pytest.mark.parametrize("case", [c for c in among(MONOTONE) if str(c) not in DEFAULT_IDS], ids=str)
def test_almost_monotone_at_other_settings(case, dtype):
    """Where two inputs' exact results are closer than float32 can tell, one tie may round the wrong way."""
    y = sorted_values(case, dtype)
    back = np.flatnonzero(y[1:] < y[:-1])
    assert len(back) <= 1
    assert np.all(y[:-1][back] - y[1:][back] <= np.abs(y[:-1][back]) * float(jnp.finfo(dtype).eps))
