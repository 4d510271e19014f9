"""A run: cases in order of their worth until the time is up, written down as they come."""

import concurrent.futures
import dataclasses
import datetime
import json
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress

from benchmarks.gpu import figures, machine, opponents
from benchmarks.gpu.case import Case
from benchmarks.gpu.clock import Clock
from benchmarks.gpu.measure import CASE, Effort, Prepared, described, measure, oppose, prepare, short
from benchmarks.gpu.opponents import Opponent

TOGETHER: Final = 8  # cases that are compiled side by side
BYTES_TOGETHER: Final = 2**35  # so that they fit a GPU
COPIES: Final = 24  # of the operands that a case holds, about: two sets, for every program, and what they save
# The longest that a batch may take, before any has been seen.
FIRST_BATCH: Final = 60.0


@dataclasses.dataclass
class Budget:
    """The seconds of a run; a batch is begun where the longest one so far of its kind would still fit."""

    seconds: float
    begun: float = dataclasses.field(default_factory=time.monotonic)
    longest: dict[str, float] = dataclasses.field(default_factory=dict)

    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.begun)

    def allows_another(self, kind: str = "") -> bool:
        return self.left() >= self.longest.get(kind, min(FIRST_BATCH, self.seconds / 4))

    def spent(self, on_a_batch: float, kind: str = "") -> None:
        self.longest[kind] = max(self.longest.get(kind, 0.0), on_a_batch)


def run(
    cases: Sequence[Case], clock: Clock, effort: Effort, *, budget: Budget, path: pathlib.Path, label: str
) -> dict[str, Any]:
    """Measure cases, and write the report after every batch; a run that is killed leaves what it had.

    Args:
      cases: In the order of their worth.
      clock: What times them.
      effort: How much of everything.
      budget: When to stop; what is left then is listed.
      path: Of the report.
      label: What was asked for.
    """
    others, missing = opponents.present()
    report: dict[str, Any] = {
        "title": label,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "source": clock.source,
        "on_device": clock.on_device,
        "machine": machine.description(),
        "clocks": [machine.clocks()],  # before the run, and after each batch
        "effort": dataclasses.asdict(effort),
        "opponents": {o.name: "takes part" for o in others} | missing,
        "rows": [],
        "left_out": [c.id for c in cases],
    }
    waiting = list(cases)
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=len(cases))
        while waiting and budget.allows_another(kind := "context" if waiting[0].in_context else ""):
            start = time.monotonic()
            for row in _rows(next(batches(waiting)), clock, effort, others):
                report["rows"].append(row)
                waiting.pop(0)
                progress.advance(task)
                if budget.left() <= 0:
                    break
            report["left_out"] = [c.id for c in waiting]
            report["clocks"].append(machine.clocks())
            budget.spent(time.monotonic() - start, kind)
            finish(report, path)
    finish(report, path)
    return report


def batches(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Cases whose operands have room on a GPU together; one in context, since XLA times matrix products, alone."""
    batch: list[Case] = []
    total = 0
    for case in cases:
        size = COPIES * sum(o.bytes for o in case.operands)
        alone = bool(batch) and (case.in_context or batch[-1].in_context)
        if batch and (alone or len(batch) == TOGETHER or total + size > BYTES_TOGETHER):
            yield batch
            batch, total = [], 0
        batch.append(case)
        total += size
    if batch:
        yield batch


def finish(report: dict[str, Any], path: pathlib.Path) -> None:
    """Write a report down, whole: a reader never sees half of it."""
    report["aims"] = figures.verdicts(report["rows"])
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    beside.write_text(json.dumps(report, indent=1) + "\n")
    beside.replace(path)


def _rows(
    batch: Sequence[Case], clock: Clock, effort: Effort, others: Sequence[Opponent]
) -> Iterator[dict[str, Any]]:
    """Compile side by side, as nothing is timed meanwhile; then time one after the other.

    The interpreter of a self-test runs one kernel at a time.
    """
    with concurrent.futures.ThreadPoolExecutor(len(batch) if clock.on_device else 1) as pool:
        preparing = [pool.submit(prepare, c, effort, clock.on_device) for c in batch]
        concurrent.futures.wait(preparing)
    for case in batch:
        yield _row(case, preparing.pop(0), clock, effort, others)  # so that its arrays are let go of


def _row(
    case: Case,
    future: "concurrent.futures.Future[Prepared]",
    clock: Clock,
    effort: Effort,
    others: Sequence[Opponent],
) -> dict[str, Any]:
    try:
        prepared = future.result()
        for opponent in others:
            oppose(prepared, opponent)
        return measure(prepared, clock, effort)
    except Exception as error:  # one case that fails is a row of the report, and the others go on
        return {**_safely_described(case), "seconds": {}, "problems": {CASE: short(error)}}


def _safely_described(case: Case) -> dict[str, Any]:
    try:
        return described(case)
    except Exception as error:  # a case so broken that not even its selection can be asked for
        return {
            "id": case.id,
            "part": case.part,
            "name": case.name,
            "direction": case.direction,
            "dtype": case.dtype,
            "shape": list(case.shape),
            "moved": None,
            "selected": [],
            "plain": short(error),
        }
