"""The accuracy page of the documentation, written from the JSON of one run of `benchmarks.accuracy`."""

import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

ORDERS = ("value", "f′", "f″")
COLORS = {"jaxact": "#0072B2", "jax.nn": "#D55E00", "keras": "#CC79A7", "torch": "#009E73", "kernels": "#0072B2"}
MARKERS = {"jaxact": "o", "jax.nn": "x", "keras": "+", "torch": "v", "kernels": "o"}
TOP = 1e8  # of the axis; what is larger, or no number, is drawn there

Row = Mapping[str, Any]
Report = Mapping[str, Any]


def write(report: Report, docs: pathlib.Path) -> None:
    """Write accuracy.md, and its figures of several libraries into images/, below `docs`."""
    docs.mkdir(parents=True, exist_ok=True)
    images = docs / "images"
    parts = [_head(report)]
    for dtype in report["limits"]:
        rows = [r for r in report["rows"] if r["dtype"] == dtype]
        if not rows:
            continue
        parts.append(f"## {dtype}")
        if len(report["libraries"]) > 1:
            image = images / f"accuracy-{dtype}.png"
            images.mkdir(parents=True, exist_ok=True)
            _figure(report, rows, dtype, image)
            parts.append(f"![Worst errors in {dtype}](images/{image.name})")
        parts.append(_table(report, rows))
    (docs / "accuracy.md").write_text("\n\n".join(parts) + "\n")


def shipped(report: Report) -> dict[str, dict[str, list[float]]]:
    """What the package itself tells: jaxact's worst errors in ULP by activation, dtype and order, rounded up."""
    found: dict[str, dict[str, list[float]]] = {}
    for r in report["rows"]:
        if r["library"] == "jaxact":
            orders = found.setdefault(r["name"], {}).setdefault(r["dtype"], [0.0] * len(ORDERS))
            orders[r["order"]] = max(orders[r["order"]], math.ceil(100 * number(r["worst"])) / 100)
    return dict(sorted(found.items()))


def summary(report: Report) -> str:
    """The worst of each library, by type and order, in a few lines."""
    lines = []
    for dtype, limits in report["limits"].items():
        for order, limit in enumerate(limits):
            found = {}
            for library in _libraries(report):
                worst = [
                    number(r["worst"])
                    for r in report["rows"]
                    if (r["dtype"], r["order"], r["library"]) == (dtype, order, library)
                ]
                if worst:
                    found[library] = (
                        f"{library} {_ulp(max(worst))} (median {_ulp(sorted(worst)[len(worst) // 2])})"
                    )
            lines.append(f"{dtype} {ORDERS[order]}, limit {limit:g}: " + ", ".join(found.values()))
    return "\n".join(lines)


def number(value: Any) -> float:
    """A number of the JSON, where infinities are text; NaN counts as infinite."""
    v = float(value)
    return math.inf if math.isnan(v) else v


def _libraries(report: Report) -> Iterable[str]:
    return report["libraries"]


# -- text ---------------------------------------------------------------------------------------------------------


def _head(report: Report) -> str:
    versions = ", ".join(f"{n} {v or 'not installed'}" for n, v in report["libraries"].items())
    title = "Accuracy of the kernels' bodies" if "kernels" in report["libraries"] else "Accuracy"
    keras = "\nKeras runs on its JAX backend." if "keras" in report["libraries"] else ""
    return f"""# {title}

<!-- Written by `make accuracy`; edit benchmarks/accuracy_page.py instead. -->

The worst error of every elementwise activation, of its first and of its second derivative, in units in the last
place (ULP) of the exact result, and at which x. Measured in one run on {report["date"]}, on {report["platform"]}
({report["device"]}, {report["processor"]}), with Python {report["python"]}: {versions}.{keras}

* bfloat16 and float16: every finite number. float32: {report["points"]:,} points, stratified over all
  exponents and both signs, dense around kinks and roots.
* The exact results are those of an independent float64 oracle (`tests/oracle`). Where they are below the smallest
  normal number, a zero of the right sign counts as exact, as XLA's CPU backend makes it.
* In float32, 8% to either side of a root are left out here; there jaxact keeps an absolute error of 2 eps times
  the largest result around. Kinks, where conventions differ, and the derivatives of periodic functions beyond
  their reach are left out: each activation's page states its own.
* ∞ stands for NaN, an infinity or a zero instead of a number, or a zero of the wrong sign. A dash: the library has
  no such function, or not that derivative.

{_kernels(report)}jaxact's contract is 0.51 ULP in 16 bits; in float32 4 for the value, 8 for f′ and 16 for f″.

| worst of all | limit | {" | ".join(_libraries(report))} |
|---|---|{"---|" * len(report["libraries"])}
{_overview(report)}"""


