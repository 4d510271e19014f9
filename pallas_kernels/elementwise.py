"""One pass over arrays of one shape: every element of the results is a function of the elements at its place.

Of any size and alignment. The array is flattened and cut into blocks, one for a warpgroup, with accesses of 16
bytes; then come pieces of 128 elements with accesses of one element, then single elements. No element is written
twice.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from pallas_kernels import config
from pallas_kernels.launch import WARPGROUP, launch, load, single, store, strided, vector_size

Array = jax.Array
Body = Callable[..., Array | tuple[Array, ...]]


def elementwise(
    body: Body,
    operands: Sequence[Array],
    out_dtypes: Sequence[Any],
    *,
    rows: Sequence[Array] = (),
    approximate: bool = False,
    unroll: int = config.ELEMENTWISE_UNROLL,
    interpret: Any = None,
) -> tuple[Array, ...]:
    """The results of ``body(*operands, *rows)``, each of the shape of the operands.

    Args:
      body: Takes 1-D float32 blocks of one shape, and returns one, or a tuple of them, one for each of
        `out_dtypes`. It may use what Mosaic GPU lowers.
      operands: At least one array; all of one shape, of the dtypes in `pallas_kernels.capability.DTYPES`.
      rows: Arrays that repeat: of the length of the operands' last axis, or scalars of rank 0.
      approximate: See `pallas_kernels.launch.launch`.
      unroll: Accesses of each thread, of each operand.
      interpret: A `plgpu.InterpretGPUParams` runs the kernel on the CPU.
    """
    shape = operands[0].shape
    size = math.prod(shape)
    out = tuple(jax.ShapeDtypeStruct((size,), d) for d in out_dtypes)
    if size == 0:
        return tuple(jnp.zeros(shape, d) for d in out_dtypes)
    vector = vector_size(*(v.dtype for v in operands), *out_dtypes)
    block = WARPGROUP * vector * unroll
    blocks, rest = divmod(size, block)
    narrow, singles = divmod(rest, WARPGROUP)
    # Wrapped, so that every block reads one contiguous slice, from its start modulo the length.
    wrapped = [r.reshape(1) if r.ndim == 0 else jnp.pad(r, (0, block), mode="wrap") for r in rows]

    def kernel(*refs: Any) -> None:
        ins, refs = refs[: len(operands)], refs[len(operands) :]
        periodic, outs = refs[: len(rows)], refs[len(rows) :]
        i = lax.axis_index("g0")

        def row_block(row: Array, ref: Any, start: Any, length: int, layout: Any, aligned: int) -> Array:
            if row.ndim == 0:
                return jnp.broadcast_to(ref[0].astype(jnp.float32), (length,))
            at = pl.multiple_of(lax.rem(start, row.size), math.gcd(row.size, aligned))
            return load(ref.at[pl.ds(at, length)], layout)

        def piece(start: Any, length: int, layout: Any, aligned: int = 1) -> None:
            at = pl.ds(start, length)
            blocks = [load(ref.at[at], layout) for ref in ins]
            blocks += [row_block(row, ref, start, length, layout, aligned) for row, ref in zip(rows, periodic)]
            results = body(*blocks)
            for ref, value in zip(outs, results if isinstance(results, tuple) else (results,), strict=True):
                store(ref.at[at], jnp.broadcast_to(value, (length,)))

        if blocks:
            start = pl.multiple_of(i * block, block)
            pl.when(i < blocks)(lambda: piece(start, block, strided(block, vector), vector))
        if narrow:
            start_narrow = blocks * block + (i - blocks) * WARPGROUP
            pl.when((i >= blocks) & (i < blocks + narrow))(
                lambda: piece(start_narrow, WARPGROUP, strided(WARPGROUP, 1))
            )
        if singles:
            at = size - singles + (i - blocks - narrow)
            pl.when(i >= blocks + narrow)(lambda: piece(at, 1, single()))

    grid = (blocks + narrow + singles,)
    run = launch(kernel, out, grid, approximate=approximate, interpret=interpret, name="elementwise")
    results = run(*(v.reshape(size) for v in operands), *wrapped)
    return tuple(r.reshape(shape) for r in results)
