"""Networks of the modules train, scanned over layers and sharded over devices, alike in Linen and in NNX."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import jaxact.linen as ours
from jaxact import nnx as room

DEPTH, WIDTH, HIDDEN, STEPS = 3, 8, 16, 30
X = jax.random.normal(jax.random.key(1), (64, WIDTH))
Y = jnp.abs(X) + jnp.roll(X, 1, axis=1) ** 2
OPTIMIZER = optax.adam(0.01)
AXES = {"kernel": (None, "model"), "down_kernel": ("model", None)}


# -- the same network twice: blocks of a parametric activation and a gated MLP, scanned --------------------------


class LinenBlock(nn.Module):
    partitioned: bool

    @nn.compact
    def __call__(self, x, _):
        init = nn.initializers.lecun_normal()
        wrap = nn.with_partitioning if self.partitioned else lambda init, _: init
        inits = {f"{n}_init": wrap(init, axes) for n, axes in AXES.items()}
        h = ours.SReLU(num_parameters=WIDTH, name="act")(x)
        return x + ours.GatedMLP(WIDTH, HIDDEN, "gelu", name="mlp", **inits)(h), None


class Linen(nn.Module):
    partitioned: bool = False

    @nn.compact
    def __call__(self, x):
        scanned = nn.scan(
            LinenBlock,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=DEPTH,
            metadata_params={nn.PARTITION_NAME: None},
        )
        x, _ = scanned(self.partitioned, name="blocks")(x, None)
        return ours.Dense(WIDTH, name="out")(x)


class Block(nnx.Module):
    def __init__(self, rngs):
        self.act = room.SReLU(num_parameters=WIDTH)
        self.mlp = room.GatedMLP(WIDTH, HIDDEN, "gelu", rngs=rngs)

    def __call__(self, x):
        return x + self.mlp(self.act(x))


class NNX(nnx.Module):
    def __init__(self, rngs):
        @nnx.split_rngs(splits=DEPTH)
        @nnx.vmap(in_axes=0, out_axes=0)
        def blocks(rngs):
            return Block(rngs)

        self.blocks = blocks(rngs)
        self.out = room.Linear(WIDTH, WIDTH, rngs=rngs)

    def __call__(self, x):
        @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        def through(x, block):
            return block(x)

        return self.out(through(x, self.blocks))


def loss_of(y):
    return jnp.mean((y - Y) ** 2)


@functools.partial(jax.jit, static_argnums=0)
def linen_step(network, variables, state):
    loss, gradient = jax.value_and_grad(lambda v: loss_of(network.apply(v, X)))(variables)
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        updates, state = OPTIMIZER.update(gradient, state)
    return optax.apply_updates(variables, updates), state, loss


@nnx.jit
def nnx_step(model, optimizer):
    loss, gradients = nnx.value_and_grad(lambda m: loss_of(m(X)))(model)
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        optimizer.update(model, gradients)
    return loss


def train_linen(network, variables):
    state, losses = OPTIMIZER.init(variables), []
    for _ in range(STEPS):
        variables, state, loss = linen_step(network, variables, state)
        losses.append(float(loss))
    return variables, losses


def train_nnx(model):
    optimizer = nnx.Optimizer(model, OPTIMIZER, wrt=nnx.Param)
    return [float(nnx_step(model, optimizer)) for _ in range(STEPS)]


def test_a_scanned_network_trains_alike_in_both():
    network = Linen()
    first = jax.jit(network.init)(jax.random.key(0), X)
    model = nnx.jit(NNX)(nnx.Rngs(7))
    room.from_linen(model, first)
    trained, losses = train_linen(network, first)
    assert losses[-1] < 0.5 * losses[0]
    np.testing.assert_allclose(train_nnx(model), losses, rtol=1e-3)
    before, after = (v["params"]["blocks"]["act"] for v in (first, trained))
    assert len(after) == 4
    for name, value in after.items():
        assert value.shape[0] == DEPTH, "one for each layer"
        assert (np.abs(value - before[name]) > 1e-4).all(), f"every {name} moves"


def test_parameters_sharded_over_devices_train_to_the_same_losses():
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    network = Linen(partitioned=True)
    plain = jax.jit(Linen().init)(jax.random.key(0), X)
    _, losses = train_linen(Linen(), plain)
    with jax.set_mesh(mesh):
        specs = nn.get_partition_spec(jax.eval_shape(network.init, jax.random.key(0), X))
        shardings = jax.tree.map(lambda s: jax.sharding.NamedSharding(mesh, s), specs)
        sharded = jax.device_put(plain, shardings)
        trained, found = train_linen(network, sharded)
    np.testing.assert_allclose(found, losses, rtol=1e-3)
    kernels = {n: v["kernel"] for n, v in trained["params"]["blocks"]["mlp"].items()}
    assert kernels["gate_up"].sharding.shard_shape(kernels["gate_up"].shape) == (DEPTH, WIDTH, 2 * HIDDEN // 4)
    assert kernels["down"].sharding.shard_shape(kernels["down"].shape) == (DEPTH, HIDDEN // 4, WIDTH)


def test_nnx_parameters_sharded_over_devices_train():
    mesh = jax.make_mesh((8,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))

    class Network(nnx.Module):
        def __init__(self, rngs):
            across, along = {"out_sharding": (None, "model")}, {"out_sharding": ("model",)}
            self.first = room.Linear(WIDTH, HIDDEN, rngs=rngs, kernel_metadata=across, bias_metadata=along)
            self.act = room.SwishBeta(num_parameters=HIDDEN, beta_metadata=along)
            down = {"out_sharding": ("model", None)}
            self.mlp = room.GatedMLP(
                WIDTH,
                HIDDEN,
                packed=False,
                in_features=HIDDEN,
                kernel_metadata=across,
                down_kernel_metadata=down,
                rngs=rngs,
            )

        def __call__(self, x):
            return self.mlp(self.act(self.first(x)))

    with jax.set_mesh(mesh):
        model = Network(nnx.Rngs(0))
        losses = train_nnx(model)
    assert losses[-1] < 0.5 * losses[0]
    assert model.act.beta[...].sharding.shard_shape((HIDDEN,)) == (HIDDEN // 8,)
    assert model.mlp.gate.kernel[...].sharding.shard_shape((HIDDEN, HIDDEN)) == (HIDDEN, HIDDEN // 8)
    assert (np.abs(model.act.beta[...] - 1.0) > 1e-3).all()
