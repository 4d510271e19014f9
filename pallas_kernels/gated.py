"""Functions of two halves, one pass forward and one backward, from a packed array or from a pair.

In a packed array the halves lie side by side on the last axis (``concat``), or element by element
(``interleaved``). The packed gradient is written where the packed array was read, so nothing is joined afterwards.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from pallas_kernels import config
from pallas_kernels.elementwise import elementwise
from pallas_kernels.launch import (
    Tile,
    at_block,
    block_count,
    check_shape,
    launch,
    load,
    plgpu,
    store,
    tiles,
    vector_size,
    write,
)

Array = jax.Array
Packed = Array | Sequence[Array]
Layout = Literal["concat", "interleaved"]


def forward(
    body: Callable[..., Array],
    x: Packed,
    *,
    layout: Layout = "concat",
    gate_first: bool = True,
    out_dtype: Any = None,
    approximate: bool = False,
    interpret: Any = None,
) -> Array:
    """``body(gate, up)`` of the halves of x.

    Args:
      body: Takes and returns float32 blocks of one shape, made of what Mosaic GPU lowers.
      x: (..., 2 n), or a pair of arrays of one shape and dtype, which come in the order that `gate_first` says.
      layout: How the halves lie in a packed array.
      gate_first: Whether the first half, or element, is the gate.
      out_dtype: Of the result (..., n); that of x unless given.
      approximate, interpret: See `pallas_kernels.launch.launch`.

    Raises:
      ValueError: The last axis of a packed array is odd, or a pair is of two shapes.
    """
    dtype = out_dtype or (x.dtype if isinstance(x, jax.Array) else x[0].dtype)
    launching = {"approximate": approximate, "interpret": interpret}
    return _run(body, x, (), layout, gate_first, dtype, launching)


def backward(
    body: Callable[..., tuple[Array, Array]],
    x: Packed,
    ct: Array,
    *,
    layout: Layout = "concat",
    gate_first: bool = True,
    approximate: bool = False,
    interpret: Any = None,
) -> Array | tuple[Array, Array]:
    """The gradient in x: ``body(gate, up, ct)`` gives that in the gate and that in up.

    Args:
      ct: The cotangent, of the shape of a half.
      x, layout, gate_first, approximate, interpret: As in `forward`.

    Returns:
      An array packed as x is, or a pair in the order of x.

    Raises:
      ValueError: As `forward`, or the cotangent is not of the shape of a half.
    """
    launching = {"approximate": approximate, "interpret": interpret}
    return _run(body, x, (ct,), layout, gate_first, None, launching)


class _Concatenated:
    """Rows of a first and a second half."""

    def __init__(self, half: Sequence[int], dtype: Any):
        self.extent = half[-1]  # of what is cut into tiles
        self.rows = math.prod(half[:-1])
        self.half_shape: tuple[int, ...] = (self.rows, self.extent)
        self.packed = jax.ShapeDtypeStruct((self.rows, 2 * self.extent), dtype)  # as the kernel sees it
        self.vector = vector_size(dtype)

    def pack(self, x: Array) -> Array:
        return x.reshape(self.packed.shape)

    def unpack(self, x: Array) -> Array:
        return x

    def half(self, ref: Any, row: Any, start: Any, tile: Tile) -> Any:
        return ref.at[row, pl.ds(start, tile.size)]

    def halves(self, ref: Any, row: Any, start: Any, tile: Tile) -> list[Any]:
        second = pl.multiple_of(self.extent + start, math.gcd(self.extent, tile.aligned))
        return [ref.at[row, pl.ds(at, tile.size)] for at in (start, second)]

    def load(self, ref: Any, row: Any, start: Any, tile: Tile) -> list[Array]:
        return [load(half, tile.layout) for half in self.halves(ref, row, start, tile)]

    def store(self, ref: Any, row: Any, start: Any, tile: Tile, values: Sequence[Array]) -> None:
        for half, value in zip(self.halves(ref, row, start, tile), values, strict=True):
            store(half, value)


class _Interleaved(_Concatenated):
    """Pairs of 4-byte elements, read one element at a time."""

    def __init__(self, half: Sequence[int], dtype: Any):
        self.extent = math.prod(half)
        self.rows = 1
        self.half_shape = (self.extent,)
        self.packed = jax.ShapeDtypeStruct((self.extent, 2), dtype)
        self.vector = 1

    def half(self, ref: Any, row: Any, start: Any, tile: Tile) -> Any:
        return ref.at[pl.ds(start, tile.size)]

    def halves(self, ref: Any, row: Any, start: Any, tile: Tile) -> list[Any]:
        return [ref.at[pl.ds(start, tile.size), i] for i in (0, 1)]


class _InterleavedWords(_Interleaved):
    """Pairs of 2-byte elements, read as one integer; XLA sees a bitcast, which costs nothing."""

    def __init__(self, half: Sequence[int], dtype: Any):
        super().__init__(half, dtype)
        self.dtype = dtype
        self.packed = jax.ShapeDtypeStruct((self.extent,), jnp.uint32)
        self.vector = vector_size(jnp.uint32)

    def pack(self, x: Array) -> Array:
        return lax.bitcast_convert_type(x.reshape(self.extent, 2), jnp.uint32)

    def unpack(self, x: Array) -> Array:
        return lax.bitcast_convert_type(x, self.dtype)

    def load(self, ref: Any, row: Any, start: Any, tile: Tile) -> list[Array]:
        words = plgpu.load(self.half(ref, row, start, tile), layout=tile.layout, optimized=False)
        bits = (words & 0xFFFF, words >> 16)
        return [lax.bitcast_convert_type(b.astype(jnp.uint16), self.dtype).astype(jnp.float32) for b in bits]

    def store(self, ref: Any, row: Any, start: Any, tile: Tile, values: Sequence[Array]) -> None:
        rounded = [lax.bitcast_convert_type(v.astype(self.dtype), jnp.uint16) for v in values]
        low, high = (v.astype(jnp.uint32) for v in rounded)
        write(self.half(ref, row, start, tile), low | (high << 16))


def _access(layout: Layout, half: Sequence[int], dtype: Any) -> _Concatenated:
    if layout == "concat":
        return _Concatenated(half, dtype)
    return (_InterleavedWords if jnp.dtype(dtype).itemsize == 2 else _Interleaved)(half, dtype)


def _run(
    body: Callable[..., Any],
    x: Packed,
    more: Sequence[Array],
    layout: Layout,
    gate_first: bool,
    out_dtype: Any,
    launching: Mapping[str, Any],
) -> Any:
    """The results of ``body(gate, up, *more)``: one, of `out_dtype`; or where that is None two, packed as x is."""
    packs = out_dtype is None

    def ordered(first: Array, second: Array, *others: Array) -> tuple[Array, ...]:
        if gate_first:
            return body(first, second, *others) if packs else (body(first, second, *others),)
        return body(second, first, *others)[::-1] if packs else (body(second, first, *others),)

    if not isinstance(x, jax.Array):
        results = elementwise(ordered, (*x, *more), [v.dtype for v in x] if packs else [out_dtype], **launching)
        return results if packs else results[0]
    if x.shape[-1] % 2:
        raise ValueError(f"the last axis holds two halves, got the shape {x.shape}")
    half = (*x.shape[:-1], x.shape[-1] // 2)
    for array in more:
        check_shape("ct", array, half)
    if x.size == 0:
        return jnp.zeros_like(x) if packs else jnp.zeros(half, out_dtype)
    access = _access(layout, half, x.dtype)
    cut = tiles(access.extent, access.vector, config.for_size(config.parameters().gated_unroll, x.size))
    per_row = block_count(cut)

    def kernel(*refs: Any) -> None:
        x_ref, *more_refs, out_ref = refs
        i = lax.axis_index("g0")

        def run(start: Any, tile: Tile) -> None:
            at = (i // per_row, start, tile)
            blocks = access.load(x_ref, *at)
            blocks += [load(access.half(ref, *at), tile.layout) for ref in more_refs]
            results = [jnp.broadcast_to(v, (tile.size,)) for v in ordered(*blocks)]
            if packs:
                access.store(out_ref, *at, results)
            else:
                store(access.half(out_ref, *at), results[0])

        at_block(cut, i % per_row, run)

    out = access.packed if packs else jax.ShapeDtypeStruct(access.half_shape, out_dtype)
    launched = launch(kernel, out, (access.rows * per_row,), barriers=False, name=f"gated_{layout}", **launching)
    result = launched(access.pack(x), *(v.reshape(access.half_shape) for v in more))
    return access.unpack(result).reshape(x.shape) if packs else result.reshape(half)
