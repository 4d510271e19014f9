"""The functions that a user would write in plain jnp, or take from jax.nn: what jaxact is compared with."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

import jax
import jax.numpy as jnp

from benchmarks.peers import Library

Array = jax.Array
Function = Callable[..., Array]

# Where jax.nn has none.
_FORMULAS: Final[Mapping[str, Function]] = {
    "quick_gelu": lambda x: x * jax.nn.sigmoid(1.702 * x),
    "hard_shrink": lambda x: jnp.where(jnp.abs(x) > 0.5, x, 0),
    "soft_shrink": lambda x: jnp.sign(x) * jax.nn.relu(jnp.abs(x) - 0.5),
    "tanh_shrink": lambda x: x - jnp.tanh(x),
    "relu_squared": lambda x: jnp.square(jax.nn.relu(x)),
    "exponential": jnp.exp,
    "lisht": lambda x: x * jnp.tanh(x),
    "telu": lambda x: x * jnp.tanh(jnp.exp(x)),
    "serf": lambda x: x * jax.lax.erf(jax.nn.softplus(x)),
    "bent_identity": lambda x: (jnp.sqrt(x * x + 1) - 1) / 2 + x,
    "snake": lambda x: x + jnp.square(jnp.sin(x)),
}


def elementwise(name: str, parameters: Mapping[str, Any]) -> Function | str:
    """The plain form of an elementwise activation, or why there is none."""
    found = Library("jax.nn", "jax").find(name, parameters) or (None if parameters else _FORMULAS.get(name))
    return found or f"jax.nn has no {name}"


def is_of_jax_nn(function: Function | str) -> bool:
    """Whether a plain form is jax.nn's own."""
    module = inspect.getmodule(getattr(function, "func", function))
    return module is not None and module.__name__.startswith("jax.")


def sparsemax(x: Array) -> Array:
    """By sorting, as in the paper (arXiv:1602.02068)."""
    z = x.astype(jnp.float32)
    z = z - jnp.max(z, axis=-1, keepdims=True)
    down = -jnp.sort(-z, axis=-1)
    count = jnp.arange(1, x.shape[-1] + 1, dtype=jnp.float32)
    sums = jnp.cumsum(down, axis=-1)
    size = jnp.sum(1 + count * down > sums, axis=-1, keepdims=True)
    total = jnp.take_along_axis(sums, size - 1, axis=-1)
    return jax.nn.relu(z - (total - 1) / size.astype(jnp.float32)).astype(x.dtype)


def entmax15(x: Array) -> Array:
    """By sorting, as in arXiv:1905.05702."""
    z = x.astype(jnp.float32) / 2
    z = z - jnp.max(z, axis=-1, keepdims=True)
    down = -jnp.sort(-z, axis=-1)
    count = jnp.arange(1, x.shape[-1] + 1, dtype=jnp.float32)
    mean = jnp.cumsum(down, axis=-1) / count
    spread = jnp.cumsum(down * down, axis=-1) - count * mean * mean
    threshold = mean - jnp.sqrt(jnp.maximum((1 - spread) / count, 1e-20))
    size = jnp.sum(threshold <= down, axis=-1, keepdims=True)
    return jnp.square(jax.nn.relu(z - jnp.take_along_axis(threshold, size - 1, axis=-1))).astype(x.dtype)


def softmax(x: Array, where: Array | None = None) -> Array:
    return jax.nn.softmax(x, axis=-1, where=where)


def log_softmax(x: Array) -> Array:
    return jax.nn.log_softmax(x, axis=-1)


ROWWISE: Final[Mapping[str, Function]] = {
    "softmax": softmax,
    "log_softmax": log_softmax,
    "sparsemax": sparsemax,
    "entmax15": entmax15,
}

GATES: Final[Mapping[str, Function]] = {
    "swiglu": jax.nn.silu,
    "geglu": jax.nn.gelu,
    "reglu": jax.nn.relu,
}


def gated(name: str) -> Function:
    """A gated activation of one packed array, gate first."""

    def run(x: Array) -> Array:
        gate, up = jnp.split(x, 2, axis=-1)
        return GATES[name](gate) * up

    return run


def quantised(activation: Function, dtype: str, block: int | None) -> Callable[[Array], tuple[Array, Array]]:
    """An activation, and its result in eight bits with a scale for each row or block."""
    limit = 127.0 if dtype == "int8" else float(jnp.finfo(dtype).max)

    def run(x: Array) -> tuple[Array, Array]:
        h = activation(x.astype(jnp.float32))
        blocks = h.reshape(*h.shape[:-1], -1, block or h.shape[-1])
        scale = jnp.maximum(jnp.max(jnp.abs(blocks), axis=-1, keepdims=True), 1e-30) / limit
        q = blocks / scale
        q = jnp.round(q) if dtype == "int8" else q
        return q.astype(dtype).reshape(h.shape), scale[..., 0]

    return run
