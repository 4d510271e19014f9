"""One pass over arrays of one shape: every element of the results is a function of the elements at its place.

Of any size and alignment: the arrays are flattened and cut into blocks, one for a warpgroup, see
`pallas_kernels.launch.tiles`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from pallas_kernels import config
from pallas_kernels.launch import (
    Tile,
    at_block,
    block_count,
    body_length,
    check_row,
    check_shape,
    launch,
    load,
    load_row,
    store,
    tiles,
    vector_size,
    wrap_rows,
)

Array = jax.Array
Body = Callable[..., Array | tuple[Array, ...]]


def elementwise(
    body: Body,
    operands: Sequence[Array],
    out_dtypes: Sequence[Any],
    *,
    rows: Sequence[Array] = (),
    in_place: bool = False,
    approximate: bool = False,
    unroll: int | None = None,
    interpret: Any = None,
) -> tuple[Array, ...]:
    """The results of ``body(*operands, *rows)``, each of the shape of the operands.

    Args:
      body: Takes 1-D float32 blocks of one shape, and returns one, or a tuple of them, one for each of
        `out_dtypes`. It may use what Mosaic GPU lowers. Results that become int8 must be whole and in its range.
      operands: At least one array; all of one shape, of the dtypes in `pallas_kernels.capability.DTYPES`.
      rows: Arrays that repeat: of the length of the operands' last axis, or scalars of rank 0.
      in_place: Write the first result over the first operand, which must have its dtype. XLA then copies that
        operand only where it is needed afterwards.
      approximate: See `pallas_kernels.launch.launch`.
      unroll: Accesses of each thread, of each operand; what `pallas_kernels.config` says unless given.
      interpret: A `plgpu.InterpretGPUParams` runs the kernel on the CPU.

    Raises:
      ValueError: Operands are of different shapes, a row has another length, or `in_place` another dtype.
    """
    shape = operands[0].shape
    for i, operand in enumerate(operands):
        check_shape(f"operand {i}", operand, shape)
    for i, row in enumerate(rows):
        check_row(f"row {i}", row, shape)
    if in_place and operands[0].dtype != out_dtypes[0]:
        raise ValueError(f"in place, operand 0 must be of {jnp.dtype(out_dtypes[0])}, got {operands[0].dtype}")
    size = math.prod(shape)
    out = tuple(jax.ShapeDtypeStruct((size,), d) for d in out_dtypes)
    if size == 0:
        return tuple(jnp.zeros(shape, d) for d in out_dtypes)
    vector = vector_size(*(v.dtype for v in operands), *out_dtypes)
    length = body_length(body, len(operands) + len(rows))
    if length > config.LONGEST_BODY:
        vector //= 2
    usual = 1 if length > config.LONG_BODY else config.for_size(config.parameters().elementwise_unroll, size)
    cut = tiles(size, vector, unroll or usual)
    ins, periodic = len(operands), len(rows)

    def kernel(*refs: Any) -> None:
        outs = refs[:1] if in_place else ()
        outs += refs[ins + periodic :]

        def run(start: Any, tile: Tile) -> None:
            at = pl.ds(start, tile.size)
            blocks = [load(ref.at[at], tile.layout) for ref in refs[:ins]]
            blocks += [load_row(ref, row, start, tile) for ref, row in zip(refs[ins:], rows)]
            results = body(*blocks)
            for ref, value in zip(outs, results if isinstance(results, tuple) else (results,), strict=True):
                store(ref.at[at], jnp.broadcast_to(value, (tile.size,)))

        at_block(cut, lax.axis_index("g0"), run)

    launched = launch(
        kernel,
        out[1:] if in_place else out,
        (block_count(cut),),
        approximate=approximate,
        barriers=in_place,  # where every warp holds a block, none may write before all have read
        interpret=interpret,
        name="elementwise",
    )
    flat: list[Any] = [v.reshape(size) for v in operands]
    repeated = wrap_rows(rows, max(tile.size for tile in cut))
    if in_place:
        flat[0] = jax.new_ref(flat[0])
    results = launched(*flat, *repeated)
    if in_place:
        results = (jax.freeze(flat[0]), *results)
    return tuple(r.reshape(shape) for r in results)
