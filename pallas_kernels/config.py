"""Tuned parameters of the kernels, as data.

Chosen from registers, spills and instructions of code compiled for H200 and B200, not yet from times on either.
"""

from collections.abc import Sequence
from typing import Final

# (elements from which on, parameter), the largest first.
BySize = Sequence[tuple[int, int]]

# Accesses of 16 bytes that each thread makes of each operand: two hide latency and leave registers for several
# blocks on a multiprocessor; one, where two would leave multiprocessors without a block.
ELEMENTWISE_UNROLL: Final[BySize] = ((2**20, 2), (0, 1))

# A body of more operations keeps so many intermediate values of each element that registers would be full, or
# spilled: it gets one access, and the longest ones of half the width.
LONG_BODY: Final = 200
LONGEST_BODY: Final = 1000

# The same of each half, so a block holds twice as much.
GATED_UNROLL: Final[BySize] = ((0, 1),)

# A backward pass with sums: blocks of the grid (about four on each multiprocessor), the fewest rows that one adds
# up, and the rows that it has in flight.
REDUCE_GRID: Final = 528
REDUCE_ROWS: Final = 16
REDUCE_ROWS_AT_ONCE: Final = 4


def for_size(table: BySize, size: int) -> int:
    return next(value for least, value in table if size >= least)