def _kernels(report: Report) -> str:
    """What is particular to the kernels' bodies."""
    if "kernels" not in report["libraries"] or report["platform"] == "gpu":
        return ""
    return """The kernels' bodies, in the profile of a GPU, were run by the elementwise kernel, in the interpreter.
On a GPU exp2 of a whole number is exact and numbers may be subnormal; in the interpreter neither is so, and
results within 2**-20 of the smallest normal number are left out.

"""


def _overview(report: Report) -> str:
    lines = []
    for dtype, limits in report["limits"].items():
        for order, limit in enumerate(limits):
            cells = []
            for library in _libraries(report):
                found = [
                    number(r["worst"])
                    for r in report["rows"]
                    if (r["dtype"], r["order"], r["library"]) == (dtype, order, library)
                ]
                missing = "–" if report["libraries"][library] else "not installed"
                cells.append(_ulp(max(found)) if found else missing)
            lines.append(f"| {dtype} {ORDERS[order]} | {limit:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _table(report: Report, rows: Sequence[Row]) -> str:
    names = list(_libraries(report))
    lines = [f"| activation | of | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for case in dict.fromkeys(r["case"] for r in rows):
        for order, title in enumerate(ORDERS):
            found = {r["library"]: r for r in rows if (r["case"], r["order"]) == (case, order)}
            cells = [_cell(found[n]) if n in found else "–" for n in names]
            lines.append(f"| {case if not order else ''} | {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: Row) -> str:
    worst = number(row["worst"])
    if worst == 0:
        return "0"
    return f"{_ulp(worst)} at {float(row['at']):.4g}"


def _ulp(worst: float) -> str:
    if math.isinf(worst):
        return "∞"
    return f"{worst:.2f}" if worst < 1000 else f"{worst:.1e}"


# -- figures ------------------------------------------------------------------------------------------------------


def _figure(report: Report, rows: Sequence[Row], dtype: str, path: pathlib.Path) -> None:
    """Worst errors of the activations that some peer has, one panel an order."""
    shared = {r["case"] for r in rows if r["library"] != "jaxact"}
    cases = [c for c in dict.fromkeys(r["case"] for r in rows) if c in shared]
    figure, panels = plt.subplots(1, 3, figsize=(11, 1.6 + 0.19 * len(cases)), sharey=True, layout="constrained")
    for order, panel in enumerate(panels):
        for library in _libraries(report):
            points = [
                (min(max(number(r["worst"]), 0.02), TOP), cases.index(r["case"]))
                for r in rows
                if r["library"] == library and r["order"] == order and r["case"] in shared
            ]
            if points:
                style = {"s": 22, "color": COLORS[library], "marker": MARKERS[library]}
                panel.scatter(*zip(*points, strict=True), label=library, **style)
        panel.axvline(report["limits"][dtype][order], color="0.4", linestyle=":", linewidth=1)
        panel.set(xscale="log", xlim=(0.01, 3 * TOP), title=ORDERS[order], xlabel="ULP; dotted: jaxact's contract")
        panel.grid(axis="y", color="0.92")
        panel.set_axisbelow(True)
    panels[0].set_yticks(range(len(cases)), cases, fontsize=8)
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    figure.suptitle(f"Worst error in {dtype}; at the right edge: NaN, a wrong zero or sign, or beyond")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
