"""An activation followed by the quantisation of its result, as low-precision matrix products take it."""

import functools
import numbers
from collections.abc import Callable
from typing import Any, get_args

import jax
import jax.numpy as jnp

from jaxact._src import catalogue, engine
from jaxact._src.checks import flag, shown
from jaxact._src.definition import is_array
from jaxact._src.elementary import profile
from jaxact._src.function import promoted, real_array
from jaxact._src.packed import is_split
from jaxact._src.quantised import Dtype, QuantisedOperation, quantised
from jaxact._src.select import Implementation, check_implementation, requested, use
from jaxact.gated import bilinear, geglu, glu, reglu, swiglu, swiglu_clamp, swiglu_oai, swiglu_step
from jaxact.registry import Activation, Bound, get

Array = jax.Array
BLOCK = 128

_GATED = {
    catalogue.fold(f.__name__): f
    for f in (bilinear, geglu, glu, reglu, swiglu, swiglu_clamp, swiglu_oai, swiglu_step)
}


def act_quant(
    x: Any,
    activation: str | Activation,
    dtype: Dtype = "int8",
    block: int | None = None,
    *,
    straight_through: bool = False,
    implementation: Implementation | None = None,
) -> tuple[Array, Array]:
    """``activation(x)`` quantised: numbers of eight bits and the scales that they count in.

    With ``a`` the largest magnitude in a row (or block) of ``activation(x)`` and ``M`` the largest number of
    `dtype` (127, 448 or 57344), ``scale = a / M`` and ``q = round(activation(x) / scale)`` to the nearest, ties to
    even, so ``q * scale`` is the result within half a step. The activation is not rounded in between.

    Shapes: `x` has at least one axis; rows lie along the last, which a gated activation halves. `q` has the shape
    of ``activation(x)``; `scale` has one number for each block of the last axis, so 1 without blocks, and
    ``q * scale`` is then the dequantised row.

    Dtypes: computed in float32 (float64 for float64 input), which is also the dtype of the scales.

    Where `scale` would be no normal number, as for a row of zeros, it is 1. A NaN makes the scale of its row NaN,
    an infinity makes it infinite; what q is there is not specified.

    Args:
      x: An array.
      activation: An elementwise activation or its name, the name of a gated one (``"swiglu"``, packed, with the
        gate as that one has it), or a function of one array that keeps all axes but the last.
      dtype: That of q: ``"int8"``, ``"float8_e4m3fn"`` or ``"float8_e5m2"``.
      block: 128 for a scale for every 128 columns, None for one for each row.
      straight_through: Return q as the floating-point numbers that the result of `dtype` would hold, with the
        gradient of what was rounded and constant scales, so that ``q * scale`` has that of ``activation(x)``.
        Integers have no gradients in JAX.
      implementation: As for every activation.

    Returns:
      The pair (q, scale).

    Raises:
      ValueError: The dtype or the block is none of those, x has no axis, the last axis of ``activation(x)`` is no
        multiple of the block, or the name is unknown.
      TypeError: The activation changes other axes than the last, or the result is differentiated without
        `straight_through`.

    >>> import jax.numpy as jnp, jaxact
    >>> q, scale = jaxact.act_quant(jnp.array([[-1.0, 2.0, 254.0]]), "relu")
    >>> q, scale
    (Array([[  0,   1, 127]], dtype=int8), Array([[2.]], dtype=float32))
    """
    if dtype not in get_args(Dtype):
        raise ValueError(f"act_quant: dtype must be one of {get_args(Dtype)}, got {shown(dtype)}")
    if block is not None and (type(block) is not int or block != BLOCK):
        raise ValueError(f"act_quant: block must be None, a scale for each row, or {BLOCK}, got {shown(block)}")
    request = requested() if implementation is None else implementation
    check_implementation(request)
    straight = flag("act_quant", "straight_through", straight_through)
    return _run(real_array("act_quant", x), _resolved(activation), dtype, block, straight, request)


def _resolved(activation: str | Activation) -> Activation:
    if isinstance(activation, str):
        found = _GATED.get(catalogue.fold(activation))
        if found is not None:
            return found
    found = get(activation)
    arrays = [n for n, v in found.parameters if is_array(v)] if isinstance(found, Bound) else []
    if arrays:
        raise TypeError(
            f"act_quant: parameter {arrays[0]!r} of activation {found.__name__} must be a number, got an array; "
            "pass a function of x that has it"
        )
    return found


def _array(made: Any) -> Any:
    """Raise TypeError where an activation returned what JAX cannot trace."""
    if not all(hasattr(v, "dtype") or isinstance(v, numbers.Number) for v in jax.tree.leaves(made)):
        raise TypeError(f"act_quant: the activation must return one array of floating point, got {shown(made)}")
    return made


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4, 5))
def _run(
    x: Array, activation: Activation, dtype: Dtype, block: int | None, straight_through: bool, request: Any
) -> tuple[Array, Array]:
    if x.ndim == 0:
        raise ValueError("act_quant: x must have at least one axis, along which its rows lie, got a number")
    x = promoted(x)
    wide = x.astype(profile(None, x.dtype).dtype)

    def function(x: Array) -> Array:
        with use(implementation="inline" if request == "inline" else "reference"):
            return activation(x)

    made = jax.eval_shape(lambda v: _array(function(v)), wide)
    if not isinstance(made, jax.ShapeDtypeStruct) or not jnp.issubdtype(made.dtype, jnp.floating):
        raise TypeError(f"act_quant: the activation must return one array of floating point, got {shown(made)}")
    shape = made.shape
    if shape[:-1] != x.shape[:-1]:
        raise TypeError(f"act_quant: the activation must keep all axes but the last, got {shape} from {x.shape}")
    if block is not None and shape[-1] % block:
        raise ValueError(
            f"act_quant: with block={block} the last axis of the result must be a multiple of {block}, got "
            f"{shape[-1]}; pad it, or pass block=None for one scale a row"
        )
    operation = engine.only_operation_in(function, x)
    plain = straight_through or request == "inline" or is_split(x) or 0 in x.shape
    if operation is not None and not plain:
        return tuple(engine.quantised_p.bind(x, op=QuantisedOperation(operation, dtype, block, request)))
    if request == "pallas":
        raise NotImplementedError(
            "act_quant: implementation='pallas' was asked for, but kernels quantise the result of one activation "
            "of jaxact's, with numbers for parameters, whole rows and no straight-through gradient; "
            "use 'prefer_pallas' to fall back to the reference"
        )
    if straight_through:
        return quantised(function(wide), dtype, block, _straight)
    return evaluate(function, _undifferentiated(wide), dtype, block)


def evaluate(
    activation: Callable[[Array], Array], x: Array, dtype: Dtype, block: int | None
) -> tuple[Array, Array]:
    """What a kernel stands in for: (q, scale) of x in float32 or float64, as `act_quant` returns them."""
    return quantised(activation(x), dtype, block)


@jax.custom_jvp
def _undifferentiated(h: Array) -> Array:
    return h


@_undifferentiated.defjvp
def _(primals: Any, tangents: Any) -> Any:
    raise TypeError(
        "act_quant has no gradient, its result is rounded; pass straight_through=True for that of the activation"
    )


@jax.custom_jvp
def _straight(exact: Array, rounded: Array) -> Array:
    return rounded.astype(exact.dtype)


@_straight.defjvp
def _(primals: Any, tangents: Any) -> Any:
    return _straight(*primals), tangents[0]
