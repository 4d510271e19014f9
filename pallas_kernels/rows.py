"""A row in the registers of one or several warpgroups: how it is cut, read, reduced and written.

A warpgroup reads tiles of (4 warps, 32 lanes x vector), so that a reduction along the last axis is shuffles within
a warp; warps meet in shared memory, one slot each, and at an mbarrier. A scalar ``jnp.max`` or ``jnp.sum`` is
never used: all warpgroups of a kernel share one scratch for those, a race that neither the compiler nor the
interpreter reports.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from pallas_kernels.launch import launch, plgpu, vector_size, write
from pallas_kernels.row_plan import WARPGROUP, Loop, Plan

Array = jax.Array
Tiles = list[Array]  # what a warpgroup holds of a row, an array of (tiles, 4, 32 * vector) for each piece
WARPS = 4  # of a warpgroup
LANES = 32
VALUES = 2  # that one exchange reduces at most
SET_ASIDE = 16  # elements that a thread has in registers at a time of what goes to shared memory
BUFFERS = 4  # of slots: two for straight code and two for a loop, each pair taking turns


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of a row that warpgroups hold side by side.

    Attributes:
      start: Its first element.
      tiles: The tiles of 128 * vector elements that each warpgroup holds.
      vector: The neighbouring elements of one thread.
      alone: Only the last warpgroup holds it.
      repeated: How many elements at its start belong to the piece before (they are written twice, alike, by the
        same warpgroup, and counted once).
    """

    start: int
    tiles: int
    vector: int
    alone: bool = False
    repeated: int = 0

    @property
    def size(self) -> int:
        """The elements that a warpgroup holds."""
        return self.tiles * WARPGROUP * self.vector

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.tiles, WARPS, LANES * self.vector)


