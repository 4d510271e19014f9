"""Which kernel computes an operation, and the calls that run it: the one room that imports `pallas_kernels`.

A kernel is handed the operation's own bodies, bound to the GPU profile of the elementary layer: no formula is
written a second time. `pallas_kernels` is imported when a kernel is asked for; where that fails, its message is
the reason why the reference runs.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import jax
import jax.numpy as jnp

from jaxact._src import elementary, sharding
from jaxact._src.operation import DifferentiableOperation, ElementwiseOperation, Operation
from jaxact._src.packed import PackedOperation
from jaxact._src.quantised import QuantisedOperation
from jaxact._src.rule import Direction

if TYPE_CHECKING:
    from jaxact._src.rowwise import RowwiseOperation

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
        "cos",
        "custom_jvp_call",
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
      run: Takes the operands of the primitive, or any split of them, and returns its results as a tuple; the
        gradients of parameters in float32.
      operands: The abstract operands.
      dtypes: Of what the kernel reads and writes.
      rows: The axes, counted from the right, that have to be whole.
      variant: What its code depends on beside dtypes: how it holds a row.
    """

    kind: str
    run: Run
    operands: tuple[Any, ...]
    dtypes: tuple[Any, ...]
    rows: tuple[int, ...] = ()
    variant: Any = None


# -- whether ---------------------------------------------------------------------------------------------------


def why_not_here(platform: str | None, compute_capability: str | None) -> str | None:
    """The reason why no kernel at all can run on a machine, or None."""
    return _objection("elementwise", platform, compute_capability)


