"""An activation and the quantisation of its result in one pass: a scale for each row, or for every 128 columns."""

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from pallas_kernels import row_plan
from pallas_kernels.launch import Tile, at_block, block_count, launch, load, plgpu, vector_size, write
from pallas_kernels.rows import LANES, WARPS, Row, launch_rows

Array = jax.Array
Body = Callable[..., Array]

BLOCK: Final = 128  # columns that share a scale
TINY: Final = float(jnp.finfo(jnp.float32).tiny)


def act_quant(
    body: Body, x: Array, *, dtype: Any, block: int | None = None, packed: bool = False, interpret: Any = None
) -> tuple[Array, Array]:
    """``body(x)`` as integers or float8 and the scales that they count in.

    The largest magnitude of a row (or block) becomes the largest finite number of `dtype`. A row of zeros, or of
    nothing whose scale would be a normal number, has scale 1. A NaN makes the scale NaN.

    Args:
      body: Takes and returns float32 blocks of one shape, made of what Mosaic GPU lowers: of x, or of its two
        halves.
      x: (rows, n), or (rows, 2 n) for two halves side by side.
      dtype: int8, float8_e4m3fn or float8_e5m2.
      block: 128 for a scale for every 128 columns, None for one for each row.
      packed: Whether x holds two halves.
      interpret: A `plgpu.InterpretGPUParams` runs the kernel on the CPU.

    Returns:
      q of (rows, n), and float32 scales of (rows,) or (rows, n / 128).

    Raises:
      ValueError: n is no multiple of the block, halves are uneven, or a row with one scale is too long.
    """
    rows, width = x.shape
    if packed and width % 2:
        raise ValueError(f"rows hold two halves, got {width} elements")
    n = width // 2 if packed else width
    if block not in (None, BLOCK):
        raise ValueError(f"a scale is for a row (None) or for {BLOCK} columns, got block={block}")
    if block and n % block:
        raise ValueError(f"rows of {n} elements are no multiple of the block of {block}")
    scales = (rows, n // block) if block else (rows,)
    if rows == 0 or n == 0:
        return jnp.zeros((rows, n), dtype), jnp.ones(scales, jnp.float32)
    return (_by_blocks if block else _by_rows)(body, x, n, jnp.dtype(dtype), interpret)


def largest(dtype: Any) -> float:
    """The largest magnitude that both signs of a dtype have."""
    return 127.0 if dtype == jnp.int8 else float(jnp.finfo(dtype).max)


def _scale(amax: Array, dtype: Any) -> Array:
    """The scale of what has this largest magnitude; 1 where it would not be a normal number."""
    scale = amax * (1.0 / largest(dtype))
    return jnp.where(scale < TINY, 1.0, scale)


def _quantised(h: Array, inverse: Array, dtype: Any) -> Array:
    """h over its scale, rounded to nearest even; 0 for an integer where that is NaN, as its scale then says."""
    q = h * inverse
    if dtype == jnp.int8:
        q = jnp.where(jnp.isnan(q), 0.0, lax.round(q, lax.RoundingMethod.TO_NEAREST_EVEN))
    return q.astype(dtype)


def _by_rows(body: Body, x: Array, n: int, dtype: Any, interpret: Any) -> tuple[Array, Array]:
    rows, width = x.shape
    halves = width // n
    wide = max(n, row_plan.WARPGROUP)
    if wide > n:  # repeating an element changes no maximum
        x = jnp.pad(x.reshape(rows, halves, n), ((0, 0), (0, 0), (0, wide - n)), mode="edge")
        x = x.reshape(rows, halves * wide)

    def kernel(row: Row, x_ref: Any, q_ref: Any, scale_ref: Any) -> None:
        parts = [row.load(x_ref, offset) for offset in range(0, halves * wide, wide)]
        h = [body(*(v.astype(jnp.float32) for v in values)) for values in zip(*parts)]
        scale = _scale(row.maximum([jnp.abs(v) for v in h]), dtype)
        inverse = 1.0 / scale
        row.store(q_ref, [_quantised(v, inverse, dtype) for v in h])
        row.store_scalar(scale_ref, scale)

    out = (jax.ShapeDtypeStruct((rows, wide), dtype), jax.ShapeDtypeStruct((rows,), jnp.float32))
    plan = row_plan.plan("act_quant", wide, x.dtype.itemsize)
    q, scale = launch_rows(kernel, [x], out, n=wide, plan=plan, interpret=interpret, name="act_quant")
    return q[:, :n], scale


def _block_layout(vector: int) -> Any:
    """(blocks, 128) with each block inside a warp, so that its maximum is shuffles only."""
    lanes = BLOCK // vector  # of a block
    each = LANES // lanes  # blocks of a warp
    tiling: Any
    dims: dict[str, Any]
    if each == 1:
        tiling, dims = plgpu.Tiling(((WARPS, BLOCK), (vector,))), {"warp_dims": (-3,), "lane_dims": (-2,)}
    else:
        tiling = plgpu.Tiling(((WARPS * each, BLOCK), (each, BLOCK), (vector,)))
        dims = {"warp_dims": (-5,), "lane_dims": (-3, -2)}
    return plgpu.Layout.TILED(tiling, **dims, vector_dim=-1)


def _single_block_layout() -> Any:
    """(blocks, 128), every warp holding each block."""
    tiling = plgpu.Tiling(((1, BLOCK), (BLOCK // LANES,)))
    return plgpu.Layout.TILED(tiling, warp_dims=(plgpu.Replicated(WARPS),), lane_dims=(-2,), vector_dim=-1)


def _by_blocks(body: Body, x: Array, n: int, dtype: Any, interpret: Any) -> tuple[Array, Array]:
    rows, width = x.shape
    halves, blocks = width // n, n // BLOCK
    vector = vector_size(x.dtype)
    tile = WARPS * LANES * vector // BLOCK  # blocks that a warpgroup takes with one access a thread
    tiles, singles = divmod(blocks, tile)
    cut = [Tile(0, tile, tiles, _block_layout(vector), tile)] if tiles else []
    if singles:
        cut.append(Tile(tiles * tile, 1, singles, _single_block_layout(), 1))

    def kernel(x_ref: Any, q_ref: Any, scale_ref: Any) -> None:
        r = lax.axis_index("g0")

        def run(start: Any, part: Tile) -> None:
            at = pl.ds(start, part.size)
            h = body(*(load(x_ref.at[r, k, at], part.layout) for k in range(halves)))
            scale = _scale(jnp.max(jnp.abs(h), axis=1), dtype)
            inverse = lax.broadcast_in_dim(1.0 / scale, h.shape, (0,))
            write(q_ref.at[r, at], _quantised(h, inverse, dtype))
            write(scale_ref.at[r, at], scale)

        at_block(cut, lax.axis_index("g1"), run)

    out = (
        jax.ShapeDtypeStruct((rows, blocks, BLOCK), dtype),
        jax.ShapeDtypeStruct((rows, blocks), jnp.float32),
    )
    grid = (rows, block_count(cut))
    run = launch(kernel, out, grid, interpret=interpret, barriers=False, name="act_quant_blocks")
    q, scale = run(x.reshape(rows, halves, blocks, BLOCK))
    return q.reshape(rows, n), scale
