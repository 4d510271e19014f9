"""``--tune``: the kernels' few parameters searched by time, size class by size class.

Writes the table that `pallas_kernels.config` reads, with the seconds of every candidate as its evidence. The
default stays unless another one is faster by more than `MARGIN`, and than the spread of the times.
"""

import concurrent.futures
import dataclasses
import functools
import itertools
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
from benchmarks.gpu.clock import Clock
from benchmarks.gpu.measure import Effort, Operands, Prepared, measure_seconds, wrong
from benchmarks.gpu.run import Budget
from pallas_kernels import config, row_plan
from pallas_kernels.config import Parameters

MARGIN: Final = 0.02
HELD: Final = 160  # the most elements of a row that a thread is asked to hold in registers


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
    plans: dict[str, list[tuple[int, int, int, int]]] = dataclasses.field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """As `config.read` takes it; kernels whose rows were not all searched keep the default plans."""
        by_size = {name: _classes(found) for name, found in self.sizes.items()}
        whole = {k: _with_rest(k, found) for k, found in self.plans.items()}
        return {**by_size, **self.numbers, **({"plans": whole} if whole else {})}


def _classes(found: Mapping[int, int]) -> list[tuple[int, int]]:
    """Classes by their smallest size, the largest first; the smallest one begins at 0."""
    first = min(found)
    return [(0 if size == first else size, found[size]) for size in sorted(found, reverse=True)]


def _with_rest(kernel: str, found: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Plans by length, and after them the defaults, for rows longer than those searched."""
    rest = [dataclasses.astuple(p) for p in row_plan.PLANS[kernel]]
    return [*sorted(found, key=lambda plan: max(plan[:2])), *rest]


# -- what is searched --------------------------------------------------------------------------------------------


def searches(sizes: Sizes, table: "Table") -> Iterator[Search]:
    """Every search; `table` holds what those before have found."""
    yield from _unrolls(sizes)
    yield from _reductions(sizes, table)
    yield from _plans(sizes)


def _case(name: str, function: Any, direction: Direction, *operands: Operand) -> Case:
    return Case("tune", name, direction, operands, function, "not compared", 0)


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


KERNELS: Final[Mapping[str, tuple[Any, Direction]]] = {
    "softmax": (jaxact.softmax, "forward"),
    "softmax_backward": (jaxact.softmax, "backward"),
    "log_softmax_backward": (jaxact.log_softmax, "backward"),
    "entmax": (jaxact.entmax15, "forward"),
    "entmax_backward": (jaxact.entmax15, "backward"),
    "act_quant": (lambda x, implementation: jaxact.act_quant(x, "silu", implementation=implementation), "forward"),
}


def _plans(sizes: Sizes) -> Iterator[Search]:
    for kernel, (function, direction) in KERNELS.items():
        for n, dtype in itertools.product(sizes.rows, ("bfloat16", "float32")):
            if n > row_plan.longest(kernel):
                continue
            width = jnp.dtype(dtype).itemsize
            default = row_plan.plan(kernel, n, width)
            made = _plan_candidates(kernel, n, default, sizes)
            case = _case(f"{kernel} {n}", function, direction, Operand((max(1, sizes.total // n), n), dtype))

            def keep(table: Table, chosen: str, kernel: str = kernel, n: int = n, width: int = width) -> None:
                warpgroups, tiles = map(int, chosen.split("x"))
                ends = (n, 0) if width == 2 else (0, n)
                table.plans.setdefault(kernel, []).append((*ends, warpgroups, tiles))

            yield Search(f"{kernel} {dtype} to {n}", (case,), made, keep)


def _plan_candidates(kernel: str, n: int, default: row_plan.Plan, sizes: Sizes) -> dict[str, Parameters]:
    """By warpgroups x tiles of a loop, 0 where the row is held."""
    loops = any(p.tiles for p in row_plan.PLANS[kernel])
    held = [(w, 0) for w in sizes.warpgroups if n <= HELD * row_plan.WARPGROUP * w]
    looped = [(w, t) for w in sizes.warpgroups for t in sizes.loops] if loops else []
    pairs = [(default.warpgroups, default.tiles), *held, *looped]
    return {f"{w}x{t}": dataclasses.replace(config.DEFAULT, plans={kernel: ((n, n, w, t),)}) for w, t in pairs}


# -- searching ---------------------------------------------------------------------------------------------------


def main(clock: Clock, effort: Effort, budget: Budget, *, sizes: Sizes, path: pathlib.Path) -> int:
    """Search until the time is up, write the table after every search, and say what was changed."""
    console = Console()
    table, evidence = (
        Table(),
        {"machine": machine.description(), "clocks": machine.clocks(), "source": clock.source},
    )
    found: dict[str, Any] = {}
    waiting = [s.name for s in searches(sizes, Table())]
    for search in searches(sizes, table):
        if not budget.allows_another():
            break
        before = budget.left()
        waiting.remove(search.name)
        found[search.name] = outcome = _search(search, clock, effort)
        if outcome["chosen"] is not None:
            search.keep(table, outcome["chosen"])
        budget.spent(before - budget.left())
        _write(path, table.entry() | {"evidence": {**evidence, "searches": found, "left_out": waiting}})
        console.print(f"{search.name}: {outcome['default']} by default, chosen {outcome['chosen']}")
    console.print(f"{len(waiting)} searches left out; wrote {path}")
    return 0


def _write(path: pathlib.Path, entry: Mapping[str, Any]) -> None:
    """The entry of this GPU beside those of others."""
    device: Any = jax.devices()[0]
    capability = getattr(device, "compute_capability", "none")
    tables = json.loads(path.read_text()) if path.is_file() else {}
    text = json.dumps({**tables, capability: entry}, indent=1) + "\n"
    config.read(text)  # what the kernels could not read must not be written
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


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
