"""Many shapes, dtypes, parameters and activations of the user's own for minutes: caches stay bounded, memory flat.

``python tests/soak.py --minutes 20``. First the caches of jaxact are filled to their bounds: what they hold is
taken once. Then each round calls what no round has called before, and every few rounds the compiled programs
are dropped, as a long-running process may with ``jax.clear_caches()``. XLA keeps a little of every program,
whoever's it is: a quarter of the time goes to rounds of the same kind over jax.nn alone, the control. Fails
where a cache has no bound, or where a program of jaxact leaves more memory behind than one of the control, by
more than ``--limit``.
"""

import argparse
import ctypes
import dataclasses
import functools
import gc
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from support import forgetting

import jaxact
import jaxact.nnx
from jaxact._src import catalogue
from jaxact._src.function import Elementwise

DTYPES = ("float32", "bfloat16", "float16")
NAMES = ("leaky_relu", "elu", "softplus", "swish_beta", "snake", "celu", "soft_shrink", "laplace")
FIRST = {"swish_beta": "beta", "softplus": "beta", "soft_shrink": "threshold", "leaky_relu": "negative_slope"}


def caches() -> dict[str, Any]:
    """Every cache of jaxact, by where it is."""
    found = {}
    for name, module in list(sys.modules.items()):
        if module is not None and name.split(".")[0] in ("jaxact", "pallas_kernels"):
            for attribute, value in vars(module).items():
                if hasattr(value, "cache_info"):
                    found[f"{value.__module__}.{attribute}"] = value
    for name, activation in catalogue.activations().items():
        if isinstance(activation, Elementwise):
            found[f"calls of {name}"] = activation._usual
    return found


def unbounded() -> list[str]:
    return [name for name, cache in caches().items() if cache.cache_info().maxsize is None]


COMPILED = [0]


@jax.monitoring.register_event_duration_secs_listener
def _(event: str, *_: Any, **__: Any) -> None:
    COMPILED[0] += "backend_compile" in event


def operand(rng: np.random.Generator) -> jax.Array:
    shape = tuple(int(n) for n in rng.integers(1, 40, rng.integers(1, 4)))
    return jnp.asarray(rng.normal(size=shape), rng.choice(DTYPES))


def of_jaxact(rng: np.random.Generator) -> None:
    """Call what was not called before."""
    x = operand(rng)
    for name in rng.choice(NAMES, 3, replace=False):
        given = {FIRST.get(name, "alpha" if name != "laplace" else "sigma"): float(rng.uniform(0.1, 2.0))}
        bound = jaxact.get(str(name), **given)
        jax.grad(lambda v, f=bound: f(v).astype(jnp.float32).sum())(x).block_until_ready()
        jaxact.nnx.Activation(bound)(x).block_until_ready()
        jaxact.fused(x, bound, scale=float(rng.uniform(0.1, 2.0))).block_until_ready()
    jaxact.softmax(x, scale=float(rng.uniform(0.1, 2.0))).block_until_ready()
    weights = rng.normal(size=50_000)  # what a closure of the user's may hold
    jaxact.gated(jnp.concatenate([x, x], axis=-1), own(weights)).block_until_ready()
    jaxact.reference.relu(x, float(rng.uniform(0.1, 1.0))).block_until_ready()
    factor = float(rng.normal())
    jaxact.act_quant(x, lambda v: v * factor)


def of_jax(rng: np.random.Generator) -> None:
    """The same over jax.nn."""
    x = operand(rng)
    for name in ("elu", "celu", "leaky_relu"):
        a, scale = (float(v) for v in rng.uniform(0.1, 2.0, 2))
        function = jax.jit(functools.partial(lambda v, f, a: f(v, a), f=getattr(jax.nn, name), a=a))
        jax.grad(lambda v, f=function: f(v).astype(jnp.float32).sum())(x).block_until_ready()
        function(x).block_until_ready()
        jax.jit(lambda v, f=function, s=scale: f(v * s))(x).block_until_ready()
    a, b, c, d = (float(v) for v in rng.uniform(0.1, 2.0, 4))
    jax.jit(lambda v: jax.nn.softmax(v * a))(x).block_until_ready()
    jax.jit(lambda v: jax.nn.glu(jnp.concatenate([v, v], axis=-1)) * b)(x).block_until_ready()
    jax.jit(lambda v: jax.nn.relu(v) * c)(x).block_until_ready()
    jax.jit(lambda v: (v * d).astype(jnp.int8))(x).block_until_ready()


