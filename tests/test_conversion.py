"""Variables of Linen in NNX and back: the same outputs, the same metadata."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from modules import KEY

import jaxact.linen as ours
from jaxact import nnx as room

X = np.asarray(jax.random.normal(jax.random.key(1), (2, 8, 4)))


class Linen(nn.Module):
    """Every kind of layer, with a list and a module inside a layer."""

    @nn.compact
    def __call__(self, x, training=False):
        x = ours.Dense(6, activation=ours.SReLU(num_parameters=None, parent=None), name="first")(x)
        x = ours.Conv(6, 3, activation="relu", name="conv")(x)
        for i in range(2):
            x = ours.Dense(6, activation=ours.PReLU(parent=None), name=f"blocks_{i}")(x)
        x = ours.Dice(name="dice")(x, use_running_average=not training)
        x = ours.Activation(ours.AconC(num_parameters=None, parent=None), name="act")(x)
        return ours.GatedMLP(4, 6, "geglu", name="mlp")(x)


class NNX(nnx.Module):
    def __init__(self, rngs):
        self.first = room.Linear(4, 6, activation=room.SReLU(num_parameters=6), rngs=rngs)
        self.conv = room.Conv(6, 6, 3, activation="relu", rngs=rngs)
        self.blocks = nnx.List([room.Linear(6, 6, activation=room.PReLU(), rngs=rngs) for _ in range(2)])
        self.dice = room.Dice(num_parameters=6, use_running_average=True)
        self.act = room.Activation(room.AconC(num_parameters=6))
        self.mlp = room.GatedMLP(4, 6, "geglu", in_features=6, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs, deterministic=True)  # its random state stays out

    def __call__(self, x):
        x = self.conv(self.first(x))
        for block in self.blocks:
            x = block(x)
        return self.dropout(self.mlp(self.act(self.dice(x))))


def moved(variables):
    """Values that no initialiser gives."""
    leaves, tree = jax.tree.flatten(variables)
    rng = np.random.default_rng(0)
    return tree.unflatten([np.abs(rng.normal(size=v.shape)).astype(v.dtype) for v in leaves])


def test_a_network_there_and_back():
    variables = moved(Linen().init(KEY, X))
    network = NNX(nnx.Rngs(0))
    room.from_linen(network, variables)
    np.testing.assert_allclose(network(X), Linen().apply(variables, X), rtol=1e-5, atol=1e-6)
    again = room.to_linen(network)
    jax.tree.map(np.testing.assert_array_equal, again, variables)
    assert set(again) == {"params", "batch_stats"}
    other = NNX(nnx.Rngs(7))
    room.from_linen(other, room.to_linen(network))
    np.testing.assert_array_equal(other(X), network(X))


@pytest.mark.parametrize("box", [nn.with_partitioning, nn.with_logical_partitioning])
def test_partitioning_is_kept_in_its_box(box):
    layer = ours.SReLU(num_parameters=None, a_left_init=box(nn.initializers.constant(0.5), ("model",)))
    variables = layer.init(KEY, X)
    module = room.SReLU(num_parameters=4)
    for _ in range(2):  # nothing is taken apart
        room.from_linen(module, variables)
    assert module.a_left.get_metadata("out_sharding") == ("model",)
    assert "out_sharding" not in module.t_left.get_metadata()
    again = room.to_linen(module)["params"]
    assert type(again["a_left"]) is type(variables["params"]["a_left"])
    assert again["a_left"].names == ("model",)
    np.testing.assert_array_equal(again["a_left"].value, np.full(4, 0.5, np.float32))
    assert nn.get_partition_spec(again)["a_left"] == jax.P("model")
    np.testing.assert_array_equal(layer.apply({"params": again}, X), module(X))


def test_metadata_of_nnx_is_kept():
    plain = {"out_sharding": ("model",), "eager_sharding": False}
    module = room.SReLU(num_parameters=4, a_left_metadata=plain, t_left_metadata={**plain, "note": "left"})
    variables = room.to_linen(module)
    assert isinstance(variables["params"]["a_left"], nn.Partitioned)
    assert nn.get_partition_spec(variables)["params"]["t_left"] == jax.P("model")
    np.testing.assert_array_equal(ours.SReLU(num_parameters=4).apply(variables, X), module(X))
    other = room.SReLU(num_parameters=4)
    room.from_linen(other, variables)
    assert other.t_left.get_metadata("note") == "left"
    assert other.t_left.get_metadata("out_sharding") == ("model",)
    assert other.a_left.get_metadata("out_sharding") == ("model",)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "lack params/beta"),
        ({"params": {"beta": jnp.ones(4), "gamma": jnp.ones(4)}}, "have in excess params/gamma"),
        ({"params": {"beta": jnp.ones(3)}}, r"params/beta has shape \(3,\), the module's \(4,\)"),
    ],
)
def test_variables_of_another_layout_are_an_error(variables, message):
    module = room.SwishBeta(0.5, num_parameters=4)
    with pytest.raises(ValueError, match=message):
        room.from_linen(module, variables)
    np.testing.assert_array_equal(module.beta[...], np.full(4, 0.5, np.float32))
