"""The Linen modules: Activation with slices and in place, PReLU, Dense and Conv."""

import pickle

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import serialization

import jaxact.linen
from jaxact.linen import Activation, Dense, PReLU

X = np.linspace(-3, 3, 24, dtype=np.float32).reshape(2, 3, 4)
KEY = jax.random.key(0)


def halved(x):
    """What leaky_relu with slope 0.5 gives."""
    return np.where(x > 0, x, 0.5 * x)


def slope_of(module, x=X):
    return module.init(KEY, x)["params"]["negative_slope"]


# -- Activation --------------------------------------------------------------------------------------------------


class ActivationVariants(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_it_is_the_function(self):
        layer = Activation("leaky_relu", negative_slope=0.5)
        assert layer.init(KEY, X) == {}
        y = self.variant(layer.apply)({}, X)
        chex.assert_shape(y, X.shape)
        chex.assert_type(y, jnp.float32)
        chex.assert_tree_all_finite(y)
        np.testing.assert_array_equal(y, halved(X))

    @chex.variants(with_jit=True, without_jit=True)
    def test_slices(self):
        expected = X.copy().reshape(-1)
        expected[3:-2:2] = halved(expected[3:-2:2])
        y = self.variant(Activation("leaky_relu", slc=slice(3, -2, 2), negative_slope=0.5).apply)({}, X)
        np.testing.assert_array_equal(y, expected.reshape(X.shape))
        expected = X.copy()
        expected[:, 1:] = halved(X[:, 1:])
        layer = Activation("leaky_relu", slc=(slice(None), slice(1, None)), negative_slope=0.5)
        np.testing.assert_array_equal(self.variant(layer.apply)({}, X), expected)


def test_a_slice_out_of_range_is_an_error():
    with pytest.raises(
        ValueError, match=r"slice\(0, 4, None\) is out of range for axis 1 of x of shape \(2, 3, 4\)"
    ):
        Activation("relu", slc=(slice(None), slice(0, 4))).apply({}, X)


def test_bad_arguments_are_errors_at_once():
    with pytest.raises(ValueError, match="unknown activation 'rely'; did you mean 'relu'"):
        Activation("rely")
    with pytest.raises(TypeError, match="no parameter 'slope'"):
        Activation("leaky_relu", slope=0.1)
    with pytest.raises(TypeError, match="slc must be"):
        Activation("relu", slc=3)
    with pytest.raises(TypeError, match="got the class PReLU"):
        Activation(PReLU)
    with pytest.raises(TypeError, match="inplace needs one of jaxact's elementwise activations"):
        Activation(jnp.tanh, inplace=True)


def test_it_is_hashable_clones_and_pickles():
    layer = Activation("leaky_relu", slc=(slice(0, 1),), negative_slope=0.5, name="act")
    assert hash(layer) == hash(Activation("leaky_relu", slc=(slice(0, 1),), negative_slope=0.5, name="act"))
    assert layer != Activation("leaky_relu", slc=(slice(0, 2),), negative_slope=0.5, name="act")
    assert layer.clone() == layer
    assert layer.copy(name="act", inplace=True).inplace
    again = pickle.loads(pickle.dumps(layer))
    assert again == layer
    np.testing.assert_array_equal(again.apply({}, X), layer.apply({}, X))
    assert "leaky_relu" in repr(layer)


def test_parameters_may_be_arrays():
    slopes = np.array([0.5, 1, 2, 3], np.float32)
    y = Activation("leaky_relu", negative_slope=slopes, slc=(slice(0, 1),)).apply({}, X)
    np.testing.assert_array_equal(y[0], np.where(X[0] > 0, X[0], X[0] * slopes))
    np.testing.assert_array_equal(y[1], X[1])


@pytest.mark.parametrize("lift", [nn.remat, nn.jit])
def test_lifted_transforms_take_it(lift):
    layer = lift(Activation)("leaky_relu", negative_slope=0.5)
    np.testing.assert_array_equal(layer.apply({}, X), halved(X))


def test_a_subclass_may_have_fields_of_its_own():
    class Scaled(Activation):
        scale: float = 1.0

        def __call__(self, inputs):
            return super().__call__(inputs) * self.scale

    np.testing.assert_array_equal(Scaled("relu", scale=2.0).apply({}, X), 2 * np.maximum(X, 0))


def test_in_place():
    layer = Activation("leaky_relu", inplace=True, negative_slope=0.5)
    x = jnp.array(X)
    np.testing.assert_array_equal(layer.apply({}, x), halved(X))
    with pytest.raises(RuntimeError, match="deleted"):
        x + 1
    with pytest.raises(ValueError, match="inplace"):
        jax.grad(lambda x: Activation("leaky_relu", args=(-0.5,), inplace=True).apply({}, x).sum())(X)
    x = jnp.zeros((64, 128))
    memory = jax.jit(lambda x: layer.apply({}, x), donate_argnums=0).lower(x).compile().memory_analysis()
    assert (memory.alias_size_in_bytes, memory.temp_size_in_bytes) == (x.nbytes, 0)


def test_it_is_a_layer_of_a_network():
    network = nn.Sequential(
        [nn.Dense(5), Activation("leaky_relu", negative_slope=0.5), Activation(PReLU(negative_slope_init=0.5))]
    )
    variables = network.init(KEY, X)
    assert set(variables["params"]) == {"layers_0", "layers_2"}
    assert variables["params"]["layers_2"]["activation"]["negative_slope"] == 0.5
    expected = halved(halved(np.asarray(nn.Dense(5).apply({"params": variables["params"]["layers_0"]}, X))))
    np.testing.assert_allclose(network.apply(variables, X), expected, rtol=1e-6)


# -- PReLU -------------------------------------------------------------------------------------------------------


class PReLUVariants(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_one_slope(self):
        layer = PReLU(negative_slope_init=0.5)
        variables = layer.init(KEY, X)
        chex.assert_shape(variables["params"]["negative_slope"], ())
        np.testing.assert_array_equal(self.variant(layer.apply)(variables, X), halved(X))

    @chex.variants(with_jit=True, without_jit=True)
    def test_a_slope_per_channel_on_any_axis(self):
        for axis in (0, 1, 2, -1, -2, -3):
            layer = PReLU(num_parameters=None, axis=axis)
            slopes = np.arange(1, X.shape[axis] + 1, dtype=np.float32)
            chex.assert_equal_shape([slope_of(layer), slopes])
            along = np.expand_dims(slopes, [a for a in range(3) if a != axis % 3])
            y = self.variant(layer.apply)({"params": {"negative_slope": slopes}}, X)
            np.testing.assert_array_equal(y, np.where(X > 0, X, along * X))


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"num_parameters": 4}, (4,)),
        ({"num_parameters": 3, "axis": 1}, (3,)),
        ({"shared_axes": 1}, (1, 4)),
        ({"shared_axes": (1, 2)}, (1, 1)),
        ({"shared_axes": (-1,)}, (3, 1)),
        ({"shared_axes": ()}, (3, 4)),
        ({"shared_axes": (1,), "num_parameters": 4}, (1, 4)),
        ({"shared_axes": (2,), "num_parameters": (3, 4)}, (3, 1)),
    ],
)
def test_shapes_of_slopes(options, shape):
    layer = PReLU(negative_slope_init=0.5, **options)
    y, variables = layer.init_with_output(KEY, X)
    chex.assert_shape(variables["params"]["negative_slope"], shape)
    np.testing.assert_array_equal(y, halved(X))


