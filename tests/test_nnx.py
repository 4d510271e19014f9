"""The NNX modules: Activation with slices and in place, PReLU, Linear and Conv."""

import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import nnx

import jaxact
from jaxact.nnx import Activation, Conv, Linear, PReLU

X = np.linspace(-3, 3, 24, dtype=np.float32).reshape(2, 3, 4)


def halved(x):
    """What leaky_relu with slope 0.5 gives."""
    return np.where(x > 0, x, 0.5 * x)


# -- Activation --------------------------------------------------------------------------------------------------


class ActivationVariants(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_it_is_the_function(self):
        y = self.variant(Activation("leaky_relu", negative_slope=0.5))(X)
        chex.assert_shape(y, X.shape)
        chex.assert_type(y, jnp.float32)
        chex.assert_tree_all_finite(y)
        np.testing.assert_array_equal(y, halved(X))

    @chex.variants(with_jit=True, without_jit=True)
    def test_a_slice_acts_on_the_flattened_tensor(self):
        y = self.variant(Activation("leaky_relu", slc=slice(3, -2, 2), negative_slope=0.5))(X)
        expected = X.copy().reshape(-1)
        expected[3:-2:2] = halved(expected[3:-2:2])
        np.testing.assert_array_equal(y, expected.reshape(X.shape))

    @chex.variants(with_jit=True, without_jit=True)
    def test_a_tuple_of_slices_indexes_axes(self):
        y = self.variant(Activation("leaky_relu", slc=(slice(None), slice(1, None)), negative_slope=0.5))(X)
        expected = X.copy()
        expected[:, 1:] = halved(X[:, 1:])
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    "slc",
    [slice(None), slice(0, 0), slice(24, None), slice(-24, 24), slice(None, None, -1), slice(23, -25, -3), ()],
    ids=str,
)
def test_any_slice_within_the_tensor(slc):
    expected = X.copy() if slc == () else X.copy().reshape(-1)
    expected[slc] = halved(expected[slc])
    y = Activation("leaky_relu", slc=slc, negative_slope=0.5)(X)
    np.testing.assert_array_equal(y, expected.reshape(X.shape))


def test_gradients_pass_by_outside_the_slice():
    layer = Activation("leaky_relu", slc=(slice(0, 1),), negative_slope=0.5)
    gradient = jax.grad(lambda x: layer(x).sum())(jnp.asarray(X))
    np.testing.assert_array_equal(gradient[0], np.where(X[0] > 0, 1, 0.5))
    np.testing.assert_array_equal(gradient[1], np.ones_like(X[1]))


@pytest.mark.parametrize(
    ("slc", "message"),
    [
        (slice(0, 25), r"slice\(0, 25, None\) is out of range for the flattened axis of size 24 .*\(2, 3, 4\)"),
        (slice(-25, None), r"slice\(-25, None, None\) is out of range"),
        (slice(24, None, -1), r"slice\(24, None, -1\) is out of range"),
        ((slice(None), slice(0, 4)), r"slice\(0, 4, None\) is out of range for axis 1 of x of shape \(2, 3, 4\)"),
        ((slice(None),) * 4, r"slc has 4 slices, x of shape \(2, 3, 4\) has 3 axes"),
    ],
)
def test_a_slice_out_of_range_is_an_error(slc, message):
    with pytest.raises(ValueError, match=message):
        Activation("relu", slc=slc)(X)


def test_what_is_no_slice_is_an_error():
    for slc in (3, [slice(None)], ("a", 1, 2), slice(1.5, 2), (1, 2)):
        with pytest.raises(TypeError, match="slc"):
            Activation("relu", slc=slc)
    with pytest.raises(ValueError, match="step"):
        Activation("relu", slc=slice(0, 4, 0))


def test_a_name_a_callable_a_module_or_nothing():
    np.testing.assert_array_equal(Activation(jnp.tanh)(X), jnp.tanh(X))
    np.testing.assert_array_equal(Activation(jaxact.relu)(X), np.maximum(X, 0))
    np.testing.assert_array_equal(Activation(PReLU(0.5))(X), halved(X))
    np.testing.assert_array_equal(Activation(None)(X), X)
    np.testing.assert_array_equal(Activation("relu", args=(0.5,))(X), halved(X))


def test_bad_arguments_are_errors_at_once():
    with pytest.raises(ValueError, match="unknown activation 'rely'; did you mean 'relu'"):
        Activation("rely")
    with pytest.raises(TypeError, match="no parameter 'slope'"):
        Activation("leaky_relu", slope=0.1)
    with pytest.raises(ValueError, match="negative_slope must be a finite number"):
        Activation("leaky_relu", negative_slope=float("nan"))
    with pytest.raises(TypeError, match="is no jaxact activation"):
        Activation(jnp.tanh, args=(1,))
    with pytest.raises(TypeError, match="got the class PReLU"):
        Activation(PReLU)


