"""What the kernels share: how they are launched, and how a warpgroup reads and writes global memory.

Kernels are Mosaic GPU (`jax.experimental.pallas.mosaic_gpu`), which needs JAX 0.11.2 or later: import this module
and those that build on it only where `pallas_kernels.capability.why_not` has no objection. Arithmetic is float32
in registers, whatever the operands are.
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
from jax.experimental.pallas import mosaic_gpu

plgpu: Any = mosaic_gpu  # its signatures differ between the versions of JAX that type checkers meet

Array = jax.Array
WARP = 32  # threads
WARPGROUP = 128
ACCESS = 16  # bytes, the widest access of a thread


def launch(
    body: Callable[..., None],
    out: Any,
    grid: Sequence[int],
    *,
    interpret: Any = None,
    scratch: Sequence[Any] = (),
    warpgroups: int = 1,
    barriers: bool = True,
    approximate: bool = False,
    name: str | None = None,
) -> Callable[..., Any]:
    """The kernel that runs `body(*operand refs, *output refs, *scratch refs)` once for each point of the grid.

    Inside, ``lax.axis_index("g0")``, ``"g1"``, ... is the place in the grid and ``lax.axis_index("wg")`` the
    warpgroup, where there are several.

    Args:
      out: A `jax.ShapeDtypeStruct`, or a tuple of them.
      interpret: A `plgpu.InterpretGPUParams` runs the kernel on the CPU.
      barriers: False drops the barriers that Pallas puts around every store; right only where no thread reads what
        another one, or it itself, writes.
      warpgroups: Of each block. With several, reduce to scalars by shuffles: their `jnp.sum` share one scratch.
      approximate: The hardware's exp, log, sin, sqrt and rsqrt in place of those of 1 or 2 ULP. exp2 and division
        are the hardware's either way, of 2 ULP; XLA too compiles division to that instruction.
      name: What the kernel is called in profiles.
    """
    several: dict[str, Any] = {"num_threads": warpgroups, "thread_name": "wg"} if warpgroups > 1 else {}
    return plgpu.kernel(
        body,
        out_type=out,
        grid=tuple(grid),
        grid_names=tuple(f"g{i}" for i in range(len(grid))),
        scratch_types=tuple(scratch),
        interpret=interpret,
        compiler_params=plgpu.CompilerParams(approx_math=approximate, unsafe_no_auto_barriers=not barriers),
        kernel_name=name,
        **several,
    )


def check_shape(name: str, array: Array, shape: Sequence[int]) -> None:
    """Raise ValueError unless an operand has a shape: kernels read other memory where one has not."""
    if tuple(array.shape) != tuple(shape):
        raise ValueError(f"{name} must be of shape {tuple(shape)}, got {tuple(array.shape)}")


def check_row(name: str, row: Array, shape: Sequence[int]) -> None:
    """Raise ValueError unless an operand is a number or one value for each channel of an array of `shape`."""
    if row.ndim:
        check_shape(f"{name}, unless of rank 0,", row, shape[-1:])


def operation_count(jaxpr: Any) -> int:
    """The operations of a body, those of functions inside it too."""
    inner = [getattr(v, "jaxpr", v) for e in jaxpr.eqns for v in e.params.values()]
    return len(jaxpr.eqns) + sum(operation_count(j) for j in inner if hasattr(j, "eqns"))


def body_length(body: Any, operands: int) -> int:
    """The operations of a body on so many blocks."""
    block = jax.ShapeDtypeStruct((WARPGROUP,), jnp.float32)
    return operation_count(jax.make_jaxpr(body)(*[block] * operands).jaxpr)


def strided(size: int, vector: int) -> Any:
    """The layout of a 1-D block whose threads take turns at `vector` neighbouring elements."""
    return plgpu.Layout.WG_STRIDED((size,), vec_size=vector)


def vector_size(*dtypes: Any) -> int:
    """The elements of one access: 16 bytes of the widest of the dtypes."""
    return ACCESS // max(jnp.dtype(d).itemsize for d in dtypes)


@dataclasses.dataclass(frozen=True)
class Tile:
    """A range of a 1-D extent, cut into equal blocks.

    Attributes:
      start: Of the first block.
      size: Of each block.
      count: How many blocks follow each other.
      layout: In which registers a warpgroup holds a block.
      aligned: Every block starts at a multiple of this.
    """

    start: int
    size: int
    count: int
    layout: Any
    aligned: int


def tiles(extent: int, vector: int, unroll: int) -> list[Tile]:
    """Disjoint tiles that cover ``range(extent)``: full blocks, what is left of whole warpgroups, then of warps.

    Full blocks have `unroll` accesses of `vector` elements a thread. What is left over is less than a block, in
    one block of narrower accesses; then up to 127 elements, which every warp holds, or every thread.
    """
    found: list[Tile] = []
    start = 0

    def add(size: int, count: int, layout: Any, aligned: int) -> None:
        nonlocal start
        if size and count:
            found.append(Tile(start, size, count, layout, aligned))
            start += size * count

    block = WARPGROUP * vector * unroll
    add(block, extent // block, strided(block, vector), block)
    rest = extent - start
    narrow = rest - rest % WARPGROUP
    if narrow:
        step = math.gcd(vector, narrow // WARPGROUP)
        add(narrow, 1, strided(narrow, step), step)
    rest = extent - start
    add(rest - rest % WARP, 1, by_warp(), 1)
    add(rest % WARP, 1, by_thread(), 1)
    return found


def block_count(cut: Sequence[Tile]) -> int:
    return sum(tile.count for tile in cut)


def at_block(cut: Sequence[Tile], i: Any, run: Callable[[Any, Tile], None]) -> None:
    """Run ``run(start, tile)`` on the i-th block of the tiles, `i` known when the kernel runs."""
    first = 0
    for tile in cut:
        last = first + tile.count
        start = pl.multiple_of(tile.start + (i - first) * tile.size, tile.aligned)
        inside = functools.partial(run, start, tile)
        if len(cut) == 1:
            inside()
        else:
            pl.when((i >= first) & (i < last))(inside)
        first = last


def by_warp() -> Any:
    """The layout of a block of k * 32 elements that each warp holds, an element of every 32 a thread."""
    tiling = plgpu.Tiling(((WARP,), (1,)))
    return plgpu.Layout.TILED(tiling, warp_dims=(plgpu.Replicated(4),), lane_dims=(-2,), vector_dim=-1)


def by_thread() -> Any:
    """The layout of a block that every thread holds.

    Scalars would not do: Mosaic GPU lowers no bitcast of one, and no select by one.
    """
    replicated = {"warp_dims": (plgpu.Replicated(4),), "lane_dims": (plgpu.Replicated(WARP),)}
    return plgpu.Layout.TILED(plgpu.Tiling(((1,),)), **replicated, vector_dim=-1)


def load(ref: Any, layout: Any) -> Array:
    """A block of a ref of global memory, in float32; registers in `layout`."""
    return plgpu.load(ref, layout=layout, optimized=False).astype(jnp.float32)


def wrap_rows(rows: Sequence[Array], longest: int) -> list[Array]:
    """Rows for `load_row`: continued from their start, so that blocks up to `longest` are one contiguous slice."""
    return [r.reshape(1) if r.ndim == 0 else jnp.pad(r, (0, longest), mode="wrap") for r in rows]


def load_row(ref: Any, row: Array, start: Any, tile: Tile) -> Array:
    """The block, at `start` of an extent, of a row that repeats along it; `ref` is of the wrapped row."""
    if row.ndim == 0:
        return jnp.broadcast_to(ref[0].astype(jnp.float32), (tile.size,))
    at = pl.multiple_of(lax.rem(start, row.size), math.gcd(row.size, tile.aligned))
    return load(ref.at[pl.ds(at, tile.size)], tile.layout)


def store(ref: Any, value: Array) -> None:
    """Write a block, rounded once to the dtype of the ref, as JAX's cast does."""
    write(ref, _cast(value, ref.dtype))


