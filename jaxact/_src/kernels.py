"""Which kernel computes an operation, and the calls that run it: the one room that imports `pallas_kernels`.

A kernel is handed the operation's own bodies, bound to the GPU profile of the elementary layer: no formula is
written a second time. `pallas_kernels` is imported when a kernel is asked for; where that fails, its message is
the reason why the reference runs.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import jax
import jax.numpy as jnp

from jaxact._src import elementary, sharding
from jaxact._src.rule import Direction

if TYPE_CHECKING:
    from jaxact._src.operation import Operation

Array = jax.Array
Run = Callable[..., tuple[Array, ...]]

OLDEST: Final = "9.0"  # the GPU that is assumed where a kernel is demanded and no GPU known

# What Mosaic GPU lowers of what a body may be made of, on every JAX that has kernels.
_LOWERED: Final = frozenset(
    [
        "abs",
        "add",
        "and",
        "bitcast_convert_type",
        "broadcast_in_dim",
        "clamp",
        "convert_element_type",
        "copy",
        "cos",
        "div",
        "eq",
        "exp",
        "exp2",
        "ge",
        "gt",
        "integer_pow",
        "jit",
        "le",
        "log",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
        "ne",
        "neg",
        "not",
        "or",
        "pjit",
        "reshape",
        "round",
        "rsqrt",
        "select_n",
        "shift_left",
        "shift_right_arithmetic",
        "shift_right_logical",
        "sign",
        "sin",
        "sqrt",
        "square",
        "squeeze",
        "stop_gradient",
        "sub",
        "tanh",
        "xor",
    ]
)


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel for one operation on operands of given shapes.

    Attributes:
      kind: A key of `pallas_kernels.capability.DTYPES`.
      run: Takes the operands of the primitive and returns its results as a tuple, for any split of the operands.
      operands: The abstract operands.
      results: The dtypes of the results.
      rows: The axes, counted from the right, that have to be whole.
      longest_row: The most elements that the kernel takes along them, or None.
    """

    kind: str
    run: Run
    operands: tuple[Any, ...]
    results: tuple[Any, ...]
    rows: tuple[int, ...] = ()
    longest_row: int | None = None


# -- whether ------------------------------------------------------------------------------------------------------


def why_not_here(platform: str | None, compute_capability: str | None) -> str | None:
    """The reason why no kernel at all can run on a machine, or None."""
    return _objection("elementwise", platform, compute_capability)


def why_not(kernel: Kernel, platform: str | None, compute_capability: str | None) -> str | None:
    """The reason why a kernel cannot run, or None."""
    return _objection(
        kernel.kind,
        platform,
        compute_capability,
        dtypes=[*(a.dtype for a in kernel.operands), *kernel.results],
        shapes=[a.shape for a in kernel.operands],
        longest_row=kernel.longest_row,
    )


def is_proven(kernel: Kernel, compute_capability: str | None) -> bool:
    """Whether such a kernel has been tested on such a GPU."""
    from pallas_kernels import capability  # noqa: PLC0415  (lazily, see above)

    return capability.is_proven(kernel.kind, compute_capability)


def _objection(kind: str, platform: str | None, compute_capability: str | None, **of: Any) -> str | None:
    try:
        from pallas_kernels import capability  # noqa: PLC0415  (lazily, see above)
    except ImportError as error:
        return f"pallas_kernels cannot be imported: {error}"
    return capability.why_not(kind, platform=platform, compute_capability=compute_capability, **of)


# -- which --------------------------------------------------------------------------------------------------------


def find(op: "Operation", direction: Direction, mask: Sequence[bool], operands: Sequence[Any]) -> Kernel | str:
    """The kernel of an operation, or the reason why there is none.

    Args:
      op: The operation.
      direction: Which of its maps.
      mask: The operands of the operation that have a tangent or are asked for their cotangent.
      operands: Abstract operands of the primitive.
    """
    if not op.is_product:
        return f"no kernel for {op.name}"
    return _elementwise(op, direction, mask, operands)


