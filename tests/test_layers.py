"""The layers without trained parameters, in Linen and in NNX: they are their functions."""

import copy
import functools
import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from modules import FRAMEWORKS, KEY, call, make, trace

import jaxact.linen
import jaxact.nnx

X = np.linspace(-3, 3, 24, dtype=np.float32).reshape(2, 3, 4)

# layer -> its function, settings beside the defaults
ELEMENTWISE = {
    "Identity": ("identity", {}),
    "ReLU": ("relu", {"negative_slope": 0.1, "max_value": 4.0, "threshold": 0.5}),
    "ReLU6": ("relu6", {}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": 0.3}),
    "ThresholdedReLU": ("thresholded_relu", {"theta": 0.5}),
    "Threshold": ("threshold", {"threshold": 0.1, "value": 20.0}),
    "ELU": ("elu", {"alpha": 0.5}),
    "CELU": ("celu", {"alpha": 2.0}),
    "SELU": ("selu", {}),
    "GELU": ("gelu", {"approximate": False}),
    "SiLU": ("silu", {}),
    "Mish": ("mish", {}),
    "Softplus": ("softplus", {"beta": 2.0}),
    "SoftSign": ("soft_sign", {}),
    "Sigmoid": ("sigmoid", {}),
    "LogSigmoid": ("log_sigmoid", {}),
    "Tanh": ("tanh", {}),
    "HardTanh": ("hard_tanh", {"min_val": -2.0, "max_val": 0.5}),
    "HardSigmoid": ("hard_sigmoid", {}),
    "HardSilu": ("hard_silu", {}),
    "HardShrink": ("hard_shrink", {"threshold": 1.0}),
    "SoftShrink": ("soft_shrink", {"threshold": 1.0}),
    "TanhShrink": ("tanh_shrink", {}),
}
SHAPES = [(), (1,), (7,), (0,), (1, 1), (3, 5), (5, 3), (2, 3, 4), (1, 4, 1), (2, 2, 2, 2), (2, 1, 3, 1, 2), (65,)]
ROWS = {
    "Softmax": ("softmax", {"scale": 0.5}),
    "Softmin": ("softmin", {"scale": 2.0}),
    "LogSoftmax": ("log_softmax", {"scale": 0.5}),
}
AXES = [-1, 0, 1, 2, -2, -3, (0,), (1, 2), (-1, 0), (0, 1, 2), None, (2, 0)]
CHANGED = {
    "GLU": ("glu", {"gate_first": True}),
    "CReLU": ("crelu", {}),
    "Maxout": ("maxout", {"num_pieces": 2}),
}
ALIASES = {
    "Hardshrink": "HardShrink",
    "Hardsigmoid": "HardSigmoid",
    "Hardswish": "HardSilu",
    "HardSwish": "HardSilu",
    "Hardtanh": "HardTanh",
    "Softshrink": "SoftShrink",
    "Softsign": "SoftSign",
    "Swish": "SiLU",
    "Tanhshrink": "TanhShrink",
}
# torch.nn, keras.layers and flax.linen: what they offer as a layer of an activation function
TORCH = (
    "ELU Hardshrink Hardsigmoid Hardtanh Hardswish LeakyReLU LogSigmoid PReLU ReLU ReLU6 SELU CELU GELU Sigmoid "
    "RReLU SiLU Mish Softplus Softshrink Softsign Tanh Tanhshrink Threshold GLU Softmin Softmax Softmax2d "
    "LogSoftmax Identity"
)
KERAS = "Activation ELU Identity LeakyReLU PReLU ReLU Softmax"

both = pytest.mark.parametrize("framework", FRAMEWORKS)


@both
def test_every_layer_of_the_others_is_there(framework):
    room = getattr(jaxact, framework)
    missing = {*TORCH.split(), *KERAS.split()} - set(room.__all__)
    assert missing == set()
    for name in room.__all__:
        assert getattr(room, name).__doc__, name
    for alias, name in ALIASES.items():
        assert getattr(room, alias) is getattr(room, name)
    assert set(ELEMENTWISE) | set(ROWS) | set(CHANGED) | {"Softmax2d"} <= set(room.__all__)


@pytest.mark.parametrize("name", [*ELEMENTWISE, *ROWS, *CHANGED])
def test_settings_are_the_functions_own(name):
    """Names, order and defaults."""
    function, _ = {**ELEMENTWISE, **ROWS, **CHANGED}[name]
    theirs = inspect.signature(getattr(jaxact, function)).parameters
    for framework in FRAMEWORKS:
        cls = getattr(getattr(jaxact, framework), name)
        own = inspect.signature(cls.__init__).parameters
        settings = [n for n in theirs if n not in ("x", "residual", "where", "options")]
        assert set(settings) <= set(own)
        assert {n: own[n].default for n in settings} == {n: theirs[n].default for n in settings}
        positional = [n for n in settings if n not in ("implementation", "inplace")]
        assert [n for n in own if n in positional] == positional


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_layers_are_their_functions(name):
    function, settings = ELEMENTWISE[name]
    defaults = settings if name == "Threshold" else {}
    for options in (defaults, settings):
        expected = functools.partial(getattr(jaxact, function), **options)
        same_programs(expected, call("linen", name, **options), call("nnx", name, **options))


def same_programs(*functions, shapes=SHAPES):
    x = [jnp.zeros(shape) for shape in shapes]
    assert len({trace(lambda *x, f=f: [f(v) for v in x], *x) for f in functions}) == 1


@pytest.mark.parametrize("name", ROWS)
def test_layers_over_rows_are_their_functions(name):
    function, settings = ROWS[name]
    mask = jnp.arange(24).reshape(X.shape) % 5 != 0
    for axis in AXES:
        for options in ({"axis": axis}, {"axis": axis, **settings}):
            own = [call(framework, name, **options) for framework in FRAMEWORKS]
            expected = functools.partial(getattr(jaxact, function), **options)
            same_programs(expected, *own, shapes=[X.shape])
            masked = [functools.partial(layer, mask=mask) for layer in own]
            same_programs(functools.partial(expected, where=mask), *masked, shapes=[X.shape])


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("shape", [(4,), (2, 4), (4, 6), (2, 4, 6), (1, 2, 4, 2)], ids=str)
def test_layers_that_change_the_shape_are_their_functions(name, shape):
    function, settings = CHANGED[name]
    axes = [a for a in range(-len(shape), len(shape)) if shape[a] % 2 == 0]
    for axis in axes:
        own = [call(framework, name, axis=axis, **settings) for framework in FRAMEWORKS]
        same_programs(functools.partial(getattr(jaxact, function), axis=axis, **settings), *own, shapes=[shape])


@both
def test_softmax_takes_axes_as_a_list_and_a_mask_by_position(framework):
    layer = call(framework, "Softmax", axis=[1, 2])
    mask = X < 2
    y = layer(X, mask=mask)
    np.testing.assert_array_equal(y, jaxact.softmax(X, (1, 2), where=mask))
    np.testing.assert_allclose(np.sum(y, (1, 2)), 1, rtol=1e-6)
    assert not y[~mask].any()


@both
def test_softmax2d_is_over_channels_of_images(framework):
    layer = call(framework, "Softmax2d")
    np.testing.assert_array_equal(layer(X), jaxact.softmax(X, 0))
    np.testing.assert_array_equal(layer(X[None]), jaxact.softmax(X, 0)[None])
    with pytest.raises(ValueError, match=r"3 or 4 axes, with or without a batch, got \(3, 4\)"):
        layer(X[0])


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4), (0, 3)], ids=str)
def test_rrelu_is_its_function(shape):
    x = jnp.zeros(shape)
    layers = [call(framework, "RReLU", lower=0.1, upper=0.2) for framework in FRAMEWORKS]
    fixed = [functools.partial(layer, deterministic=True) for layer in layers]
    same_programs(functools.partial(jaxact.rrelu, lower=0.1, upper=0.2), *fixed, shapes=[shape])
    stream = nnx.Rngs(dropout=0).dropout
    drawn = make("nnx", "RReLU", lower=0.1, upper=0.2, rngs=nnx.Rngs(dropout=0))(x - 1)
    np.testing.assert_array_equal(drawn, jaxact.rrelu(x - 1, stream.fork()(), lower=0.1, upper=0.2))