@pytest.mark.parametrize("param_dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("dtype", [None, jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("given", [jnp.float32, jnp.bfloat16])
def test_dtypes(param_dtype, dtype, given):
    layer = PReLU(num_parameters=None, param_dtype=param_dtype, dtype=dtype)
    x = jnp.asarray(X, given)
    y, variables = layer.init_with_output(KEY, x)
    chex.assert_type(variables["params"]["negative_slope"], param_dtype)
    chex.assert_type(y, dtype or given)
    gradient = jax.grad(lambda v: layer.apply(v, x).astype(jnp.float32).sum())(variables)
    chex.assert_trees_all_equal_shapes_and_dtypes(gradient, variables)


def test_initialisers_and_partitioning_metadata():
    slopes = slope_of(PReLU(negative_slope_init=nn.initializers.normal(1.0), num_parameters=64), X.repeat(16, -1))
    assert float(jnp.std(slopes)) > 0.5
    init = nn.with_partitioning(nn.initializers.constant(0.5), ("model",))
    layer = PReLU(negative_slope_init=init, num_parameters=None)
    variables = layer.init(KEY, X)
    assert variables["params"]["negative_slope"].names == ("model",)
    assert nn.get_partition_spec(variables)["params"]["negative_slope"] == jax.sharding.PartitionSpec("model")
    np.testing.assert_array_equal(layer.apply(variables, X), halved(X))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"axis": 1, "shared_axes": (1,)}, ValueError, "axis or shared_axes, not both"),
        ({"num_parameters": -1}, ValueError, "at least 1"),
        ({"num_parameters": "4"}, TypeError, "num_parameters must be integers"),
        ({"shared_axes": (0, 1)}, ValueError, "the batch"),
    ],
)
def test_what_prelu_refuses(options, error, message):
    with pytest.raises(error, match=message):
        PReLU(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_parameters": 5}, r"negative_slope \(5,\) does not fit x \(2, 3, 4\) at axis -1, of size 4"),
        ({"num_parameters": None, "axis": 3}, r"axis 3 is out of range for x of shape \(2, 3, 4\)"),
        ({"shared_axes": (3,)}, r"axis 3 is out of range for x of shape \(2, 3, 4\)"),
    ],
)
def test_slopes_that_do_not_fit_are_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        PReLU(**options).init(KEY, X)


