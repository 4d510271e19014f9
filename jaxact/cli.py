"""The ``jaxact`` command: find an activation, see its curve, ask what runs where.

Each command returns plain data, which ``--json`` prints, and how a person is shown it. What a user gets wrong is
told in one line, with exit code 2.
"""

import argparse
import collections
import dataclasses
import importlib
import importlib.metadata
import io
import itertools
import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import flax
import jax
import jax.numpy as jnp
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

import jaxact
from jaxact import convert
from jaxact._src import catalogue, curves, dialects, engine, overview, select, selfcheck, timing
from jaxact._src.kernels import why_not_here

LARGEST = float(jnp.finfo(jnp.float32).max)
DTYPES = {"bf16": "bfloat16", "f16": "float16", "f32": "float32", "f64": "float64"}


class UserError(Exception):
    """What the user can put right; its message is all that is printed."""


@dataclasses.dataclass(frozen=True)
class Report:
    """What a command has to say: plain data, and how a person sees it."""

    data: Any
    view: RenderableType
    exit_code: int = 0


# -- list ---------------------------------------------------------------------------------------------------------


def list_command(options: argparse.Namespace) -> Report:
    """Every activation, or those of a kind, or those whose name or description has a text."""
    text = (options.text or "").lower()
    chosen = [
        e
        for e in overview.entries()
        if options.kind in (None, e.kind) and text in " ".join((e.name, *e.aliases, e.summary)).lower()
    ]
    table = _table("name", "kind", "also", "what it is")
    for e in chosen:
        table.add_row(e.name, e.kind, ", ".join(e.aliases), e.summary)
    table.caption = f"{len(chosen)} activations; `jaxact show NAME` tells more"
    if not chosen:
        return Report([], f"no activation has {text!r} in its name or description; `jaxact list` shows them all")
    return Report([dataclasses.asdict(e) for e in chosen], table)


# -- show and compare ---------------------------------------------------------------------------------------------


def show_command(options: argparse.Namespace) -> Report:
    """Formula, parameters, range, kinks, accuracy, memory and names of one activation, and its curve."""
    found = _found(options.name)
    data = overview.facts(found)
    table = Table.grid(padding=(0, 2))
    for key, value in data.items():
        if value:
            table.add_row(Text(key, style="bold"), _cell(value))
    drawn = curves.function_of(found) is not None or options.plot is not None
    return Report(data, _with_plot(table, [data["name"]], options) if drawn else table)


def compare_command(options: argparse.Namespace) -> Report:
    """Several activations side by side: their facts, and their curves in one plot."""
    facts = [overview.facts(_found(name)) for name in options.names]
    columns = ("name", "formula", "range", "limits", "kinks")
    table = _table(*columns)
    rows = [{column: f.get(column, "") for column in columns} for f in facts]
    for row, f in zip(rows, facts):
        table.add_row(*(row | {"formula": row["formula"] or f["summary"]}).values())
    return Report(rows, _with_plot(table, [f["name"] for f in facts], options))


def _found(name: str) -> Any:
    try:
        return catalogue.find(name)
    except ValueError as error:
        raise UserError(str(error)) from None


def _curve(name: str) -> Callable[..., Any]:
    function = curves.function_of(_found(name))
    if function is None:
        raise UserError(f"{name} has no curve: it is no function of one number")
    return function


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{k}: {_cell(v)}" for k, v in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def _with_plot(view: RenderableType, names: Sequence[str], options: argparse.Namespace) -> RenderableType:
    """The view and the curves under it; or a file of them, where `--plot` names one."""
    low, high = options.between
    if not -LARGEST <= low < high <= LARGEST:
        raise UserError(f"--between needs a smaller and a larger number of float32, got {low:g} and {high:g}")
    if options.json and options.plot is None:
        return view
    if options.plot is not None and not options.plot.suffix:
        raise UserError(f"--plot needs a file that ends in .svg, .png or .pdf, got {options.plot}")
    _devices()
    drawn = [curves.sample(name, _curve(name), low, high) for name in names]
    try:
        if options.plot is None:
            return Group(view, "", Text.from_ansi(curves.in_terminal(drawn)))
        curves.to_file(drawn, options.plot)
    except ImportError as error:
        if options.plot is not None:
            raise UserError(f"can't draw: {error.name} is not installed; pip install 'jaxact[plot]'") from None
        return Group(view, f"\n(no plot: {error.name} is not installed; pip install 'jaxact[plot]')")
    except (OSError, ValueError) as error:
        raise UserError(f"can't write {options.plot}: {error}") from None
    return Group(view, f"\nwrote {options.plot}")


# -- doctor -------------------------------------------------------------------------------------------------------


def doctor_command(options: argparse.Namespace) -> Report:
    """Versions, devices, and which implementation runs here; or whether each kernel computes what it should."""
    return _selfcheck() if options.selfcheck else _overview()


