"""docs/gpu_timed.md, from the JSON of one run on a GPU, or from none."""

import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.gpu import figures
from benchmarks.gpu.cases import PARTS
from benchmarks.gpu.measure import KERNEL, PLAIN, REFERENCE, SELECTED
from benchmarks.gpu.opponents import OPPONENTS

Report = Mapping[str, Any]
Row = Mapping[str, Any]

NAME: Final = "gpu_timed.md"
# Written by hand: {date of a run: {beginning of a case's id: cause, and what was tried}}.
CAUSES: Final = pathlib.Path(__file__).with_name("causes.json")
TITLES: Final = {
    "context": "In context",
    "rowwise": "Rows",
    "gated": "Gated",
    "quantise": "Activation and quantisation",
    "elementwise": "Elementwise",
    "parametric": "With trained parameters",
    "fused": "Fused",
}
COLUMNS: Final = (SELECTED, KERNEL, REFERENCE, PLAIN, *(o.name for o in OPPONENTS))

HEAD: Final = """# Timed on a GPU

<!-- Written by `python -m benchmarks gpu`; edit benchmarks/gpu/page.py instead. -->
"""

HOW: Final = (pathlib.Path(__file__).parent / "how.md").read_text()

NOT_YET: Final = f"""{HEAD}
**Not timed yet**: no GPU has run this program. What is known about the kernels so far was counted in compiled
code, and no figure of that kind is given as a time. This page says what will be measured, and how to do it.

{HOW}"""


def write(report: Report | None, docs: pathlib.Path) -> pathlib.Path:
    """Write the page, and its figures into images/, below `docs`."""
    docs.mkdir(parents=True, exist_ok=True)
    path = docs / NAME
    path.write_text(text(report, docs / "images"))
    return path


def text(report: Report | None, images: pathlib.Path) -> str:
    """The page; without a report it says that nothing has been timed."""
    if report is None:
        return NOT_YET
    for image in images.glob("gpu-*.png"):  # of other runs
        image.unlink()
    parts = [HEAD, _provenance(report), _aims(report)]
    for part in PARTS:
        rows = [r for r in report["rows"] if r["part"] == part]
        if rows:
            parts.append(_section(part, rows, images))
    parts += [_problems(report), _left_out(report), HOW]
    return "\n".join(filter(None, parts))


def _provenance(report: Report) -> str:
    m, first, last = report["machine"], report["clocks"][0], report["clocks"][-1]
    versions = ", ".join(f"{n} {v}" for n, v in m["versions"].items() if v)
    absent = [f"* {name}: {why}" for name, why in report["opponents"].items() if why != "takes part"]
    opening = (
        f"Measured in one run on {report['date']}"
        if report["on_device"]
        else "**A self-test, no times of a GPU**: it shows that the program works. Run"
    )
    lines = [
        f"{opening} on {m['device']} (compute capability {m['compute_capability']}), Python {m['python']}: "
        f"{versions}.",
        f"Times: {report['source']}.",
        "",
        f"nvidia-smi before the run: {_pairs(first)}; after its last cases: {_pairs(last)}.",
        "",
    ]
    return "\n".join([*lines, *(["Not in this run:", "", *absent, ""] if absent else [])])


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{k} {v}" for k, v in values.items())


def _aims(report: Report) -> str:
    lines = ["## Aims", "", "| aim | verdict | rows |", "|---|---|---|"]
    for aim in report["aims"]:
        count = f" in {len(aim['short'])}" if aim["short"] else ""
        lines.append(f"| {aim['aim']} | {aim['verdict']}{count} | {aim['rows']} |")
    short = [(a["aim"], s) for a in report["aims"] for s in a["short"]]
    if short:
        lines += [
            "",
            "Short of an aim, with the kernels that take the time (a call's, from the trace), and the cause:",
            "",
        ]
        lines += ["| case | figure | aim | kernels | cause, and what was tried |", "|---|---|---|---|---|"]
        causes = _causes(report["date"])
        lines += [
            f"| {s['id']} | {s['figure']:.2f} | {aim} | {s['kernels']} | {causes(s['id'])} |" for aim, s in short
        ]
    return "\n".join([*lines, ""])


