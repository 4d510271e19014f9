"""Names and parameters of other frameworks: PuzzleLib's page, Keras's, those of Keras before version 3, the rest.

tests/test_peers_*.py compare with the frameworks themselves, where they are installed.
"""

import functools
import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxact
from jaxact import linen
from jaxact._src import catalogue, dialects
from jaxact.nnx import Activation, Linear

# What PuzzleLib's page prints for np.random.seed(123) and np.random.randint(-10, 10, (3, 3)).
DATA = np.array([[3, -8, -8], [-4, 7, 9], [0, -9, -10]], np.float32)
SIGMOID = [
    ["0.95257413", "0.00033535017", "0.00033535017"],
    ["0.01798621", "0.999089", "0.99987662"],
    ["0.5", "0.00012339462", "0.000045397865"],
]
RELU = [[3, 0, 0], [0, 7, 9], [0, 0, 0]]
X = np.array([-12.0, -3.0, -0.5, 0.25, 2.0, 9.0], np.float32)

PUZZLELIB = {
    ("sigmoid", ()): 1 / (1 + np.exp(-X.astype(np.float64))),
    ("tanh", ()): np.tanh(X.astype(np.float64)),
    ("relu", ()): np.maximum(X, 0),
    ("leakyRelu", ()): np.where(X < 0, 0.01 * X, X),
    ("leakyRelu", (0.3,)): np.where(X < 0, 0.3 * X, X),
    ("elu", ()): np.where(X < 0, np.expm1(X.astype(np.float64)), X),
    ("elu", (0.3,)): np.where(X < 0, 0.3 * np.expm1(X.astype(np.float64)), X),
    ("softPlus", ()): np.log1p(np.exp(X.astype(np.float64))),
    ("clip", ()): np.clip(X, 0, 6),
    ("clip", (-1.0, 2.0)): np.clip(X, -1, 2),
}


@pytest.fixture(params=[Activation, linen.Activation], ids=["nnx", "linen"])
def layer(request):
    """Make an Activation of either kind, as a function of x."""
    if request.param is Activation:
        return Activation
    return lambda *args, **kw: functools.partial(linen.Activation(*args, **kw).apply, {})


def test_the_matrix_of_puzzlelibs_page_is_this_one():
    state = np.random.RandomState(123)
    np.testing.assert_array_equal(state.randint(-10, 10, (3, 3)), DATA)


@pytest.mark.parametrize("dialect", ["jax", "puzzlelib"])
def test_sigmoid_of_puzzlelibs_page(layer, dialect):
    y = np.asarray(layer("sigmoid", dialect=dialect)(jnp.asarray(DATA)))
    for got, printed in zip(y.ravel(), np.ravel(SIGMOID)):
        ulp = np.spacing(np.float32(printed))  # what is printed for -9 is 3 ULP above the exact value
        assert abs(float(got) - float(printed)) <= 4 * ulp, (got, printed)


@pytest.mark.parametrize("dialect", ["jax", "puzzlelib"])
def test_relu_of_puzzlelibs_page(layer, dialect):
    np.testing.assert_array_equal(layer("relu", dialect=dialect)(jnp.asarray(DATA)), RELU)


@pytest.mark.parametrize(("name", "args"), PUZZLELIB, ids=str)
def test_the_seven_strings_of_puzzlelib(layer, name, args):
    y = layer(name, args=args, dialect="puzzlelib")(jnp.asarray(X))
    chex.assert_shape(y, X.shape)
    chex.assert_type(y, jnp.float32)
    np.testing.assert_allclose(y, PUZZLELIB[name, args], rtol=1e-6)


def test_puzzlelib_has_seven_names():
    assert set(dialects.PUZZLELIB.names) == {name for name, _ in PUZZLELIB}


