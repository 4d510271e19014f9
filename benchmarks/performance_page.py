"""The performance page of the documentation, from the JSON of the benchmarks, each table of one run."""

import pathlib
from collections.abc import Mapping

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.report import Report

HEAD = """# Performance

<!-- Written by `python -m benchmarks all`; edit benchmarks/performance_page.py instead. -->

Speed and memory on the CPU beside jax.nn, Keras and PyTorch, with every cell where one of them is ahead. Ratios
are taken in one run, the libraries in turn, as medians; `±` is half the interquartile range of the ratio. Run it
again with `make bench`. What is said of a GPU was compiled for it and counted, not timed."""
COLORS = {"jax.nn": "#D55E00", "keras": "#CC79A7", "torch": "#009E73"}


def write(results: Mapping[str, pathlib.Path], docs: pathlib.Path) -> None:
    """Write performance.md, and its figure into images/, below `docs`; a table without results says so."""
    reports = {name: Report.load(path) for name, path in results.items() if path.exists()}
    parts = [HEAD]
    for name in results:
        if name not in reports:
            parts.append(f"## {name}\n\nNot measured yet.")
            continue
        parts.append(reports[name].markdown())
        if name == "cpu":
            image = docs / "images" / "performance.svg"
            image.parent.mkdir(parents=True, exist_ok=True)
            _figure(reports[name], image)
            parts.insert(1, f"![Forward and backward beside other libraries](images/{image.name})")
    (docs / "performance.md").write_text("\n\n".join(parts) + "\n")


def _figure(report: Report, path: pathlib.Path) -> None:
    """How many times faster jaxact is, forward and backward in one program, one panel a dtype."""
    largest = report.rows[0][report.columns.index("size")]
    both = report.where(form="both", size=largest)
    dtypes = list(dict.fromkeys(r["dtype"] for r in both))
    names = list(dict.fromkeys(r["activation"] for r in both if any(r[p] for p in COLORS)))
    size = (10, 1.5 + 0.2 * len(names))
    figure, (panels,) = plt.subplots(
        1, len(dtypes), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    for panel, dtype in zip(panels, dtypes, strict=True):
        for library, color in COLORS.items():
            points = [
                (r[library], names.index(r["activation"])) for r in both if r["dtype"] == dtype and r[library]
            ]
            if points:
                panel.scatter(*zip(*points, strict=True), s=22, color=color, label=library)
        panel.axvline(1.0, color="0.5", linewidth=1)
        panel.set(xscale="log", title=dtype, xlabel="time over jaxact's; right of 1 jaxact is faster")
        panel.grid(axis="y", color="0.9")
    panels[0].set_yticks(range(len(names)), names, fontsize=8)
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    with mpl.rc_context({"svg.hashsalt": "jaxact"}):  # the same picture of the same results
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
