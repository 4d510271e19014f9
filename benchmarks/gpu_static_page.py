"""The page of `gpu_static`: tables of what its programs hold."""

from collections.abc import Sequence
from typing import Any

COLUMNS = [
    "name",
    "bytes",
    "of XLA",
    "instructions",
    "of XLA",
    "special",
    "of XLA",
    "registers",
    "of XLA",
    "spilled",
]
LEAST = 1.15  # times the kernel's bytes that XLA has to move for the rule to take the kernel
METHOD = (
    "compiled without a GPU; bytes: operands and results of every kernel of the program, and what a kernel reads "
    "again, over those that have to move; instructions as they stand in the machine code, loops once; no times"
)
_HEAD = """\
# Kernels on paper

<!-- Written by `python -m benchmarks gpu_static`; edit benchmarks/gpu_static_page.py instead. -->

Each kernel beside what XLA makes of jaxact's own reference of the same function, compiled for H200 and B200 in
one run on a machine without a GPU: these are no times. `python -m benchmarks gpu_static` (with
`jaxact[gpu-compile]`) makes the page.

- **Bytes** are the operands and results of every kernel of a program, over the bytes that have to move: 1.00 is
  ideal. A row that does not stay in registers is read again, and counted again. A loop of XLA's whose length
  depends on the numbers counts as often as it runs for normal ones.
- **Instructions** and **special** functions (exp2, log2, reciprocals, square roots, sines) stand in the machine
  code of all kernels of a program: a loop counts once, and a thread handles several elements, in different
  programs not equally many. Both are assembled by the same ptxas.
- **Registers** are those of the kernel that needs most; **spilled** bytes left them for memory.
- **In context**: the bytes of a program with neighbours, XLA's over the kernel's, without the matrices of the
  GEMM. Below 1 the kernel cuts apart what XLA fuses. Backward, the neighbours are the gradients of those named;
  `act_quant` has the add, whose sum is a result too, and the norm before it.

The rule takes a kernel by itself where XLA moves at least {least} times its bytes alone and in every context.
"""


def row(found: dict[str, Any]) -> list[Any]:
    """A line of the table in the terminal."""
    own, xla = found["alone"]["kernel"], found["alone"]["xla"]
    keys = ("bytes", "instructions", "special", "registers")
    return [f"{found['gpu']} {found['case']}", *(v[k] for k in keys for v in (own, xla)), own["spilled"]]


def text(rows: Sequence[dict[str, Any]]) -> str:
    """The page."""
    parts = [_HEAD.format(least=LEAST)]
    for gpu in dict.fromkeys(r["gpu"] for r in rows):
        mine = [r for r in rows if r["gpu"] == gpu]
        parts += [f"\n## {gpu.upper()}\n\n### Alone\n\n", _alone(mine), "\n### In context\n\n", _context(mine)]
    return "".join(parts)


def _alone(rows: Sequence[dict[str, Any]]) -> str:
    head = [
        "",
        "bytes",
        "XLA",
        "instructions",
        "XLA",
        "special",
        "XLA",
        "registers",
        "XLA",
        "spilled",
        "XLA",
        "chosen",
    ]
    lines = [head, ["---", *["---:"] * (len(head) - 2), "---"]]
    for r in rows:
        own, xla = r["alone"]["kernel"], r["alone"]["xla"]
        cells = [f"{own['bytes']:.2f}", f"{xla['bytes']:.2f}"]
        cells += [str(v[k]) for k in ("instructions", "special", "registers", "spilled") for v in (own, xla)]
        lines.append([r["case"], *cells, "yes" if r["chosen"] else ""])
    return _table(lines)


def _context(rows: Sequence[dict[str, Any]]) -> str:
    shown = [r for r in rows if r["context"]]
    names = list(dict.fromkeys(name for r in shown for name in r["context"]))
    lines = [["", "alone", *names, "chosen"], ["---", *["---:"] * (1 + len(names)), "---"]]
    for r in shown:
        alone = r["alone"]["xla"]["bytes"] / r["alone"]["kernel"]["bytes"]
        gains = {name: f"{c['xla'] / c['kernel']:.2f}" for name, c in r["context"].items()}
        cells = [f"{alone:.2f}", *(gains.get(name, "–") for name in names)]
        lines.append([r["case"], *cells, "yes" if r["chosen"] else ""])
    return _table(lines)


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
