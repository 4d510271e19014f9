"""Memory: what each activation keeps for the backward, and what the gradient of a network needs at its peak."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.progress import track

from benchmarks import models
from benchmarks.cpu import DTYPES, QUICK, activations
from benchmarks.peers import libraries
from benchmarks.report import Report
from jaxact._src import overview

ROWS, WIDTH, LAYERS = 1024, 256, 12
PEAK = ("relu", "gelu", "silu", "mish")
METHOD = (
    "Bytes kept for the backward over the bytes of the input: distinct buffers of the pullback (eagerly), what a "
    "jitted forward returns for it, and that of a scan over 12 layers, a layer; PyTorch: what autograd packs."
)
PEAK_METHOD = (
    f"Temporary memory of the compiled gradient of {LAYERS} layers, bfloat16 activations ({ROWS}, {WIDTH}) with a "
    f"hidden layer of {4 * WIDTH}, in MiB, as XLA's buffer assignment states it; checkpoint: "
    "`jax.checkpoint(jax.nn)` around each activation."
)


def kept(*, quick: bool = False) -> Report:
    """Bytes kept by every activation."""
    names = QUICK if quick else list(activations())
    rows = []
    for name in track(names, description="memory", console=Console(stderr=True)):
        parameters = overview.required(activations()[name])
        for dtype in DTYPES:
            row: list[Any] = [name, dtype]
            x = jnp.linspace(-3.0, 3.0, 2**12).astype(DTYPES[dtype]).reshape(64, 64)
            for library in (p for p in libraries() if p.name in ("jaxact", "jax.nn")):
                function = library.find(name, parameters)
                row += _kept(function, x) if function else [None] * 3
            torch = libraries()[-1].find(name, parameters)
            rows.append([*row, _kept_by_torch(torch, dtype) if torch else None])
        jax.clear_caches()
    columns = ["activation", "dtype", "eager", "jit", "scan", "jax.nn eager", "jax.nn jit", "jax.nn scan", "torch"]
    worst = max(max(r[2:5]) for r in rows)
    return Report("Kept for the backward", METHOD, columns, rows, [f"at most {worst:.2f} of the input anywhere"])


def _kept(function: Callable[[Any], Any], x: jax.Array) -> list[float]:
    _, pull = jax.vjp(function, x)
    buffers = {v.unsafe_buffer_pointer(): v.nbytes for v in jax.tree.leaves(pull) if isinstance(v, jax.Array)}

    def scanned(v: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda c, _: (function(c), None), v, length=LAYERS)[0]

    return [sum(buffers.values()) / x.nbytes, _returned(function, x), _returned(scanned, x) / LAYERS]


def _returned(function: Callable[[Any], Any], x: jax.Array) -> float:
    _, pull = jax.eval_shape(jax.jit(functools.partial(jax.vjp, function)), x)
    return sum(v.size * v.dtype.itemsize for v in jax.tree.leaves(pull)) / x.nbytes


def _kept_by_torch(function: Callable[[Any], Any], dtype: str) -> float:
    import torch  # noqa: PLC0415  (found by `libraries` where it is installed)

    x = torch.linspace(-3.0, 3.0, 2**12).to(getattr(torch, dtype)).requires_grad_()
    saved: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        saved[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function(x * 1.0)
    return sum(saved.values()) / (x.numel() * x.element_size())


def peak(*, quick: bool = False) -> Report:
    """Temporary memory of the gradients of networks."""
    rows = []
    cases = list(_networks(quick))
    for kind, scanned, name in track(cases, description="networks", console=Console(stderr=True)):
        theirs = getattr(jax.nn, name)
        variants = {"jaxact": activations()[name], "jax.nn": theirs, "checkpoint": jax.checkpoint(theirs)}
        peaks = [_peak(kind, function, scanned, quick) for function in variants.values()]
        rows.append([kind, "scan" if scanned else "unrolled", name, *peaks])
    columns = ["network", "layers", "activation", "jaxact", "jax.nn", "checkpoint"]
    above = [r for r in rows if r[3] > r[5] * 1.001]
    found = [f"{len(rows) - len(above)} of {len(rows)} need no more than with jax.checkpoint(jax.nn)"]
    found += [f"more for {r[0]} {r[1]} {r[2]}: {r[3]:.2f} against {r[5]:.2f} MiB" for r in above]
    return Report("At the peak of a gradient", PEAK_METHOD, columns, rows, found)


def _networks(quick: bool) -> Iterator[tuple[str, bool, str]]:
    for kind in models.KINDS[: 1 if quick else None]:
        for scanned in (False, True):
            yield from ((kind, scanned, name) for name in (QUICK[-1:] if quick else PEAK))


def _peak(kind: str, act: Callable[[Any], Any], scanned: bool, quick: bool) -> float:
    layers = 2 if quick else LAYERS
    program = models.gradient(kind, act, layers, scanned=scanned)
    compiled = jax.jit(program).lower(*models.arguments(kind, layers, ROWS, WIDTH, jnp.bfloat16)).compile()
    return compiled.memory_analysis().temp_size_in_bytes / 2**20
