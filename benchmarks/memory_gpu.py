"""The gradient of a network compiled for an H200 that need not be there: its memory, and the bytes it moves."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.progress import track

from benchmarks import models
from benchmarks.cpu import activations
from benchmarks.machine_code import bytes_moved
from benchmarks.memory import LAYERS, ROWS, WIDTH
from benchmarks.report import Report

NAMES = ("gelu", "relu")
METHOD = (
    f"Temporary memory of the gradient of {LAYERS} layers, bfloat16 activations ({ROWS}, {WIDTH}) with a hidden "
    f"layer of {4 * WIDTH}, compiled for an H200, and what its kernels beside the GEMMs read and write, "
    "both in MiB; checkpoint: `jax.checkpoint(jax.nn)` around each activation."
)
_GEMM = ("__cublas", "__triton_gemm", "__triton_nested_gemm")


def peak(*, quick: bool = False) -> Report:
    """Memory and bytes of the gradients of networks."""
    from benchmarks import gpu_static  # noqa: PLC0415  (needs a JAX that has kernels)

    if reason := gpu_static.why_not():
        raise SystemExit(f"memory_gpu {reason}")
    rows = []
    cases = [(k, s, n) for k in models.KINDS for s in (False, True) for n in NAMES][: 1 if quick else None]
    for kind, scanned, name in track(cases, description="compiled for an H200", console=Console(stderr=True)):
        theirs = getattr(jax.nn, name)
        variants = (activations()[name], theirs, jax.checkpoint(theirs))
        found = [_measure(gpu_static.compile_for, kind, act, scanned, 2 if quick else LAYERS) for act in variants]
        rows.append([kind, "scan" if scanned else "unrolled", name, *(v for pair in zip(*found) for v in pair)])
    columns = ["network", "layers", "activation", "jaxact", "jax.nn", "checkpoint"]
    columns += [f"{library} moves" for library in columns[3:]]
    above = [r for r in rows if r[3] > 1.001 * r[5]]
    findings = [f"{len(rows) - len(above)} of {len(rows)} need no more than with jax.checkpoint(jax.nn)"]
    findings += [f"more for {r[0]} {r[1]} {r[2]}: {r[3]:.1f} against {r[5]:.1f} MiB" for r in above]
    findings += [f"{r[0]} {r[1]} {r[2]} moves {r[6] / r[7]:.2f} of what it moves with jax.nn" for r in rows]
    return Report("Compiled for an H200", METHOD, columns, rows, findings)


def _measure(
    compile_for: Callable[..., Any], kind: str, act: Callable[[Any], Any], scanned: bool, layers: int
) -> Sequence[float]:
    program = models.gradient(kind, act, layers, scanned=scanned)
    leaves, tree = jax.tree.flatten(models.arguments(kind, layers, ROWS, WIDTH, jnp.bfloat16))
    compiled = compile_for("h200", lambda *operands: program(*jax.tree.unflatten(tree, operands)), leaves)
    beside = "\n".join(line for line in compiled.as_text().splitlines() if not any(g in line for g in _GEMM))
    moved = bytes_moved(beside, layers)
    return compiled.memory_analysis().temp_size_in_bytes / 2**20, moved / 2**20
