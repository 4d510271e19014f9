"""GatedMLP in Linen and in NNX: the block, packed or not, in every gated setting."""

import functools
import pickle

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from modules import FRAMEWORKS, KEY, make, trace

import jaxact
import jaxact.linen
import jaxact.nnx
from jaxact.gated import SETTINGS

X = np.asarray(jax.random.normal(jax.random.key(1), (2, 3, 4)))

both = pytest.mark.parametrize("framework", FRAMEWORKS)


def variables_of(layer):
    return layer.init(KEY, X)


def nnx_of(variables, **options):
    """The NNX block of a Linen block's variables."""
    block = jaxact.nnx.GatedMLP(rngs=nnx.Rngs(1), **options)
    jaxact.nnx.from_linen(block, variables)
    return block


CASES = [
    {},
    {"activation": "gelu"},
    {"activation": jaxact.get("leaky_relu", negative_slope=0.2)},
    {"activation": jaxact.relu, "packed": False},
    {"activation": "silu", "layout": "interleaved"},
    {"activation": "silu", "gate_first": False, "use_bias": True},
    {"activation": functools.partial(jaxact.swiglu_oai, limit=0.5)},
    {"activation": "SwiGLU OAI", "packed": False},
    {"activation": jaxact.glu, "packed": False, "use_bias": True},
    *({"activation": s.__name__} for s in SETTINGS),
]


def expected(params, x, activation="silu", packed=True, use_bias=False, **options):
    """The block written out."""

    def dense(name, x):
        return x @ params[name]["kernel"] + (params[name]["bias"] if use_bias else 0.0)

    parts = dense("gate_up", x) if packed else (dense("gate", x), dense("up", x))
    function = activation if callable(activation) else getattr(jaxact, activation.lower().replace(" ", "_"))
    named = function.func if isinstance(function, functools.partial) else function
    if named not in SETTINGS:
        function = functools.partial(jaxact.gated, gate=activation)
    return dense("down", function(parts, **options, **({} if packed else {"gate_first": True})))


@pytest.mark.parametrize("options", CASES, ids=range(len(CASES)))  # a function's text has its address
def test_the_block_written_out(options):
    layer = jaxact.linen.GatedMLP(5, 6, **options)
    variables = variables_of(layer)
    for path, value in jax.tree_util.tree_leaves_with_path(variables):
        assert "bias" not in str(path) or options.get("use_bias"), value
    if options.get("use_bias"):
        variables = jax.tree.map(lambda v: v + 0.25, variables)
    y = layer.apply(variables, X)
    assert y.shape == (2, 3, 5)
    np.testing.assert_allclose(y, expected(variables["params"], X, **options), rtol=2e-6, atol=1e-6)
    other = nnx_of(variables, features=5, hidden=6, in_features=4, **options)
    assert trace(layer.apply, variables, X).count("activation") == 1
    np.testing.assert_allclose(other(X), y, rtol=1e-6, atol=1e-7)


def test_packed_and_not_are_the_same_block():
    apart = jaxact.linen.GatedMLP(4, 6, packed=False)
    variables = variables_of(apart)
    kernels = {n: v["kernel"] for n, v in variables["params"].items()}
    assert {n: k.shape for n, k in kernels.items()} == {"gate": (4, 6), "up": (4, 6), "down": (6, 4)}
    pairs = {
        "concat": jnp.concatenate([kernels["gate"], kernels["up"]], 1),
        "interleaved": jnp.stack([kernels["gate"], kernels["up"]], 2).reshape(4, 12),
    }
    for layout, kernel in pairs.items():
        packed = {"params": {"gate_up": {"kernel": kernel}, "down": {"kernel": kernels["down"]}}}
        y = jaxact.linen.GatedMLP(4, 6, layout=layout).apply(packed, X)
        np.testing.assert_allclose(y, apart.apply(variables, X), rtol=1e-6, atol=1e-7)