@pytest.mark.parametrize(("name", "args"), [("relu", (1.0,)), ("leakyRelu", (0.1, 0.2)), ("clip", (1.0,))])
def test_args_of_the_wrong_length_are_an_error(layer, name, args):
    with pytest.raises(TypeError, match=rf"{name}.*takes args .*got \({args[0]}"):
        layer(name, args=args, dialect="puzzlelib")


# -- Keras --------------------------------------------------------------------------------------------------------

KERAS = {
    ("relu", "alpha", 0.5): np.where(X > 0, X, 0.5 * X),
    ("relu", "negative_slope", 0.5): np.where(X > 0, X, 0.5 * X),
    ("relu", "max_value", 5.0): np.clip(X, 0, 5),
    ("relu", "threshold", 1.0): np.where(X > 1, X, 0),
    ("leaky_relu", None, None): np.where(X > 0, X, 0.2 * X),
    ("elu", "alpha", 0.3): np.where(X > 0, X, 0.3 * np.expm1(X.astype(np.float64))),
    ("selu", None, None): 1.05070098 * np.where(X > 0, X, 1.67326324 * np.expm1(X.astype(np.float64))),
    ("sigmoid", None, None): 1 / (1 + np.exp(-X.astype(np.float64))),
    ("softplus", None, None): np.log1p(np.exp(X.astype(np.float64))),
    ("softsign", None, None): X / (np.abs(X) + 1),
    ("tanh", None, None): np.tanh(X.astype(np.float64)),
    ("exponential", None, None): np.exp(X.astype(np.float64)),
    ("hard_sigmoid", None, None): np.clip(X / 6 + 0.5, 0, 1),
    ("swish", None, None): X / (1 + np.exp(-X.astype(np.float64))),
    ("silu", None, None): X / (1 + np.exp(-X.astype(np.float64))),
    ("linear", None, None): X,
}


@pytest.mark.parametrize("case", KERAS, ids=str)
def test_strings_and_parameters_of_keras(layer, case):
    name, parameter, value = case
    y = layer(name, dialect="keras", **({parameter: value} if parameter else {}))(jnp.asarray(X))
    np.testing.assert_allclose(y, KERAS[case], rtol=1e-6)


def test_relu_of_keras_with_everything():
    y = jaxact.get("relu", dialect="keras", alpha=0.25, max_value=4.0, threshold=1.0)(jnp.asarray(X))
    np.testing.assert_array_equal(y, np.where(X >= 4, 4, np.where(X >= 1, X, 0.25 * (X - 1))))
    assert jaxact.get("relu", 0.25, 4.0, 1.0, dialect="keras")(jnp.asarray(X)).tolist() == y.tolist()


def test_gelu_of_keras_is_exact_unless_told():
    assert dict(jaxact.get("gelu", dialect="keras").parameters) == {"approximate": False}
    assert dict(jaxact.get("gelu", dialect="keras", approximate=True).parameters) == {"approximate": True}


@pytest.mark.parametrize("form", ["string", "callable", "layer"])
def test_a_layer_or_an_argument_alike(form):
    activation = {"string": lambda: "tanh", "callable": lambda: jnp.tanh, "layer": lambda: Activation("tanh")}[
        form
    ]()
    x = jnp.asarray(DATA)
    plain = nnx.Linear(3, 4, rngs=nnx.Rngs(0))
    ours = Linear(3, 4, activation=activation, rngs=nnx.Rngs(0))
    np.testing.assert_allclose(ours(x), Activation(activation)(plain(x)), rtol=1e-6)
    np.testing.assert_allclose(ours(x), np.tanh(np.asarray(plain(x), np.float64)), rtol=1e-6)


# -- Keras before version 3: its source, and what its documentation prints ----------------------------------

