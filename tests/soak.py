"""Many shapes, dtypes, parameters and activations of the user's own for minutes: caches stay bounded, memory flat.

``python tests/soak.py --minutes 20``. Each round calls what no round has called before and then drops the compiled
programs, as a long-running process may with ``jax.clear_caches()``; whatever still grows is held by jaxact. Fails
where a cache exceeds its bound, or where memory in the last half of the time grows faster than ``--limit``.
"""

import argparse
import gc
import resource
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from support import forgetting

import jaxact
import jaxact.nnx

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
    return found


def unbounded() -> list[str]:
    return [name for name, cache in caches().items() if cache.cache_info().maxsize is None]


def round_of(rng: np.random.Generator) -> int:
    """Call what was not called before; return how many traces it took."""
    traces = 0
    shape = tuple(int(n) for n in rng.integers(1, 40, rng.integers(1, 4)))
    x = jnp.asarray(rng.normal(size=shape), rng.choice(DTYPES))
    for name in rng.choice(NAMES, 3, replace=False):
        given = {FIRST.get(name, "alpha" if name != "laplace" else "sigma"): float(rng.uniform(0.1, 2.0))}
        bound = jaxact.get(str(name), **given)
        jax.grad(lambda v, f=bound: f(v).astype(jnp.float32).sum())(x).block_until_ready()
        jaxact.nnx.Activation(bound)(x).block_until_ready()
        jaxact.fused(x, bound, scale=float(rng.uniform(0.1, 2.0))).block_until_ready()
        traces += 4
    jaxact.softmax(x, scale=float(rng.uniform(0.1, 2.0))).block_until_ready()
    with forgetting():
        weights = np.zeros(50_000)  # what a closure of the user's may hold
        own = jaxact.elementwise(name="test soak")(lambda x, a=0.5: x * a + float(weights[0]))
        jaxact.gated(jnp.concatenate([x, x], axis=-1), own).block_until_ready()
        jaxact.reference.relu(x, float(rng.uniform(0.1, 1.0))).block_until_ready()
    if x.shape:
        factor = float(rng.normal())
        jaxact.act_quant(x, lambda v: v * factor)
    return traces + 4


def resident() -> float:
    """Resident memory in MiB."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def soak(minutes: float) -> tuple[np.ndarray, int]:
    """Rows of (seconds, MiB, entries in all caches), and the number of traces."""
    rng, start, traces, rows = np.random.default_rng(0), time.monotonic(), 0, []
    while time.monotonic() - start < 60 * minutes:
        for _ in range(5):
            traces += round_of(rng)
        jax.clear_caches()
        gc.collect()
        entries = sum(cache.cache_info().currsize for cache in caches().values())
        rows.append((time.monotonic() - start, resident(), entries))
    return np.array(rows), traces


def plot(rows: np.ndarray, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, memory = plt.subplots(figsize=(7, 3.5))
    memory.plot(rows[:, 0] / 60, rows[:, 1], label="resident memory")
    memory.set(xlabel="minutes", ylabel="MiB", ylim=(0, None))
    entries = memory.twinx()
    entries.plot(rows[:, 0] / 60, rows[:, 2], color="tab:orange")
    entries.set(ylabel="entries in caches (orange)")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--limit", type=float, default=2.0, help="MiB a minute that memory may grow by")
    parser.add_argument("--out", type=Path, default=Path("soak.png"), help="where the plot goes")
    options = parser.parse_args()
    rows, traces = soak(options.minutes)
    plot(rows, options.out)
    late = rows[len(rows) // 2 :]
    slope = 60 * np.polyfit(late[:, 0], late[:, 1], 1)[0]
    seconds, memory, _ = rows[-1]
    print(f"{traces} traces in {seconds / 60:.1f} minutes; {memory:.0f} MiB, growing by {slope:.2f} MiB a minute")
    for name, cache in sorted(caches().items()):
        print(f"  {name}: {cache.cache_info().currsize} of {cache.cache_info().maxsize}")
    problems = [f"{name} has no bound" for name in unbounded()]
    if slope > options.limit:
        problems.append(f"memory grows by {slope:.2f} MiB a minute, more than {options.limit:g}")
    sys.exit("; ".join(problems) or None)


if __name__ == "__main__":
    main()
