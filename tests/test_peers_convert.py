"""Live layers of the real Keras, PyTorch and transformers, converted and compared, and back."""

import inspect
import json
import os
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import peers
import pytest

import jaxact
from jaxact import convert
from jaxact._src import dialects

keras = peers.require("keras")
torch = peers.require("torch")
activations = peers.require("transformers.activations")

X = np.random.default_rng(5).standard_normal((2, 3, 4, 4)).astype(np.float32) * 3
TO = ("function", "linen", "nnx")
SLOPES = np.array([0.1, -0.25, 0.5], np.float32)
CLOSE = {"rtol": 1e-5, "atol": 1e-6}  # theirs are computed in float32, as they run


def run(made, x=X):
    options = {"deterministic": True} if hasattr(made, "deterministic") else {}  # RReLU is random without
    if hasattr(made, "init_with_output"):
        return made.init_with_output(jax.random.key(0), x, **options)[0]
    return made(jnp.asarray(x), **options)


# -- Keras --------------------------------------------------------------------------------------------------------

KERAS_CLASSES = {
    n: c
    for n, c in vars(keras.layers).items()
    if inspect.isclass(c) and c.__module__.startswith("keras.src.layers.activations")
}


def built(layer, x=X):
    with jax.numpy_dtype_promotion("standard"):
        layer(x)
    return layer


def of_keras(layer, x=X):
    with jax.numpy_dtype_promotion("standard"):
        return np.asarray(layer(x))


def prelu(shared_axes, x=X):
    layer = built(keras.layers.PReLU(shared_axes=shared_axes), x)
    layer.set_weights(
        [
            np.linspace(-0.5, 0.5, layer.alpha.shape[0] * layer.alpha.shape[1] * layer.alpha.shape[2]).reshape(
                layer.alpha.shape
            )
        ]
    )
    return layer


KERAS_LAYERS = {
    "Activation": lambda: keras.layers.Activation("leaky_relu"),
    "Activation of a function": lambda: keras.layers.Activation(keras.activations.mish),
    "Activation of a layer": lambda: keras.layers.Activation(keras.layers.ELU(0.5)),
    "ELU": lambda: keras.layers.ELU(alpha=0.5),
    "LeakyReLU": keras.layers.LeakyReLU,
    "LeakyReLU with a slope": lambda: keras.layers.LeakyReLU(negative_slope=0.125),
    "PReLU": lambda: prelu(None),
    "PReLU with shared axes": lambda: prelu([2, 3]),
    "ReLU": lambda: keras.layers.ReLU(max_value=2.0, negative_slope=0.25, threshold=0.5),
    "Softmax": lambda: keras.layers.Softmax(axis=1),
    "Softmax over two axes": lambda: keras.layers.Softmax(axis=[1, 2]),
}


def test_every_layer_of_keras():
    assert {n.partition(" ")[0] for n in KERAS_LAYERS} == set(KERAS_CLASSES)
    assert set(dialects.KERAS.layers) == set(KERAS_CLASSES) - {"Activation"}


@pytest.mark.parametrize("name", KERAS_LAYERS)
def test_keras_layers(name):
    layer = built(KERAS_LAYERS[name]())
    expected = of_keras(layer)
    serialized = json.loads(json.dumps(keras.layers.serialize(layer)))
    weights = {"weights": {"alpha": layer.alpha}} if "PReLU" in name else {}
    for to in TO:
        for made in (convert.from_module(layer, to), convert.from_config(serialized | weights, "keras", to)):
            np.testing.assert_allclose(run(made), expected, **CLOSE)
    config = convert.to_config(made, "keras", input_shape=X.shape)
    again = built(keras.layers.deserialize(config))
    if "PReLU" in name:
        again.set_weights(list(config["weights"].values()))
    np.testing.assert_allclose(of_keras(again), expected, **CLOSE)


def test_a_layer_of_keras_that_is_not_built_starts_anew():
    layer = keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2])
    made = convert.from_module(layer, "linen")
    np.testing.assert_allclose(run(made), np.where(X > 0, X, 0.25 * X))


def test_a_mask_of_keras():
    mask = X > 0
    with jax.numpy_dtype_promotion("standard"):
        expected = keras.layers.Softmax(axis=1)(X, mask=mask)
    made = convert.from_config({"class_name": "Softmax", "config": {"axis": 1}}, "keras", "nnx")
    np.testing.assert_allclose(made(X, mask=mask), expected, **CLOSE)


@keras.saving.register_keras_serializable("mine")
def doubled(x):
    return 2 * x


def test_a_function_of_a_user_is_refused():
    layer = keras.layers.Activation(doubled)
    with pytest.raises(ValueError, match=r"the function 'mine>doubled'.*give jaxact your function"):
        convert.from_module(layer)


# -- torch --------------------------------------------------------------------------------------------------------


