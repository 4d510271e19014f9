"""Networks that benchmarks compile: twelve or more layers of an MLP or a gated MLP around an activation."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Activation = Callable[[jax.Array], jax.Array]
KINDS = ("MLP", "gated MLP")


def gradient(kind: str, act: Activation, layers: int, *, scanned: bool) -> Callable[..., Any]:
    """The gradient of a mean in the weights, as a function of (weights, x)."""
    layer = _mlp(act) if kind == "MLP" else _gated(act)

    def loss(weights: Any, x: jax.Array) -> jax.Array:
        if scanned:
            x, _ = jax.lax.scan(lambda c, w: (layer(c, w), None), x, weights)
        else:
            for i in range(layers):
                x = layer(x, jax.tree.map(lambda w, i=i: w[i], weights))
        return jnp.mean(x.astype(jnp.float32))

    return jax.grad(loss)


def arguments(kind: str, layers: int, rows: int, width: int, dtype: Any) -> tuple[Any, jax.ShapeDtypeStruct]:
    """Shapes of the weights, stacked over the layers, and of x."""
    names = ("up", "down") if kind == "MLP" else ("gate", "up", "down")
    hidden = 4 * width
    shapes = {n: (layers, hidden, width) if n == "down" else (layers, width, hidden) for n in names}
    weights = {n: jax.ShapeDtypeStruct(s, dtype) for n, s in shapes.items()}
    return weights, jax.ShapeDtypeStruct((rows, width), dtype)


def _mlp(act: Activation) -> Callable[..., jax.Array]:
    return lambda x, w: x + act(x @ w["up"]) @ w["down"]


def _gated(act: Activation) -> Callable[..., jax.Array]:
    return lambda x, w: x + (act(x @ w["gate"]) * (x @ w["up"])) @ w["down"]
