"""Configurations of Keras's, torch's and transformers' layers as jaxact's activations and modules, and back.

tests/test_peers_convert.py does it with live layers, where Keras and torch are installed.
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx as flax_nnx

import jaxact
from jaxact import convert, linen, nnx
from jaxact._src import dialects
from jaxact.registry import Bound

X = jnp.linspace(-4.0, 4.0, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
TO = ("function", "linen", "nnx")
# A value other than the default for every parameter of every layer.
VALUES = {
    "alpha": 0.5,
    "beta": 2.0,
    "dim": -2,
    "axis": -2,
    "eps": -0.01,
    "lambd": 0.75,
    "lower": 0.25,
    "upper": 0.5,
    "max": 2.0,
    "max_val": 0.5,
    "max_value": 2.5,
    "min": -0.125,
    "min_val": -2.0,
    "negative_slope": 0.125,
    "theta": 1.5,
    "threshold": 0.75,
    "value": 3.0,
    "approximate": "tanh",
    "alpha_p_init": 0.6,
    "alpha_n_init": 1.1,
}
LAYERS = [pytest.param(d, n, id=f"{d}-{n}") for d, table in dialects.DIALECTS.items() for n in table.layers]


def run(made, x=X):
    """A function, or a module of either kind, at x."""
    options = {"deterministic": True} if hasattr(made, "deterministic") else {}  # RReLU is random without
    if hasattr(made, "init_with_output"):
        return made.init_with_output(jax.random.key(0), x, **options)[0]
    return made(x, **options)


def config_of(dialect, name):
    entry = dialects.DIALECTS[dialect].layers[name]
    taken = entry.positional().items()  # not those that are named twice, used in vain, or a mask
    given = {theirs: VALUES[theirs] for theirs, ours in taken if isinstance(ours, str) and ours != "where"}
    weights = {}
    if "weight" in entry.learned:
        given, weights = {"num_parameters": 3}, {"weight": np.array([0.1, -0.25, 0.5], np.float32)}
    if "alpha" in entry.learned:
        given, weights = {"shared_axes": [2, 3]}, {"alpha": np.array([0.1, -0.25, 0.5], np.float32)[:, None, None]}
    if "alpha_p" in entry.learned:
        given, weights = (
            {"beta": 0.25},
            {"alpha_p": np.array([0.3], np.float32), "alpha_n": np.array([-0.7], np.float32)},
        )
    return {"class_name": name, "config": given, "weights": weights}


@pytest.mark.parametrize(("dialect", "name"), LAYERS)
def test_every_layer_there_and_back(dialect, name):
    config = config_of(dialect, name)
    function = convert.from_config(config, dialect)
    y = function(X)
    for to in TO:
        made = convert.from_config(config, dialect, to)
        np.testing.assert_allclose(run(made), y, rtol=1e-6, atol=1e-7)
        back = convert.to_config(made, dialect, input_shape=X.shape)
        again = convert.from_config(back, dialect, to)
        np.testing.assert_allclose(run(again), y, rtol=1e-6, atol=1e-7)
        assert type(again) is type(made)
        if to == "function" and not config["weights"]:
            assert again == made
    if name != "ThresholdedReLU":
        assert (
            dialects.find(back["class_name"], dialect)[1].activation == dialects.find(name, dialect)[1].activation
        )


@pytest.mark.parametrize("to", ["linen", "nnx"])
def test_classes_of_their_name_where_there_are(to):
    shell = {"linen": linen, "nnx": nnx}[to]
    for cls, dialect in (
        ("LeakyReLU", "keras"),
        ("Softsign", "torch"),
        ("Softmax2d", "torch"),
        ("ThresholdedReLU", "tf_keras"),
    ):
        made = convert.from_config({"class_name": cls}, dialect, to)
        assert type(made) is getattr(shell, cls)
    made = convert.from_config({"class_name": "QuickGELUActivation"}, "hf", to)
    assert type(made) is shell.Activation
    made = convert.from_config({"class_name": "LeakyReLU", "config": {}}, "keras", to)
    assert made.negative_slope == 0.3


# -- what Keras writes --------------------------------------------------------------------------------------------


def keras(class_name, config, **more):
    """As keras.layers.serialize writes it."""
    policy = {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": "float32"},
        "registered_name": None,
    }
    common = {"name": class_name.lower(), "trainable": True, "dtype": policy}
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": common | config,
        "registered_name": None,
        **more,
    }


INNER = {
    "a name": "softplus",
    "a function": {
        "module": "builtins",
        "class_name": "function",
        "config": "softplus",
        "registered_name": "function",
    },
    "a layer": keras("ELU", {"alpha": 0.5}),
}


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("to", TO)
def test_keras_activation_holds(inner, to):
    made = convert.from_config(keras("Activation", {"activation": INNER[inner]}), "keras", to)
    expected = jaxact.elu(X, 0.5) if inner == "a layer" else jaxact.softplus(X)
    np.testing.assert_allclose(run(made), expected, rtol=1e-6)
    back = convert.to_config(made, "keras")
    np.testing.assert_allclose(run(convert.from_config(back, "keras", to)), expected, rtol=1e-6)


def test_a_name_alone():
    assert convert.from_config("tanh", "keras") is jaxact.tanh
    assert convert.to_config("tanh", "keras")["config"] == {"activation": "tanh"}
    assert convert.to_config(jaxact.get("gelu", approximate=False), "keras")["config"] == {"activation": "gelu"}


@pytest.mark.parametrize("initializer", ["zeros", "Ones", {"class_name": "Constant", "config": {"value": 0.25}}])
def test_prelu_of_keras_without_weights(initializer):
    config = keras("PReLU", {"alpha_initializer": initializer, "shared_axes": [1]})
    expected = {"zeros": 0.0, "Ones": 1.0}.get(initializer if isinstance(initializer, str) else "", 0.25)
    x = -jnp.ones((2, 3, 4))
    layer = convert.from_config(config, "keras", "linen")
    y, variables = layer.init_with_output(jax.random.key(0), x)
    np.testing.assert_array_equal(y, expected * x)
    assert variables["params"]["negative_slope"].shape == (1, 4)
    built = convert.from_config({**config, "build_config": {"input_shape": [None, 3, 4]}}, "keras", "nnx")
    assert built.negative_slope[...].shape == (1, 4)
    np.testing.assert_array_equal(built(x), expected * x)
    with pytest.raises(ValueError, match=r"number of slopes is not in the configuration.*'input_shape'"):
        convert.from_config(config, "keras", "nnx")


def test_what_trains_a_weight_is_dropped_with_a_warning():
    config = keras("PReLU", {"alpha_regularizer": {"class_name": "L2", "config": {"l2": 0.1}}})
    with pytest.warns(UserWarning, match="alpha_regularizer is dropped; add it to your loss"):
        convert.from_config(config, "keras", "linen")


# -- learned parameters, and their layout -------------------------------------------------------------------------

SLOPES = np.array([0.1, -0.25, 0.5], np.float32)
EXPECTED = np.where(X > 0, X, X * SLOPES[:, None, None])


def learned(module, x):
    """A module of either kind with SLOPES, and the variables of a Linen one."""
    if isinstance(module, flax_nnx.Module):
        module.negative_slope[...] = SLOPES.reshape(module.negative_slope.shape)
        return module, None
    shape = module.init(jax.random.key(0), x)["params"]["negative_slope"].shape
    return module, {"params": {"negative_slope": jnp.asarray(SLOPES.reshape(shape))}}


@pytest.mark.parametrize("shell", [linen, nnx], ids=["linen", "nnx"])
@pytest.mark.parametrize(
    ("settings", "axes"),
    [
        ({"axis": 1, "num_parameters": 3}, (0, 1, 2, 3)),
        ({"num_parameters": 3}, (0, 2, 3, 1)),
        ({"shared_axes": (2, 3), "num_parameters": 3}, (0, 1, 2, 3)),
    ],
    ids=["axis 1", "axis -1", "shared"],
)
def test_slopes_to_every_layout(shell, settings, axes):
    x, expected = X.transpose(axes), EXPECTED.transpose(axes)
    module, variables = learned(shell.PReLU(**settings), x)
    to_keras = convert.to_config(module, "keras", variables=variables, input_shape=x.shape)
    assert to_keras["weights"]["alpha"].shape == tuple(3 if n == 3 else 1 for n in x.shape[1:])
    assert to_keras["build_config"] == {"input_shape": list(x.shape)}
    for to in TO:
        np.testing.assert_allclose(run(convert.from_config(to_keras, "keras", to), x), expected, rtol=1e-6)
    if axes[1] != 1:
        with pytest.raises(ValueError, match=r"along axis 1, got slopes of shape \(1, 1, 1, 3\)"):
            convert.to_config(module, "torch", variables=variables, input_shape=x.shape)
        with pytest.raises(
            ValueError, match="along axis -1 of an input whose rank is not known; pass input_shape"
        ):
            convert.to_config(module, "torch", variables=variables)
        return
    to_torch = convert.to_config(module, "torch", variables=variables)
    assert to_torch["config"] == {"num_parameters": 3}
    np.testing.assert_array_equal(to_torch["weights"]["weight"], SLOPES)
    for to in TO:
        np.testing.assert_allclose(run(convert.from_config(to_torch, "torch", to), x), expected, rtol=1e-6)


@pytest.mark.parametrize("shell", [linen, nnx], ids=["linen", "nnx"])
def test_one_slope_for_all(shell):
    config = convert.to_config(
        shell.PReLU(0.125) if shell is nnx else shell.PReLU(negative_slope_init=0.125), "torch"
    )
    assert config["config"] == {"num_parameters": 1}
    assert config["weights"]["weight"].tolist() == [0.125]
    for to in TO:
        np.testing.assert_array_equal(run(convert.from_config(config, "torch", to)), jaxact.leaky_relu(X, 0.125))
    with pytest.raises(ValueError, match="the input's shape, which is not known; pass input_shape"):
        convert.to_config(shell.PReLU(), "keras")
    alpha = convert.to_config(shell.PReLU(), "keras", input_shape=X.shape)["weights"]["alpha"]
    assert alpha.shape == (1, 1, 1)


def test_functions_with_slopes():
    prelu = jaxact.get("prelu", negative_slope=0.25)
    assert convert.to_config(prelu, "torch")["weights"]["weight"].tolist() == [0.25]
    channels = jaxact.get("prelu_channelwise", negative_slope=jnp.asarray(SLOPES))
    assert convert.to_config(channels, "torch")["weights"]["weight"].tolist() == SLOPES.tolist()
    assert convert.to_config(channels, "keras", input_shape=X.shape)["weights"]["alpha"].shape == (3, 1, 1)
    last = jaxact.get("prelu", negative_slope=jnp.asarray(SLOPES))
    with pytest.raises(ValueError, match="rank is not known; pass input_shape"):
        convert.to_config(last, "torch")
    assert convert.to_config(last, "torch", input_shape=(2, 3))["weights"]["weight"].shape == (3,)


def test_learned_parameters_are_trained_on():
    config = {"class_name": "PReLU", "config": {"num_parameters": 3}, "weights": {"weight": SLOPES.tolist()}}
    module = convert.from_config(config, "torch", "nnx")
    grads = flax_nnx.grad(lambda m: m(X).sum())(module)
    expected = jnp.minimum(X, 0).sum((0, 2, 3))
    np.testing.assert_allclose(grads["negative_slope"][...], expected, rtol=1e-5)
    layer = convert.from_config(config, "torch", "linen")
    assert hash(layer) == hash(convert.from_config(config, "torch", "linen"))
    assert layer == convert.from_config(config, "torch", "linen")


def test_a_linen_module_needs_its_variables():
    module = linen.PReLU(negative_slope_init=jax.nn.initializers.ones, num_parameters=3, axis=1)
    with pytest.raises(ValueError, match="not in the module; pass variables="):
        convert.to_config(module, "torch")


# -- what does not go ---------------------------------------------------------------------------------------------


class Derived:
    """Stands for a class of a user."""


FROM = [
    (
        {"class_name": "Linear", "config": {"in_features": 3}},
        "torch",
        ValueError,
        r"unknown torch activation layer 'Linear'.*in_features.*elementwise",
    ),
    ({"class_name": "LeakyRelu"}, "torch", ValueError, "did you mean 'LeakyReLU'"),
    (
        {"class_name": "LeakyReLU", "config": {"slope": 1}},
        "torch",
        TypeError,
        "no parameter 'slope'; it has .*negative_slope",
    ),
    ({"class_name": "LeakyReLU", "negative_slope": 1}, "torch", TypeError, "put attributes under 'config'"),
    ({"class_name": "LeakyReLU", "config": {"negative_slope": "x"}}, "torch", TypeError, "must be a number.*'x'"),
    (
        {"class_name": "Softplus", "config": {"threshold": 3.0}},
        "torch",
        ValueError,
        "threshold must be 14 or more.*3.0",
    ),
    ({"class_name": "Softmax", "config": {"dim": None}}, "torch", TypeError, "needs 'dim'"),
    (
        {"class_name": "ReLU", "weights": {"weight": [1.0]}},
        "torch",
        ValueError,
        r"has no weights, got \['weight'\]",
    ),
    (
        {"class_name": "PReLU", "config": {"num_parameters": 2}, "weights": {"weight": [1.0]}},
        "torch",
        ValueError,
        r"num_parameters is 2, but the weight has shape \(1,\)",
    ),
    (
        {"class_name": "XIELUActivation", "weights": {"alpha_p": [1.0]}},
        "hf",
        ValueError,
        "needs the weights .*alpha_n",
    ),
    ({"config": {}}, "torch", TypeError, "dictionary with 'class_name'"),
    (3, "torch", TypeError, "got 3"),
    ({"class_name": "ReLU", "config": 3}, "torch", TypeError, "'config' must be a dictionary, got 3"),
    ({"class_name": "ReLU"}, "puzzlelib", ValueError, "no layers"),
    ({"class_name": "ReLU"}, "Torch", ValueError, "unknown dialect 'Torch'; did you mean 'torch'"),
    (
        keras(
            "Activation",
            {
                "activation": {
                    "module": "mine",
                    "class_name": "function",
                    "config": "f",
                    "registered_name": "mine>f",
                }
            },
        ),
        "keras",
        ValueError,
        "function 'f' of 'mine' .*give jaxact your function",
    ),
    (keras("Activation", {}), "keras", TypeError, "one parameter, 'activation'"),
    (
        keras("PReLU", {"alpha_initializer": {"class_name": "RandomNormal"}}),
        "keras",
        ValueError,
        "must be Zeros, Ones or Constant.*RandomNormal",
    ),
    ("reluu", "keras", ValueError, "unknown keras activation 'reluu'"),
]


@pytest.mark.parametrize(("config", "dialect", "error", "words"), FROM, ids=range(len(FROM)))
def test_configurations_that_are_wrong(config, dialect, error, words):
    with pytest.raises(error, match=words):
        convert.from_config(config, dialect)


TO_CONFIG = [
    (
        lambda: jaxact.get("gelu", approximate=True),
        "keras",
        ValueError,
        "no layer that computes gelu with .*'approximate': True",
    ),
    (lambda: jaxact.get("relu", max_value=6), "torch", ValueError, "ReLU has no max_value=6.0"),
    (lambda: jaxact.get("softmax", axis=(0, 1)), "torch", ValueError, r"Softmax has no dim=\(0, 1\)"),
    (lambda: jaxact.get("softmax", scale=2.0), "keras", ValueError, "Softmax has no scale=2.0"),
    (
        lambda: jaxact.get("leaky_relu", negative_slope=jnp.ones(3)),
        "torch",
        ValueError,
        "'negative_slope' of leaky_relu is an array",
    ),
    (lambda: jaxact.get("serf"), "torch", ValueError, "no layer that computes serf"),
    (lambda: jaxact.get("threshold"), "torch", TypeError, "needs its parameter 'threshold'"),
    (lambda: jnp.tanh, "torch", TypeError, "give an activation of jaxact"),
    (
        nnx.SwishBeta,
        "torch",
        ValueError,
        r"computes swish_beta with trained parameters; it has \['PReLU'\]",
    ),
    (lambda: nnx.Activation("relu", slc=slice(0, 2)), "torch", ValueError, "acts on a part of the input"),
    (lambda: "tanhh", "torch", ValueError, "did you mean 'tanh'"),
]


@pytest.mark.parametrize(("make", "dialect", "error", "words"), TO_CONFIG, ids=range(len(TO_CONFIG)))
def test_activations_that_a_framework_does_not_have(make, dialect, error, words):
    with pytest.raises(error, match=words):
        convert.to_config(make(), dialect)


def test_a_module_of_nobody():
    with pytest.raises(ValueError, match=r"Derived is no class of keras, tf_keras, torch, transformers"):
        convert.from_module(Derived())
    with pytest.raises(ValueError, match="to must be one of"):
        convert.from_config("relu", "keras", to="haiku")


def test_neither_keras_nor_torch_is_imported():
    """What is known of them is data; the source says so."""
    import pathlib

    package = pathlib.Path(convert.__file__).parent
    for name in ("convert.py", "_src/reading.py", "_src/writing.py", "_src/learned.py"):
        text = (package / name).read_text()
        for word in ("import keras", "import torch", "import transformers", "eval(", "exec("):
            assert word not in text, (name, word)


def test_bound_functions_are_plain_where_nothing_differs():
    assert (
        convert.from_config({"class_name": "LeakyReLU", "config": {"negative_slope": 0.01}}, "torch")
        is jaxact.leaky_relu
    )
    found = convert.from_config({"class_name": "ELU", "config": {"alpha": 0.5, "inplace": True}}, "torch")
    assert found == Bound(jaxact.elu, (("alpha", 0.5),))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert convert.from_config({"class_name": "torch.nn.modules.activation.Tanh"}, "torch") is jaxact.tanh