def why_not(kernel: Kernel, platform: str | None, compute_capability: str | None) -> str | None:
    """The reason why a kernel cannot run, or None."""
    return _objection(
        kernel.kind,
        platform,
        compute_capability,
        dtypes=kernel.dtypes,
        shapes=[a.shape for a in kernel.operands],
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


# -- which -----------------------------------------------------------------------------------------------------


def find(op: Operation, direction: Direction, mask: Sequence[bool], operands: Sequence[Any]) -> Kernel | str:
    """The kernel of an operation, or the reason why there is none.

    Args:
      op: The operation.
      direction: Which of its maps.
      mask: The operands of the operation that have a tangent or are asked for their cotangent.
      operands: Abstract operands of the primitive.
    """
    if any(0 in a.shape for a in operands):
        return "there is nothing to compute"
    if any(a.dtype == jnp.float64 for a in operands):
        return "kernels compute in float32, not in float64"
    if isinstance(op, QuantisedOperation):
        return _quantised(op, operands[0])
    if isinstance(op, PackedOperation):
        return _packed(op, direction, operands)
    if isinstance(op, ElementwiseOperation):
        return _elementwise(op, direction, mask, operands)
    if op.family == "mapped":
        return f"no kernel for {op.name}"
    return _rowwise(cast("RowwiseOperation", op), direction, operands)


def meaning(
    op: Operation, direction: Direction, mask: Sequence[bool], operands: Sequence[Any]
) -> Callable[..., tuple[Array, ...]]:
    """What a kernel is to compute, as a function of arrays or of float32 blocks."""
    el = elementary.profile("cuda", operands[0].dtype)
    n = len(mask)
    if direction == "value":
        return lambda *blocks: _tuple(op.evaluate(el, *blocks))
    assert isinstance(op, DifferentiableOperation)
    if direction == "backward":
        return lambda *blocks: op.transpose(el, blocks[:n], blocks[n], mask)

    def tangent(*blocks: Array) -> tuple[Array, ...]:
        moving = iter(blocks[n:])
        return (op.linear(el, blocks[:n], [next(moving) if m else None for m in mask]),)

    return tangent


def _tuple(value: Any) -> tuple[Array, ...]:
    return value if isinstance(value, tuple) else (value,)


# -- elementwise: one pass, or one pass that also sums up the gradients of parameters --------------------------


def _elementwise(
    op: ElementwiseOperation, direction: Direction, mask: Sequence[bool], operands: Sequence[Any]
) -> Kernel | str:
    x = operands[0]
    kinds = [_kind(a.shape, x.shape) for a in operands]
    if None in kinds:
        odd = operands[kinds.index(None)].shape
        return f"kernels take parameters that are scalars or have one value a channel of the last axis, got {odd}"
    summed = direction == "backward" and any(m and k == "row" for m, k in zip(mask, kinds))
    if summed and "whole" in kinds[1:-1]:
        return "no kernel sums up the gradient of one parameter beside another of the shape of x"
    body = meaning(op, direction, mask, operands)
    lacking = _not_lowered(body, len(operands))
    if lacking:
        return f"kernels have no {lacking}, which the formula of {op.name} needs"
    asked = [a.dtype for a, m in zip(operands, mask) if m]
    dtypes = tuple(asked) if direction == "backward" else (x.dtype,)
    all_dtypes = (*(a.dtype for a in operands), *dtypes)
    if summed:
        return Kernel("reduce", _summing(op, mask, x.dtype), tuple(operands), all_dtypes)
    in_place = op.inplace and direction == "value"
    return Kernel("elementwise", _whole_and_rows(body, kinds, dtypes, in_place), tuple(operands), all_dtypes)


def _kind(shape: Sequence[Any], whole: Sequence[Any]) -> str | None:
    """Whether an operand is of the shape of x, one row of it (or a number) repeated, or something else (None)."""
    if tuple(shape) == tuple(whole):
        return "whole"
    entries = [n for n in shape if n != 1]
    return "row" if not entries or (shape[-1] == whole[-1] and entries == [shape[-1]]) else None


def _not_lowered(body: Callable[..., Any], operands: int) -> str:
    """The first primitive of a body that kernels lack, or nothing."""
    block = jax.ShapeDtypeStruct((128,), jnp.float32)
    with sharding.apart(()):
        names = _primitives(jax.make_jaxpr(body)(*[block] * operands))
    return next((n for n in names if n not in _LOWERED), "")


def _primitives(jaxpr: Any) -> list[str]:
    found = []
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if name == "select_n" and equation.invars[0].aval.shape != equation.outvars[0].aval.shape:
            name = "select by a scalar"
        found.append(name)
        for value in equation.params.values():
            if hasattr(value, "eqns"):
                found += _primitives(value)
    return found


def _whole_and_rows(
    body: Callable[..., Any], kinds: Sequence[str | None], dtypes: tuple[Any, ...], in_place: bool
) -> Run:
    """The elementwise kernel; a body takes its operands in their order, the kernel rows after whole arrays."""
    places = sorted(range(len(kinds)), key=lambda i: kinds[i] == "row")

    def run(*operands: Array) -> tuple[Array, ...]:
        from pallas_kernels.elementwise import elementwise  # noqa: PLC0415  (lazily, see above)

        def in_order(*blocks: Array) -> tuple[Array, ...]:
            own = dict(zip(places, blocks))
            return tuple(body(*(own[i] for i in range(len(own)))))

        whole = [v for v, k in zip(operands, kinds) if k == "whole"]
        rows = [_as_row(v) for v, k in zip(operands, kinds) if k == "row"]
        return elementwise(in_order, whole, dtypes, rows=rows, in_place=in_place)

    return run


def _as_row(operand: Array) -> Array:
    return operand.reshape(()) if operand.size == 1 else operand.reshape(-1)


def _summing(op: ElementwiseOperation, mask: Sequence[bool], dtype: Any) -> Run:
    """The kernel that writes the gradient in x and sums up those in the parameters."""
    el = elementary.profile("cuda", dtype)

    def body(x: Array, ct: Array, *parameters: Array) -> tuple[Array, list[Array]]:
        terms = [
            op.term(el, (x, *parameters), i, ct) if asked else jnp.zeros_like(ct) for i, asked in enumerate(mask)
        ]
        return terms[0], terms[1:]

    def run(x: Array, *rest: Array) -> tuple[Array, ...]:
        from pallas_kernels import reduce  # noqa: PLC0415  (lazily, see above)

        *parameters, ct = rest
        dx, gradients = reduce.backward(body, x, [_as_row(p) for p in parameters], ct)
        found = (dx, *(g.reshape(p.shape) for g, p in zip(gradients, parameters)))
        return tuple(v for v, asked in zip(found, mask) if asked)

    return run


# -- halves of one array ------------------------------------------------------------------------------------------


def _packed(op: PackedOperation, direction: Direction, operands: Sequence[Any]) -> Kernel | str:
    if direction == "tangent":
        return "no kernel for forward mode of a packed array"
    x = operands[0]
    body: Any = meaning(op.pair, direction, (True, True) if direction == "backward" else (), operands)
    lacking = _not_lowered(body, 1 + len(operands))
    if lacking:
        return f"kernels have no {lacking}, which the formula of {op.name} needs"

    def run(*arrays: Array) -> tuple[Array, ...]:
        from pallas_kernels import gated  # noqa: PLC0415  (lazily, see above)

        lies: dict[str, Any] = {"layout": op.layout, "gate_first": op.gate_first}
        if direction == "value":
            return (gated.forward(lambda *blocks: body(*blocks)[0], arrays[0], **lies),)
        gradient: Any = gated.backward(body, *arrays, **lies)  # packed, as x is
        return (gradient,)

    dtypes = (*(a.dtype for a in operands), x.dtype)
    return Kernel("gated", run, tuple(operands), dtypes, rows=(-1,))


def _quantised(op: QuantisedOperation, x: Any) -> Kernel | str:
    inner, packed = op.activation, isinstance(op.activation, PackedOperation)
    if isinstance(inner, PackedOperation):
        if inner.layout != "concat":
            return "the kernel that quantises takes halves side by side only"
        pair, gate_first = inner.pair, inner.gate_first
    elif not isinstance(inner, ElementwiseOperation):
        return f"the kernel that quantises takes no activation over rows, as {inner.name} is"
    from pallas_kernels import row_plan  # noqa: PLC0415  (lazily, see above)

    width = x.shape[-1]
    n = op.row_length(x) // (2 if packed else 1)
    reason = row_plan.why_not("act_quant", n) if op.block is None else None
    if reason:
        return reason
    el = elementary.profile("cuda", x.dtype)

    def body(*blocks: Array) -> Array:
        if packed:
            return pair.evaluate(el, *(blocks if gate_first else blocks[::-1]))
        return inner.evaluate(el, *blocks)

    lacking = _not_lowered(body, 2 if packed else 1)
    if lacking:
        return f"kernels have no {lacking}, which the formula of {op.name} needs"

    def run(x: Array) -> tuple[Array, ...]:
        from pallas_kernels import quantize  # noqa: PLC0415  (lazily, see above)

        rows = x.reshape(-1, width)
        q, scale = quantize.act_quant(body, rows, dtype=jnp.dtype(op.dtype), block=op.block, packed=packed)
        return q.reshape(*x.shape[:-1], -1), scale.reshape(*x.shape[:-1], -1)

    dtypes = (x.dtype, jnp.dtype(op.dtype), jnp.dtype(jnp.float32))
    held = (packed, op.block or row_plan.plan("act_quant", n, x.dtype.itemsize))
    return Kernel("quantize", run, (x,), dtypes, rows=(-1,), variant=held)


# -- rows -----------------------------------------------------------------------------------------------------

_ALPHA: Final = {"sparsemax": 2.0, "entmax15": 1.5}


def _rowwise(op: "RowwiseOperation", direction: Direction, operands: Sequence[Any]) -> Kernel | str:
    found = _row_call(op, direction)
    if isinstance(found, str):
        return found
    name, call = found
    if sorted(op.axes) != list(range(-len(op.axes), 0)):
        return "the kernels take rows along the last axes only"
    from pallas_kernels import row_plan  # noqa: PLC0415  (lazily, see above)

    x = operands[0]
    n = op.row_length(x)
    reason = row_plan.why_not(name, n)
    if reason:
        return reason

    def run(*arrays: Array) -> tuple[Array, ...]:
        from pallas_kernels import rowwise  # noqa: PLC0415  (lazily, see above)

        x = arrays[0]
        n = math.prod(x.shape[a] for a in op.axes)
        rows = [jnp.broadcast_to(v, x.shape).reshape(-1, n) for v in arrays]
        return (call(rowwise, *rows).reshape(x.shape),)

    dtypes = (*("int8" if a.dtype == bool else a.dtype for a in operands), x.dtype)
    held = (name, row_plan.plan(name, n, x.dtype.itemsize))
    return Kernel("rowwise", run, tuple(operands), dtypes, rows=op.axes, variant=held)


def _row_call(op: "RowwiseOperation", direction: Direction) -> tuple[str, Callable[..., Array]] | str:
    """The name of the kernel in `pallas_kernels.row_plan`, and its call: of the module and the 2-D operands."""
    scale: dict[str, Any] = {"scale": op.scale}
    alpha = _ALPHA.get(op.name) or dict(op.static).get("alpha")
    softmax = op.name in ("softmax", "softmin")
    if not (softmax or op.name == "log_softmax") and alpha is None:
        return f"no kernel for {op.name}" + (" with an array of alphas" if op.arrays else "")
    if alpha is not None and not 1.0 < alpha <= 2.0:
        return f"the entmax kernel takes alpha in (1, 2], got {alpha:g}"
    if direction == "value":
        if alpha is not None:
            return "entmax", lambda k, x, *where: k.entmax(x, alpha=alpha, where=_first(where), **scale)
        log = not softmax
        return "softmax", lambda k, x, *where: k.softmax(x, log=log, where=_first(where), **scale)
    if op.saves_output and softmax:  # these are symmetric: a tangent goes the way of a cotangent
        return "softmax_backward", lambda k, y, ct: k.softmax_backward(y, ct, **scale)
    if op.saves_output and alpha is not None:
        return "entmax_backward", lambda k, y, ct: k.entmax_backward(y, ct, alpha=alpha, **scale)
    if direction == "backward" and not op.saves_output and op.name == "log_softmax":
        return "log_softmax_backward", lambda k, x, *rest: k.log_softmax_backward(
            x, rest[-1], where=_first(rest[:-1]), **scale
        )
    return f"no kernel for this direction of {op.name} from its {op.residual}"


def _first(operands: Sequence[Array]) -> Array | None:
    return operands[0] if operands else None
