"""``python -m benchmarks.accuracy_rows``: errors of the activations over rows, beside other libraries, in one run.

Rows of 1 to 2**17 elements at several scales and offsets (`tests/row_contract.py`), against the tests' float64
oracle. Writes ``benchmarks/results/accuracy_rows.json``, and from it alone ``docs/accuracy_rows.md`` and the table
that the package ships; ``--quick`` and a run on a GPU write elsewhere. Exit code 1 tells that jaxact exceeds its
contract.
"""

import argparse
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

from benchmarks.peers import Library, libraries

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the oracle and the contract are the tests' own

from oracle import rows as oracle  # noqa: E402
from row_contract import TABLE, bound, logits, rounding  # noqa: E402

RESULTS = "benchmarks/results/accuracy_rows.json"
SHIPPED = ROOT / "jaxact/_src/accuracy_rows.json"
DTYPES = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16}
LENGTHS, QUICK = (1, 100, 1000, 10_000, 2**17), (1, 100)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write it down; 0 is success."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy_rows", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rows only: shows that it works")
    parser.add_argument("--json", type=pathlib.Path, help=f"the results (default: {RESULTS})")
    parser.add_argument("--docs", type=pathlib.Path, help="where the page goes (default: docs)")
    options = parser.parse_args(argv)
    file = options.json or ROOT / ("build/accuracy_rows.json" if options.quick else RESULTS)
    docs = options.docs or ROOT / ("build" if options.quick else "docs")
    report = measure_all(QUICK if options.quick else LENGTHS, libraries())
    for path, text in ((file, json.dumps(report, indent=1) + "\n"), (docs / "accuracy_rows.md", page(report))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if file == ROOT / RESULTS:
        SHIPPED.write_text(json.dumps(shipped(report), indent=1) + "\n")
    print(page(report))
    return 0 if all(float(r["worst"]) <= 1 for r in report["rows"] if r["library"] == "jaxact") else 1


def measure_all(lengths: Sequence[int], installed: Sequence[Library]) -> dict[str, Any]:
    """All numbers of a run, with what produced them."""
    rows = []
    for name, parameters in TABLE:
        for dtype in DTYPES:
            rows += measure(name, parameters, dtype, lengths, installed)
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": jax.devices()[0].device_kind,
        "processor": platform.machine(),
        "lengths": list(lengths),
        "libraries": {p.name: p.version for p in installed},
        "rows": rows,
    }


def measure(
    name: str, parameters: dict[str, float], dtype: str, lengths: Sequence[int], installed: Sequence[Library]
) -> list[dict[str, Any]]:
    """The worst error of each library over all rows, as a multiple of what the contract allows there."""
    trials = []
    for n in lengths:
        x = np.asarray(logits(n, DTYPES[dtype]))
        x = -x if name == "softmin" else x  # so that -inf is excluded there too
        with np.errstate(all="ignore"):
            trials.append((n, x, oracle.VALUES[name](x.astype(np.float64), **parameters)))
    found = []
    for library in installed:
        function = library.find(name, parameters)
        if function is None:
            continue
        worst, where = 0.0, 0
        for n, x, exact in trials:
            y = library.value(function, x)
            own = np.inf if y is None else error(name, x, exact, y)
            if own > worst:
                worst, where = own, n
        row = {"name": name, "parameters": parameters, "dtype": dtype, "library": library.name}
        found.append(row | {"worst": worst if math.isfinite(worst) else "inf", "length": where})
    return found


def error(name: str, x: np.ndarray, exact: np.ndarray, y: np.ndarray) -> float:
    """The worst error over the bound of the contract: that of float32, and in 16 bits half a unit more."""
    with np.errstate(all="ignore"):
        limit = bound(name, x.astype(np.float64), exact) + rounding(exact, x.dtype)
        off = np.abs(y.astype(np.float64) - exact) / limit
    smallest = float(ml_dtypes.finfo(x.dtype).smallest_normal)
    off = np.where((np.abs(exact) < smallest) & (y == 0), 0.0, off)  # XLA's CPU backend flushes what is not normal
    off = np.where(np.isneginf(exact), np.where(np.isneginf(y), 0.0, np.inf), off)
    return float(np.max(np.where(np.isnan(off), np.inf, off)))


def shipped(report: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What the package itself tells: jaxact's worst share of its contract by activation and dtype, rounded up."""
    found: dict[str, dict[str, float]] = {}
    for r in report["rows"]:
        if r["library"] == "jaxact":
            own = found.setdefault(r["name"], {})
            own[r["dtype"]] = max(own.get(r["dtype"], 0.0), math.ceil(100 * float(r["worst"])) / 100)
    return dict(sorted(found.items()))


# -- text ---------------------------------------------------------------------------------------------------------


def page(report: dict[str, Any]) -> str:
    """docs/accuracy_rows.md."""
    names = list(report["libraries"])
    lines = [f"| activation | dtype | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    rows = {(r["name"], str(r["parameters"]), r["dtype"], r["library"]): r for r in report["rows"]}
    for name, parameters in TABLE:
        title = ", ".join((name, *(f"{k}={v:g}" for k, v in parameters.items())))
        for dtype in DTYPES:
            cells = [_cell(rows.get((name, str(parameters), dtype, library))) for library in names]
            lines.append(f"| {title} | {dtype} | {' | '.join(cells)} |")
            title = ""
    versions = ", ".join(f"{n} {v or 'not installed'}" for n, v in report["libraries"].items())
    lengths = ", ".join(f"{n:,}" for n in report["lengths"])
    return PAGE.format(**report | {"versions": versions, "lengths": lengths, "table": "\n".join(lines)})


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    worst = float(row["worst"])
    text = "∞" if math.isinf(worst) else f"{worst:.2f}" if worst < 100 else f"{worst:,.0f}"
    return f"{text} at {row['length']:,}" if worst else text


PAGE = """# Accuracy of rows

<!-- Written by `make accuracy`; edit benchmarks/accuracy_rows.py instead. -->

The worst error of every activation over rows as a multiple of what jaxact's contract allows, so that 1 is the
limit, and at which length of a row. Measured in one run on {date}, on {device} ({processor}): {versions}.

* Rows of {lengths} elements: normal numbers times 0.001 to 10,000, some with a constant of 1,000 added or
  taken away; one hot; all equal; all but one excluded.
* The contract in float32, with eps = 2**-23: for softmax 4 eps + (max - x) eps, relative; for log_softmax 4 eps,
  relative or absolute, whichever is more; for the sparse ones 4 eps, absolute. In 16 bits half a unit in the last
  place is allowed beside it, and a zero where the exact result is no normal number.
* The exact results are those of an independent float64 oracle (`tests/oracle/rows.py`). ∞ stands for NaN, or an
  infinity instead of a number. A dash: the library has no such function.

{table}
"""


if __name__ == "__main__":
    sys.exit(main())
