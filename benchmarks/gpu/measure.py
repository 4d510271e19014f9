"""One case: its programs compiled, checked against the plain definition in float32, and timed together."""

import dataclasses
import functools
import math
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp

import jaxact
from benchmarks.gpu import interpreted, opponents, plain
from benchmarks.gpu.case import Case, Operand
from benchmarks.gpu.clock import Clock, Program
from benchmarks.gpu.opponents import Opponent

Array = jax.Array

# The bytes that rotating operands have together: more than the level 2 cache of any GPU, 126 MB on a B200.
PAST_CACHE: Final = 2**28
COPY, ADD, KERNEL, SELECTED = "copy", "copy by XLA", "kernel", "selected"
REFERENCE, AGAIN, PLAIN = "reference", "reference again", "plain"
LIMITS: Final = (COPY, ADD)
CASE: Final = "case"  # what fails as a whole
OWN: Final = (SELECTED, KERNEL, REFERENCE, AGAIN)

KINKS: Final = 0.01  # of the results may differ in other libraries, whose conventions at kinks do
KERNELS: Final = 6  # of a program that are named
LONGEST_BLOCK: Final = 0.02  # seconds, about, of the calls of one program in one round


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much of everything.

    Attributes:
      rounds: Of each cell; medians and quartiles are over them.
      number: Calls of a program in a round.
      past_cache: Bytes of all rotating operands together.
    """

    rounds: int = 7
    number: int = 8
    past_cache: int = PAST_CACHE


@dataclasses.dataclass
class Prepared:
    """A compiled case.

    Attributes:
      programs: By name.
      result: Of each, how a call's result is read for the check; None for a copy, which is not checked.
      problems: By name, why a program takes no part.
    """

    case: Case
    operands: "Operands"
    programs: dict[str, Program] = dataclasses.field(default_factory=dict)
    result: dict[str, Callable[[Any], Any] | None] = dataclasses.field(default_factory=dict)
    problems: dict[str, str] = dataclasses.field(default_factory=dict)

    def attempt(
        self, name: str, make: Callable[[], Program], result: Callable[[Any], Any] | None = lambda r: r
    ) -> None:
        """Make a program; what goes wrong is kept as its problem, and the others go on."""
        try:
            self.programs[name] = make()
            self.result[name] = result
        except Exception as error:  # a program that cannot be made is a line of the report
            self.problems[name] = short(error)


def short(error: BaseException) -> str:
    """The type, the first and the last line of an error; what is between is mostly a traceback."""
    lines = str(error).strip().splitlines() or [""]
    ends = [lines[0][:300], *(line[:300] for line in lines[1:][-1:])]
    return f"{type(error).__name__}: {' … '.join(ends)}"


# -- programs ----------------------------------------------------------------------------------------------------


class Operands:
    """Sets of arrays that calls take turns at, so that none finds its operands in the cache."""

    def __init__(self, case: Case, effort: Effort):
        size = max(1, sum(o.bytes for o in case.operands))
        count = 2 if case.in_context else max(2, math.ceil(effort.past_cache / size))
        self.case = case
        made = [[o.make(1000 * s + i) for i, o in enumerate(case.operands)] for s in range(count)]
        self.sets = jax.block_until_ready(made)
        self.cotangent = cotangent(case)

    def program(self, function: Callable[..., Any], through: Callable[..., Any] = lambda f: f) -> Program:
        """The program of a case, of one of the functions that compute it."""
        if self.case.direction == "forward":
            return _compiled(through(function), self.sets)
        if self.case.direction == "gradient":
            return _compiled(through(_gradient(function)), [[self.cotangent, *v] for v in self.sets])
        # One program makes all pullbacks, so that they are of one type.
        save = _compiled(through(lambda *v: _pullback(function, v)), self.sets)
        pulls = [jax.block_until_ready(save.call(i)) for i in range(len(self.sets))]
        return _compiled(through(lambda pull, ct: pull(ct)), [[pull, self.cotangent] for pull in pulls])


def cotangent(case: Case) -> Array | None:
    """Normal numbers like the result; quantised results have none."""
    shapes = case.results()
    return Operand(shapes[0].shape, shapes[0].dtype.name).make(7) if len(shapes) == 1 else None


def _pullback(function: Callable[..., Any], operands: Sequence[Any]) -> Any:
    return jax.vjp(_of_floats(function, operands), *_floats(operands))[1]


def _gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda ct, *v: _pullback(function, v)(ct)


def _floats(operands: Sequence[Any]) -> list[Any]:
    return [v for v in operands if v.dtype != bool]


def _of_floats(function: Callable[..., Any], operands: Sequence[Any]) -> Callable[..., Any]:
    """The function of what has a gradient."""

    def run(*floats: Any) -> Any:
        left = iter(floats)
        return function(*(v if v.dtype == bool else next(left) for v in operands))

    return run


def _compiled(function: Callable[..., Any], sets: Sequence[Sequence[Any]]) -> Program:
    run = jax.jit(function).lower(*sets[0]).compile()
    return Program(lambda i: run(*sets[i % len(sets)]))


def copies(moved: int, effort: Effort) -> dict[str, Callable[[], Program]]:
    """Two programs that read half of so many bytes and write as many: the limit is the faster one."""
    count = max(1, moved // 8)
    sets = [[jnp.full(count, s, jnp.uint32)] for s in range(max(2, math.ceil(effort.past_cache / (4 * count))))]
    return {
        COPY: lambda: _compiled(jnp.copy, sets),
        ADD: lambda: _compiled(lambda v: v + jnp.uint32(1), sets),
    }


# -- preparing ---------------------------------------------------------------------------------------------------


def prepare(case: Case, effort: Effort, on_gpu: bool) -> Prepared:
    """Compile what a case consists of, but for the opponents."""
    operands = Operands(case, effort)
    found = Prepared(case, operands)
    own = {i: functools.partial(case.function, implementation=i) for i in (None, "pallas", "reference")}
    if case.in_context:
        found.attempt(SELECTED, lambda: operands.program(own[None]))
    else:
        for name, make in copies(case.moved(), effort).items():
            found.attempt(name, make, result=None)
        _attempt_kernel(found, own, on_gpu)
    found.attempt(REFERENCE, lambda: operands.program(own["reference"]))
    if REFERENCE in found.programs:  # the same code, to show the noise
        found.attempt(AGAIN, lambda: found.programs[REFERENCE], result=None)
    if isinstance(case.plain, str):
        found.problems[PLAIN] = case.plain
    else:
        found.attempt(PLAIN, functools.partial(operands.program, case.plain))
    return found


def _attempt_kernel(found: Prepared, own: Any, on_gpu: bool) -> None:
    operands = found.operands
    if on_gpu:
        found.attempt(KERNEL, lambda: operands.program(own["pallas"]))
    elif reason := interpreted.why_not():
        found.problems[KERNEL] = reason
    else:
        found.attempt(KERNEL, lambda: operands.program(own["reference"], interpreted.through_kernels))


def oppose(found: Prepared, opponent: Opponent) -> None:
    """Add another library's program, if it has one; in the main thread, as its compiler may know no other."""
    case, operands = found.case, found.operands
    if case.direction == "gradient" and opponent.of_torch:
        return
    try:
        function = opponent.find(case)
    except Exception as error:  # another version of it may call the function differently
        found.problems[opponent.name] = short(error)
        return
    if function is None:
        return

    def make() -> Program:
        if not opponent.of_torch:
            return operands.program(function)
        sets = [opponent.operands(case, v) for v in operands.sets]
        return opponents.torch_program(function, case, sets, operands.cotangent)

    found.attempt(opponent.name, make, functools.partial(opponent.result, case))


