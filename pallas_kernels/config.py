"""Tuned parameters of the kernels, as data: the defaults, and what was measured on a kind of GPU instead of them.

The defaults are chosen from registers, spills and instructions of code compiled for H200 and B200, not from times.
``python -m benchmarks gpu --tune`` writes ``tuned.json``, a table by compute capability with the times that it was
chosen by. Where there is none for the GPU, or no GPU, the defaults hold.
"""

import contextlib
import contextvars
import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Final

import jax

# (elements from which on, parameter), the largest first.
BySize = Sequence[tuple[int, int]]
# A body of more operations keeps so many intermediate values of each element that registers would be full, or
# spilled: it gets one access, and the longest ones of half the width.
LONG_BODY: Final = 200
LONGEST_BODY: Final = 1000
# Where sums are held beside a body's values, a shorter one gets half the width, and a quarter with so many sums.
LONG_SUMMED_BODY: Final = 500
MANY_SUMS: Final = 5

# The fields of `pallas_kernels.row_plan.Plan`, shortest rows first.
Plans = Sequence[Sequence[Any]]


@dataclasses.dataclass(frozen=True)
class Parameters:
    """What can be tuned.

    Attributes:
      elementwise_unroll: Accesses of 16 bytes that each thread makes of each operand: two hide latency and leave
        registers for several blocks on a multiprocessor; one, where two would leave some without a block.
      gated_unroll: The same of each half, so a block holds twice as much.
      reduce_grid: Blocks of the grid of a backward pass with sums, about four on each multiprocessor.
      reduce_rows: The fewest rows that one of them adds up.
      reduce_rows_at_once: The rows that it has in flight.
      plans: By kernel, how rows are distributed; where a kernel is missing, as `pallas_kernels.row_plan` has it.
    """

    elementwise_unroll: BySize = ((2**20, 2), (0, 1))
    gated_unroll: BySize = ((0, 1),)
    reduce_grid: int = 528
    reduce_rows: int = 16
    reduce_rows_at_once: int = 4
    plans: Mapping[str, Plans] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.reduce_rows % self.reduce_rows_at_once:
            raise ValueError(f"{self.reduce_rows=} must be divisible by {self.reduce_rows_at_once=}")


DEFAULT: Final = Parameters()
FIELDS: Final = tuple(f.name for f in dataclasses.fields(Parameters))

_override: contextvars.ContextVar[Parameters | None] = contextvars.ContextVar("tuning", default=None)


def parameters() -> Parameters:
    """Those of `use`, else those of the default device, for which Mosaic compiles too."""
    return _override.get() or _tuned_for(_compute_capability())


@contextlib.contextmanager
def use(chosen: Parameters) -> Iterator[None]:
    """What is lowered inside the ``with`` block has these parameters."""
    token = _override.set(chosen)
    try:
        yield
    finally:
        _override.reset(token)


def read(text: str) -> dict[str, Parameters]:
    """The parameters of each compute capability, from the text of a table.

    Raises:
      ValueError: It names something that is no parameter.
    """
    found = {}
    for capability, entry in json.loads(text).items():
        given = {k: v for k, v in entry.items() if k != "evidence"}
        if unknown := set(given) - set(FIELDS):
            raise ValueError(
                f"tuned parameters of {capability}: unknown {sorted(unknown)}, known are {FIELDS}; "
                "write the table anew with `python -m benchmarks gpu --tune`"
            )
        found[capability] = Parameters(**given)
    return found


def for_size(table: BySize, size: int) -> int:
    return next(value for least, value in table if size >= least)


@functools.cache
def _tuned_for(capability: str | None) -> Parameters:
    file = resources.files("pallas_kernels") / "tuned.json"
    return read(file.read_text()).get(capability or "", DEFAULT) if file.is_file() else DEFAULT


def _compute_capability() -> str | None:
    device: Any = jax.devices()[0]
    return getattr(device, "compute_capability", None)
