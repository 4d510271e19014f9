"""What an eager call costs beside a jitted function of ``jax.nn``, on an array too small to compute anything."""

import functools
import os
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp

from jaxact._src import catalogue
from jaxact._src.function import Elementwise
from jaxact._src.timing import interleaved, ratio

NUMBERS = (0.5, 2.0, 1.0, 1.5)  # for parameters without a default


IMPORT = "import jax, time; t = time.perf_counter(); import jaxact; print(1e6 * (time.perf_counter() - t))"


def import_time(processes: int) -> float:
    """Microseconds that importing jaxact adds to importing jax: the best of some processes."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # compiled files count
    command = [sys.executable, "-c", IMPORT]
    runs = [
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        for _ in range(processes + 1)  # the first writes them
    ]
    return min(float(r.stdout) for r in runs[1:])


def run(*, quick: bool = False) -> dict[str, Any]:
    """Time every activation with its defaults against ``jax.jit(jax.nn.silu)``, and that against itself."""
    x = jnp.linspace(-1.0, 1.0, 8)
    base = jax.jit(jax.nn.silu)
    calls = {"jax.jit(jax.nn.silu)": functools.partial(base, x), "the same again": functools.partial(base, x)}
    for name, activation in catalogue.activations().items():
        if not isinstance(activation, Elementwise):
            continue  # a row's programs are no longer all overhead
        required = [p for p in activation.definition.parameters.values() if p.required]
        calls[name] = functools.partial(activation, x, *NUMBERS[: len(required)])
    rounds, number = (3, 20) if quick else (300, 50)  # short rounds: a preempted one is an outlier
    seconds = interleaved(calls, rounds=rounds, number=number, title="eager calls")
    reference = seconds["jax.jit(jax.nn.silu)"]
    rows = []
    for name, own in seconds.items():
        middle, spread = ratio(own, reference)
        rows.append([name, 1e6 * sorted(own)[len(own) // 2], middle, spread])
    milliseconds = import_time(1 if quick else 7) / 1000
    return {
        "title": "Eager call on float32[8]",
        "method": f"{rounds} interleaved rounds of {number} calls; median ratio to jax.jit(jax.nn.silu); "
        f"importing jaxact adds {milliseconds:.0f} ms to importing jax, best of several processes",
        "columns": ["name", "µs", "ratio", "±"],
        "rows": rows,
    }