# -- checking and timing -----------------------------------------------------------------------------------------


def measure(prepared: Prepared, clock: Clock, effort: Effort) -> dict[str, Any]:
    """The row of a report: what is wrong is said and not timed."""
    case = prepared.case
    problems = prepared.problems | wrong(prepared, own=OWN)
    if REFERENCE in problems:
        prepared.programs.pop(AGAIN, None)
    sound = {name: p for name, p in prepared.programs.items() if name not in problems}
    seconds = measure_seconds(sound, clock, effort)
    kernels = {name: _longest(clock.profile[name]) for name in seconds if clock.profile.get(name)}
    return {**described(case), "seconds": seconds, "kernels": kernels, "problems": problems}


def _longest(profile: Mapping[str, float]) -> dict[str, float]:
    """The kernels that take most of a program."""
    return dict(sorted(profile.items(), key=lambda kernel: -kernel[1])[:KERNELS])


def measure_seconds(programs: Mapping[str, Program], clock: Clock, effort: Effort) -> dict[str, dict[str, Any]]:
    """Of each program, median and quartiles of its seconds a call."""
    if not programs:
        return {}
    slowest = max(_warm(program) for program in programs.values())
    number = min(effort.number, max(1, int(LONGEST_BLOCK / slowest)))
    seconds = clock.time(programs, rounds=effort.rounds, number=number)
    return {name: _summary(s) for name, s in seconds.items()}


