"""Speed on the CPU, of every activation beside the same one in jax.nn, Keras and PyTorch."""

import concurrent.futures
import ctypes
import dataclasses
import functools
import json
import multiprocessing
import os
import pathlib
import platform
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.progress import track

from benchmarks.peers import libraries
from benchmarks.report import Report, geometric_mean
from jaxact._src import catalogue, overview
from jaxact._src.function import Elementwise
from jaxact._src.timing import interleaved, ratio

SIZES = {"4M": 2**22, "64k": 2**16}
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
FORMS = ("forward", "both", "split")
CONTEXTS = ("sum", "product", "gated", "linear")
QUICK = ("gelu",)
PEERS = ("jax.nn", "keras", "torch")
Cell = tuple[str, str, str, str]  # activation, dtype, size and form
ACCURACY = pathlib.Path(__file__).parent / "results" / "accuracy.json"
# What makes an activation more than comparisons and products, as its plain form shows.
TRANSCENDENTAL = {"exp", "exp2", "log", "tanh", "sin", "sqrt", "rsqrt", "div", "bitcast_convert_type"}

METHOD = (
    "Times of a call, each library in turn, round after round in one process on one core, to which it is pinned:"
    " how XLA shares a program among threads is the next table. `ms` is the median of jaxact, the others are "
    "medians of the ratio to jaxact in the same round: above 1 jaxact is faster. `x + 1` is the limit that "
    "memory sets, `again` jaxact's program once more, which shows the noise. *forward*: the value; *both*: value"
    " and gradient in one jitted program; *split*: the forward with what it saves, and the backward, jitted "
    "apart. PyTorch runs eagerly, as its users do, value and gradient for *both* and *split* alike. *sum*, "
    "*product*, *gated* and *linear* are `f(x).sum()`, `f(x) * t`, `f(x) * t` of the halves of one array, and "
    "`f(x @ w + b)`, value and gradient. The process keeps what it frees: glibc gives large arrays back to the "
    "system now and then, and to map their pages anew costs up to four times what the programs do."
)
THREADS_METHOD = (
    "The same on every core, of 65536 elements, for which XLA decides by its own estimate of the cost whether "
    "several threads share a program: what it splits may be the cheaper program of two, and the slower one for "
    "it."
)
COLUMNS = ("activation", "dtype", "size", "form", "ms", "x + 1", "again", *PEERS, "±")


def run(*, quick: bool = False) -> Report:
    """Time every cell on one core; `quick` shows that the program works."""
    report = _in_a_process("Speed on the CPU", METHOD, list(_cells(quick)), quick, _pin)
    return dataclasses.replace(report, findings=findings(report))


def threads(*, quick: bool = False) -> Report:
    """Time what XLA may share among threads, on every core."""
    cells = [c for c in _cells(quick) if c[2:] in (("64k", "forward"), ("64k", "both")) and _has_peer(c[0])]
    report = _in_a_process("Speed with threads", THREADS_METHOD, cells, quick, None)
    slower = _slower(report.where())
    found = [f"{len(slower)} of {len(cells)} cells where jax.nn is more than 5 % faster" + (":" if slower else "")]
    found += [f"{_cell_name(r)}: {r['jax.nn']:.2f} ±{r['±']:.2f}" for r in slower]
    return dataclasses.replace(report, findings=found)


def _in_a_process(
    title: str, method: str, cells: Sequence[Cell], quick: bool, begin: Callable[[], None] | None
) -> Report:
    """The cells' table, from a process of its own, since XLA counts the cores when it starts."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn, initializer=begin) as process:
        return process.submit(_table, title, method, cells, quick=quick).result()


def _pin() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _table(title: str, method: str, cells: Sequence[Cell], *, quick: bool) -> Report:
    if not quick:
        _keep_freed_memory()
    rows = []
    for name, dtype, size, form in track(cells, description="CPU", console=Console(stderr=True)):
        rows.append(_cell(name, dtype, size, form, rounds=3 if quick else 7))
        jax.clear_caches()
    return Report(title, method, COLUMNS, rows)


# Of <malloc.h>: no array gets a mapping of its own, nothing is given back, and all threads share the one heap.
_MALLOPT = {"M_MMAP_MAX": (-4, 0), "M_TRIM_THRESHOLD": (-1, 2**31 - 1), "M_ARENA_MAX": (-8, 1)}


def _keep_freed_memory() -> None:
    """Tell glibc so; another C library is left as it is."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if platform.libc_ver()[0] == "glibc" else None
    for name, (option, value) in _MALLOPT.items() if mallopt else ():
        if mallopt(option, value) != 1:
            raise RuntimeError(f"glibc refuses {name} = {value}")


