"""What every benchmark hands on: one table with how it was measured, as JSON, on the terminal and in Markdown."""

import dataclasses
import datetime
import json
import math
import os
import pathlib
import platform
import statistics
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from benchmarks.peers import libraries

Cell = str | int | float | None


def _machine() -> dict[str, Any]:
    """When, on what, and with which versions."""
    found = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": f"{platform.machine()} ({_model()})",
        "cores": len(_cores()),
        "Python": platform.python_version(),
        "JAX": jax.__version__,
    }
    peers = {p.name: p.version for p in libraries() if p.name in ("keras", "torch") and p.version}
    return found | peers


def _model() -> str:
    """What Linux calls the processor."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _cores() -> Collection[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class Report:
    """A table; `findings` says in sentences what it shows."""

    title: str
    method: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    findings: Sequence[str] = ()
    machine: dict[str, Any] = dataclasses.field(default_factory=_machine)

    def save(self, path: pathlib.Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: pathlib.Path) -> "Report":
        return cls(**json.loads(path.read_text()))

    def where(self, **wanted: Cell) -> list[dict[str, Any]]:
        """The rows with these values, as dictionaries by column."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return [r for r in rows if all(r[k] == v for k, v in wanted.items())]

    def show(self) -> None:
        """Print the table and the findings."""
        table = Table(title=self.title, caption=self.method)
        for column in self.columns:
            table.add_column(column, justify="left" if column == self.columns[0] else "right")
        for row in self.rows:
            table.add_row(*map(shown, row))
        console = Console()
        console.print(table)
        for finding in self.findings:
            console.print(f"* {finding}")

    def markdown(self) -> str:
        """The section of a page."""
        versions = ", ".join(f"{k} {v}" for k, v in self.machine.items())
        lines = [f"## {self.title}", "", self.method, "", f"Measured in one run: {versions}.", ""]
        lines += [f"* {finding}" for finding in self.findings] + [""]
        lines += [f"| {' | '.join(self.columns)} |", "|" + "---|" * len(self.columns)]
        lines += [f"| {' | '.join(map(shown, row))} |" for row in self.rows]
        return "\n".join(lines)


def shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def geometric_mean(values: Iterable[float]) -> float:
    values = list(values)
    return statistics.geometric_mean(values) if values else math.nan
