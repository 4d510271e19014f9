"""Wrong calls: the error's type, and the words that tell what to do."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact

X = np.linspace(-1.0, 1.0, 6, dtype=np.float32).reshape(2, 3)
NAN, INF = float("nan"), float("inf")


def local(x):
    return x


CALLS = [
    # -- names
    ("unknown name", lambda: jaxact.get("rellu"), ValueError, "unknown activation 'rellu'; did you mean .*'relu'"),
    ("unlike any name", lambda: jaxact.get("qqqqqq"), ValueError, r"jaxact.names\(\) lists all"),
    ("empty name", lambda: jaxact.get(""), ValueError, "unknown activation ''"),
    ("no name and no callable", lambda: jaxact.get(3), TypeError, "a name or a callable, got int"),
    ("list for a name", lambda: jaxact.get(["relu"]), TypeError, "a name or a callable, got list"),
    ("unknown parameter by name", lambda: jaxact.get("relu", slope=1), TypeError, "no parameter 'slope'; it has"),
    ("parameters for a callable", lambda: jaxact.get(local, alpha=1), TypeError, "no jaxact activation"),
    ("too many for get", lambda: jaxact.get("leaky_relu", 0.1, 0.2), TypeError, r"takes 1 parameter\(s\)"),
    ("twice for get", lambda: jaxact.get("leaky_relu", 0.1, negative_slope=0.2), TypeError, "given twice"),
    ("bad value for get", lambda: jaxact.get("leaky_relu", negative_slope=NAN), ValueError, "a finite number"),
    ("reference", lambda: jaxact.reference.rellu, AttributeError, "did you mean"),
    # -- x
    ("complex64", lambda: jaxact.relu(jnp.ones(2, jnp.complex64)), TypeError, "relu takes real input.*complex64"),
    ("complex numpy", lambda: jaxact.relu(np.ones(2, np.complex64)), TypeError, "complex64"),
    ("complex number", lambda: jaxact.relu(1j), TypeError, "relu takes .*complex"),
    ("complex under jit", lambda: jax.jit(jaxact.relu)(jnp.ones(2, jnp.complex64)), TypeError, "complex64"),
    ("list", lambda: jaxact.relu([1.0, 2.0]), TypeError, "relu takes an array or a number, got list"),
    ("tuple", lambda: jaxact.relu((1.0,)), TypeError, "got tuple"),
    ("dict", lambda: jaxact.relu({"x": X}), TypeError, "got dict"),
    ("None", lambda: jaxact.relu(None), TypeError, "got NoneType"),
    ("string", lambda: jaxact.relu("1"), TypeError, r"relu[^\0]*'str'"),
    ("object array", lambda: jaxact.relu(np.array([1.0, None])), TypeError, r"relu[^\0]*ndarray"),
    ("string array", lambda: jaxact.relu(np.array(["a"])), TypeError, r"relu[^\0]*ndarray"),
    ("random key", lambda: jaxact.relu(jax.random.key(0)), TypeError, "relu takes real input, got dtype key"),
    ("no x", jaxact.relu, TypeError, "missing 1 required positional argument: 'x'"),
    # -- parameters
    (
        "string",
        lambda: jaxact.leaky_relu(X, negative_slope="a"),
        TypeError,
        "negative_slope must be a number or an",
    ),
    ("list", lambda: jaxact.leaky_relu(X, [0.1]), TypeError, "negative_slope must be a number or an array, got"),
    (
        "list by name",
        lambda: jaxact.leaky_relu(X, negative_slope=[0.1]),
        TypeError,
        "must be a number or an array",
    ),
    ("None", lambda: jaxact.leaky_relu(X, None), TypeError, "must be a number or an array, got None"),
    ("bool", lambda: jaxact.leaky_relu(X, True), TypeError, "must be a number or an array, got True"),
    ("complex parameter", lambda: jaxact.leaky_relu(X, 1j), TypeError, "must be a number or an array, got 1j"),
    ("complex array", lambda: jaxact.leaky_relu(X, np.array(1j)), TypeError, "real array, got dtype complex128"),
    (
        "bool array",
        lambda: jaxact.leaky_relu(X, np.array(True)),
        TypeError,
        "must be a real array, got dtype bool",
    ),
    ("NaN", lambda: jaxact.leaky_relu(X, NAN), ValueError, "negative_slope must be a finite number, got nan"),
    ("infinite", lambda: jaxact.leaky_relu(X, INF), ValueError, "must be a finite number, got inf"),
    ("negative cap", lambda: jaxact.relu(X, max_value=-1.0), ValueError, "max_value must be .*0 or above, got -1"),
    ("NaN cap", lambda: jaxact.relu(X, max_value=NAN), ValueError, "max_value must be .*got nan"),
    ("negative threshold", lambda: jaxact.relu(X, threshold=-0.5), ValueError, "threshold must be .*0 or above"),
    (
        "unknown",
        lambda: jaxact.relu(X, slope=0.1),
        TypeError,
        r"relu has no parameter 'slope'; it has \['negative",
    ),
    (
        "none to have",
        lambda: jaxact.identity(X, alpha=1.0),
        TypeError,
        "identity has no parameter 'alpha'; it has no",
    ),
    ("too many", lambda: jaxact.leaky_relu(X, 0.1, 0.2), TypeError, "leaky_relu takes 1 .*got 2 positional"),
    ("twice", lambda: jaxact.leaky_relu(X, 0.1, negative_slope=0.2), TypeError, "negative_slope is given twice"),
    (
        "shape",
        lambda: jaxact.leaky_relu(X, jnp.ones(2)),
        ValueError,
        r"broadcast against x \(2, 3\), got negative",
    ),
    ("shape in jit", lambda: jax.jit(jaxact.leaky_relu)(X, jnp.ones(4)), ValueError, "must broadcast against x"),
    # -- options
    (
        "implementation",
        lambda: jaxact.relu(X, implementation="triton"),
        ValueError,
        "implementation must be None or",
    ),
    (
        "implementation number",
        lambda: jaxact.relu(X, implementation=1),
        ValueError,
        "implementation must be",
    ),
    (
        "no kernel",
        lambda: jaxact.relu(X, implementation="pallas"),
        NotImplementedError,
        "has no kernel here",
    ),
    (
        "residual",
        lambda: jaxact.relu(X, residual="mask!"),
        ValueError,
        r"residual must be None or one of \('input'",
    ),
    (
        "residual and arrays",
        lambda: jaxact.leaky_relu(X, jnp.ones(3), residual="output"),
        ValueError,
        "residual='output' needs parameters that are numbers",
    ),
    (
        "inplace and gradients",
        lambda: jax.grad(lambda v: jaxact.relu(v, negative_slope=-1.0, inplace=True).sum())(X),
        ValueError,
        "inplace=True cannot be differentiated.*residual='output'",
    ),
    (
        "inplace and gradients, inline",
        lambda: jax.grad(lambda v: jaxact.reference.relu(v, negative_slope=-1.0, inplace=True).sum())(X),
        ValueError,
        "inplace=True cannot be differentiated",
    ),
    (
        "use",
        lambda: jaxact.use(implementation="cuda").__enter__(),
        ValueError,
        "implementation must be None or one",
    ),
    ("use by position", lambda: jaxact.use("inline"), TypeError, "positional"),
    # -- registry
    ("serialize a lambda", lambda: jaxact.serialize(lambda x: x), ValueError, "can't be serialized.*lambda"),
    ("serialize a partial", lambda: jaxact.serialize(jaxact.reference.relu), ValueError, "can't be serialized"),
    ("serialize unknown", lambda: jaxact.serialize("rellu"), ValueError, "did you mean"),
    (
        "serialize an array",
        lambda: jaxact.serialize(jaxact.get("leaky_relu", negative_slope=jnp.ones(3))),
        ValueError,
        "'negative_slope' is an array",
    ),
    ("module not allowed", lambda: jaxact.deserialize("os:system"), ValueError, r"allow=\('os',\)"),
    (
        "module not allowed, nested",
        lambda: jaxact.deserialize({"name": "os:system", "params": {}}, allow=("jax.nn",)),
        ValueError,
        "needs module 'os'",
    ),
    (
        "no such name",
        lambda: jaxact.deserialize("jax.nn:rellu", allow=("jax.nn",)),
        ValueError,
        "no callable 'rellu'",
    ),
    ("no callable", lambda: jaxact.deserialize("math:pi", allow=("math",)), ValueError, "no callable 'pi'"),
    ("number", lambda: jaxact.deserialize(3), TypeError, "expected a name or a dictionary"),
    (
        "other keys",
        lambda: jaxact.deserialize({"class_name": "relu"}),
        TypeError,
        "expected a name or a dictionary",
    ),
    ("no name", lambda: jaxact.deserialize({"params": {}}), TypeError, "expected a name or a dictionary"),
    ("params list", lambda: jaxact.deserialize({"name": "relu", "params": [1]}), TypeError, "'params' must be"),
    ("params keys", lambda: jaxact.deserialize({"name": "relu", "params": {1: 2}}), TypeError, "'params' must be"),
    (
        "params of another",
        lambda: jaxact.deserialize({"name": "relu", "params": {"alpha": 1.0}}),
        TypeError,
        "no parameter 'alpha'",
    ),
    # -- definitions
    ("operand's name", lambda: jaxact.elementwise(lambda y: y), TypeError, "operand must be called 'x'"),
    ("no operand", lambda: jaxact.elementwise(lambda: 0), TypeError, "operand must be called 'x'"),
    ("variadic", lambda: jaxact.elementwise(lambda x, *args: x), TypeError, "named parameters only"),
    (
        "reserved",
        lambda: jaxact.elementwise(lambda x, inplace=1.0: x),
        TypeError,
        "'inplace' is an argument of every",
    ),
    ("derivative", lambda: jaxact.relu.derivative("beta")(local), TypeError, "relu has no parameter 'beta'"),
    ("output", lambda: _unsaved()(X, residual="output"), ValueError, "no derivative in terms of its output"),
]


def _unsaved():
    from support import wave

    return wave


@pytest.mark.parametrize(
    ("call", "error", "words"), [pytest.param(c, e, w, id=f"{i}-{n}") for i, (n, c, e, w) in enumerate(CALLS)]
)
def test_error(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert len(str(caught.value)) < 900


def test_a_refused_definition_leaves_no_trace():
    before = jaxact.names()
    with pytest.raises(TypeError):
        jaxact.elementwise(types.FunctionType(local.__code__.replace(co_varnames=("y",)), {}, "broken"))
    assert jaxact.names() == before


def test_registering_a_name_again_warns_and_replaces():
    from support import forget

    def twin(x):
        return x

    first = jaxact.elementwise(twin)
    with pytest.warns(UserWarning, match="'twin' replaces"):
        second = jaxact.elementwise(twin)
    try:
        assert jaxact.get("twin") is second is not first
    finally:
        forget(second)


def test_environment_variable(monkeypatch):
    from jaxact._src import select

    monkeypatch.setenv("JAXACT_IMPLEMENTATION", "cuda")
    with pytest.raises(ValueError, match="JAXACT_IMPLEMENTATION must be unset or one of"):
        select._from_environment()
