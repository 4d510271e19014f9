"""Activations where users have them: between matrix products, forward and with all gradients, in bfloat16."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import jaxact
from benchmarks.gpu import plain
from benchmarks.gpu.case import Case, Operand, both_directions

Array = jax.Array
DTYPE = "bfloat16"
OFF = 0.03  # of the largest result: what matrix products in bfloat16 cost


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Those of a block of a language model."""

    tokens: int = 8192
    model: int = 4096
    hidden: int = 11008
    heads: int = 32
    length: int = 4096
    head: int = 128


def cases(sizes: Sizes) -> list[Case]:
    """The MLP, the gated MLP and attention."""
    return [*_mlp(sizes), *_gated_mlp(sizes), *_attention(sizes)]


def _with(block: Callable[..., Array], activation: Callable[..., Array]) -> Callable[..., Array]:
    """A block whose activation is jaxact's."""

    def run(*operands: Array, implementation: Any) -> Array:
        return block(lambda x: activation(x, implementation=implementation), *operands)

    return run


def _pair(part: str, block: Callable[..., Array], own: Any, by_hand: Any, operands: Any, worth: int) -> list[Case]:
    return both_directions(
        ("forward", "gradient"),
        part="context",
        name=part,
        operands=operands,
        function=_with(block, own),
        plain=lambda *v: block(by_hand, *v),
        worth=worth,
        in_context=True,
        tolerance=OFF,
    )


def _weights(*shape: int) -> Operand:
    return Operand(shape, DTYPE, scale=shape[-2] ** -0.5)


def _feed_forward(activation: Callable[[Array], Array], x: Array, up: Array, bias: Array, down: Array) -> Array:
    return activation(x @ up + bias) @ down


def _mlp(sizes: Sizes) -> list[Case]:
    operands = (
        Operand((sizes.tokens, sizes.model), DTYPE),
        _weights(sizes.model, sizes.hidden),
        Operand((sizes.hidden,), DTYPE, scale=0.1),
        _weights(sizes.hidden, sizes.model),
    )
    found = []
    for name, worth in (("gelu", 1), ("silu", 4), ("relu", 4), ("mish", 6)):
        acts = getattr(jaxact, name), getattr(jax.nn, name)
        found += _pair(f"MLP {name}", _feed_forward, *acts, operands, worth)
    return found


def _gated_mlp(sizes: Sizes) -> list[Case]:
    def block(activation: Callable[[Array], Array], x: Array, packed: Array, down: Array) -> Array:
        return activation(x @ packed) @ down

    operands = (
        Operand((sizes.tokens, sizes.model), DTYPE),
        _weights(sizes.model, 2 * sizes.hidden),
        _weights(sizes.hidden, sizes.model),
    )
    found = []
    for name, worth in (("swiglu", 1), ("geglu", 3)):
        found += _pair(f"GatedMLP {name}", block, getattr(jaxact, name), plain.gated(name), operands, worth)

    def linear(activation: Callable[[Array], Array], x: Array, packed: Array) -> Array:
        return activation(x @ packed)

    unit = _pair("gated linear unit swiglu", linear, jaxact.swiglu, plain.gated("swiglu"), operands[:2], 3)
    return [*found, *unit]


def _attention(sizes: Sizes) -> list[Case]:
    def block(activation: Callable[[Array], Array], q: Array, k: Array, v: Array) -> Array:
        logits = jnp.einsum("hqd,hkd->hqk", q, k) * q.shape[-1] ** -0.5
        return jnp.einsum("hqk,hkd->hqd", activation(logits), v)

    operands = (Operand((sizes.heads, sizes.length, sizes.head), DTYPE),) * 3
    found = []
    for name, worth in (("softmax", 1), ("entmax15", 3)):
        found += _pair(f"attention {name}", block, getattr(jaxact, name), plain.ROWWISE[name], operands, worth)
    return found
