"""``python -m benchmarks cpu``: run benchmarks, print their tables, write their JSON and a page.

``python -m benchmarks gpu`` times kernels on a GPU, ``gpu_static`` compiles them for one: see `benchmarks.gpu` and
`benchmarks.gpu_static`, whose pages are their own.
"""

import argparse
import pathlib
import sys
from collections.abc import Callable, Mapping

from benchmarks import cpu, memory, memory_gpu, overhead, performance_page, readme, scaling
from benchmarks.gpu import command as gpu
from benchmarks.report import Report

DOCS = pathlib.Path(__file__).parent.parent / "docs"
# Each program is a few tables, each of one run.
PROGRAMS: Mapping[str, Mapping[str, Callable[..., Report]]] = {
    "cpu": {"cpu": cpu.run, "cpu_threads": cpu.threads},
    "memory": {"memory": memory.kept, "memory_peak": memory.peak},
    "overhead": {"overhead": overhead.eager, "overhead_staging": overhead.staging},
    "scaling": {"scaling": scaling.sizes, "scaling_devices": scaling.devices},
}
# What needs a JAX that compiles for GPUs, beside which the other libraries need not be.
APART: Mapping[str, Mapping[str, Callable[..., Report]]] = {"memory_gpu": {"memory_gpu": memory_gpu.peak}}


def main(argv: list[str] | None = None) -> int:
    """Run the programs that the command line names; 0 is success."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["gpu"]:  # has options of its own
        return gpu.main(argv[1:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "programs",
        nargs="+",
        choices=[*PROGRAMS, *APART, "gpu_static", "all", "page"],
        help="page: only write the page",
    )
    parser.add_argument("--quick", action="store_true", help="few repetitions: shows that the programs work")
    parser.add_argument("--out", type=pathlib.Path, default=readme.RESULTS, help="for the JSON")
    parser.add_argument(
        "--docs", type=pathlib.Path, default=DOCS, help="for performance.md and its figures; README.md beside it"
    )
    options = parser.parse_args(argv)

    if "gpu_static" in options.programs:
        from benchmarks import gpu_static  # noqa: PLC0415  (needs a JAX that has kernels)

        gpu_static.write(options.out / "gpu_static.json", quick=options.quick)
        return 0
    for name in PROGRAMS if "all" in options.programs else options.programs:
        for table, run in {**PROGRAMS, **APART}.get(name, {}).items():
            report = run(quick=options.quick)
            report.show()
            report.save(options.out / f"{table}.json")
    tables = [t for program in (*PROGRAMS.values(), *APART.values()) for t in program]
    performance_page.write({t: options.out / f"{t}.json" for t in tables}, options.docs)
    if options.docs == DOCS and options.out == readme.RESULTS:
        readme.update(DOCS.parent / "README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