def _warm(program: Program) -> float:
    """Run a program twice; about the seconds of a call, from which only the number of calls is chosen."""
    program.run(0, 1)
    start = time.perf_counter()
    program.run(1, 1)
    return time.perf_counter() - start


def described(case: Case) -> dict[str, Any]:
    """A case in words and numbers."""
    return {
        "id": case.id,
        "part": case.part,
        "name": case.name,
        "direction": case.direction,
        "dtype": case.dtype,
        "shape": list(case.shape),
        "moved": None if case.in_context else case.moved(),
        "selected": selection(case),
        "plain": "jax.nn" if plain.is_of_jax_nn(case.plain) else "jnp",
    }


def selection(case: Case) -> list[dict[str, str]]:
    """What the rule of ``implementation=None`` selects in this direction, and why."""
    function = functools.partial(case.function, implementation=None)
    if case.direction == "forward":
        rows = jaxact.explain(function, *case.arguments())
    else:
        ct = jax.eval_shape(function, *case.arguments())
        rows = jaxact.explain(_gradient(function), ct, *case.arguments())
    if case.direction == "backward":
        rows = [r for r in rows if r.what == "backward"]
    return [{"what": r.what, "implementation": r.implementation, "reason": r.reason} for r in rows]


def wrong(prepared: Prepared, own: Collection[str]) -> dict[str, str]:
    """Programs whose results differ from the plain definition in float32; elsewhere than at kinks if not `own`.

    In context a matrix product in bfloat16 comes before, which moves numbers over a kink.
    """
    found: dict[str, str] = {}
    expected = _expected(prepared.case)
    for name, read in prepared.result.items():
        if read is None:
            continue
        try:
            program = prepared.programs[name]
            result = program.call(0)
            program.wait(result)
            got = _measured(prepared.case, read(result))
            off, share = _off(got, expected, prepared.case.allowed)
        except Exception as error:  # one that does not run must not end the run
            found[name] = f"does not run: {short(error)}"
            continue
        if share > (0.0 if name in own and not prepared.case.in_context else KINKS):
            found[name] = (
                f"wrong: {100 * share:.2g}% of the results off, by up to {off:.2g} of the largest one where "
                f"{prepared.case.allowed:.2g} is allowed"
            )
    return found


def _measured(case: Case, result: Any) -> list[Array]:
    return jax.tree.leaves(case.measured(result) if case.direction == "forward" else result)


def _expected(case: Case) -> list[Array]:
    """From the same numbers, in float32 by jaxact's definition as plain jnp."""
    rounded = [o.make(i) for i, o in enumerate(case.operands)]
    wide = [v if v.dtype == bool else v.astype(jnp.float32) for v in rounded]
    function = functools.partial(case.function, implementation="inline")
    with jax.default_matmul_precision("highest"):
        if case.direction == "forward":
            return _measured(case, jax.jit(function)(*wide))
        ct = cotangent(case)
        assert ct is not None, f"{case.id} has no gradient"
        return _measured(case, jax.jit(_gradient(function))(ct.astype(jnp.float32), *wide))


def _off(got: Sequence[Array], expected: Sequence[Array], allowed: float) -> tuple[float, float]:
    """The largest difference, of the largest result, and the share of results whose difference is not allowed."""
    if [v.shape for v in got] != [v.shape for v in expected]:
        return math.inf, 1.0
    found = [_difference(g, e, allowed) for g, e in zip(got, expected)]
    return max(float(off) for off, _ in found), max(float(share) for _, share in found)


@jax.jit
def _difference(got: Array, expected: Array, allowed: float) -> tuple[Array, Array]:
    got = got.astype(jnp.float32)
    same = (got == expected) | (jnp.isnan(got) & jnp.isnan(expected))
    size = jnp.max(jnp.where(jnp.isfinite(expected), jnp.abs(expected), 0.0), initial=1e-30)
    off = jnp.where(same, 0.0, jnp.abs(got - expected) / size)
    off = jnp.where(jnp.isnan(off), jnp.inf, off)
    return jnp.max(off, initial=0.0), jnp.mean((off > allowed).astype(jnp.float32))


def _summary(seconds: Sequence[float]) -> dict[str, Any]:
    low, middle, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else [seconds[0]] * 3
    return {"median": middle, "low": low, "high": high, "rounds": list(seconds)}
