"""What jaxact costs beside the arithmetic: an eager call, importing it, and compiling a deep network.

XLA's CPU client runs a program of less than 1000 operations where it is called, and hands a larger one to a
thread, which costs about as much again whoever wrote it. So each activation is compared with a jitted function of
jax.nn on its own side of that limit: `silu` of 8 elements, or of as many as make 1000 operations.
"""

import functools
import itertools
import math
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp

import jaxact
from benchmarks import models
from benchmarks.cpu import activations
from benchmarks.report import Report
from jaxact._src import overview
from jaxact._src.timing import interleaved, ratio

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


INLINE = 1000  # operations from which XLA's CPU client runs a program in another thread
SMALL, LARGE = "jax.jit(jax.nn.silu)", "the same, of 1000 operations"


def eager(*, quick: bool = False) -> Report:
    """Time every activation with its defaults against a jitted `jax.nn.silu`, and that against itself."""
    x = jnp.linspace(-1.0, 1.0, 8)
    silu = jax.jit(jax.nn.silu)
    enough = jnp.linspace(-1.0, 1.0, 8 * math.ceil(INLINE / _operations(silu, x)))
    calls = {SMALL: functools.partial(silu, x), "the same again": functools.partial(silu, x)}
    calls[LARGE] = functools.partial(silu, enough)
    inline = dict.fromkeys(calls, True) | {LARGE: False}
    for name, activation in list(activations().items())[: 3 if quick else None]:
        calls[name] = functools.partial(activation, x, **overview.required(activation))
        inline[name] = _operations(jax.jit(lambda x, call=calls[name]: call.func(x, **call.keywords)), x) < INLINE
    rounds, number = (3, 20) if quick else (300, 50)  # short rounds: a preempted one is an outlier
    seconds = interleaved(calls, rounds=rounds, number=number, title="eager calls")
    rows = []
    for name, own in seconds.items():
        middle, spread = ratio(own, seconds[SMALL if inline[name] else LARGE])
        rows.append([name, 1e6 * statistics.median(own), ratio(own, seconds[SMALL])[0], middle, spread])
    milliseconds = import_time(1 if quick else 7) / 1000
    worst = max(rows, key=lambda r: r[3])
    findings = [
        f"at most {worst[3]:.2f} times a jitted function of jax.nn on its side of XLA's limit ({worst[0]})",
        f"{sum(not v for v in inline.values()) - 1} activations have 1000 operations and more for 8 elements",
        f"importing jaxact adds {milliseconds:.0f} ms to importing jax, best of several processes",
    ]
    method = (
        f"{rounds} interleaved rounds of {number} calls; median ratios to {SMALL} of 8 elements, and to that on "
        f"the same side of the {INLINE} operations from which XLA's CPU client runs a program in another thread."
    )
    columns = ["activation", "µs", "to silu", "to its like", "±"]
    return Report("Eager call on float32[8]", method, columns, rows, findings)


def _operations(function: Any, x: jax.Array) -> float:
    """As XLA counts them."""
    return function.lower(x).compile().cost_analysis().get("flops", 0.0)


LAYERS = 48
STAGES = ("trace", "lower", "compile")


def staging(*, quick: bool = False) -> Report:
    """Trace, lower and compile the gradient of a deep network, unrolled, with jaxact's gelu and with jax.nn's."""
    layers, rounds = (3, 2) if quick else (LAYERS, 5)
    rows = []
    for kind in models.KINDS:
        functions = {"jaxact": jaxact.gelu, "jax.nn": jax.nn.gelu}
        seconds: dict[str, list[list[float]]] = {name: [] for name in functions}
        for _ in range(rounds):
            for name, act in functions.items():
                seconds[name].append(_stages(kind, act, layers))
        for i, stage in enumerate((*STAGES, "all")):
            own, theirs = ([s[i] if i < 3 else sum(s) for s in seconds[name]] for name in functions)
            middle, spread = ratio(own, theirs) if rounds > 1 else (own[0] / theirs[0], 0.0)
            rows.append(
                [kind, stage, 1e3 * statistics.median(own), 1e3 * statistics.median(theirs), middle, spread]
            )
    method = (
        f"Gradient of {layers} layers around gelu, unrolled, traced, lowered and compiled for the CPU {rounds} "
        "times in turn, caches cleared; ms, and the median ratio."
    )
    findings = [f"{r[0]}, all three: {r[4]:.2f} ±{r[5]:.2f} times jax.nn" for r in rows if r[1] == "all"]
    return Report(
        "Tracing, lowering, compiling",
        method,
        ["network", "stage", "jaxact", "jax.nn", "ratio", "±"],
        rows,
        findings,
    )


def _stages(kind: str, act: Any, layers: int) -> list[float]:
    jax.clear_caches()
    program = jax.jit(models.gradient(kind, act, layers, scanned=False))
    times = [time.perf_counter()]
    traced = program.trace(*models.arguments(kind, layers, 64, 64, jnp.float32))
    times.append(time.perf_counter())
    lowered = traced.lower()
    times.append(time.perf_counter())
    lowered.compile()
    times.append(time.perf_counter())
    return [b - a for a, b in itertools.pairwise(times)]