def cover(start: int, n: int, vector: int, warpgroups: int, most: float = math.inf) -> tuple[Piece, ...]:
    """Pieces that hold the elements `start` to `n` of a row of at least 128; wide accesses first, to be aligned.

    None has more than `most` elements a thread. The end that warpgroups cannot share is the last one's; where not
    even 128 elements are left, it steps back into what it holds already.
    """
    found = []
    while vector:
        together = warpgroups * WARPGROUP * vector
        while tiles := min((n - start) // together, most // vector):
            found.append(Piece(start, int(tiles), vector))
            start += int(tiles) * together
        vector //= 2
    tiles, rest = divmod(n - start, WARPGROUP)
    if tiles:
        found.append(Piece(start, tiles, 1, alone=True))
    if rest:
        found.append(Piece(n - WARPGROUP, 1, 1, alone=True, repeated=WARPGROUP - rest))
    return tuple(found)


def row_vector(n: int, *dtypes: Any) -> int:
    """The widest access to which every row of n elements is aligned."""
    return math.gcd(vector_size(*dtypes), n)


def tile_layout(vector: int) -> Any:
    """(..., 4, 32 * vector): a row of the last two axes for each warp."""
    return plgpu.Layout.TILED(
        plgpu.Tiling(((WARPS, LANES * vector), (vector,))), warp_dims=(-3,), lane_dims=(-2,), vector_dim=-1
    )


@dataclasses.dataclass
class Row:
    """A row inside a kernel.

    Attributes:
      index: Which row of the operands.
      loop: What is read again and again.
      pieces: What is held in registers, the rest.
      warpgroups: By how many warpgroups.
      slots: Shared memory of (BUFFERS, VALUES, 4 * warpgroups) floats.
      waiting: Shared memory for a second operand, an array of (warpgroups, ...) for each piece; or none.
      barrier: Where its warpgroups meet.
      interpreted: Whether the kernel runs in the interpreter, which knows no reshaped refs.
    """

    index: Any
    loop: Loop
    pieces: tuple[Piece, ...]
    warpgroups: int
    slots: Any
    waiting: Sequence[Any]
    barrier: Any
    interpreted: bool
    exchanges: int = 0

    @property
    def warpgroup(self) -> Any:
        return lax.axis_index("wg") if self.warpgroups > 1 else 0

    # -- memory --------------------------------------------------------------------------------------------------

    def load(self, ref: Any, offset: int = 0) -> Tiles:
        """What is held of the row of a ref, from element `offset` on, in the dtype of the ref."""
        return [self._read(ref, piece, offset + self._start(piece)) for piece in self.pieces]

    def load_each(self, *refs: Any) -> list[tuple[Array, ...]]:
        """What is held of the rows of several refs, piece by piece."""
        return list(zip(*map(self.load, refs)))

    def store(self, ref: Any, values: Iterable[Array]) -> None:
        """Write what is held, rounded once to the dtype of the ref."""
        for piece, value in zip(self.pieces, values):
            write = functools.partial(self._write, ref, piece, self._start(piece), value)
            if piece.alone and self.warpgroups > 1:
                pl.when(self.warpgroup == self.warpgroups - 1)(write)
            else:
                write()

    def load_twice(self, ref: Any) -> Iterator[tuple[Array, Callable[[], Array]]]:
        """What is held of the row of a ref, piece by piece, and how to have it again.

        That is from shared memory, where the plan leaves no registers for it. Each thread reads what it wrote
        itself, so nothing has to be waited for.
        """
        for i, piece in enumerate(self.pieces):
            value = self._read(ref, piece, self._start(piece))
            if self.waiting:
                place = self.waiting[i].at[self.warpgroup]
                write(place, value)
                yield value, functools.partial(self._take, place, piece)
            else:
                yield value, functools.partial(lambda v: v, value)

    def _take(self, place: Any, piece: Piece) -> Array:
        if self.interpreted:
            return place[...]
        return plgpu.load(place, layout=tile_layout(piece.vector), optimized=False)

    def store_scalar(self, ref: Any, value: Array) -> None:
        """Write the row's element of a ref of one for each row."""

        def write() -> None:
            ref[self.index] = value.astype(ref.dtype)

        if self.warpgroups > 1:
            pl.when(self.warpgroup == 0)(write)
        else:
            write()

    def fold(self, step: Callable[..., Any], start: Sequence[float], refs: Sequence[Any]) -> Any:
        """The carry of the loop: ``step(carry, tiles of each ref, ...)`` for each of its steps.

        The carry is one tile for each number in `start`, with which it is filled; none where there is no loop.
        """
        if not self.loop.steps:
            return ()
        tile = self._tile
        carry = tuple(
            plgpu.layout_cast(jnp.full(tile.shape, v, jnp.float32), tile_layout(tile.vector)) for v in start
        )

        def run(i: Any, carry: Any) -> Any:
            return step(carry, *([self._read(ref, tile, at) for at in self._places(i)] for ref in refs))

        return lax.fori_loop(0, self.loop.steps, run, carry)

    def stream(self, function: Callable[..., Array], refs: Sequence[Any], out: Any) -> None:
        """Write ``function(a tile of each ref)`` for every tile of the loop."""

        def run(i: Any, carry: Any) -> Any:
            places = self._places(i)
            results = [function(*(self._read(ref, self._tile, at) for ref in refs)) for at in places]
            for at, value in zip(places, results):
                self._write(out, self._tile, at, value)
            return carry

        if self.loop.steps:
            lax.fori_loop(0, self.loop.steps, run, 0)

    @property
    def _tile(self) -> Piece:
        return Piece(0, 1, self.loop.vector)

    def _places(self, step: Any) -> list[Any]:
        """Where the warpgroup's tiles of a step begin; neighbouring warpgroups read neighbouring tiles."""
        tiles = (step * self.loop.tiles + j for j in range(self.loop.tiles))
        return [(tile * self.warpgroups + self.warpgroup) * self._tile.size for tile in tiles]

    def _start(self, piece: Piece) -> Any:
        return piece.start + (0 if piece.alone else self.warpgroup * piece.size)

    def _read(self, ref: Any, piece: Piece, start: Any) -> Array:
        at = pl.ds(start, piece.size)
        if self.interpreted:
            return ref[self.index, at].reshape(piece.shape)
        source = ref.at[self.index, at].reshape(piece.shape)
        return plgpu.load(source, layout=tile_layout(piece.vector), optimized=False)

    def _write(self, ref: Any, piece: Piece, start: Any, value: Array) -> None:
        at, value = pl.ds(start, piece.size), value.astype(ref.dtype)
        if self.interpreted:
            ref[self.index, at] = value.reshape(piece.size)
        else:
            write(ref.at[self.index, at].reshape(piece.shape), value)

    # -- reductions ----------------------------------------------------------------------------------------------

    def maximum(self, values: Tiles, *carried: Array) -> Array:
        """The largest element of what is held and of carried tiles, NaN if there is one."""
        (top,) = self.exchange([self._by_warp(values, carried, jnp.max, jnp.maximum, -jnp.inf)], jnp.maximum)
        return top

    def total(self, values: Tiles, *carried: Array) -> Array:
        """The sum of what is held and of carried tiles."""
        (sum_,) = self.exchange([self._by_warp(values, carried, jnp.sum, jnp.add, 0.0)], jnp.add)
        return sum_

    def accurate_total(self, values: Tiles, *carried: Array) -> Array:
        """The sum of what is not negative, to half an eps whatever the order of additions.

        Against six times a first sum, values are cut into heads, whose sums are exact, and small tails.
        """
        coarse = 6.0 * self.total(values, *carried)

        def head(v: Array) -> Array:
            # the maximum changes nothing, but keeps XLA, which interprets kernels, from folding (v + c) - c
            return jnp.maximum(v + coarse, coarse) - coarse

        heads, tails = [head(v) for v in values], [v - head(v) for v in values]
        carried_heads = [head(v) for v in carried]
        carried_tails = [v - h for v, h in zip(carried, carried_heads)]
        sums = [
            self._by_warp(held, extra, jnp.sum, jnp.add, 0.0)
            for held, extra in ((heads, carried_heads), (tails, carried_tails))
        ]
        large, small = self.exchange(sums, jnp.add)
        return large + small

    def totals(self, *rows: Tiles, carried: Sequence[Array] = (), turn: Any = None) -> list[Array]:
        """The sum of each of one or two held rows, with a carried tile for each; `turn` counts in a loop."""
        extra: list[Sequence[Array]] = [(tile,) for tile in carried] or [()] * len(rows)
        sums = [self._by_warp(values, more, jnp.sum, jnp.add, 0.0) for values, more in zip(rows, extra)]
        return self.exchange(sums, jnp.add, turn)

    def _by_warp(
        self,
        values: Tiles,
        carried: Sequence[Array],
        reduce: Callable[..., Array],
        combine: Callable[..., Array],
        neutral: float,
    ) -> Array:
        held = [
            jnp.where(self._counted(piece), value, neutral) if piece.alone else value
            for piece, value in zip(self.pieces, values)
        ]
        return functools.reduce(combine, [reduce(reduce(value, axis=0), axis=1) for value in (*carried, *held)])

    def _counted(self, piece: Piece) -> Array:
        """Which elements of a piece that is held alone count: the last warpgroup's, and none of them twice."""
        layout = tile_layout(piece.vector)
        warp, lane = (plgpu.broadcasted_iota(jnp.int32, piece.shape, axis, layout=layout) for axis in (1, 2))
        first = warp * LANES + lane >= piece.repeated
        return first & (self.warpgroup == self.warpgroups - 1) if self.warpgroups > 1 else first

    def exchange(self, values: Sequence[Array], combine: Any, turn: Any = None) -> list[Array]:
        """Reduce values of one element a warp over all warps of the row; every thread gets the result.

        Consecutive exchanges use different buffers: a warp that is ahead writes the next one while others still
        read this one, and cannot come to the one after before they have arrived there.
        """
        buffer = self.exchanges % 2 if turn is None else 2 + lax.rem(turn, 2)
        self.exchanges += turn is None
        for i, value in enumerate(values):
            self.slots[buffer, i, pl.ds(self.warpgroup * WARPS, WARPS)] = value
        plgpu.barrier_arrive(self.barrier)
        plgpu.barrier_wait(self.barrier)
        slots = range(WARPS * self.warpgroups)
        return [functools.reduce(combine, [self.slots[buffer, i, k] for k in slots]) for i in range(len(values))]


def launch_rows(
    body: Callable[..., None],
    operands: Sequence[Array],
    out: Any,
    *,
    plan: Plan,
    n: int | None = None,
    interpret: Any = None,
    name: str,
) -> Any:
    """Run ``body(row, *operand refs, *output refs)`` for every row of the operands.

    Args:
      n: The elements of a row, where an operand holds several side by side.
    """
    n = n or operands[0].shape[1]
    vector = row_vector(n, *(v.dtype for v in operands))
    loop = plan.loop(n, vector)
    most = SET_ASIDE if plan.shared else math.inf
    pieces = cover(loop.size(plan.warpgroups), n, vector, plan.warpgroups, most)

    aside = [plgpu.SMEM((plan.warpgroups, *p.shape), operands[-1].dtype) for p in pieces] if plan.shared else []

    def run(*refs: Any) -> None:
        arrays, (slots, *waiting, barrier) = refs[: -len(scratch)], refs[-len(scratch) :]
        row = Row(
            lax.axis_index("g0"), loop, pieces, plan.warpgroups, slots, waiting, barrier, interpret is not None
        )
        body(row, *arrays)

    scratch = [
        plgpu.SMEM((BUFFERS, VALUES, WARPS * plan.warpgroups), jnp.float32),
        *aside,
        plgpu.Barrier(num_arrivals=plan.warpgroups),
    ]
    # no barriers around stores: what threads tell each other goes through slots, ordered by the mbarrier
    kernel = launch(
        run,
        out,
        (operands[0].shape[0],),
        interpret=interpret,
        scratch=scratch,
        warpgroups=plan.warpgroups,
        barriers=False,
        name=name,
    )
    return kernel(*operands)


def widened(arrays: Sequence[Array], fills: Sequence[float]) -> list[Array]:
    """Rows of fewer than 128 elements filled up to 128."""
    short = max(WARPGROUP - arrays[0].shape[1], 0)
    return (
        [jnp.pad(v, ((0, 0), (0, short)), constant_values=f) for v, f in zip(arrays, fills)]
        if short
        else [*arrays]
    )