# The functions of tf_keras/activations.py with their arguments behind x and their defaults, and what it takes from
# TensorFlow (leaky_relu, log_softmax, relu6, silu), github.com/keras-team/tf-keras at dd0a7237b9b2.
TF_KERAS = {
    "elu": {"alpha": 1.0},
    "exponential": {},
    "gelu": {"approximate": False},
    "hard_sigmoid": {},
    "leaky_relu": {"alpha": 0.2},
    "linear": {},
    "log_softmax": {"axis": -1},
    "mish": {},
    "relu": {"alpha": 0.0, "max_value": None, "threshold": 0.0},
    "relu6": {},
    "selu": {},
    "sigmoid": {},
    "silu": {},
    "softmax": {"axis": -1},
    "softplus": {},
    "softsign": {},
    "swish": {},
    "tanh": {},
}
# The arguments of the classes in tf_keras/layers/activation.
TF_KERAS_LAYERS = {
    "ELU": {"alpha": 1.0},
    "LeakyReLU": {"alpha": 0.3},
    "PReLU": {
        "alpha_initializer": "zeros",
        "alpha_regularizer": None,
        "alpha_constraint": None,
        "shared_axes": None,
    },
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
    "Softmax": {"axis": -1, "robust_masking": False},
    "ThresholdedReLU": {"theta": 1.0},
}
# What TensorFlow 2.0 wrote for its softmax, and an argument of the layer's call.
BEYOND = {"softmax_v2": {"axis": -1}}
MASKED = {"softmax", "softmax_v2", "Softmax"}
HALVES = np.array([-3.0, -1.0, 0.0, 1.0, 3.0], np.float32)
TENS = np.array([-10, -5, 0.0, 5, 10], np.float32)


def test_every_string_of_tf_keras():
    assert set(TF_KERAS | BEYOND) == set(dialects.TF_KERAS.names)
    assert set(TF_KERAS_LAYERS) == set(dialects.TF_KERAS.layers)


@pytest.mark.parametrize("name", [*TF_KERAS, *BEYOND, *TF_KERAS_LAYERS])
def test_arguments_and_defaults_of_tf_keras(name):
    arguments = {**TF_KERAS, **BEYOND, **TF_KERAS_LAYERS}[name]
    table = dialects.TF_KERAS.layers if name in TF_KERAS_LAYERS else dialects.TF_KERAS.names
    assert list(table[name].parameters) == [*arguments, *(["mask"] if name in MASKED else [])]
    x = jnp.asarray(X.reshape(2, 3))
    plain = jaxact.get(name, dialect="tf_keras")(x)
    np.testing.assert_array_equal(jaxact.get(name, dialect="tf_keras", **arguments)(x), plain)
    np.testing.assert_array_equal(jaxact.get(name, *arguments.values(), dialect="tf_keras")(x), plain)


@pytest.mark.parametrize(
    ("name", "params", "x", "printed"),
    [
        ("hard_sigmoid", {}, HALVES, [0.0, 0.3, 0.5, 0.7, 1.0]),
        ("relu", {"alpha": 0.5}, TENS, [-5.0, -2.5, 0.0, 5.0, 10.0]),
        ("relu", {"max_value": 5.0}, TENS, [0.0, 0.0, 0.0, 5.0, 5.0]),
        ("relu", {"threshold": 5.0}, TENS, [0.0, 0.0, 0.0, 0.0, 10.0]),
        ("gelu", {}, HALVES, [-0.00404951, -0.15865529, 0.0, 0.8413447, 2.9959507]),
        ("gelu", {"approximate": True}, HALVES, [-0.00363752, -0.15880796, 0.0, 0.841192, 2.9963627]),
        ("mish", {}, HALVES[:4], [-0.14564745, -0.30340144, 0.0, 0.86509836]),
        ("softsign", {}, HALVES[1:4], [-0.5, 0.0, 0.5]),
        ("leaky_relu", {}, HALVES, [-0.6, -0.2, 0.0, 1.0, 3.0]),
        ("leaky_relu", {"alpha": 0.1}, HALVES, [-0.3, -0.1, 0.0, 1.0, 3.0]),
        ("LeakyReLU", {}, HALVES, [-0.9, -0.3, 0.0, 1.0, 3.0]),
        ("ThresholdedReLU", {"theta": 1.5}, HALVES, [0.0, 0.0, 0.0, 0.0, 3.0]),
    ],
    ids=str,
)
def test_what_tf_keras_prints(name, params, x, printed):
    y = jaxact.get(name, dialect="tf_keras", **params)(jnp.asarray(x))
    np.testing.assert_allclose(y, np.asarray(printed, np.float32), rtol=2e-6, atol=2e-7)  # as TensorFlow computes


