"""``python -m benchmarks overhead``: run one of the benchmarks, print its table, write its JSON."""

import argparse
import json
import pathlib
import platform
import sys

import jax
from rich.console import Console
from rich.table import Table

from benchmarks import gpu_static, overhead

PROGRAMS = {"gpu_static": gpu_static.run, "overhead": overhead.run}
RESULTS = pathlib.Path(__file__).parent / "results"


def main(argv: list[str] | None = None) -> int:
    """Run the program that the command line names; 0 is success."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("program", choices=sorted(PROGRAMS))
    parser.add_argument("--quick", action="store_true", help="few repetitions: shows that the program works")
    parser.add_argument("--out", type=pathlib.Path, default=RESULTS, help="where the JSON goes")
    options = parser.parse_args(argv)

    report = PROGRAMS[options.program](quick=options.quick)
    _print(report)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{options.program}.json"
    path.write_text(json.dumps({"machine": _machine(), **report}, indent=1) + "\n")
    print(f"wrote {path}")
    return 0


def _machine() -> dict[str, str]:
    return {"python": platform.python_version(), "jax": jax.__version__, "processor": platform.machine()}


def _print(report: dict) -> None:
    table = Table(title=report["title"], caption=report["method"])
    for column in report["columns"]:
        table.add_column(column, justify="left" if column == "name" else "right")
    for row in report["rows"]:
        table.add_row(*(v if isinstance(v, str) else f"{v:.2f}" for v in row))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