def _selfcheck() -> Report:
    results = list(selfcheck.run())
    table = _table("kernel", "", "")
    for result in results:
        table.add_row(result.name, result.status, result.detail)
    counts = collections.Counter(result.status for result in results)
    table.caption = ", ".join(f"{count} {status}" for status, count in counts.items())
    return Report([dataclasses.asdict(r) for r in results], table, 1 if counts["failed"] else 0)


def _overview() -> Report:
    versions = {
        "python": sys.version.split()[0],
        "jax": jax.__version__,
        "jaxlib": importlib.metadata.version("jaxlib"),
        "flax": flax.__version__,
        "jaxact": jaxact.__version__,
    }
    devices = [
        {
            "platform": d.platform,
            "kind": d.device_kind,
            "compute_capability": getattr(d, "compute_capability", None),
        }
        for d in _devices()
    ]
    here = engine.here()
    obstacle = why_not_here(here.platform, here.compute_capability) or here.obstacle
    data = {
        "versions": versions,
        "devices": devices,
        "kernels": {"available": obstacle is None, "reason": obstacle},
        "implementation": select.requested(),
    }
    table = Table.grid(padding=(0, 2))
    for name, version in versions.items():
        table.add_row(name, version)
    for device in devices:
        capability = device["compute_capability"]
        table.add_row("device", f"{device['kind']} ({device['platform']}{f' {capability}' if capability else ''})")
    table.add_row("kernels", obstacle or "can run; `jaxact explain` tells which are chosen")
    table.add_row("JAXACT_IMPLEMENTATION", select.requested() or "not set: the rule decides")
    return Report(data, table)


def _devices() -> list[jax.Device]:
    try:
        return jax.devices()
    except (AssertionError, RuntimeError) as error:  # the former, without words, where a plugin is not installed
        asked = os.environ.get("JAX_PLATFORMS", "")
        why = str(error).partition("\n")[0] or "its plugin is not installed"
        raise UserError(f"JAX finds no device with JAX_PLATFORMS={asked!r}: {why}") from None


# -- explain ------------------------------------------------------------------------------------------------------


def explain_command(options: argparse.Namespace) -> Report:
    """What each activation inside a function will run, and why."""
    function = _imported(options.function)
    shapes = [_shape(text) for text in options.shape]
    dtype = _dtype(options.dtype)
    _devices()
    arguments = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    try:
        rows = jaxact.explain(function, *arguments, platform=options.platform, gpu=options.gpu)
    except (TypeError, ValueError) as error:
        raise UserError(f"can't explain {options.function}: {_first_line(error)}") from None
    return Report([dataclasses.asdict(row) for row in rows], Text(str(rows)))


def _imported(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    if not module or not name:
        raise UserError(f"a function is named module:function, got {path!r}")
    sys.path.insert(0, os.getcwd())  # as `python -m` does
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # whatever the module's own code raises
        raise UserError(f"can't import {module}: {type(error).__name__}: {_first_line(error)}") from None
    finally:
        sys.path.pop(0)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise UserError(f"module {module} has no function {name!r}")
    return found


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(n) for n in text.split(",") if n.strip())
    except ValueError:
        shape = (-1,)
    if any(n < 0 for n in shape):
        raise UserError(f"a shape is sizes with commas, such as 8,4096, got {text!r}")
    return shape


def _dtype(text: str) -> Any:
    try:
        dtype = jnp.dtype(DTYPES.get(text, text))
    except TypeError:
        raise UserError(f"unknown dtype {text!r}; for example {', '.join(DTYPES)}") from None
    if dtype.kind not in "iuf" and not jnp.issubdtype(dtype, jnp.floating):
        raise UserError(f"activations take real dtypes, got {text!r}; for example {', '.join(DTYPES)}")
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise UserError(f"{dtype.name} needs 64 bits: set JAX_ENABLE_X64=1")
    return dtype


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


# -- convert ------------------------------------------------------------------------------------------------------


def convert_command(options: argparse.Namespace) -> Report:
    """A name, or a layer's configuration as JSON, from one dialect to another."""
    try:
        given = json.loads(options.what) if options.what.lstrip().startswith("{") else options.what
        function = (
            convert.from_config(given, options.source)
            if isinstance(given, dict)
            else jaxact.get(given, dialect=options.source)
        )
        found = (
            jaxact.serialize(function) if options.to == dialects.JAX else convert.to_config(function, options.to)
        )
    except (TypeError, ValueError) as error:
        raise UserError(_first_line(error)) from None
    return Report(found, Text(json.dumps(found, indent=1, default=str)))


# -- bench --------------------------------------------------------------------------------------------------------