def with_slopes():
    module = torch.nn.PReLU(3)
    with torch.no_grad():
        module.weight.copy_(torch.tensor(SLOPES))
    return module


TORCH_MODULES = {
    "CELU": lambda: torch.nn.CELU(0.5, inplace=False),
    "ELU": lambda: torch.nn.ELU(0.5, inplace=True),
    "GELU": torch.nn.GELU,
    "GELU by tanh": lambda: torch.nn.GELU(approximate="tanh"),
    "GLU": lambda: torch.nn.GLU(dim=2),
    "Hardshrink": lambda: torch.nn.Hardshrink(0.75),
    "Hardtanh": lambda: torch.nn.Hardtanh(-2.0, 0.5),
    "LeakyReLU": lambda: torch.nn.LeakyReLU(0.125),
    "LogSoftmax": lambda: torch.nn.LogSoftmax(dim=1),
    "PReLU": torch.nn.PReLU,
    "PReLU of channels": with_slopes,
    "PReLU in bfloat16": lambda: with_slopes().bfloat16(),
    "RReLU": lambda: torch.nn.RReLU(0.25, 0.5).eval(),
    "Softmax": lambda: torch.nn.Softmax(dim=-2),
    "Softmin": lambda: torch.nn.Softmin(dim=0),
    "Softplus": lambda: torch.nn.Softplus(beta=2.0, threshold=25.0),
    "Softshrink": lambda: torch.nn.Softshrink(0.75),
    "Threshold": lambda: torch.nn.Threshold(0.75, 20.0),
}
CLASSES = {n: getattr(torch.nn, n) for n in dialects.TORCH.layers}
TORCH_MODULES = {n: TORCH_MODULES.get(n, CLASSES.get(n)) for n in sorted({*TORCH_MODULES, *CLASSES})}


def of_torch(module, x=X):
    weights = list(module.parameters())
    dtype = weights[0].dtype if weights else torch.float32
    with torch.no_grad():
        return module(torch.tensor(x, dtype=dtype)).float().numpy()


def remade(config):
    """The live module of a configuration."""
    package = {"torch.nn": torch.nn, "transformers.activations": activations}[config["module"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # xIELU has no CUDA kernels here
        module = getattr(package, config["class_name"])(**config["config"]).eval()
    if "weights" in config:
        module = module.float()
        given = {n: torch.tensor(w) for n, w in config["weights"].items()}
        module.load_state_dict({**module.state_dict(), **given})
    return module


@pytest.mark.parametrize("name", TORCH_MODULES)
def test_torch_modules(name):
    module = TORCH_MODULES[name]().eval()
    x = X.astype(jnp.bfloat16).astype(np.float32) if "bfloat16" in name else X
    expected = of_torch(module, x)
    close = {"rtol": 2**-8, "atol": 2**-8} if "bfloat16" in name else CLOSE
    for to in TO:
        made = convert.from_module(module, to)
        np.testing.assert_allclose(run(made, x), expected, **close)
        again = remade(convert.to_config(made, "torch", input_shape=X.shape))
        assert type(again) is type(module) or (name, to) == ("Softmax2d", "function")
        np.testing.assert_allclose(of_torch(again, x), expected, **close)


@pytest.mark.parametrize("name", sorted({*dialects.HUGGING_FACE.layers} - {*dialects.TORCH.layers}))
def test_modules_of_transformers(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = {"min": -0.125, "max": 1.0} if "Clipped" in name else {}
        module = getattr(activations, name)(**given).eval().float()  # xIELU is made in bfloat16
    expected = of_torch(module)
    for to in TO:
        made = convert.from_module(module, to)
        np.testing.assert_allclose(run(made), expected, **CLOSE)
        again = remade(convert.to_config(made, "hf"))
        np.testing.assert_allclose(of_torch(again), run(made), rtol=1e-4, atol=1e-5)


def test_a_class_of_a_user_is_refused():
    class Mine(torch.nn.ReLU):
        def forward(self, x):
            return 2 * x

    with pytest.raises(ValueError, match=r"Mine is no class of .*derives from ReLU but may compute anything"):
        convert.from_module(Mine())


def test_a_module_that_is_no_activation():
    with pytest.raises(ValueError, match=r"unknown torch activation layer 'Linear'.*in_features"):
        convert.from_module(torch.nn.Linear(2, 3))


def test_learned_slopes_have_the_gradients_of_torch():
    module = with_slopes()
    module(torch.tensor(X)).sum().backward()
    prelu = convert.from_module(module)
    slopes = dict(prelu.parameters)["negative_slope"]
    found = jax.grad(lambda s: jaxact.prelu_channelwise(jnp.asarray(X), s).sum())(slopes)
    np.testing.assert_allclose(found, module.weight.grad.numpy(), rtol=1e-5)
