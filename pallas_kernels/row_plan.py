"""How many warpgroups hold a row of which length, as data, and why a row is too long.

Cheap to import, on any JAX.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from pallas_kernels import config

WARPGROUP: Final = 128  # threads


@dataclasses.dataclass(frozen=True)
class Loop:
    """The part of a row that is too long for registers, read as often as it is needed: its first elements.

    Attributes:
      steps: How many steps it takes.
      tiles: The tiles that a warpgroup reads in a step.
      vector: The neighbouring elements of one thread.
    """

    steps: int
    tiles: int
    vector: int

    def size(self, warpgroups: int) -> int:
        """Its elements."""
        return self.steps * self.tiles * warpgroups * WARPGROUP * self.vector


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a row is distributed.

    Attributes:
      longest: The most elements of a row of 16-bit numbers.
      longest_float32: And of float32, whose arithmetic in two words needs more registers.
      warpgroups: The warpgroups that share it.
      tiles: The tiles that each reads in a step of a loop; 0 where all of the row is held.
      shared: Whether a second operand is held in shared memory, not in registers.
    """

    longest: int
    longest_float32: int
    warpgroups: int
    tiles: int = 0
    shared: bool = False

    def loop(self, n: int, vector: int) -> Loop:
        """The loop over a row of n elements."""
        step = self.tiles * self.warpgroups * WARPGROUP * vector
        return Loop(n // step if step else 0, self.tiles, vector)


_K: Final = 1024
_HELD: Final = (Plan(16 * _K, 12 * _K, 1), Plan(48 * _K, 36 * _K, 4))
_SOLVED: Final = (Plan(8 * _K, 8 * _K, 1), Plan(48 * _K, 24 * _K, 4))  # a solver's loop keeps more beside the row
_TWO_HELD: Final = (Plan(12 * _K, 8 * _K, 1), Plan(24 * _K, 16 * _K, 4))  # two operands
_SET_ASIDE: Final = Plan(40 * _K, 32 * _K, 4, shared=True)  # one of the two in shared memory
_LOOP: Final = Plan(512 * _K, 512 * _K, 4, 4)

# Shortest first. Held rows end where registers do, by the compiler's reports for sm_90a and sm_100a; where there
# is no loop, float32 rows up to the longest of 16 bits are taken with some of them spilled.
PLANS: Final[Mapping[str, Sequence[Plan]]] = {
    "softmax": (*_HELD, _LOOP),
    "softmax_backward": (*_TWO_HELD, Plan(48 * _K, 36 * _K, 4, shared=True), _LOOP),
    "log_softmax_backward": (*_TWO_HELD, _LOOP),
    "entmax": (*_SOLVED, _LOOP),
    "entmax_backward": (*_TWO_HELD, _SET_ASIDE, _LOOP),
    "act_quant": (_HELD[0], Plan(40 * _K, 36 * _K, 4)),
}


def longest(kernel: str) -> int:
    """The longest row that a kernel takes."""
    return max(p.longest for p in plans_of(kernel))


def plans_of(kernel: str) -> Sequence[Plan]:
    """The plans of a kernel: those measured on this GPU, or the ones above."""
    tuned = config.parameters().plans.get(kernel)
    return PLANS[kernel] if tuned is None else tuple(Plan(*p) for p in tuned)


def why_not(kernel: str, n: int) -> str | None:
    """Why a kernel cannot take rows of n elements, as a sentence; None where it can."""
    if n > longest(kernel):
        return f"rows of {n} elements are longer than the {longest(kernel)} that the {kernel} kernel takes"
    return None


def plan(kernel: str, n: int, itemsize: int = 2) -> Plan:
    """The plan for rows of n elements of so many bytes.

    Raises:
      ValueError: They are too long.
    """
    reason = why_not(kernel, n)
    if reason is not None:
        raise ValueError(reason)
    plans = plans_of(kernel)
    return next((p for p in plans if n <= (p.longest_float32 if itemsize > 2 else p.longest)), plans[-1])