def test_rrelu_draws_anew_at_each_call_unless_it_is_deterministic():
    x = -jnp.ones((40, 50))
    linen = jaxact.linen.RReLU(deterministic=False)
    first, second, again = (linen.apply({}, x, rngs={"dropout": jax.random.key(i)}) for i in (0, 1, 0))
    layer = jaxact.nnx.RReLU(rngs=nnx.Rngs(0))
    run = nnx.jit(lambda m, x: m(x))
    for a, b in ((first, second), (layer(x), layer(x)), (run(layer, x), run(layer, x))):
        assert (a != b).mean() > 0.9
        for y in (a, b):
            assert -1 / 3 < y.min() < -0.33
            assert -0.13 < y.max() <= -1 / 8
    np.testing.assert_array_equal(first, again)
    layer.eval()
    np.testing.assert_array_equal(layer(x), jaxact.rrelu(x))
    assert (jaxact.nnx.RReLU()(x, rngs=nnx.Rngs(3)) != layer(x)).any()
    with pytest.raises(ValueError, match="RReLU: random slopes need rngs"):
        jaxact.nnx.RReLU()(x)
    for framework in FRAMEWORKS:
        with pytest.raises(ValueError, match="lower must not exceed upper"):
            make(framework, "RReLU", lower=0.5)


def settings_of(name):
    return {**ELEMENTWISE, **ROWS, **CHANGED}[name][1]


@pytest.mark.parametrize("name", [*ELEMENTWISE, *ROWS, *CHANGED])
def test_linen_layers_are_values(name):
    layer = make("linen", name, **settings_of(name))
    for other in (make("linen", name, **settings_of(name)), layer.clone(), copy.deepcopy(layer)):
        assert other == layer
        assert hash(other) == hash(layer)
    assert pickle.loads(pickle.dumps(layer)) == layer
    assert layer.init(KEY, X) == {}
    assert layer != make("linen", "ReLU", negative_slope=0.7)