def write(ref: Any, value: Array) -> None:
    """Write a block of the dtype of the ref as it is."""
    if hasattr(plgpu, "store"):
        plgpu.store(ref, value, optimized=False)
    else:  # JAX 0.11, where plain stores go to any layout
        ref[...] = value


# Where rounding to nearest leaves the range of a float8. Casts of JAX give NaN or infinity there, the hardware's
# conversion the largest number.
_E4M3FN_OVERFLOW = 464.0
_E5M2_OVERFLOW, _E5M2_LARGEST = 61440.0, 57344.0
_E5M2_LARGEST_TO_INFINITY = 0x7B ^ 0x7C


def _cast(value: Array, dtype: Any) -> Array:
    if dtype == jnp.float8_e4m3fn:
        return jnp.where(jnp.abs(value) > _E4M3FN_OVERFLOW, jnp.float32(jnp.nan), value).astype(dtype)
    if dtype == jnp.float8_e5m2:
        beyond = jnp.abs(value) >= _E5M2_OVERFLOW
        within = jnp.where(beyond, jnp.where(value < 0.0, -_E5M2_LARGEST, _E5M2_LARGEST), value)
        bits = lax.bitcast_convert_type(within.astype(dtype), jnp.int8)
        change = jnp.where(beyond, _E5M2_LARGEST_TO_INFINITY, 0).astype(jnp.int8)
        return lax.bitcast_convert_type(bits ^ change, dtype)
    return value.astype(dtype)
