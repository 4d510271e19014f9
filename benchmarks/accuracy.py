"""``python -m benchmarks.accuracy``: errors in ULP of jaxact, jax.nn, Keras and torch, side by side, in one run.

Every finite bfloat16 and float16 number, stratified float32 points, against the tests' independent float64 oracle.
Writes ``benchmarks/results/accuracy.json``, and from it alone ``docs/accuracy.md`` with its figures and the table
that the package ships: they never mix runs. A part of it (``--only``, ``--quick``) writes into ``build`` instead.
``--kernels`` measures jaxact's kernels in place of the libraries, in Pallas's interpreter where there is no GPU.
Exit code 1 tells that jaxact exceeds its contract.
"""

import argparse
import dataclasses
import datetime
import json
import math
import pathlib
import platform
import sys
from collections.abc import Sequence
from typing import Any

import jax
import ml_dtypes
import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks import accuracy_page
from benchmarks.peers import Kernels, Library, libraries

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the oracle, the points and the case table are the tests' own

from cases import CASES, DEFAULTS, Case  # noqa: E402
from oracle import ORACLE  # noqa: E402
from ulp import Reference, on_a_kink, patterns, stratified  # noqa: E402

RESULTS = "benchmarks/results/accuracy.json"
SHIPPED = ROOT / "jaxact/_src/accuracy.json"
OURS = ("jaxact", "kernels")
SMALLEST = 2.0**-126  # XLA's CPU backend takes smaller numbers for zeros
LIMITS = {"bfloat16": (0.51,) * 3, "float16": (0.51,) * 3, "float32": (4.0, 8.0, 16.0)}
DTYPES = {"bfloat16": ml_dtypes.bfloat16, "float16": np.float16, "float32": np.float32}
FULL, QUICK = 4_000_000, 20_000


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for, and write it down; 0 is success."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--points", type=int, default=FULL, help=f"float32 points a case (default: {FULL})")
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="an activation; may be given more than once"
    )
    parser.add_argument(
        "--settings", action="store_true", help="every setting that the tests cover, not just defaults"
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} float32 points: shows that it works")
    parser.add_argument("--kernels", action="store_true", help="the kernels' bodies, run by a kernel")
    parser.add_argument("--json", type=pathlib.Path, help=f"the results (default: {RESULTS})")
    parser.add_argument("--docs", type=pathlib.Path, help="where page and figures go (default: docs)")
    parser.add_argument("--page-only", action="store_true", help="write the page anew from the JSON")
    options = parser.parse_args(argv)
    if options.only and (unknown := set(options.only) - {c.name for c in CASES}):
        parser.error(f"unknown activation {sorted(unknown)}; one of {sorted({c.name for c in CASES})}")
    installed = [Kernels()] if options.kernels else libraries()
    if installed[0].version is None:
        parser.error("this JAX has no kernels: PYTHON=python3.12 VENV=.venv-newest finds one that has")
    part = options.only or options.quick
    file = options.json or ROOT / ("build/accuracy.json" if part else RESULTS)
    docs = options.docs or ROOT / ("build" if part else "docs")
    if not options.page_only:
        count = QUICK if options.quick else options.points
        report = measure_all(cases_of(options.only, options.settings), count, installed)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(report, indent=1) + "\n")
    report = json.loads(file.read_text())
    accuracy_page.write(report, docs)
    if file == ROOT / RESULTS:
        SHIPPED.write_text(json.dumps(accuracy_page.shipped(report), indent=1) + "\n")
    exceeded = [r for r in report["rows"] if r["library"] in OURS and not r["within"]]
    console = Console()
    console.print(accuracy_page.summary(report))
    for row in exceeded:
        console.print(f"[red]exceeds {row['limit']} ULP: {row['case']} order {row['order']} {row['dtype']}: {row}")
    return 1 if exceeded else 0


def cases_of(only: Sequence[str] | None, settings: bool) -> list[Case]:
    """Every activation at its defaults, and where asked for at the settings that the tests cover."""
    defaults = {str(c) for c in DEFAULTS}
    return [
        c
        for c in CASES
        if (not only or c.name in only)
        # a flag, such as `approximate`, chooses another formula
        and (settings or str(c) in defaults or all(isinstance(v, bool) for v in c.params.values()))
    ]


def measure_all(cases: Sequence[Case], count: int, installed: Sequence[Library]) -> dict[str, Any]:
    """All numbers of a run, with what produced them."""
    rows = []
    for case in track(cases, description=f"{count} float32 points a case"):
        for dtype in DTYPES:
            rows += measure(case, dtype, count, installed)
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": jax.devices()[0].device_kind,
        "platform": jax.default_backend(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "points": count,
        "limits": LIMITS,
        "libraries": {p.name: p.version for p in installed},
        "rows": rows,
    }


def measure(case: Case, dtype: str, count: int, installed: Sequence[Library]) -> list[dict[str, Any]]:
    """A row for each library and order; the exact results are evaluated once for all."""
    oracle = ORACLE[case.name]
    points = points_of(case, dtype, count)
    kinks = on_a_kink(points, oracle.kinks(**case.params))
    beyond = ~case.within_reach(points)
    references = [Reference.of(oracle, order, points, **case.params) for order in range(3)]
    rows = []
    for library in installed:
        function = library.find(case.name, case.params)
        if function is None:
            continue
        for order, computed in enumerate(library.evaluate(function, points)):
            if computed is None:
                continue
            flushed = beside_smallest(references[order].exact[0], dtype, library.margin)
            skip = kinks | flushed | (beyond & bool(order))
            with np.errstate(all="ignore"):
                found = references[order].report(computed, skip=skip)
            limit = LIMITS[dtype][order]
            row = {k: _plain(v) for k, v in dataclasses.asdict(found).items()}
            row |= {"case": str(case), "library": library.name, "limit": limit, "within": found.within(limit)}
            rows.append(row)
    return rows


def points_of(case: Case, dtype: str, count: int) -> np.ndarray:
    """The points of the contract."""
    if dtype != "float32":
        points = patterns(DTYPES[dtype])
    else:
        oracle = ORACLE[case.name]
        dense = {*oracle.kinks(**case.params), *(r for o in range(3) for r in oracle.roots(o, **case.params))}
        points = stratified(count, dense=tuple(sorted(filter(math.isfinite, dense))))
    size = np.abs(points.astype(np.float64))
    return points[(size >= SMALLEST) | (size == 0)]


def beside_smallest(exact: np.ndarray, dtype: str, margin: float) -> np.ndarray:
    """Where an exact result is this close above the smallest normal number."""
    smallest = float(ml_dtypes.finfo(DTYPES[dtype]).smallest_normal)
    return np.abs(np.abs(exact) - smallest) < margin * smallest


def _plain(value: Any) -> Any:
    """JSON has neither infinities nor NaN."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