def test_softmax_of_a_vector_is_an_error_in_tf_keras_only():
    x = jnp.array([1.0, 2.0, 1.0])
    for dialect in ("keras", "torch"):
        softmax = jaxact.get("softmax", 0, dialect=dialect)
        np.testing.assert_allclose(softmax(x), [0.21194157, 0.5761169, 0.21194157], rtol=1e-6)
    softmax = jaxact.get("softmax", dialect="tf_keras")
    np.testing.assert_allclose(softmax(x[None]), [[0.21194157, 0.5761169, 0.21194157]], rtol=1e-6)
    with pytest.raises(ValueError, match=r"must have two axes or more.*got shape \(3,\)"):
        softmax(x)


def test_one_name_means_what_each_framework_means():
    assert dict(jaxact.get("leaky_relu", dialect="keras").parameters) == {"negative_slope": 0.2}
    assert dict(jaxact.get("LeakyReLU", dialect="keras").parameters) == {"negative_slope": 0.3}
    assert jaxact.get("leaky_relu", dialect="torch") is jaxact.leaky_relu
    assert jaxact.get("gelu") is jaxact.gelu
    for dialect in ("keras", "tf_keras", "torch", "hf"):
        assert dict(jaxact.get("gelu", dialect=dialect).parameters) == {"approximate": False}
    assert jaxact.get("hard_sigmoid", dialect="keras") is jaxact.get("hardsigmoid", dialect="torch")


def test_a_mask_has_the_name_of_its_framework():
    x, mask = jnp.array([[1.0, 2.0, 1.0]]), jnp.array([[True, False, True]])
    for softmax in (jaxact.get("softmax", where=mask), jaxact.get("softmax", dialect="keras", mask=mask)):
        np.testing.assert_array_equal(softmax(x), [[0.5, 0.0, 0.5]])
        np.testing.assert_array_equal(Activation(softmax)(x), [[0.5, 0.0, 0.5]])


@pytest.mark.parametrize("dialect", ["keras", "torch"])
def test_functions_without_a_record_are_found_by_name(dialect):
    axis = {"keras": "axis", "torch": "dim"}[dialect]
    found = jaxact.get("glu", dialect=dialect, **{axis: 0})
    x = jnp.arange(8.0).reshape(4, 2)
    np.testing.assert_array_equal(found(x), jaxact.glu(x, axis=0))
    assert jaxact.deserialize(jaxact.serialize(found)) == found
    assert jaxact.serialize(found) == {"name": "glu", "params": {"axis": 0}}


# -- errors and the rest ------------------------------------------------------------------------------------------


def test_an_unknown_dialect_names_the_nearest(layer):
    with pytest.raises(ValueError, match="unknown dialect 'Keras3'; did you mean 'keras' or 'tf_keras'"):
        layer("relu", dialect="Keras3")
    with pytest.raises(
        ValueError, match="unknown dialect 'zzz'; known: jax, keras, tf_keras, torch, hf, puzzlelib"
    ):
        jaxact.get("relu", dialect="zzz")


def test_an_unknown_name_of_a_dialect_names_the_nearest(layer):
    with pytest.raises(ValueError, match="unknown puzzlelib activation 'softplas'; did you mean 'softPlus'"):
        layer("softplas", dialect="puzzlelib")
    with pytest.raises(ValueError, match="unknown puzzlelib activation 'zzz'; known: sigmoid, tanh"):
        layer("zzz", dialect="puzzlelib")