def activations() -> dict[str, Elementwise]:
    """jaxact's elementwise activations by name."""
    return {n: a for n, a in catalogue.activations().items() if isinstance(a, Elementwise)}


@functools.cache
def _has_peer(name: str) -> bool:
    """Whether jax.nn has it too."""
    return libraries()[1].find(name, overview.required(activations()[name])) is not None


def _cells(quick: bool) -> Iterator[Cell]:
    for name in QUICK if quick else activations():
        for dtype in ("float32",) if quick else DTYPES:
            for size in ("64k",) if quick else SIZES:
                yield from ((name, dtype, size, form) for form in FORMS)
            if _has_peer(name):
                yield from ((name, dtype, "64k" if quick else "4M", form) for form in CONTEXTS)


def _cell(name: str, dtype: str, size: str, form: str, rounds: int) -> list[Any]:
    parameters = overview.required(activations()[name])
    x = jnp.linspace(-6.0, 6.0, SIZES[size]).astype(DTYPES[dtype]).reshape(-1, 256)
    found = {p.name: f for p in libraries() if (f := p.find(name, parameters)) is not None}
    own = found.pop("jaxact")
    if form in CONTEXTS:
        found.pop("torch", None)  # its linear layer would be timed, not its activation
    program = _call(own, x, form)
    calls = {"own": program, "again": program, "x + 1": _call(lambda v: v + 1, x, form)}
    for library, function in found.items():
        calls[library] = _torch_call(function, x, form) if library == "torch" else _call(function, x, form)
    number = max(1, 2**22 // x.size // 8)
    seconds = interleaved(calls, rounds=rounds, number=number)
    ratios = {k: ratio(v, seconds["own"]) for k, v in seconds.items() if k != "own"}
    spread = max(ratios[k][1] for k in ("again", *found))
    own_ms = 1e3 * statistics.median(seconds["own"])
    return [
        name,
        dtype,
        size,
        form,
        own_ms,
        *(ratios.get(k, [None])[0] for k in ("x + 1", "again", *PEERS)),
        spread,
    ]


# -- programs -----------------------------------------------------------------------------------------------------


def _call(function: Callable[[Any], Any], x: jax.Array, form: str) -> Callable[[], Any]:
    """A call without arguments of a function in JAX, in one of the forms."""
    t = jnp.ones_like(x)
    if form == "forward":
        return _blocking(jax.jit(function), x)
    if form == "both":
        return _blocking(jax.jit(lambda v, t: _value_and_gradient(function, v, t)), x, t)
    if form == "split":
        forward, backward = jax.jit(functools.partial(jax.vjp, function)), jax.jit(lambda pull, t: pull(t))

        def run() -> Any:
            y, pull = forward(x)
            return jax.block_until_ready((y, backward(pull, t)))

        return run
    program, *operands = _context(function, x, t, form)
    return _blocking(jax.jit(jax.value_and_grad(lambda *v: jnp.sum(program(*v), dtype=jnp.float32))), *operands)


def _context(function: Callable[[Any], Any], x: jax.Array, t: jax.Array, form: str) -> tuple[Any, ...]:
    if form == "sum":
        return function, x
    if form == "product":
        return (lambda v, t: function(v) * t), x, t
    if form == "gated":
        return (lambda v: function(v[:, :128]) * v[:, 128:]), x
    w, b = jnp.full((256, 256), 2.0**-8, x.dtype), jnp.ones(256, x.dtype)
    return (lambda v, w, b: function(v @ w + b)), x[: 2**12], w, b


def _value_and_gradient(function: Callable[[Any], Any], x: jax.Array, t: jax.Array) -> Any:
    y, pull = jax.vjp(function, x)
    return y, pull(t)


def _blocking(function: Callable[..., Any], *operands: jax.Array) -> Callable[[], Any]:
    return lambda: jax.block_until_ready(function(*operands))


def _torch_call(function: Callable[[Any], Any], x: jax.Array, form: str) -> Callable[[], Any]:
    import torch  # noqa: PLC0415  (found by `libraries` where it is installed)

    values = torch.linspace(-6.0, 6.0, x.size).to(getattr(torch, x.dtype.name)).reshape(x.shape)
    if form == "forward":
        return lambda: function(values)
    values.requires_grad_()
    ones = torch.ones_like(values)
    return lambda: torch.autograd.grad(function(values), values, ones)


# -- what it shows ------------------------------------------------------------------------------------------------


def findings(report: Report) -> list[str]:
    """The aims of the project, each with what was found."""
    found = []
    for dtype in DTYPES:
        both = report.where(dtype=dtype, form="both")
        for kind in ("transcendental", "piecewise"):
            chosen = [r for r in both if _kind(r["activation"]) == kind]
            for peer in PEERS:
                values = [r[peer] for r in chosen if r[peer]]
                if values:
                    found.append(
                        f"{dtype}, {kind}, forward and backward: {geometric_mean(values):.2f} times the speed of "
                        f"{peer} in the geometric mean of {len(values)} cells, least {min(values):.2f}"
                    )
    slower = [r for form in FORMS for r in _slower(report.where(form=form))]
    found.append(f"{len(slower)} cells where jax.nn is more than 5 % faster" + (":" if slower else ""))
    found += [f"{_cell_name(r)}: {r['jax.nn']:.2f} ±{r['±']:.2f}; {_errors(r)}" for r in slower]
    behind = [r for form in CONTEXTS for r in _slower(report.where(form=form))]
    found.append(f"{len(behind)} of the contexts where jax.nn is more than 5 % faster" + (":" if behind else ""))
    found += [f"{_cell_name(r)}: {r['jax.nn']:.2f} ±{r['±']:.2f}" for r in behind]
    return found


def _slower(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those where jax.nn is more than 5 % faster."""
    return [r for r in rows if (r["jax.nn"] or 1.0) < 0.95]


@functools.cache
def _kind(name: str) -> str:
    """ "transcendental" or "piecewise", by the operations of its plain form."""
    function = functools.partial(activations()[name], **overview.required(activations()[name]))
    text = str(jax.make_jaxpr(functools.partial(function, implementation="inline"))(jnp.zeros(1)))
    return "transcendental" if TRANSCENDENTAL & set(re.findall(r"[a-z_0-9]+", text)) else "piecewise"


def _cell_name(row: Mapping[str, Any]) -> str:
    return " ".join(str(row[k]) for k in ("activation", "dtype", "size", "form"))


def _errors(row: Mapping[str, Any]) -> str:
    """The worst errors of both, from the accuracy report."""
    worst = _worst_errors().get((row["activation"], row["dtype"]), {})
    orders = 1 if row["form"] == "forward" else 2
    parts = [f"{library} {' and '.join(errors[:orders])} ULP" for library, errors in worst.items()]
    return "worst errors " + ", ".join(parts) if parts else "no errors measured"


@functools.cache
def _worst_errors() -> Mapping[tuple[str, str], Mapping[str, Sequence[str]]]:
    """By activation and dtype, of each library, those of the value and the derivatives."""
    rows = json.loads(ACCURACY.read_text())["rows"] if ACCURACY.exists() else []
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in sorted(rows, key=lambda r: r["order"]):
        if row["library"] in ("jaxact", "jax.nn") and row["case"] == row["name"]:
            errors = found.setdefault((row["name"], row["dtype"]), {})
            errors.setdefault(row["library"], []).append(f"{float(row['worst']):.3g}")
    return found
