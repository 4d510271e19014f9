"""What is read from the rows of a report: ratios, their noise, and the aims that they are held against."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.gpu.cases import COMPUTE_BOUND
from benchmarks.gpu.measure import AGAIN, KERNEL, LIMITS, PLAIN, REFERENCE, SELECTED

Row = Mapping[str, Any]
LONG = 131072
SHORT = 49152


def seconds(row: Row, program: str) -> float | None:
    """The median of a program, None where it was not timed."""
    found = row["seconds"].get(program)
    return found and found["median"]


def limit(row: Row) -> float | None:
    """The seconds of the faster copy of the same bytes."""
    found = [s for s in (seconds(row, name) for name in LIMITS) if s]
    return min(found, default=None)


def ratio(over: float | None, under: float | None) -> float | None:
    return over / under if over and under else None


def of_copy(row: Row, program: str) -> float | None:
    """The share of copy speed that a program reaches."""
    return ratio(limit(row), seconds(row, program))


def against_plain(row: Row, program: str) -> float | None:
    """How many times as fast as jax.nn, or plain jnp, under XLA."""
    return ratio(seconds(row, PLAIN), seconds(row, program))


def noise(row: Row) -> float:
    """How far apart two timings of one program are, or the quartiles of one, relatively."""
    same = ratio(seconds(row, AGAIN), seconds(row, REFERENCE)) or 1.0
    spreads = [(s["high"] - s["low"]) / (2 * s["median"]) for s in row["seconds"].values() if s["median"]]
    return max(abs(same - 1.0), *spreads, 0.0)


def kernels(row: Row, program: str) -> str:
    """The kernels that take most of a program's time, with the seconds a call of each in microseconds."""
    found = row.get("kernels", {}).get(program, {})
    return ", ".join(f"{name} {1e6 * s:.1f} µs" for name, s in found.items())


def selected(row: Row) -> str:
    """The program that the rule selects."""
    if SELECTED in row["seconds"] or SELECTED in row["problems"]:
        return SELECTED
    chosen = {s["implementation"] for s in row["selected"]}
    return KERNEL if chosen == {"pallas"} else REFERENCE


@dataclasses.dataclass(frozen=True)
class Aim:
    """A demand.

    Attributes:
      text: In words.
      applies: To which rows.
      figure: What is compared.
      least: What it has to be.
      within_noise: The noise of a row counts in its favour.
      program: Whose figure it is.
    """

    text: str
    applies: Callable[[Row], bool]
    figure: Callable[[Row], float | None]
    least: float
    within_noise: bool = False
    program: Callable[[Row], str] = lambda row: KERNEL

    def short(self, row: Row) -> bool:
        found = self.figure(row)
        return found is not None and found < self.least - (noise(row) if self.within_noise else 0.0)


def _kernel(row: Row) -> float | None:
    return of_copy(row, KERNEL)


def _is_light(row: Row) -> bool:
    """Bound by memory: elementwise without the compute-bound, gated, act_quant, softmax of rows that are held."""
    if row["part"] == "elementwise":
        return row["name"] not in COMPUTE_BOUND
    if row["part"] == "rowwise":
        return row["name"] in ("softmax", "log_softmax") and row["shape"][-1] <= SHORT
    return row["part"] in ("gated", "quantise")


AIMS: Sequence[Aim] = (
    Aim(
        "bfloat16 elementwise, gated, softmax and log_softmax up to 48k columns, act_quant: 90% of copy speed",
        lambda r: r["dtype"] == "bfloat16" and _is_light(r),
        _kernel,
        0.90,
    ),
    Aim("the same in float32: 92%", lambda r: r["dtype"] == "float32" and _is_light(r), _kernel, 0.92),
    Aim(
        "sparsemax and entmax15 at 8k columns: 60% of copy speed",
        lambda r: r["name"] in ("sparsemax", "entmax15") and r["shape"][-1] == 8192,
        _kernel,
        0.60,
    ),
    Aim(
        "rows of 128k and more: 60% of copy speed",
        lambda r: r["part"] == "rowwise" and r["shape"][-1] >= LONG,
        _kernel,
        0.60,
    ),
    Aim(
        "what is selected by default: not slower than XLA on jax.nn or plain jnp, outside noise",
        lambda r: True,
        lambda r: against_plain(r, selected(r)),
        1.0,
        within_noise=True,
        program=selected,
    ),
    Aim(
        "kernels selected by default: not slower than jaxact's reference under XLA, outside noise",
        lambda r: selected(r) == KERNEL,
        lambda r: ratio(seconds(r, REFERENCE), seconds(r, KERNEL)),
        1.0,
        within_noise=True,
    ),
    Aim(
        "kernels of compute-bound functions in bfloat16: 1.3 times XLA on jax.nn",
        lambda r: r["dtype"] == "bfloat16" and r["name"] in COMPUTE_BOUND,
        lambda r: against_plain(r, KERNEL),
        1.3,
    ),
)


def verdicts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Of each aim, whether it is met, in how many rows it was measured, and where it falls short."""
    found = []
    for aim in AIMS:
        measured = [r for r in rows if aim.applies(r) and aim.figure(r) is not None]
        short = [
            {"id": r["id"], "figure": aim.figure(r), "kernels": kernels(r, aim.program(r))}
            for r in measured
            if aim.short(r)
        ]
        verdict = "not measured" if not measured else "short of" if short else "met"
        found.append({"aim": aim.text, "verdict": verdict, "rows": len(measured), "short": short})
    return found