def test_parameters_are_those_of_the_dialect():
    with pytest.raises(TypeError, match=r"keras activation 'leaky_relu' has no parameter 'alpha'"):
        jaxact.get("leaky_relu", dialect="keras", alpha=0.1)
    with pytest.raises(TypeError, match="gives negative_slope a second time"):
        jaxact.get("relu", dialect="keras", alpha=0.1, negative_slope=0.1)
    with pytest.raises(TypeError, match=r"takes args \['negative_slope', 'max_value', 'threshold'\]"):
        jaxact.get("relu", 1.0, 2.0, 3.0, 4.0, dialect="keras")


def test_names_are_folded_and_callables_are_left_alone():
    assert jaxact.get("Leaky-RELU", dialect="puzzlelib") == jaxact.get("leakyRelu", dialect="puzzlelib")
    assert jaxact.get(jaxact.relu, dialect="keras") is jaxact.relu
    assert jaxact.get(None, dialect="keras") is jaxact.identity


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_every_name_and_parameter_of_a_dialect_exists(dialect):
    table = dialects.DIALECTS[dialect]
    for name, entry in {**table.names, **table.layers}.items():
        found = catalogue.find(entry.activation)
        assert found.__name__ == entry.activation
        has = inspect.signature(found).parameters
        ours = {p for p in entry.parameters.values() if not isinstance(p, dialects.Unused)}
        assert {*ours, *entry.defaults, *entry.learned.values()} <= set(has), name
        assert {*entry.required, *entry.values} <= set(entry.parameters), name


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: jaxact.get("gelu", dialect="torch", approximate="erf"), ValueError, r"one of \['none', 'tanh'\]"),
        (
            lambda: jaxact.get("softplus", dialect="torch", threshold=5),
            ValueError,
            "threshold must be 14 or more.*5",
        ),
        (lambda: jaxact.get("softmax", dialect="torch"), TypeError, "needs 'dim'"),
        (lambda: jaxact.get("softmax", dialect="torch", dim=None), TypeError, "needs 'dim'"),
        (lambda: jaxact.get("softmax", dialect="torch", dim=0, dtype="float64"), ValueError, "dtype must be None"),
        (lambda: jaxact.get("softmax", dialect="torch", axis=0), TypeError, "no parameter 'axis'; it has .*'dim'"),
        (lambda: jaxact.get("glu", 0, 1, dialect="keras"), TypeError, r"takes args \['axis'\]"),
        (lambda: jaxact.get("geglu", 1), TypeError, "too many positional"),
    ],
)
def test_what_a_dialect_does_not_have(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_channels_of_torch_are_behind_the_batch():
    x, slopes = -jnp.ones((2, 3, 4, 5)), jnp.array([0.0, 0.25, 0.5])
    prelu = jaxact.get("prelu", slopes, dialect="torch")
    np.testing.assert_array_equal(prelu(x)[0, :, 0, 0], -slopes)
    np.testing.assert_array_equal(jaxact.prelu_channelwise(x, jnp.array([0.5])), 0.5 * x)
    np.testing.assert_array_equal(
        jaxact.prelu_channelwise(x[:, 0, 0], slopes[:0:-1].repeat(5)[:5], axis=-1).shape, (2, 5)
    )
    with pytest.raises(ValueError, match=r"\(3,\) must have a slope for each of the 4 channels along axis 2"):
        jaxact.prelu_channelwise(x, slopes, axis=2)


def test_what_is_serialized_is_jaxacts_own():
    found = jaxact.get("leaky_relu", dialect="keras")
    assert jaxact.serialize(found) == {"name": "leaky_relu", "params": {"negative_slope": 0.2}}
    assert jax.tree.leaves(found) == [found]
