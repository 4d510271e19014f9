"""The backward pass of a function with parameters: the gradient in x and in every parameter, in one pass.

dx is elementwise; the gradient of a parameter is the sum of its terms over all elements that it was used for. Each
block of the grid adds up its own part in registers, in float32, and writes a partial sum; XLA adds those. The
order of additions is fixed, so results are reproducible.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from pallas_kernels import config
from pallas_kernels.launch import (
    WARPGROUP,
    Tile,
    at_block,
    block_count,
    body_length,
    check_row,
    check_shape,
    launch,
    load,
    load_row,
    plgpu,
    store,
    tiles,
    vector_size,
    wrap_rows,
)

Array = jax.Array
Body = Callable[..., tuple[Array, Sequence[Array]]]


def backward(
    body: Body,
    x: Array,
    parameters: Sequence[Array],
    ct: Array,
    *,
    approximate: bool = False,
    interpret: Any = None,
) -> tuple[Array, tuple[Array, ...]]:
    """The gradients in x and in the parameters.

    Args:
      body: ``body(x, ct, *parameters)`` on float32 blocks of one shape returns dx and a sequence of terms, one for
        each parameter.
      x: Of any shape, (..., C).
      parameters: At least one, of shape () or (C,).
      ct: The cotangent, of the shape of x.
      approximate, interpret: See `pallas_kernels.launch.launch`.

    Returns:
      dx, of the dtype of x, and the gradients, float32 of the shapes of the parameters.

    Raises:
      ValueError: The cotangent has another shape than x, or a parameter neither of those above.
    """
    check_shape("ct", ct, x.shape)
    for i, parameter in enumerate(parameters):
        check_row(f"parameter {i}", parameter, x.shape)
    if x.size == 0:
        return jnp.zeros_like(x), tuple(jnp.zeros(p.shape, jnp.float32) for p in parameters)
    vector = vector_size(x.dtype, ct.dtype)
    scalars = all(p.ndim == 0 for p in parameters)
    tuned = config.parameters()
    if body_length(body, 2 + len(parameters)) > config.LONG_SUMMED_BODY:
        narrow = 4 if len(parameters) >= config.MANY_SUMS else 2
        vector, tuned = vector // narrow, dataclasses.replace(tuned, reduce_rows_at_once=1)
    plan = _plan(x.size, 1 if scalars else x.shape[-1], vector, tuned)
    kernel = _kernel(body, plan, parameters, scalars)
    rest, count = plan.size - plan.rows * plan.width, len(parameters)
    partial = (count, plan.chunks, plan.blocks if scalars else plan.width)
    out = [jax.ShapeDtypeStruct((x.size,), x.dtype)]
    out += [jax.ShapeDtypeStruct(partial, jnp.float32)] if plan.rows else []
    out += [jax.ShapeDtypeStruct((count, rest), jnp.float32)] if rest else []
    grid = (plan.chunks * plan.blocks + block_count(plan.rest),)
    launched = launch(
        kernel, tuple(out), grid, barriers=False, approximate=approximate, interpret=interpret, name="reduce"
    )
    dx, *sums = launched(x.reshape(-1), ct.reshape(-1), *wrap_rows(parameters, max(t.size for t in plan.all)))
    # A row of all channels, once or many times, is what partial sums and leftovers have in common.
    channels = 1 if scalars else x.shape[-1]
    totals = functools.reduce(jnp.add, (jnp.sum(s.reshape(count, -1, channels), axis=1) for s in sums))
    gradients = tuple(t if p.ndim else jnp.sum(t) for p, t in zip(parameters, totals))
    return dx.reshape(x.shape), gradients


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How `size` elements are visited: as rows of `width`, in chunks of rows, and what is left over after them.

    Attributes:
      columns: The tiles of a row.
      rest: The tiles of the elements after the last whole row.
      per_chunk: The rows that one block of the grid adds up; the last chunk may have fewer. It is, as `rows` is, a
        multiple of `together`.
      together: The rows that are in flight together.
    """

    size: int
    width: int
    rows: int
    per_chunk: int
    together: int
    columns: list[Tile]
    rest: list[Tile]

    @property
    def blocks(self) -> int:
        return block_count(self.columns)

    @property
    def chunks(self) -> int:
        return -(-self.rows // self.per_chunk)

    @property
    def all(self) -> list[Tile]:
        return [*self.columns, *self.rest]


def _plan(size: int, channels: int, vector: int, tuned: config.Parameters) -> _Plan:
    block = WARPGROUP * vector
    # So many rows of channels, side by side, are whole blocks. Where that leaves too few rows to add up, fewer.
    fold = block // math.gcd(block, channels)
    rows = size // channels
    if channels > 1 and rows < fold * tuned.reduce_rows:
        fold = max(1, min(rows // tuned.reduce_rows, block // channels))
    width = fold * channels
    together = tuned.reduce_rows_at_once
    rows = size // width // together * together
    columns = tiles(width, vector, 1)
    chunks = max(1, tuned.reduce_grid // block_count(columns))
    per_chunk = max(tuned.reduce_rows, -(-rows // chunks // together) * together)
    return _Plan(size, width, rows, per_chunk, together, columns, tiles(size - rows * width, vector, 1))


def _kernel(body: Body, plan: _Plan, parameters: Sequence[Array], scalars: bool) -> Callable[..., None]:
    after = plan.rows * plan.width
    grid = plan.chunks * plan.blocks

    def kernel(x_ref: Any, ct_ref: Any, *refs: Any) -> None:
        row_refs, (dx_ref, *outs) = refs[: len(parameters)], refs[len(parameters) :]
        i = lax.axis_index("g0")

        def visit(starts: Sequence[Any], tile: Tile, values: Sequence[Array]) -> list[list[Array]]:
            """Write dx of some blocks and return their terms; all are loaded before any is stored."""
            places = [pl.ds(start, tile.size) for start in starts]
            loaded = [[load(ref.at[at], tile.layout) for ref in (x_ref, ct_ref)] for at in places]
            found = []
            for at, blocks in zip(places, loaded):
                dx, terms = body(*blocks, *values)
                store(dx_ref.at[at], jnp.broadcast_to(dx, (tile.size,)))
                found.append([jnp.broadcast_to(t, (tile.size,)) for t in terms])
            return found

        def parameters_at(start: Any, tile: Tile) -> list[Array]:
            return [load_row(ref, p, start, tile) for ref, p in zip(row_refs, parameters)]

        def add_up(column: Any, tile: Tile) -> None:
            chunk = i // plan.blocks
            first = chunk * plan.per_chunk
            count = jnp.minimum(plan.per_chunk, plan.rows - first)
            values = parameters_at(column, tile)
            together = plan.together if tile is plan.columns[0] else 1

            def step(j: Any, sums: tuple[Array, ...]) -> tuple[Array, ...]:
                starts = [(first + j * together + u) * plan.width + column for u in range(together)]
                aligned = math.gcd(plan.width, tile.aligned)
                for terms in visit([pl.multiple_of(s, aligned) for s in starts], tile, values):
                    sums = tuple(s + t for s, t in zip(sums, terms, strict=True))
                return sums

            zero = plgpu.layout_cast(jnp.zeros((tile.size,), jnp.float32), tile.layout)
            sums = lax.fori_loop(0, count // together, step, (zero,) * len(parameters))
            for k, total in enumerate(sums):
                if scalars:
                    outs[0][k, chunk, i % plan.blocks] = jnp.sum(total)
                else:
                    store(outs[0].at[k, chunk, pl.ds(column, tile.size)], total)

        def leave_over(start: Any, tile: Tile) -> None:
            (terms,) = visit([after + start], tile, parameters_at(start, tile))
            for k, term in enumerate(terms):
                store(outs[-1].at[k, pl.ds(start, tile.size)], term)

        if plan.rows:
            pl.when(i < grid)(lambda: at_block(plan.columns, i % plan.blocks, add_up))
        if plan.rest:
            pl.when(i >= grid)(lambda: at_block(plan.rest, i - grid, leave_over))

    return kernel