@pytest.mark.parametrize("name", [*ELEMENTWISE, *ROWS, *CHANGED])
def test_nnx_layers_are_static(name):
    layer = make("nnx", name, **settings_of(name))
    again = pickle.loads(pickle.dumps(layer))
    graphs = [nnx.split(v)[0] for v in (layer, again, make("nnx", name, **settings_of(name)))]
    assert graphs[0] == graphs[1] == graphs[2]
    assert len({hash(g) for g in graphs}) == 1
    assert jax.tree.leaves(nnx.state(layer)) == []
    assert trace(again, X) == trace(layer, X)


@both
@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("LeakyReLU", {"negative_slope": "steep"}, TypeError, "leaky_relu: negative_slope must be a number"),
        ("ELU", {"alpha": float("nan")}, ValueError, "elu: alpha must be"),
        ("HardTanh", {"min_val": 2.0}, ValueError, "min_val must not exceed max_val"),
        ("Softmax", {"axis": "last"}, TypeError, "softmax: axis must be an integer, a tuple of them or None"),
        ("ReLU", {"implementation": "cuda"}, ValueError, "implementation must be None or one of"),
        ("Threshold", {}, TypeError, "missing 2 required"),
        ("ReLU", {"slope": 0.1}, TypeError, "unexpected keyword argument"),
    ],
)
def test_bad_settings_are_errors_at_once(framework, name, options, error, message):
    with pytest.raises(error, match=message):
        make(framework, name, **options)


@both
def test_the_implementation_and_the_buffer_are_the_functions(framework):
    assert "custom_jvp_call" in trace(call(framework, "SiLU", implementation="inline"), X)
    assert "custom_jvp_call" not in trace(call(framework, "SiLU"), X)
    with pytest.raises(NotImplementedError, match="no kernel"):
        call(framework, "SiLU", implementation="pallas")(X)
    x = jnp.array(X)
    np.testing.assert_array_equal(call(framework, "ReLU", inplace=True)(x), np.maximum(X, 0))
    assert x.is_deleted()


@both
def test_an_activation_takes_an_implementation(framework):
    x = np.ones(4, np.float32)
    for options in (
        {"activation": "silu"},
        {"activation": "softmax", "slc": slice(0, 2)},
        {"activation": "silu", "slc": slice(0, 2)},
    ):
        assert "custom_jvp_call" in trace(call(framework, "Activation", implementation="inline", **options), x)
        assert "custom_jvp_call" not in trace(call(framework, "Activation", **options), x)
    layer = call(
        framework, "Activation", activation="relu", slc=slice(0, 2), inplace=True, implementation="inline"
    )
    np.testing.assert_array_equal(layer(jnp.array([-1.0, 1.0, -1.0])), [0, 1, -1])
    for activation, error, message in (
        (jnp.tanh, TypeError, "needs one of jaxact's"),
        ("relu", ValueError, "one of"),
    ):
        with pytest.raises(error, match=message):
            make(
                framework,
                "Activation",
                activation=activation,
                implementation="inline" if error is TypeError else "cuda",
            )


@both
def test_layers_work_under_jit_and_in_a_network(framework):
    if framework == "nnx":
        network = nnx.Sequential(jaxact.nnx.LeakyReLU(0.5), jaxact.nnx.Softmax(axis=1))
        y = nnx.jit(lambda m, x: m(x))(network, X)
    else:
        import flax.linen as nn

        y = jax.jit(nn.Sequential([jaxact.linen.LeakyReLU(0.5), jaxact.linen.Softmax(axis=1)]).apply)({}, X)
    z = np.exp(np.where(X > 0, X, 0.5 * X))
    np.testing.assert_allclose(y, z / z.sum(1, keepdims=True), rtol=1e-6)


@both
def test_a_subclass_may_have_a_default_of_its_own(framework):
    base = getattr(jaxact, framework).LeakyReLU
    wrap = (
        nnx.dataclass(eq=False) if framework == "nnx" else lambda cls: cls
    )  # Linen makes a dataclass of it itself

    @wrap
    class Steep(base):
        negative_slope: float = 0.5

    layer = Steep()
    y = layer(X) if framework == "nnx" else layer.apply({}, X)
    np.testing.assert_array_equal(y, np.where(X > 0, X, 0.5 * X))


@pytest.mark.parametrize("name", [*ELEMENTWISE, *ROWS, *CHANGED, "Softmax2d", "RReLU"])
@both
def test_docstrings_state_what_users_ask(framework, name):
    cls = getattr(getattr(jaxact, framework), name)
    text = cls.__doc__
    assert text.startswith("`jaxact.")
    arguments = text.partition("Args:")[2].partition("Raises:")[0]
    for setting in cls.arguments:
        assert f"  {setting}: " in arguments
    assert "  x: " not in arguments
    assert "residual" not in arguments
    for section in ("Formula:" if name != "GLU" else "arXiv", "Raises:"):
        assert section in text
