"""Tuned parameters of the kernels, as data.

Chosen from registers, spills and instructions of code compiled for H200 and B200, not yet from times on either.
"""

# Accesses of 16 bytes that each thread makes of each operand of an elementwise pass: two hide latency and leave
# registers for several blocks on a multiprocessor.
ELEMENTWISE_UNROLL = 2

# The same of each half: a block holds two operands.
GATED_UNROLL = 1

# A backward pass with sums: blocks of the grid (about four on each multiprocessor), the fewest rows that one adds
# up, and the rows that it has in flight.
REDUCE_GRID = 528
REDUCE_ROWS = 16
REDUCE_ROWS_AT_ONCE = 4