def bench_command(options: argparse.Namespace) -> Report:
    """Forward, and forward and backward, beside the function of that name in jax.nn, in one interleaved run."""
    dtype = _dtype(options.dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise UserError(f"gradients need a float dtype, got {options.dtype!r}; for example {', '.join(DTYPES)}")
    for name in options.names:
        _curve(name)
    _devices()
    try:
        x = jnp.linspace(-6.0, 6.0, options.size).astype(dtype)
        data = [_bench(name, x, options.rounds) for name in options.names]
    except jax.errors.JaxRuntimeError as error:
        raise UserError(f"{options.size} elements are too many here: {_first_line(error)}") from None
    table = _table("name", "forward, ms", "of jax.nn", "with backward, ms", "of jax.nn")
    for row in data:
        cells = [(f"{row[part]['milliseconds']:.3f}", _versus(row[part])) for part in ("forward", "both")]
        table.add_row(row["name"], *itertools.chain(*cells))
    table.caption = f"medians of {options.rounds} interleaved rounds; x is {x.dtype.name}[{x.size}]"
    return Report(data, table)


def _bench(name: str, x: jax.Array, rounds: int) -> dict[str, Any]:
    activation, own = _found(name), _curve(name)
    comparable = overview.has_record(activation) and not overview.required(activation)
    peer = getattr(jax.nn, activation.__name__, None) if comparable else None
    parts: dict[str, Callable[[Any], Callable[..., Any]]] = {
        "forward": jax.jit,
        "both": lambda f: jax.jit(lambda v: jax.vjp(f, v)[1](v)),
    }
    found: dict[str, Any] = {"name": name}
    for part, make in parts.items():
        calls = {
            "own": _blocking(make(own), x),
            **({"peer": _blocking(make(peer), x)} if peer is not None else {}),
        }
        seconds = timing.interleaved(calls, rounds=rounds, number=1, title=f"{name}, {part}")
        found[part] = {"milliseconds": 1e3 * statistics.median(seconds["own"])}
        if peer is not None:
            found[part]["of_jax_nn"], found[part]["spread"] = timing.ratio(seconds["own"], seconds["peer"])
    return found


def _blocking(function: Callable[..., Any], x: jax.Array) -> Callable[[], Any]:
    return lambda: jax.block_until_ready(function(x))


def _versus(part: dict[str, float]) -> str:
    return f"{part['of_jax_nn']:.2f} ±{part['spread']:.2f}" if "of_jax_nn" in part else "-"


# -- the command line ---------------------------------------------------------------------------------------------


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


class _Parser(argparse.ArgumentParser):
    """Tells in one line what is wrong, like everything else here."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="jaxact", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--version", action="version", version=jaxact.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], Report]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        added.add_argument("--json", action="store_true", help="print plain data")
        added.set_defaults(run=run)
        return added

    listing = command("list", list_command)
    listing.add_argument("text", nargs="?", help="what the name or the description must contain")
    listing.add_argument("--kind", choices=overview.KINDS)

    for name, run in (("show", show_command), ("compare", compare_command)):
        one = command(name, run)
        if name == "show":
            one.add_argument("name")
        else:
            one.add_argument("names", nargs="+", metavar="name")
        one.add_argument("--plot", type=Path, metavar="FILE", help="draw into a file: .svg, .png or .pdf")
        one.add_argument("--between", nargs=2, type=float, default=(-4.0, 4.0), metavar=("LOW", "HIGH"))

    doctor = command("doctor", doctor_command)
    doctor.add_argument("--selfcheck", action="store_true", help="run each kernel here against the reference")

    explain = command("explain", explain_command)
    explain.add_argument("function", help="module:function")
    explain.add_argument(
        "--shape", action="append", required=True, help="of an argument, such as 8,4096; repeatable"
    )
    explain.add_argument("--dtype", default="f32")
    explain.add_argument("--platform", choices=("cpu", "cuda"))
    explain.add_argument("--gpu", help="a GPU that this machine need not have, such as h200")

    converting = command("convert", convert_command)
    converting.add_argument("what", metavar="NAME|JSON")
    converting.add_argument("--from", dest="source", default=dialects.JAX, metavar="DIALECT")
    converting.add_argument("--to", default=dialects.JAX, metavar="DIALECT")

    bench = command("bench", bench_command)
    bench.add_argument("names", nargs="+", metavar="name")
    bench.add_argument("--size", type=_several, default=2**20, help="elements, by default 2**20")
    bench.add_argument("--rounds", type=_several, default=15)
    bench.add_argument("--dtype", default="f32")
    return parser


def _several(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 2, got {text!r}")
    return int(text)


def _check_environment() -> None:
    try:
        select.requested()
    except ValueError as error:
        raise UserError(str(error)) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
      0; 1 where `doctor --selfcheck` finds a kernel that is wrong; or 2 where the user's input is at
      fault, which one line on standard error tells.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without the letters of a curve
    options = _parser().parse_args(argv)
    try:
        _check_environment()
        report: Report = options.run(options)
    except UserError as error:
        print(f"jaxact: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(report.data, indent=1))
    else:
        Console(markup=False, highlight=False).print(report.view)  # an interval is no markup
    return report.exit_code