def _elementwise(
    op: "Operation", direction: Direction, mask: Sequence[bool], operands: Sequence[Any]
) -> Kernel | str:
    x = operands[0]
    kinds = [_kind(a.shape, x.shape) for a in operands]
    if None in kinds:
        odd = operands[kinds.index(None)].shape
        return f"kernels take parameters that are scalars or have one value a channel of the last axis, got {odd}"
    asked = [k for k, m in zip(kinds, mask) if m]
    if direction == "backward" and "row" in asked:
        return "no kernel for the gradient of a parameter"
    body, dtypes = meaning(op, direction, mask, operands)
    unknown = _not_lowered(body, len(operands))
    if unknown:
        return f"kernels have no {unknown}, which the formula of {op.name} needs"
    return Kernel("elementwise", _whole_and_rows(body, kinds, dtypes), tuple(operands), dtypes)


def _kind(shape: Sequence[Any], whole: Sequence[Any]) -> str | None:
    """Whether an operand is of the shape of x, one row of it (or a number) repeated, or something else (None)."""
    if tuple(shape) == tuple(whole):
        return "whole"
    entries = [n for n in shape if n != 1]
    return "row" if not entries or (shape[-1] == whole[-1] and entries == [shape[-1]]) else None


def meaning(
    op: "Operation", direction: Direction, mask: Sequence[bool], operands: Sequence[Any]
) -> tuple[Callable[..., tuple[Array, ...]], tuple[Any, ...]]:
    """What a kernel is to compute, as a function of arrays or of float32 blocks, and the dtypes of the results."""
    el = elementary.profile("cuda", operands[0].dtype)
    n = len(mask)
    if direction == "value":
        return lambda *blocks: (op.evaluate(el, *blocks),), (operands[0].dtype,)
    if direction == "backward":
        dtypes = tuple(a.dtype for a, m in zip(operands, mask) if m)
        return lambda *blocks: op.transpose(el, blocks[:n], blocks[n], mask), dtypes

    def tangent(*blocks: Array) -> tuple[Array, ...]:
        moving = iter(blocks[n:])
        return (op.linear(el, blocks[:n], [next(moving) if m else None for m in mask]),)

    return tangent, (operands[0].dtype,)


def _not_lowered(body: Callable[..., Any], operands: int) -> str:
    """The first primitive of a body that kernels lack, or nothing."""
    block = jax.ShapeDtypeStruct((128,), jnp.float32)
    with sharding.apart(()):
        names = _primitives(jax.make_jaxpr(body)(*[block] * operands))
    return next((n for n in names if n not in _LOWERED), "")


def _primitives(jaxpr: Any) -> list[str]:
    found = []
    for equation in jaxpr.eqns:
        found.append(equation.primitive.name)
        for value in equation.params.values():
            if hasattr(value, "eqns"):
                found += _primitives(value)
    return found


def _whole_and_rows(body: Callable[..., Any], kinds: Sequence[str | None], dtypes: tuple[Any, ...]) -> Run:
    """The elementwise kernel; a body takes its operands in their order, the kernel rows after whole arrays."""
    places = sorted(range(len(kinds)), key=lambda i: kinds[i] == "row")

    def run(*operands: Array) -> tuple[Array, ...]:
        from pallas_kernels.elementwise import elementwise  # noqa: PLC0415  (lazily, see above)

        def in_order(*blocks: Array) -> tuple[Array, ...]:
            own = dict(zip(places, blocks))
            return tuple(body(*(own[i] for i in range(len(own)))))

        whole = [v for v, k in zip(operands, kinds) if k == "whole"]
        rows = [_as_row(v) for v, k in zip(operands, kinds) if k == "row"]
        return elementwise(in_order, whole, dtypes, rows=rows)

    return run


def _as_row(operand: Array) -> Array:
    return operand.reshape(()) if operand.size == 1 else operand.reshape(-1)
