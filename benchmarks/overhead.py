"""What an eager call costs beside a jitted function of ``jax.nn``, on an array too small to compute anything."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.timing import interleaved, ratio
from jaxact._src import catalogue

NUMBERS = (0.5, 2.0)  # for parameters without a default


def run(*, quick: bool = False) -> dict[str, Any]:
    """Time every activation with its defaults against ``jax.jit(jax.nn.silu)``, and that against itself."""
    x = jnp.linspace(-1.0, 1.0, 8)
    base = jax.jit(jax.nn.silu)
    calls = {"jax.jit(jax.nn.silu)": functools.partial(base, x), "the same again": functools.partial(base, x)}
    for name, activation in catalogue.activations().items():
        required = [p for p in activation.definition.parameters.values() if p.required]
        calls[name] = functools.partial(activation, x, *NUMBERS[: len(required)])
    rounds, number = (3, 20) if quick else (300, 50)  # short rounds: a preempted one is an outlier
    seconds = interleaved(calls, rounds=rounds, number=number, title="eager calls")
    reference = seconds["jax.jit(jax.nn.silu)"]
    rows = []
    for name, own in seconds.items():
        middle, spread = ratio(own, reference)
        rows.append([name, 1e6 * sorted(own)[len(own) // 2], middle, spread])
    return {
        "title": "Eager call on float32[8]",
        "method": f"{rounds} interleaved rounds of {number} calls; ratio to jax.jit(jax.nn.silu), median ± spread",
        "columns": ["name", "µs", "ratio", "±"],
        "rows": rows,
    }
