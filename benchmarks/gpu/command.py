"""The command line of ``python -m benchmarks gpu``."""

import argparse
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Final

import jax
from rich.console import Console

from benchmarks import gpu
from benchmarks.gpu import cases, interpreted, page, tune
from benchmarks.gpu.clock import Clock, DeviceClock, HostClock
from benchmarks.gpu.measure import CASE, KERNEL, REFERENCE, SELECTED, Effort
from benchmarks.gpu.run import Budget, run

ROOT: Final = pathlib.Path(__file__).parents[2]
RESULTS, DOCS = ROOT / "benchmarks/results", ROOT / "docs"
TUNED: Final = ROOT / "pallas_kernels/tuned.json"
SECONDS: Final = 540.0  # of a run: with what comes before and after, under ten minutes
QUICK: Final = 60.0
TUNING: Final = 1800.0


def main(argv: Sequence[str]) -> int:
    """Run what the command line asks for; 0 is success."""
    parser = _parser()
    options = parser.parse_args(argv)
    if not options.tune and options.only.partition("/")[0] not in ("", *cases.PARTS):
        parser.error(f"--only {options.only!r}: no such part; the parts are {', '.join(cases.PARTS)}")
    if options.selftest and options.out == RESULTS:
        parser.error("--selftest needs --out FOLDER: its numbers are no results")
    if options.tune and (reason := interpreted.why_not()):
        parser.error(reason)
    if options.page_only:
        return _page(options.out / "gpu.json", options.docs)
    if not options.selftest and (reason := prepare_gpu()):
        parser.error(f"{reason}; `--selftest --out FOLDER` shows on any machine that the program works")
    clock: Clock = HostClock()
    if not options.selftest:
        clock = DeviceClock()
        if reason := clock.check():
            parser.error(reason)
    effort = Effort(2, 1, past_cache=1) if options.selftest else Effort()
    seconds = options.budget or (QUICK if options.quick else TUNING if options.tune else SECONDS)
    sizes = cases.TINY if options.selftest else cases.Sizes()
    if options.tune:
        table = TUNED if options.out == RESULTS else options.out / "tuned.json"
        searched = tune.TINY if options.selftest else tune.Sizes()
        return tune.main(clock, effort, Budget(seconds), sizes=searched, path=table, only=options.only)
    return _run(options, clock, effort, Budget(seconds), sizes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=gpu.__doc__)
    parser.add_argument(
        "--only",
        metavar="PART",
        default="",
        help=f"{', '.join(cases.PARTS)}, or the beginning of a case's id such as rowwise/softmax/forward; "
        "to tune, that of a search such as 'softmax bfloat16'",
    )
    parser.add_argument("--quick", action="store_true", help=f"the first cases, for {QUICK:.0f} seconds")
    parser.add_argument(
        "--budget", type=float, metavar="SECONDS", help=f"default: {SECONDS:.0f}, to tune {TUNING:.0f}"
    )
    parser.add_argument(
        "--tune", action="store_true", help="search the kernels' parameters, or go on where that ended"
    )
    parser.add_argument("--selftest", action="store_true", help="tiny cases, one of each kind, on any machine")
    parser.add_argument(
        "--page-only", action="store_true", help="write the page anew from the JSON, or without one"
    )
    parser.add_argument("--out", type=pathlib.Path, default=RESULTS, help="where the JSON goes, tuned.json too")
    parser.add_argument("--docs", type=pathlib.Path, default=DOCS, help="where the page goes")
    return parser


def prepare_gpu() -> str | None:
    """Leave memory of the GPU to PyTorch; the reason why there is nothing to time, or None."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # read when JAX first looks for devices
    backend = jax.default_backend()
    return (
        None
        if backend == "gpu"
        else f"JAX runs on {backend} here (JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS')})"
    )


def _run(options: argparse.Namespace, clock: Clock, effort: Effort, budget: Budget, sizes: cases.Sizes) -> int:
    kind = [options.only.replace("/", "-")] if options.only else []
    label = "-".join(["gpu", *kind, *(["quick"] if options.quick else [])])
    path = options.out / f"{label}.json"
    part = options.only.partition("/")[0] or None
    chosen = [c for c in cases.cases(part, sizes) if c.id.startswith(options.only)]
    if options.selftest and not options.only:
        chosen = cases.representatives(chosen)
    report = run(chosen, clock, effort, budget=budget, path=path, label=label)
    console = Console()
    for aim in report["aims"]:
        console.print(f"{aim['verdict']}: {aim['aim']} ({aim['rows']} rows, {len(aim['short'])} short)")
    console.print(f"{len(report['left_out'])} of {len(chosen)} cases left out; wrote {path}")
    if label == "gpu":  # a part of the cases makes no page
        _page(path, options.out if options.selftest else options.docs)
    own = [(r["id"], p, why) for r in report["rows"] for p, why in r["problems"].items() if _is_failure(p, why)]
    for failure in own:
        console.print(": ".join(failure), style="red")
    return 1 if own else 0


def _is_failure(program: str, why: str) -> bool:
    """Whether something of jaxact's own is wrong; what has no kernel, or no peer, is no failure."""
    return program in (SELECTED, KERNEL, REFERENCE, CASE) and not why.startswith(
        ("NotImplementedError", "kernels need")
    )


def _page(path: pathlib.Path, docs: pathlib.Path) -> int:
    report = json.loads(path.read_text()) if path.is_file() else None
    Console().print(f"wrote {page.write(report, docs)}")
    return 0
