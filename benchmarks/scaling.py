"""Time over sizes, over row lengths and over devices: everything is linear, and devices need no collective."""

import functools
import json
import math
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxact
from benchmarks.report import Report
from jaxact._src.timing import interleaved

SIZES = [2**k for k in range(10, 29, 2)]  # 1k to 256M
ROWS = [2**k for k in range(6, 20)]  # 64 to 512k
DEVICES = (1, 2, 4, 8)
ELEMENTS = 2**20
ELEMENTWISE = {"gelu": jaxact.gelu, "softplus": jaxact.softplus, "relu": jaxact.relu}
ROWWISE = {"softmax": jaxact.softmax, "log_softmax": jaxact.log_softmax, "sparsemax": jaxact.sparsemax}
METHOD = (
    "Nanoseconds an element, value and gradient in one jitted program, median; elementwise over the size, rowwise "
    f"over the length of a row at {ELEMENTS} elements in all. float32."
)
DEVICE_METHOD = (
    f"Value and gradient of {ELEMENTS} elements sharded over CPU devices of one process, and the collectives in "
    "the compiled programs. The devices share the cores, so time shows no gain."
)


def sizes(*, quick: bool = False) -> Report:
    """Elementwise over sizes, rowwise over lengths."""
    rows = []
    for name, act in ELEMENTWISE.items():
        rows += [[name, "size", n, _nanoseconds(act, (n,))] for n in (SIZES[:2] if quick else SIZES)]
    for name, act in ROWWISE.items():
        lengths = ROWS[:2] if quick else ROWS
        rows += [
            [name, "row", n, _nanoseconds(act, (max(ELEMENTS // n // (64 if quick else 1), 1), n))]
            for n in lengths
        ]
    found = []
    for name in (*ELEMENTWISE, *ROWWISE):
        large = [r[3] for r in rows if r[0] == name and (r[1] == "row" or r[2] >= 2**20)] or [1.0]
        since = " from 1M on" if name in ELEMENTWISE else ""
        found.append(f"{name}: {min(large):.2f} to {max(large):.2f} ns an element{since}")
    return Report("Over sizes and rows", METHOD, ["activation", "over", "n", "ns"], rows, found)


def _nanoseconds(act: Callable[[Any], Any], shape: tuple[int, ...]) -> float:
    x = jnp.linspace(-4.0, 4.0, math.prod(shape)).reshape(shape)
    run = jax.jit(functools.partial(_value_and_gradient, act))
    number = max(1, 2**20 // x.size)
    seconds = interleaved({"own": lambda: jax.block_until_ready(run(x))}, rounds=5, number=number)["own"]
    return 1e9 * statistics.median(seconds) / x.size


def devices(*, quick: bool = False) -> Report:
    """One to eight CPU devices, each count in a process of its own, since JAX fixes it when it starts."""
    rows = []
    for count in DEVICES[:2] if quick else DEVICES:
        environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={count}"}
        command = [sys.executable, "-m", "benchmarks.scaling", str(count)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        rows += json.loads(done.stdout)
    found = [f"{sum(r[3] for r in rows)} collectives in all programs"]
    return Report("Over devices", DEVICE_METHOD, ["activation", "devices", "ns", "collectives"], rows, found)


def _on_devices(count: int) -> list[list[Any]]:
    mesh = jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,))
    rows = []
    for name, act in (ELEMENTWISE | ROWWISE).items():
        x = jnp.linspace(-4.0, 4.0, ELEMENTS).reshape(-1, 256)
        sharded = jax.device_put(x, NamedSharding(mesh, P("data", None)))
        compiled = jax.jit(functools.partial(_value_and_gradient, act)).lower(sharded).compile()
        seconds = interleaved(
            {"own": lambda f=compiled, v=sharded: jax.block_until_ready(f(v))}, rounds=5, number=1
        )
        collectives = len(
            re.findall(
                r" (?:all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute)(?:-start)?\(",
                compiled.as_text(),
            )
        )
        rows.append([name, count, 1e9 * statistics.median(seconds["own"]) / x.size, collectives])
    return rows


def _value_and_gradient(act: Callable[[Any], Any], x: jax.Array) -> Any:
    y, pull = jax.vjp(act, x)
    return y, pull(x)[0]


if __name__ == "__main__":
    print(json.dumps(_on_devices(int(sys.argv[1]))))