def own(weights: np.ndarray) -> Callable[..., jax.Array]:
    """An activation of the user's, with what its closure holds."""
    with forgetting():
        return jaxact.elementwise(name="test soak")(lambda x, a=0.5: x * a + float(weights[0]))


def fill() -> None:
    """Call with ever new parameters until the caches that rounds enter are full of what rounds put there."""
    x = jnp.ones(4)
    calls = (
        lambda slope: functools.partial(jaxact.leaky_relu, negative_slope=slope),
        lambda slope: functools.partial(jaxact.reference.relu, negative_slope=slope),
        lambda slope: functools.partial(jaxact.softmax, scale=slope),
        lambda slope: functools.partial(jaxact.fused, activation=jaxact.get("elu", alpha=slope), scale=0.5),
        lambda slope: functools.partial(jaxact.gated, gate=own(np.full(50_000, slope))),
    )
    for call in calls:
        before, made = -1, 0
        while before < (before := sum(c.cache_info().currsize for c in caches().values())):
            for i in range(made, made := made + 256):
                call(1.0 + i * 2.0**-20)(x)
        jax.clear_caches()


def resident() -> float:
    """Resident memory in MiB, without what the allocator keeps of what was freed."""
    gc.collect()
    if hasattr(ctypes.CDLL(None), "malloc_trim"):  # glibc's
        ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


@dataclasses.dataclass
class Laps:
    """Several rounds each, of one kind; lists with an item a lap."""

    minutes: list[float] = dataclasses.field(default_factory=list)  # since the start
    memory: list[float] = dataclasses.field(default_factory=list)  # MiB
    compiled: list[int] = dataclasses.field(default_factory=list)  # programs since the start
    entries: list[int] = dataclasses.field(default_factory=list)  # in jaxact's caches

    def add(self) -> None:
        jax.clear_caches()
        self.memory.append(resident())
        self.minutes.append((time.monotonic() - START) / 60)
        self.compiled.append(COMPILED[0])
        self.entries.append(sum(cache.cache_info().currsize for cache in caches().values()))

    def left_behind(self) -> float:
        """KiB by which memory grows with a program, in the later half."""
        late = slice(len(self.memory) // 2, None)
        return 1024 * float(np.polyfit(self.compiled[late], self.memory[late], 1)[0])


START = time.monotonic()


def soak(run: Callable[[np.random.Generator], None], minutes: float) -> Laps:
    rng, laps, start = np.random.default_rng(0), Laps(), time.monotonic()
    while time.monotonic() - start < 60 * minutes:
        for _ in range(5):
            run(rng)
        laps.add()
    return laps


def plot(kinds: Mapping[str, Laps], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, memory = plt.subplots(figsize=(7, 3.5))
    entries = memory.twinx()
    for kind, laps in kinds.items():
        memory.plot(laps.minutes, laps.memory, label=f"{kind}: {laps.left_behind():.1f} KiB a program")
        entries.plot(laps.minutes, laps.entries, color="tab:gray", ls=":")
    memory.set(xlabel="minutes", ylabel="resident memory, MiB", ylim=(0, None))
    entries.set(ylabel="entries in jaxact's caches (dotted)", ylim=(0, None))
    memory.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--limit", type=float, default=4.0, help="KiB that a program of jaxact may leave behind")
    parser.add_argument("--out", type=Path, default=Path("soak.png"), help="where the plot goes")
    options = parser.parse_args()
    empty = resident()
    fill()
    print(f"{empty:.0f} MiB; {resident():.0f} with full caches", flush=True)
    kinds = {"jax.nn": soak(of_jax, options.minutes / 4), "jaxact": soak(of_jaxact, 0.75 * options.minutes)}
    plot(kinds, options.out)
    for kind, laps in kinds.items():
        programs = laps.compiled[-1] - laps.compiled[0]
        print(
            f"{kind}: {programs} programs in "
            f"{laps.minutes[-1] - laps.minutes[0]:.1f} minutes; "
            f"{laps.memory[0]:.0f} to {laps.memory[-1]:.0f} MiB, "
            f"{laps.left_behind():.2f} KiB a program in the later half; {laps.entries[-1]} entries"
        )
    for name, cache in sorted(caches().items()):
        if not name.startswith("calls of "):
            print(f"  {name}: {cache.cache_info().currsize} of {cache.cache_info().maxsize}")
    problems = [f"{name} has no bound" for name in unbounded()]
    more = kinds["jaxact"].left_behind() - max(0.0, kinds["jax.nn"].left_behind())
    if more > options.limit:
        problems.append(f"a program of jaxact leaves {more:.1f} KiB more behind than one of jax.nn")
    sys.exit("; ".join(problems) or None)


if __name__ == "__main__":
    main()