def _causes(date: str) -> Callable[[str], str]:
    """What was found out about the cases of the run of that date; another run's causes explain nothing here."""
    known = json.loads(CAUSES.read_text()).get(date, {})

    def cause(case: str) -> str:
        return next((text for beginning, text in known.items() if case.startswith(beginning)), "not known yet")

    return cause


def _section(part: str, rows: Sequence[Row], images: pathlib.Path) -> str:
    columns = [c for c in COLUMNS if any(c in r["seconds"] for r in rows)]
    lines = [f"## {TITLES[part]}", ""]
    if any(figures.limit(r) for r in rows):
        image = images / f"gpu-{part}.png"
        _figure(rows, columns, image)
        lines += [f"![Share of copy speed](images/{image.name})", ""]
    head = ["case", "dtype", "shape", "selected", "plain is", "copy", *columns, "noise"]
    lines += [
        "Milliseconds; in brackets the share of copy speed, or in context the speed relative to plain.",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    lines += [_line(row, columns) for row in rows]
    return "\n".join([*lines, ""])


def _line(row: Row, columns: Sequence[str]) -> str:
    copy = figures.limit(row)
    chosen = ", ".join(dict.fromkeys(s["implementation"] for s in row["selected"])) or "–"
    cells = [
        f"{row['name']}, {row['direction']}",
        row["dtype"],
        "×".join(map(str, row["shape"])),
        chosen,
        row["plain"],
        _milliseconds(copy),
        *(_cell(row, c) for c in columns),
        f"{100 * figures.noise(row):.0f}%" if row["seconds"] else "–",
    ]
    return f"| {' | '.join(cells)} |"


def _cell(row: Row, program: str) -> str:
    found = figures.seconds(row, program)
    if found is None:
        return "–"
    share, speed = figures.of_copy(row, program), figures.against_plain(row, program)
    beside = f" ({100 * share:.0f}%)" if share else f" ({speed:.2f}×)" if speed else ""
    return _milliseconds(found) + beside


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1e3 * seconds:.3g}"


def _problems(report: Report) -> str:
    lines = [f"| {r['id']} | {p} | {why} |" for r in report["rows"] for p, why in r["problems"].items()]
    if not lines:
        return ""
    return "\n".join(
        ["## What did not run, or was wrong", "", "| case | program | why |", "|---|---|---|", *lines, ""]
    )


def _left_out(report: Report) -> str:
    if not report["left_out"]:
        return ""
    names = "\n".join(f"* {i}" for i in report["left_out"])
    return f"## Left out\n\nThe time was up before these {len(report['left_out'])} cases:\n\n{names}\n"


def _figure(rows: Sequence[Row], columns: Sequence[str], path: pathlib.Path) -> None:
    """The share of copy speed of every program, a line a case."""
    shown = [r for r in rows if figures.limit(r)]
    names = [f"{r['name']}, {r['direction']}, {r['dtype']}, {r['shape'][-1]}" for r in shown]
    figure, panel = plt.subplots(figsize=(9, 1.2 + 0.18 * len(shown)), layout="constrained")
    for column, marker in zip(columns, "os^xv+*D"):
        found = [(s, i) for i, r in enumerate(shown) if (s := figures.of_copy(r, column))]
        if found:
            panel.scatter(*zip(*found, strict=True), label=column, marker=marker, s=20)
    panel.axvline(1.0, color="0.4", linestyle=":", linewidth=1)
    panel.set_yticks(range(len(shown)), names, fontsize=7)
    panel.set(xlabel="share of the speed of a copy", xlim=(0, None), ylim=(len(shown) - 0.5, -0.5))
    panel.grid(axis="y", color="0.92")
    panel.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=5, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
