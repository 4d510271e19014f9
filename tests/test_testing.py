"""check_activation passes what is right and fails what is broken, one broken function a check."""

import sys

import jax
import jax.numpy as jnp
import pytest
from cases import DEFAULTS
from support import SOME, forget

import jaxact
from jaxact.nnx import Activation, PReLU
from jaxact.testing import check_activation

SHAPES = [(5,)]


@pytest.mark.parametrize("case", [c for c in SOME if c in DEFAULTS][::2], ids=str)
def test_builtins_pass(case):
    check_activation(case.name, [(2, 3)], ["float32"], params=case.params)


@pytest.mark.parametrize("name", ["relu", "gelu", "xielu"])
def test_builtins_pass_in_16_bits(name):
    check_activation(name, [(2, 3)], ["bfloat16"])


def test_its_own_defaults_pass():
    check_activation(jaxact.leaky_relu)


def test_what_users_register_passes():
    @jaxact.elementwise
    def sine_unit(x, depth=0.1):
        return x + depth * jnp.sin(x)

    try:
        check_activation("sine_unit", SHAPES, params={"depth": 0.3})
        check_activation(sine_unit, SHAPES, ["float32"], params={"depth": jnp.asarray(0.3, jnp.float32)})
    finally:
        forget(sine_unit)


def test_modules_and_functions_along_rows_pass():
    check_activation(Activation("leaky_relu", negative_slope=0.1, slc=slice(0, 2)), SHAPES, ["float32"])
    check_activation(PReLU(num_parameters=5), SHAPES, ["bfloat16"])
    check_activation(jax.nn.softmax, [(2, 3)], ["float32"])


# -- broken functions --------------------------------------------------------------------------------------------


def loses_shape(x):
    return jnp.sum(x)


def loses_dtype(x):
    return x.astype(jnp.float32)


def raises(x):
    raise RuntimeError("broken on purpose")


def overflows(x):
    return jnp.exp(x * x * x * x)


def has_nan_in_the_gradient(x):
    return jnp.where(x > 0, jnp.sqrt(x), x)


def differs_under_jit(x):
    return 1.1 * x if isinstance(x, jax.core.Tracer) else x


def branches(x):
    return x if x.sum() > 0 else 2 * x


def differs_under_vmap(x):
    return 1.1 * x if "BatchTracer" in type(x).__name__ else x


@jax.custom_jvp
def has_a_wrong_derivative(x):
    return jnp.tanh(x)


@has_a_wrong_derivative.defjvp
def _(primals, tangents):
    y = jnp.tanh(primals[0])
    return y, tangents[0] * (1 - y * y + 0.001)


@jax.custom_jvp
def has_a_wrong_transpose(x):
    return 3 * x


@has_a_wrong_transpose.defjvp
def _(primals, tangents):
    tripled = jax.custom_derivatives.linear_call(lambda _, t: 3 * t, lambda _, t: 2 * t, (), tangents[0])
    return 3 * primals[0], tripled


@jax.custom_vjp
def has_no_forward_mode(x):
    return jnp.tanh(x)


has_no_forward_mode.defvjp(lambda x: (jnp.tanh(x), x), lambda x, t: (t,))


@jax.custom_jvp
def has_no_reverse_mode(x):
    return x * x


@has_no_reverse_mode.defjvp
def _(primals, tangents):
    doubled = jax.lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, 2 * c[1]), (0, primals[0] * tangents[0]))
    return primals[0] ** 2, doubled[1]


def hides_nan(x):
    return jnp.where(jnp.isnan(x), jnp.zeros_like(x), x)


BROKEN = {
    raises: "the call fails, shape (5,), dtype float32: broken on purpose",
    loses_shape: "the shape is not kept, shape (5,), dtype float32",
    loses_dtype: "the dtype is not kept, shape (5,), dtype bfloat16",
    overflows: "the value is not finite, shape (5,), dtype float32",
    has_nan_in_the_gradient: "the gradient is not finite, shape (5,), dtype float32",
    differs_under_jit: "jit differs from eager, shape (5,), dtype float32",
    branches: "jit differs from eager, shape (5,), dtype float32",
    differs_under_vmap: "vmap differs from a loop, shape (5,), dtype float32",
    has_a_wrong_derivative: "forward mode differs from finite differences, shape (5,), float64",
    has_a_wrong_transpose: "reverse mode differs from forward mode, shape (5,), float64",
    has_no_forward_mode: "forward mode fails, shape (5,), float64",
    has_no_reverse_mode: "reverse mode fails, shape (5,), dtype float32",
    hides_nan: "NaN does not give NaN, shape (5,), dtype float32",
}


@pytest.mark.parametrize("fn", BROKEN, ids=lambda f: f.__name__)
def test_what_is_broken_fails(fn):
    with pytest.raises(AssertionError) as caught:
        check_activation(fn, SHAPES)
    assert BROKEN[fn] in str(caught.value)
    assert str(caught.value).startswith(f"{fn.__name__}: ")


def test_an_unknown_name_is_no_failed_check():
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        check_activation("rely")


def test_without_chex_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "chex", None)
    with pytest.raises(ImportError, match=r"pip install 'jaxact\[testing\]'"):
        check_activation("relu")