def test_parameters_that_are_arrays_are_state():
    layer = Activation("leaky_relu", negative_slope=np.array([0.5, 1, 2, 3], np.float32), slc=(slice(0, 1),))
    assert [v.shape for v in jax.tree.leaves(nnx.state(layer))] == [(4,)]
    y = nnx.jit(lambda m, x: m(x))(layer, X)
    np.testing.assert_array_equal(y[0], np.where(X[0] > 0, X[0], X[0] * [0.5, 1, 2, 3]).astype(np.float32))
    np.testing.assert_array_equal(y[1], X[1])


def test_it_is_hashable_and_pickles():
    layer = Activation("leaky_relu", slc=(slice(0, 1),), negative_slope=0.5, name="act")
    graph, _ = nnx.split(layer)
    assert hash(graph) == hash(nnx.split(Activation("leaky_relu", slc=(slice(0, 1),), args=(0.5,), name="act"))[0])
    again = pickle.loads(pickle.dumps(layer))
    np.testing.assert_array_equal(again(X), layer(X))
    assert again.name == "act"


# -- in place ----------------------------------------------------------------------------------------------------

SLICES = [None, slice(0, 4), (slice(0, 1),)]


@pytest.mark.parametrize("slc", SLICES, ids=str)
def test_in_place_outside_jit_takes_the_buffer(slc):
    x = jnp.array(X)
    before = x.unsafe_buffer_pointer()
    y = Activation("leaky_relu", inplace=True, slc=slc, negative_slope=0.5)(x)
    np.testing.assert_array_equal(y, Activation("leaky_relu", slc=slc, negative_slope=0.5)(X))
    assert y.unsafe_buffer_pointer() == before
    with pytest.raises(RuntimeError, match="deleted"):
        x + 1


@pytest.mark.parametrize("slc", SLICES, ids=str)
def test_in_place_inside_jit_makes_no_copy(slc):
    layer = Activation("leaky_relu", inplace=True, slc=slc, negative_slope=0.5)
    x = jnp.zeros((64, 128))
    compiled = jax.jit(layer, donate_argnums=0).lower(x).compile()
    memory = compiled.memory_analysis()
    assert memory.alias_size_in_bytes == x.nbytes
    if not isinstance(slc, slice) or jax.__version_info__ >= (0, 11):  # XLA of JAX 0.10 copies where it flattens
        assert memory.temp_size_in_bytes <= (0 if slc is None else 4 * 128)  # at most the slice
    kept = jax.jit(layer).lower(x).compile()
    assert kept.memory_analysis().alias_size_in_bytes == 0


@pytest.mark.parametrize("slc", SLICES, ids=str)
@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_in_place_under_grad_raises_where_the_backward_needs_x(slc, transform):
    layer = Activation("leaky_relu", inplace=True, slc=slc, negative_slope=-0.5)
    x = jnp.array(X)
    with pytest.raises(ValueError, match="inplace"):
        transform(jax.grad(lambda x: layer(x).sum()))(x)
    np.testing.assert_array_equal(x, X)  # nothing was taken


@pytest.mark.parametrize("slc", SLICES, ids=str)
def test_in_place_under_grad_works_where_the_output_is_saved(slc):
    layer = Activation("relu", inplace=True, slc=slc)
    gradient = jax.grad(lambda x: layer(x).sum())(jnp.asarray(X))
    np.testing.assert_array_equal(gradient, jax.grad(lambda x: Activation("relu", slc=slc)(x).sum())(X))


def test_in_place_needs_an_activation_of_ours():
    for activation in (jnp.tanh, PReLU()):
        with pytest.raises(TypeError, match="inplace needs one of jaxact's elementwise activations"):
            Activation(activation, inplace=True)


# -- PReLU -------------------------------------------------------------------------------------------------------


