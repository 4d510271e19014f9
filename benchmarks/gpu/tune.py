"""``--tune``: the kernels' few parameters searched by time, size class by size class.

Writes the table that `pallas_kernels.config` reads, with the seconds of every candidate as its evidence. The
default stays unless another one is faster by more than `MARGIN`, and than the spread of the times. Candidates are
only compared within a search, so one call goes on where another ended: what the table has for this GPU is kept.
"""

import concurrent.futures
import dataclasses
import datetime
import functools
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
from rich.console import Console

import jaxact
from benchmarks.gpu import interpreted, machine
from benchmarks.gpu.case import Case, Direction, Operand
from benchmarks.gpu.cases import act_quant, dequantised
from benchmarks.gpu.clock import Clock
from benchmarks.gpu.measure import Effort, Operands, Prepared, measure_seconds, wrong
from benchmarks.gpu.run import Budget
from pallas_kernels import config, row_plan
from pallas_kernels.config import Parameters

Fields = tuple[int, int, int, int, bool]  # of a `row_plan.Plan`

MARGIN: Final = 0.02
HELD: Final = 160  # the most elements of a row that a thread is asked to hold in registers
SHARED: Final = 200 * 1024  # and the most bytes of it that a block is asked to hold in shared memory


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What is searched.

    Attributes:
      elements: Size classes of elementwise and gated kernels.
      rows: Lengths of rows, each the end of a class.
      total: Elements of an array of rows.
      columns: Of arrays whose parameters have gradients.
      unrolls: Accesses a thread.
      warpgroups: That share a row.
      loops: Tiles that each reads in a step of a loop.
    """

    elements: tuple[int, ...] = (2**16, 2**18, 2**20, 2**22, 2**24, 2**27)
    rows: tuple[int, ...] = tuple(1024 * k for k in (2, 4, 8, 12, 16, 24, 32, 40, 48, 128, 512))
    total: int = 2**26
    columns: int = 8192
    unrolls: tuple[int, ...] = (1, 2, 4, 8)
    warpgroups: tuple[int, ...] = (1, 2, 4)
    loops: tuple[int, ...] = (2, 4, 8)


TINY: Final = Sizes((2048,), (256,), 512, 128, (1, 2), (1,), (1,))


@dataclasses.dataclass(frozen=True)
class Search:
    """One size class of one parameter.

    Attributes:
      name: In the evidence.
      cases: Timed together: a candidate's time is the sum of theirs, each relative to the default's.
      candidates: By name, the parameters; those of the default first.
      keep: Puts what was found into the table: the table, the candidate's name.
    """

    name: str
    cases: tuple[Case, ...]
    candidates: Mapping[str, Parameters]
    keep: Callable[["Table", str], None]


@dataclasses.dataclass
class Table:
    """What was found: the entry of one compute capability."""

    sizes: dict[str, dict[int, int]] = dataclasses.field(default_factory=dict)
    numbers: dict[str, int] = dataclasses.field(default_factory=dict)
    plans: dict[str, list[Fields]] = dataclasses.field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """As `config.read` takes it; kernels whose rows were not all searched keep the default plans."""
        by_size = {name: _classes(found) for name, found in self.sizes.items()}
        whole = {k: _with_rest(k, found) for k, found in self.plans.items()}
        return {**by_size, **self.numbers, **({"plans": whole} if whole else {})}


def _classes(found: Mapping[int, int]) -> list[tuple[int, int]]:
    """Classes by their smallest size, the largest first; the smallest one begins at 0."""
    first = min(found)
    return [(0 if size == first else size, found[size]) for size in sorted(found, reverse=True)]


def _with_rest(kernel: str, found: Sequence[Fields]) -> list[Fields]:
    """Plans by length, and after them the defaults, for rows longer than those searched."""
    rest = [dataclasses.astuple(p) for p in row_plan.PLANS[kernel]]
    return [*sorted(found, key=lambda plan: max(plan[:2])), *rest]


# -- what is searched --------------------------------------------------------------------------------------------


def searches(sizes: Sizes, table: "Table") -> Iterator[Search]:
    """Every search, the most telling first; `table` holds what those before have found."""
    yield from _plans(sizes, "bfloat16")
    yield from _unrolls(sizes)
    yield from _reductions(sizes, table)
    yield from _plans(sizes, "float32")


def _case(name: str, function: Any, direction: Direction, *operands: Operand, **how: Any) -> Case:
    return Case("tune", name, direction, operands, function, "not compared", 0, **how)


def _unrolls(sizes: Sizes) -> Iterator[Search]:
    for field, function, width in (("elementwise_unroll", jaxact.silu, 1), ("gated_unroll", jaxact.swiglu, 2)):
        for size in sizes.elements:
            default = config.for_size(getattr(config.DEFAULT, field), size)
            candidates = {
                str(u): dataclasses.replace(config.DEFAULT, **{field: ((0, u),)})
                for u in {*sizes.unrolls, default}
            }
            shape = (max(1, size // (256 * width)), 256 * width)
            made = [
                _case(f"{field} {size}", function, direction, Operand(shape, dtype))
                for dtype, direction in (("bfloat16", "forward"), ("float32", "forward"), ("bfloat16", "backward"))
            ]

            def keep(table: Table, chosen: str, field: str = field, size: int = size) -> None:
                table.sizes.setdefault(field, {})[size] = int(chosen)

            yield Search(f"{field} from {size}", tuple(made), _default_first(candidates, str(default)), keep)


def _default_first(candidates: Mapping[str, Parameters], default: str) -> dict[str, Parameters]:
    return {default: candidates[default], **candidates}


def _reductions(sizes: Sizes, table: "Table") -> Iterator[Search]:
    """One parameter after the other, each beside those chosen before: here they depend on each other."""
    shape = (max(1, sizes.total // sizes.columns), sizes.columns)
    cases = tuple(
        _case("prelu", jaxact.prelu, "backward", Operand(shape, d), Operand(shape[-1:], "float32", scale=0.25))
        for d in ("bfloat16", "float32")
    )
    for field, values in (
        ("reduce_rows_at_once", (1, 2, 4, 8)),
        ("reduce_grid", (264, 528, 1056, 2112)),
        ("reduce_rows", (16, 32, 64)),
    ):
        default = getattr(config.DEFAULT, field)
        made = {str(v): Parameters(**{**table.numbers, field: v}) for v in values}

        def keep(table: Table, chosen: str, field: str = field) -> None:
            table.numbers[field] = int(chosen)

        yield Search(field, cases, _default_first(made, str(default)), keep)


# What the rule selects first. Rounded to 8 bits, a number at the edge of two steps may go to either.
KERNELS: Final[Mapping[str, tuple[Any, Direction, Mapping[str, Any]]]] = {
    "softmax": (jaxact.softmax, "forward", {}),
    "softmax_backward": (jaxact.softmax, "backward", {}),
    "entmax": (jaxact.entmax15, "forward", {}),
    "entmax_backward": (jaxact.entmax15, "backward", {}),
    "act_quant": (
        functools.partial(act_quant, activation="silu", dtype="int8", block=None),
        "forward",
        {"tolerance": 1.5 / 127, "measured": dequantised},
    ),
    "log_softmax_backward": (jaxact.log_softmax, "backward", {}),
}


def _plans(sizes: Sizes, dtype: str) -> Iterator[Search]:
    width = jnp.dtype(dtype).itemsize
    for kernel, (function, direction, how) in KERNELS.items():
        for n in sizes.rows:
            with config.use(config.DEFAULT):  # not what an earlier search has found
                if row_plan.why_not(kernel, n):
                    continue
                default = row_plan.plan(kernel, n, width)
            plans = _plan_candidates(kernel, n, width, default, sizes)
            made = {
                name: dataclasses.replace(config.DEFAULT, plans={kernel: (dataclasses.astuple(plan),)})
                for name, plan in plans.items()
            }
            x = Operand((max(1, sizes.total // n), n), dtype)

            def keep(
                table: Table, chosen: str, kernel: str = kernel, n: int = n, plans: Mapping[str, Any] = plans
            ) -> None:
                ends = (n, 0) if width == 2 else (0, n)
                _, _, *how = dataclasses.astuple(plans[chosen])
                table.plans.setdefault(kernel, []).append((*ends, *how))

            yield Search(
                f"{kernel} {dtype} to {n}", (_case(f"{kernel} {n}", function, direction, x, **how),), made, keep
            )


def _plan_candidates(
    kernel: str, n: int, width: int, default: row_plan.Plan, sizes: Sizes
) -> dict[str, row_plan.Plan]:
    """Plans for one length, by warpgroups x tiles of a loop, or how the row is held; the default first."""
    plan = functools.partial(row_plan.Plan, n, n)
    usual = row_plan.PLANS[kernel]
    found = [plan(default.warpgroups, default.tiles, default.shared)]
    for w in sizes.warpgroups:
        if n <= HELD * row_plan.WARPGROUP * w:
            found.append(plan(w))
            if any(p.shared for p in usual) and n * width <= SHARED:
                found.append(plan(w, shared=True))
        found += [plan(w, t) for t in sizes.loops] if any(p.tiles for p in usual) else []
    return {f"{p.warpgroups}x{'shared' if p.shared else p.tiles or 'held'}": p for p in found}


# -- searching ---------------------------------------------------------------------------------------------------


def main(clock: Clock, effort: Effort, budget: Budget, *, sizes: Sizes, path: pathlib.Path, only: str = "") -> int:
    """Search until the time is up, write the table after every search, and say what was changed.

    Args:
      clock: What times the candidates.
      effort: How much of everything.
      budget: When to stop; what is left then is listed.
      sizes: What is searched.
      path: Of the table; what it has of this GPU is gone on with.
      only: How the names of the searches begin that are made now.
    """
    console = Console()
    table, left_out = Table(), [s.name for s in searches(sizes, Table())]
    before = _read(path).get(_capability(), {}).get("evidence", {"runs": [], "searches": {}})
    found: dict[str, Any] = {}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    run = {"date": now, "machine": machine.description(), "clocks": machine.clocks(), "source": clock.source}
    for search in searches(sizes, table):
        outcome = before["searches"].get(search.name)
        if outcome is None or outcome["chosen"] not in (None, *search.candidates):
            if not (search.name.startswith(only) and budget.allows_another()):
                continue
            begun = budget.left()
            outcome = {"run": now, **_search(search, clock, effort)}
            budget.spent(begun - budget.left())
            console.print(f"{search.name}: {outcome['default']} by default, chosen {outcome['chosen']}")
        found[search.name] = outcome
        left_out.remove(search.name)
        if outcome["chosen"] is not None:
            search.keep(table, outcome["chosen"])
        evidence = {"runs": [*before["runs"], run], "searches": found, "left_out": left_out}
        _write(path, table.entry() | {"evidence": evidence})
    console.print(f"{len(left_out)} searches left out; wrote {path}")
    return 0


def _capability() -> str:
    device: Any = jax.devices()[0]
    return getattr(device, "compute_capability", "none")


def _read(path: pathlib.Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}


def _write(path: pathlib.Path, entry: Mapping[str, Any]) -> None:
    """The entry of this GPU beside those of others."""
    text = json.dumps({**_read(path), _capability(): entry}, indent=1) + "\n"
    config.read(text)  # what the kernels could not read must not be written
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")  # so that a run that is killed leaves a whole table
    beside.write_text(text)
    beside.replace(path)


def _search(search: Search, clock: Clock, effort: Effort) -> dict[str, Any]:
    """The fastest candidate, with what every one took; None is chosen where the default itself does not run."""
    default = next(iter(search.candidates))
    total = dict.fromkeys(search.candidates, 0.0)
    problems: dict[str, str] = {}
    seconds: dict[str, dict[str, float]] = {}
    margin = MARGIN
    for case in search.cases:
        prepared = _prepare(case, search.candidates, effort, on_gpu=clock.on_device)
        problems |= prepared.problems | wrong(prepared, own=search.candidates)
        sound = {n: p for n, p in prepared.programs.items() if n not in problems}
        summaries = measure_seconds(sound, clock, effort)
        seconds[case.id] = medians = {n: s["median"] for n, s in summaries.items()}
        margin = max([margin, *((s["high"] - s["low"]) / (2 * s["median"]) for s in summaries.values())])
        for name, median in medians.items():
            total[name] += median / medians[default] if default in medians else 0.0
    chosen = None
    if default not in problems:
        best = min((n for n in total if n not in problems), key=total.__getitem__)
        chosen = best if total[best] < (1 - margin) * total[default] else default
    return {"default": default, "chosen": chosen, "seconds": seconds, "problems": problems}


def _prepare(case: Case, candidates: Mapping[str, Parameters], effort: Effort, *, on_gpu: bool) -> Prepared:
    operands = Operands(case, effort)
    found = Prepared(case, operands)
    asked = "pallas" if on_gpu else "reference"
    through = (lambda f: f) if on_gpu else interpreted.through_kernels
    makers: dict[str, Callable[[], Any]] = {}
    for name, parameters in candidates.items():
        # a function of its own, which no cache of JAX knows with other parameters
        function = functools.partial(case.function, implementation=asked)

        def make(function: Any = function, parameters: Parameters = parameters) -> Any:
            with config.use(parameters):
                return operands.program(function, through)

        makers[name] = make
    # The interpreter of a self-test runs one kernel at a time.
    with concurrent.futures.ThreadPoolExecutor(len(makers) if on_gpu else 1) as pool:
        list(pool.map(found.attempt, makers, makers.values()))
    return found