@pytest.mark.parametrize(
    "box", [lambda v: v, lambda v: nn.Partitioned(v, ("model",))], ids=["plain", "partitioned"]
)
def test_restored_slopes_that_do_not_fit_are_an_error(box):
    variables = {"params": {"negative_slope": box(jnp.ones(5))}}
    with pytest.raises(ValueError, match=r"negative_slope \(5,\) does not fit x \(2, 3, 4\) at axis 1, of size 3"):
        PReLU(num_parameters=None, axis=1).apply(variables, X)


def test_a_checkpoint_of_flaxs_own_loads():
    theirs = nn.PReLU(negative_slope_init=0.375)
    saved = serialization.to_bytes(theirs.init(KEY, X))
    ours = PReLU()
    variables = serialization.from_bytes(ours.init(KEY, X), saved)
    assert float(variables["params"]["negative_slope"]) == 0.375
    np.testing.assert_array_equal(ours.apply(variables, X), theirs.apply(variables, X))
    assert ours.param_dtype == PReLU(jnp.float32, 0.01).param_dtype, "fields begin as Flax's do"


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = PReLU(num_parameters=None)(nn.Dense(8)(x))
        return nn.Dense(1)(x)


def test_prelu_trains_is_saved_is_restored_and_goes_on(tmp_path):
    x = jax.random.normal(jax.random.key(1), (64, 4))
    y = jnp.abs(x).sum(1, keepdims=True)
    optimizer = optax.adam(0.02)

    @jax.jit
    def step(params, state):
        loss, gradient = jax.value_and_grad(lambda p: jnp.mean((Network().apply(p, x) - y) ** 2))(params)
        with jax.numpy_dtype_promotion("standard"):  # optax needs it
            updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, loss

    def train(params, state, steps):
        losses = []
        for _ in range(steps):
            params, state, loss = step(params, state)
            losses.append(float(loss))
        return params, state, losses

    params = Network().init(KEY, x)
    params, state, losses = train(params, optimizer.init(params), 30)
    assert losses[-1] < losses[0] / 2
    slopes = params["params"]["PReLU_0"]["negative_slope"]
    assert (abs(slopes - np.float32(0.01)) > 1e-3).all(), "every slope moves"

    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "saved", (params, state))
        checkpointer.wait_until_finished()
        fresh = Network().init(jax.random.key(7), x)
        restored = checkpointer.restore(tmp_path / "saved", (fresh, optimizer.init(fresh)))
    chex.assert_trees_all_equal(restored, (params, state))
    assert train(*restored, 10)[2] == train(params, state, 10)[2]


# -- Dense and Conv ----------------------------------------------------------------------------------------------

LAYERS = {
    "dense": (lambda m, **kw: m.Dense(5, **kw), X),
    "conv": (lambda m, **kw: m.Conv(5, 3, **kw), X),
    "conv2d": (lambda m, **kw: m.Conv(5, (2, 2), strides=2, use_bias=False, **kw), X[None]),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("activation", ["relu", jnp.tanh, Activation("leaky_relu", negative_slope=0.5)])
def test_a_layer_is_flaxs_followed_by_the_activation(kind, activation):
    make, x = LAYERS[kind]
    theirs, ours = make(nn), make(jaxact.linen, activation=activation)
    variables = theirs.init(KEY, x)
    chex.assert_trees_all_equal(ours.init(KEY, x), variables)  # so checkpoints load
    expected = Activation(activation).apply({}, theirs.apply(variables, x))
    np.testing.assert_array_equal(ours.apply(variables, x), expected)
    np.testing.assert_array_equal(make(jaxact.linen).apply(variables, x), theirs.apply(variables, x))


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_takes_a_module_with_parameters(kind):
    make, x = LAYERS[kind]
    ours = make(jaxact.linen, activation=PReLU(negative_slope_init=0.5, num_parameters=None))
    y, variables = ours.init_with_output(KEY, x)
    slopes = variables["params"].pop("activation")["negative_slope"]
    chex.assert_shape(slopes, (5,))
    np.testing.assert_array_equal(y, halved(np.asarray(make(nn).apply(variables, x))))


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_pickles_and_refuses_unknown_names(kind):
    make, _ = LAYERS[kind]
    init = nn.initializers.zeros  # Flax's default is a closure, which nothing can pickle
    ours = make(jaxact.linen, activation=jaxact.get("leaky_relu", negative_slope=0.5), kernel_init=init)
    assert pickle.loads(pickle.dumps(ours)) == ours
    assert hash(ours) == hash(ours.clone())
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        make(jaxact.linen, activation="rely")


def test_layers_are_named_as_flaxs():
    class Ours(nn.Module):
        @nn.compact
        def __call__(self, x):
            return Dense(2, activation="relu")(Dense(3, activation=PReLU())(x))

    assert set(Ours().init(KEY, X)["params"]) == {"Dense_0", "Dense_1", "PReLU_0"}