class PReLUVariants(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_one_slope(self):
        layer = PReLU(0.5)
        chex.assert_shape(layer.negative_slope[...], ())
        y = self.variant(layer)(X)
        chex.assert_type(y, jnp.float32)
        np.testing.assert_array_equal(y, halved(X))

    @chex.variants(with_jit=True, without_jit=True)
    def test_a_slope_per_channel_on_any_axis(self):
        for axis in (0, 1, 2, -1, -2, -3):
            slopes = np.arange(1, X.shape[axis] + 1, dtype=np.float32)
            layer = PReLU(num_parameters=len(slopes), axis=axis)
            layer.negative_slope[...] = slopes
            along = np.expand_dims(slopes, [a for a in range(3) if a != axis % 3])
            np.testing.assert_array_equal(self.variant(layer)(X), np.where(X > 0, X, along * X))


@pytest.mark.parametrize(
    ("number", "shared", "shape"),
    [
        (4, 1, (1, 4)),
        (4, [1], (1, 4)),
        (3, (2,), (3, 1)),
        (3, (-1,), (3, 1)),
        ((3, 4), (), (3, 4)),
        ((3, 4), (1,), (1, 4)),
        ((3, 4), (1, 2), (1, 1)),
    ],
)
def test_shared_axes_as_keras_has_them(number, shared, shape):
    layer = PReLU(0.5, num_parameters=number, shared_axes=shared)
    assert layer.negative_slope.shape == shape
    np.testing.assert_array_equal(layer(X), halved(X))
    layer.negative_slope[...] = jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape)
    np.testing.assert_array_equal(layer(X), np.where(X > 0, X, np.asarray(layer.negative_slope[...]) * X))


@pytest.mark.parametrize("param_dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("dtype", [None, jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("given", [jnp.float32, jnp.bfloat16])
def test_dtypes(param_dtype, dtype, given):
    layer = PReLU(0.5, num_parameters=4, param_dtype=param_dtype, dtype=dtype)
    x = jnp.asarray(X, given)
    y = layer(x)
    chex.assert_type(layer.negative_slope[...], param_dtype)
    chex.assert_type(y, dtype or given)
    expected = halved(np.asarray(x.astype(dtype or given), np.float32))
    np.testing.assert_array_equal(
        np.asarray(y, np.float32), np.asarray(jnp.asarray(expected, y.dtype), np.float32)
    )
    gradient = nnx.grad(lambda m: m(x).astype(jnp.float32).sum())(layer)
    chex.assert_type(jax.tree.leaves(gradient), param_dtype)


def test_metadata_goes_to_the_parameter():
    mesh = jax.make_mesh((8,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
    with jax.set_mesh(mesh):
        layer = PReLU(num_parameters=8, negative_slope_metadata={"out_sharding": ("model",), "note": "slopes"})
    assert layer.negative_slope.get_metadata("note") == "slopes"
    assert layer.negative_slope.get_metadata("out_sharding") == ("model",)
    assert len(layer.negative_slope[...].sharding.device_set) == 8


def test_an_initialiser_needs_keys():
    layer = PReLU(nnx.initializers.normal(1.0), num_parameters=64, rngs=nnx.Rngs(0))
    assert float(jnp.std(layer.negative_slope[...])) > 0.5
    with pytest.raises(ValueError, match="needs rngs"):
        PReLU(nnx.initializers.normal(1.0), num_parameters=4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_parameters": None}, ValueError, "num_parameters must be given"),
        ({"shared_axes": (1,)}, ValueError, "num_parameters must be given"),
        ({"num_parameters": 4, "axis": 1, "shared_axes": (1,)}, ValueError, "axis or shared_axes, not both"),
        ({"num_parameters": 0}, ValueError, "at least 1"),
        ({"num_parameters": (3, 4)}, ValueError, "needs shared_axes"),
        ({"num_parameters": 4, "shared_axes": (0,)}, ValueError, "the batch"),
        ({"num_parameters": (3, 4), "shared_axes": (3,)}, ValueError, "axis 3 is out of range"),
        ({"num_parameters": 2.0}, TypeError, "num_parameters must be integers"),
        ({"num_parameters": True}, TypeError, "num_parameters must be integers"),
        ({"axis": "last"}, TypeError, "axis must be integers"),
    ],
)
def test_what_prelu_refuses(options, error, message):
    with pytest.raises(error, match=message):
        PReLU(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_parameters": 5}, r"negative_slope \(5,\) does not fit x \(2, 3, 4\) at axis -1, of size 4"),
        (
            {"num_parameters": 2, "axis": 1},
            r"negative_slope \(2,\) does not fit x \(2, 3, 4\) at axis 1, of size 3",
        ),
        ({"num_parameters": 4, "axis": 3}, r"axis 3 is out of range for x of shape \(2, 3, 4\)"),
        ({"num_parameters": 5, "shared_axes": 1}, r"\(1, 5\) does not fit x \(2, 3, 4\) at axis 2, of size 4"),
        (
            {"num_parameters": (1, 4), "shared_axes": ()},
            r"\(1, 4\) does not fit x \(2, 3, 4\) at axis 1, of size 3",
        ),
        ({"num_parameters": (3,), "shared_axes": ()}, r"\(3,\) does not fit x \(2, 3, 4\) at the axes behind"),
    ],
)
def test_slopes_that_do_not_fit_are_an_error(options, message):
    layer = PReLU(**options)
    with pytest.raises(ValueError, match=message):
        layer(X)


def test_a_checkpoint_of_flaxs_own_loads(tmp_path):
    theirs = nnx.PReLU(0.375)
    ours = PReLU()
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "flax", nnx.to_pure_dict(nnx.state(theirs)))
        checkpointer.wait_until_finished()
        loaded = checkpointer.restore(tmp_path / "flax", nnx.to_pure_dict(nnx.state(ours)))
    state = nnx.state(ours)
    nnx.replace_by_pure_dict(state, loaded)
    nnx.update(ours, state)
    assert float(ours.negative_slope[...]) == 0.375
    np.testing.assert_array_equal(ours(X), theirs(X))
    nnx.update(theirs, nnx.state(PReLU(0.25)))
    assert float(theirs.negative_slope[...]) == 0.25