@both
def test_dtypes_are_flaxs(framework):
    options = {"dtype": jnp.bfloat16, "param_dtype": jnp.float32, "use_bias": True}
    if framework == "linen":
        y, variables = jaxact.linen.GatedMLP(4, 6, **options).init_with_output(KEY, X)
        dtypes = {v.dtype for v in jax.tree.leaves(variables)}
    else:
        block = jaxact.nnx.GatedMLP(4, 6, rngs=nnx.Rngs(0), **options)
        y, dtypes = block(X), {v.dtype for v in jax.tree.leaves(nnx.state(block))}
    assert y.dtype == jnp.bfloat16
    assert dtypes == {jnp.dtype(jnp.float32)}


def test_initialisers_and_partitioning():
    ones = nn.initializers.ones
    inits = {
        "kernel_init": nn.with_partitioning(ones, (None, "model")),
        "down_kernel_init": nn.with_partitioning(nn.initializers.constant(2.0), ("model", None)),
        "bias_init": nn.initializers.constant(3.0),
    }
    params = variables_of(jaxact.linen.GatedMLP(4, 6, use_bias=True, **inits))["params"]
    assert params["gate_up"]["kernel"].names == (None, "model")
    assert params["down"]["kernel"].names == ("model", None)
    assert (params["down"]["kernel"].value == 2).all()
    assert (params["gate_up"]["bias"] == 3).all()
    assert (params["down"]["bias"] == 3).all()
    mesh = jax.make_mesh((8,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
    with jax.set_mesh(mesh):
        block = jaxact.nnx.GatedMLP(
            4,
            8,
            kernel_init=ones,
            kernel_metadata={"out_sharding": (None, "model")},
            down_kernel_metadata={"out_sharding": ("model", None)},
            rngs=nnx.Rngs(0),
        )
    assert block.gate_up.kernel[...].sharding.spec == jax.P(None, "model")
    assert block.down.kernel[...].sharding.spec == jax.P("model", None)
    assert (block.down.kernel[...] == 1).all()


@both
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"activation": "rely"}, ValueError, "did you mean 'relu'"),
        ({"activation": jnp.tanh}, TypeError, "gate must be an elementwise activation of jaxact or its name"),
        ({"activation": "softmax"}, TypeError, "gate must be an elementwise activation"),
        ({"layout": "zigzag"}, ValueError, "layout must be one of"),
        ({"hidden": 0}, ValueError, "hidden must be at least 1, got 0"),
        ({"implementation": "cuda"}, ValueError, "implementation must be None or one of"),
    ],
)
def test_bad_settings_are_errors_at_once(framework, options, error, message):
    more = {"rngs": nnx.Rngs(0)} if framework == "nnx" else {}
    with pytest.raises(error, match=message):
        make(framework, "GatedMLP", **{"features": 4, "hidden": 6, **options, **more})


@both
def test_it_pickles(framework):
    if framework == "linen":
        layer = jaxact.linen.GatedMLP(4, 6, "swiglu_oai")
        again = pickle.loads(pickle.dumps(layer))
        assert again == layer
        assert hash(again) == hash(layer.clone())
        return
    block = jaxact.nnx.GatedMLP(4, 6, "swiglu_oai", rngs=nnx.Rngs(0))
    again = pickle.loads(pickle.dumps(block))
    np.testing.assert_array_equal(again(X), block(X))
    first = jaxact.nnx.GatedMLP(4, 6, "swiglu_oai", kernel_init=nn.initializers.ones, rngs=nnx.Rngs(3))
    assert not hasattr(first, "kernel_init") or first.kernel_init is None


def test_the_implementation_is_the_activations():
    layer = jaxact.linen.GatedMLP(4, 6, implementation="inline")
    variables = variables_of(layer)
    assert "custom_jvp_call" in trace(layer.apply, variables, X)


def test_the_documentation_names_every_setting():
    for framework in FRAMEWORKS:
        cls = getattr(jaxact, framework).GatedMLP
        for argument in ("features", "hidden", "activation", "packed", "layout", "down_kernel_init"):
            assert f"  {argument}: " in cls.__doc__
    for argument in ("in_features", "rngs", "kernel_metadata", "down_kernel_metadata"):
        assert f"`{argument}`" in jaxact.nnx.GatedMLP.__doc__
