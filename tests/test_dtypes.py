"""Dtypes in and out: floats keep theirs, integers go as in jax.nn, complex numbers and containers are errors."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from cases import CASES, DEFAULTS, builtin
from oracle import ORACLE
from support import BOTH, SOME, close, exact, points, some, with_parameters

import jaxact

FLOATS = [jnp.bfloat16, jnp.float16, jnp.float32, jnp.float8_e4m3fn, jnp.float8_e5m2]
INTEGERS = [jnp.int8, jnp.int16, jnp.int32, jnp.uint8, jnp.uint32, jnp.bool_]


# not in jax.nn, but an integer function elsewhere in JAX
LIKE = {"clip": lambda x: jnp.clip(x, 0, 6)}


def slope(function):
    return lambda x: jax.jvp(function, (x,), (jnp.ones_like(x),))[1]


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_floats_keep_their_dtype(case):
    def everything(x):
        pulled = jax.vjp(case, x)[1](x)[0]
        return case(x), slope(case)(x), pulled, slope(slope(case))(x)

    for dtype in FLOATS:
        for out in jax.eval_shape(everything, jax.ShapeDtypeStruct((3,), dtype)):
            assert (out.dtype, out.shape) == (dtype, (3,))


@pytest.mark.parametrize("case", SOME, ids=str)
def test_float64_stays_float64(case):
    with jax.enable_x64(True):
        x = jnp.asarray(np.asarray(points(case)), jnp.float64)
        y, first, second = jax.jit(lambda v: (case(v), slope(case)(v), slope(slope(case))(v)))(x)
        for order, got in enumerate((y, first, second)):
            assert got.dtype == jnp.float64
            close(got, exact(case, x, order), 1024)
        assert case(points(case)).dtype == jnp.float32
        assert case(0.5).dtype == jnp.float64


@pytest.mark.parametrize("name", builtin())
def test_integers_as_jax_nn_else_as_tanh(name):
    case = next(c for c in DEFAULTS if c.name == name)
    for dtype in INTEGERS:
        x = jnp.asarray([0, 1, 2, 5]).astype(dtype)
        with jax.numpy_dtype_promotion("standard"):  # jax.nn itself mixes dtypes
            expected = _accepted(getattr(jax.nn, name, LIKE.get(name)), x)
            expected = jax.eval_shape(jnp.tanh, x) if expected is None else expected
        got = jax.eval_shape(case, x).dtype
        assert got == expected.dtype, f"{dtype.__name__}: as jax.nn under its default promotion, or as tanh"


@pytest.mark.parametrize("name", builtin())
def test_values_of_integers(name):
    case, x = next(c for c in DEFAULTS if c.name == name), jnp.asarray([-3, 0, 1, 2, 5])
    got = case(x)
    if jnp.issubdtype(got.dtype, jnp.integer):
        np.testing.assert_array_equal(np.asarray(got), exact(case, x))
    else:
        close(got, exact(case, x))


@pytest.mark.parametrize("setting", [{"negative_slope": 0.1}, {"max_value": 1.5}], ids=str)
def test_integers_meet_parameters_that_are_none(setting):
    x = jnp.asarray([-3, 0, 2, 7])
    got = jaxact.relu(x, **setting)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, ORACLE["relu"].value(np.asarray(x), **setting), rtol=1e-6)


def _accepted(function, x):
    """What jax.nn returns for x, None where it has no such function or refuses."""
    if function is None:
        return None
    try:
        return jax.eval_shape(function, x)
    except (TypeError, ValueError):
        return None


@pytest.mark.parametrize("case", SOME, ids=str)
def test_integers_under_every_implementation_and_transformation(case):
    x = jnp.arange(-3, 4)
    expected = case(x)
    for implementation in ("inline", "reference"):
        got = case.activation(x, **case.params, implementation=implementation)
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(case)(x), expected, rtol=1e-6)


@pytest.mark.parametrize("case", SOME, ids=str)
@pytest.mark.parametrize("make", [lambda f, x: f(x), lambda f, x: jax.jit(f)(x), lambda f, x: jax.vmap(f)(x)])
def test_complex_is_an_error_that_names_the_dtype(case, make):
    with pytest.raises(TypeError, match=rf"{case.activation.__name__}.*complex64"):
        make(case, jnp.ones(3, jnp.complex64))


@pytest.mark.parametrize("case", SOME, ids=str)
def test_weak_types_stay_weak(case):
    assert case(1.5).weak_type
    assert (case(0.5) * jnp.ones(3, jnp.bfloat16)).dtype == jnp.bfloat16
    assert jax.grad(case)(0.5).weak_type == jax.grad(jnp.tanh)(0.5).weak_type
    assert not case(jnp.float32(1.5)).weak_type


@pytest.mark.parametrize("case", SOME, ids=str)
def test_numpy_input(case):
    x = np.asarray(points(case))
    assert case(x).dtype == np.float32
    assert case(x.astype(np.float16)).dtype == np.float16
    assert case(x.astype(ml_dtypes.bfloat16)).dtype == jnp.bfloat16
    assert case(x.astype(np.float64)).dtype == np.float32, "as every JAX function without x64"
    assert case(np.float32(0.5)).dtype == np.float32
    assert isinstance(case(x), jax.Array)


@pytest.mark.parametrize("bad", [[1.0], (1.0, 2.0), {"a": 1.0}, None, "1.0", b"1"], ids=repr)
@pytest.mark.parametrize("implementation", [None, "inline"])
def test_containers_are_errors(bad, implementation):
    with pytest.raises(TypeError):
        CASES[0].activation(bad, implementation=implementation)


@pytest.mark.parametrize("case", with_parameters(BOTH), ids=str)
def test_parameters_of_another_dtype(case):
    """The result has the dtype of x; each gradient that of its operand."""
    pairs = [(jnp.bfloat16, jnp.float32), (jnp.float32, jnp.bfloat16), (jnp.float16, jnp.float16)]
    for narrow, other in pairs:
        x = points(case).astype(narrow)
        values = [jnp.asarray(v, other) for v in case.values()]
        y, pull = jax.vjp(case.with_parameters, x, *values)
        assert y.dtype == narrow
        dx, *grads = pull(some().astype(narrow))
        assert dx.dtype == narrow
        assert [g.dtype for g in grads] == [other] * len(grads)
    rounded = {n: float(v) for n, v in zip(case.differentiable, values)}
    expected = exact(case, x.astype(jnp.float32), **rounded)
    close(y, expected)


@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_integer_parameters(case):
    x = points(case)
    integers = [jnp.asarray(round(v) or 1) for v in case.values()]
    y = case.with_parameters(x, *integers)
    changed = {n: float(v) for n, v in zip(case.differentiable, integers)}
    assert y.dtype == x.dtype
    close(y, exact(case, x, **changed), 64)


@pytest.mark.parametrize("number", [2**40, np.int64(2**40), np.int32(3), np.uint8(3), np.float64(0.1)], ids=repr)
def test_numbers_of_numpy_are_parameters_as_those_of_python(number):
    assert jaxact.leaky_relu(jnp.float32(-1.0), number) == -np.float32(number)