class Network(nnx.Module):
    def __init__(self, seed):
        rngs = nnx.Rngs(seed)
        self.hidden = Linear(4, 8, activation=PReLU(num_parameters=8), rngs=rngs)
        self.out = Linear(8, 1, rngs=rngs)

    def __call__(self, x):
        return self.out(self.hidden(x))

    @property
    def slopes(self):
        return np.asarray(self.hidden.activation.negative_slope[...])


@nnx.jit
def train_step(model, optimizer, x, y):
    loss, gradients = nnx.value_and_grad(lambda m: jnp.mean((m(x) - y) ** 2))(model)
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        optimizer.update(model, gradients)
    return loss


def test_prelu_trains_is_saved_is_restored_and_goes_on(tmp_path):
    x = jax.random.normal(jax.random.key(1), (64, 4))
    y = jnp.abs(x).sum(1, keepdims=True)

    def train(model, optimizer, steps):
        return [float(train_step(model, optimizer, x, y)) for _ in range(steps)]

    model = Network(0)
    optimizer = nnx.Optimizer(model, optax.adam(0.02), wrt=nnx.Param)
    losses = train(model, optimizer, 30)
    assert losses[-1] < losses[0] / 2
    assert (abs(model.slopes - np.float32(0.01)) > 1e-3).all(), "every slope moves"

    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "saved", nnx.to_pure_dict(nnx.state((model, optimizer))))
        checkpointer.wait_until_finished()
        other = Network(7)
        resumed = nnx.Optimizer(other, optax.adam(0.02), wrt=nnx.Param)
        state = nnx.state((other, resumed))
        nnx.replace_by_pure_dict(state, checkpointer.restore(tmp_path / "saved", nnx.to_pure_dict(state)))
        nnx.update((other, resumed), state)
    np.testing.assert_array_equal(other.slopes, model.slopes)
    assert train(other, resumed, 10) == train(model, optimizer, 10)
    chex.assert_trees_all_equal(nnx.state(other), nnx.state(model))


# -- Linear and Conv ---------------------------------------------------------------------------------------------

LAYERS = {
    "linear": (lambda m, **kw: m.Linear(4, 5, rngs=nnx.Rngs(0), **kw), X),
    "conv": (lambda m, **kw: m.Conv(4, 5, 3, rngs=nnx.Rngs(0), **kw), X),
    "conv2d": (lambda m, **kw: m.Conv(4, 5, (2, 2), strides=2, use_bias=False, rngs=nnx.Rngs(0), **kw), X[None]),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(
    "activation", ["relu", jnp.tanh, Activation("leaky_relu", negative_slope=0.5), PReLU(0.5)]
)
def test_a_layer_is_flaxs_followed_by_the_activation(kind, activation):
    make, x = LAYERS[kind]
    theirs, ours = make(nnx), make(jaxact.nnx, activation=activation)
    np.testing.assert_array_equal(ours(x), Activation(activation)(theirs(x)))
    np.testing.assert_array_equal(make(jaxact.nnx)(x), theirs(x))


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layers_state_is_flaxs(kind):
    make, _ = LAYERS[kind]
    theirs, ours = make(nnx), make(jaxact.nnx, activation="relu")
    chex.assert_trees_all_equal(nnx.to_pure_dict(nnx.state(ours)), nnx.to_pure_dict(nnx.state(theirs)))
    nnx.update(ours, nnx.state(theirs))


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_pickles_and_refuses_unknown_names(kind):
    make, x = LAYERS[kind]
    ours = make(jaxact.nnx, activation="relu")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ours))(x), ours(x))
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        make(jaxact.nnx, activation="rely")
    assert isinstance(ours, (Linear, Conv))
