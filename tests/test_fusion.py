"""Activations stay inside their neighbours' fusions: ``act(x @ w + b)`` compiles to no more than jax.nn's does."""

import inspect
import re

import jax
import jax.numpy as jnp
import pytest
from cases import DEFAULTS, builtin

import jaxact

SHARED = [n for n in builtin() if hasattr(jax.nn, n) and "x" in inspect.signature(getattr(jax.nn, n)).parameters]


def instructions(function, *args) -> int:
    """What the compiled program runs one after the other: fusions, calls and the like, not data movement."""
    text = jax.jit(function).lower(*args).compile().as_text()
    entry = text[text.index("ENTRY") :]
    skipped = "parameter|constant|tuple|get-tuple-element|bitcast"
    return len(re.findall(rf"= \S+ (?!(?:{skipped})\()[\w-]+\(", entry))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=["f32", "bf16"])
@pytest.mark.parametrize("name", SHARED)
def test_layer_compiles_to_no_more_than_with_jax_nn(name, dtype):
    x, w, b = jnp.ones((64, 32), dtype), jnp.ones((32, 48), dtype), jnp.ones((48,), dtype)

    def layer(act):
        return lambda x, w, b: act(x @ w + b)

    assert instructions(layer(getattr(jaxact, name)), x, w, b) <= instructions(
        layer(getattr(jax.nn, name)), x, w, b
    )


@pytest.mark.parametrize("case", [c for c in DEFAULTS if not c.definition.facts.passes], ids=str)
def test_a_derivative_is_one_pass_through_memory(case):
    x = jnp.ones((64, 32))
    assert instructions(lambda x, t: jax.vjp(case, x)[1](t), x, x) == 1


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=["f32", "bf16"])
@pytest.mark.parametrize("case", [c for c in DEFAULTS if not c.definition.facts.passes], ids=str)
def test_value_and_derivative_are_two_passes(case, dtype):
    """In one jit nothing is kept of the value for the derivative: that would be a third pass."""
    x = jnp.ones((64, 32), dtype)

    def both(x, t):
        y, pull = jax.vjp(case, x)
        return y, pull(t)

    assert instructions(both, x, x) <= 2


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu", "hard_tanh", "clip"])
def test_lines_lower_to_max_and_clamp(name):
    text = jax.jit(jaxact.get(name)).lower(jnp.ones(8)).as_text()
    assert "stablehlo.maximum" in text or "stablehlo.clamp" in text
    assert "stablehlo.select" not in text
