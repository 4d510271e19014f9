"""What tells how long a program takes: the profiler's record of the GPU, or in a self-test the host's clock.

A round runs every program of a case `number` times, one program after the other, so that a drift of the GPU's
clocks meets all of them alike.
"""

import dataclasses
import itertools
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp

Seconds = dict[str, list[float]]  # of one call, an entry a round
Event = tuple[float, float, str]  # start and end in nanoseconds, and the kernel

MARK = "timed "
GAP = 3e-4  # seconds at both ends of a block: how far the two clocks of a trace may be apart


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled program and its rotating operands.

    Attributes:
      call: Dispatches the i-th call, and returns what it will have computed.
      wait: Returns when that is there.
    """

    call: Callable[[int], Any]
    wait: Callable[[Any], Any] = jax.block_until_ready

    def run(self, first: int, number: int) -> None:
        result = None
        for i in range(first, first + number):
            result = self.call(i)
        self.wait(result)


class Clock(Protocol):
    """How programs are timed.

    Attributes:
      source: How, in words, for every report.
      on_device: Whether it is a GPU that is timed.
      profile: Of the programs of the last call of `time`: the seconds a call of each of their kernels.
    """

    @property
    def source(self) -> str: ...

    @property
    def on_device(self) -> bool: ...

    @property
    def profile(self) -> Mapping[str, Mapping[str, float]]: ...

    def time(self, programs: Mapping[str, Program], *, rounds: int, number: int) -> Seconds:
        """Seconds of one call of each program."""


@dataclasses.dataclass(frozen=True)
class DeviceClock:
    """The kernels' own times on the GPU, from a trace of JAX's profiler.

    Attributes:
      plane: Where the trace has what the device did.
      stream: How the names of its lines begin; other lines of the plane say the same in other words.
    """

    plane: str = "/device:GPU:0"
    stream: str = "Stream"
    profile: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)

    source = "durations of the kernels and copies on the GPU's streams, from JAX's profiler (CUPTI)"
    on_device = True

    def time(self, programs: Mapping[str, Program], *, rounds: int, number: int) -> Seconds:
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level, options.host_tracer_level = 0, 1
        with tempfile.TemporaryDirectory() as folder:
            with jax.profiler.trace(folder, profiler_options=options):
                run_blocks(programs, rounds, number)
            (file,) = pathlib.Path(folder).rglob("*.xplane.pb")
            trace = jax.profiler.ProfileData.from_file(str(file))
            return self.read(trace, list(programs), number)

    def check(self) -> str | None:
        """Why nothing can be timed, in a few seconds rather than at the end of a run; or None."""
        x = jnp.zeros(2**22, jnp.uint32)
        add = jax.jit(lambda v: v + jnp.uint32(1)).lower(x).compile()
        program = Program(lambda _: add(x))
        program.run(0, 1)
        try:
            found = self.time({"one": program, "two": program}, rounds=2, number=2)
        except Exception as error:  # whatever it is, no case could be timed
            return f"the profiler does not time a kernel ({type(error).__name__}: {error})"
        return None if all(all(s) for s in found.values()) else f"the profiler finds no time in {found}"

    def read(self, trace: Any, names: Sequence[str], number: int) -> Seconds:
        """Seconds a call in which the device was busy, from a `jax.profiler.ProfileData` of `run_blocks`.

        Raises:
          ValueError: Something was not recorded, or lies between the blocks.
        """
        blocks = sorted(_blocks(trace))
        if not blocks:
            raise ValueError("the trace holds no mark of a block: has another profiler been running?")
        events = sorted(self._events(trace))
        seconds: Seconds = {name: [] for name in names}
        self.profile.clear()
        self.profile.update({name: {} for name in names})
        calls = number * sum(place == 0 for _, _, place in blocks)
        for start, end, place in blocks:
            inside = [event for event in events if start <= event[0] and event[1] <= end]
            if not inside:
                raise ValueError(f"the trace holds nothing of {names[place]} on {self.plane}")
            seconds[names[place]].append(_busy(inside) * 1e-9 / number)
            kernels = self.profile[names[place]]
            for s, e, kernel in inside:
                kernels[kernel] = kernels.get(kernel, 0.0) + (e - s) * 1e-9 / calls
        begin, finish = blocks[0][0], blocks[-1][1]
        strays = [
            s for s, e, _ in events if begin <= s <= finish and not any(b <= s and e <= f for b, f, _ in blocks)
        ]
        if strays:
            raise ValueError(
                f"{len(strays)} events lie outside of all blocks: the clocks of host and device differ"
            )
        return seconds

    def _events(self, trace: Any) -> Iterable[Event]:
        """What ran on the streams of the device; a malloc, which takes no time there, did not."""
        for plane in trace.planes:
            if plane.name == self.plane:
                for line in plane.lines:
                    if line.name.startswith(self.stream):
                        yield from (
                            (e.start_ns, e.start_ns + e.duration_ns, e.name)
                            for e in line.events
                            if e.duration_ns > 0
                        )


class HostClock:
    """The host's clock around dispatch and wait: shows that a program runs, not how fast a GPU is."""

    source = "self-test: the host's clock around every call, no times of a GPU"
    on_device = False
    profile: Mapping[str, Mapping[str, float]] = {}

    def time(self, programs: Mapping[str, Program], *, rounds: int, number: int) -> Seconds:
        seconds: Seconds = {name: [] for name in programs}
        for r, (name, program) in itertools.product(range(rounds), programs.items()):
            start = time.perf_counter()
            program.run(r * number, number)
            seconds[name].append((time.perf_counter() - start) / number)
        return seconds


def run_blocks(programs: Mapping[str, Program], rounds: int, number: int) -> None:
    """Every program `number` times a round, between marks in the trace.

    The device is idle at both ends of a block, so all that it does in between is the block's.
    """
    for r, (place, program) in itertools.product(range(rounds), enumerate(programs.values())):
        with jax.profiler.TraceAnnotation(f"{MARK}{r} {place}"):
            time.sleep(GAP)
            program.run(r * number, number)
            time.sleep(GAP)


def _blocks(trace: Any) -> Iterable[tuple[float, float, int]]:
    """(start, end, place of the program) in nanoseconds."""
    for plane in trace.planes:
        for line in plane.lines:
            for event in line.events:
                if event.name.startswith(MARK):
                    yield event.start_ns, event.start_ns + event.duration_ns, int(event.name.split()[-1])


def _busy(events: Sequence[Event]) -> float:
    """The length of the union of sorted intervals: what overlaps on two streams counts once."""
    total, reached = 0.0, float("-inf")
    for start, end, _ in events:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
