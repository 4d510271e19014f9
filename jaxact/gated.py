"""Gated activations: ``f(gate) * g(up)`` of two arrays, or of the two halves of one.

Derived from the records of f and g, never a second formula: the product is one elementwise operation of two
operands, computed in float32 and rounded once. The backward keeps the two inputs and nothing else.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args

import jax
import jax.numpy as jnp

from jaxact._src import engine, inline
from jaxact._src.catalogue import Check
from jaxact._src.checks import flag, integer, shown
from jaxact._src.definition import FINITE, Body, ElementwiseDefinition, Facts, Parameter, Real, X, is_array
from jaxact._src.elementary import Elementary
from jaxact._src.function import Elementwise, check_array, like, named, promoted, real_array, varying_alike
from jaxact._src.operation import ElementwiseOperation
from jaxact._src.packed import Layout, PackedOperation, halves, is_split
from jaxact._src.select import Implementation, check_implementation, requested
from jaxact.activations import clip_offset, gelu, silu_capped, situ, softcap, swish_limited
from jaxact.registry import Activation, Bound, get

Array = jax.Array
F = TypeVar("F", bound=Callable[..., Any])
UP = "up"


# -- the record of a product, from the records of its factors ----------------------------------------------------


class GatedDefinition(ElementwiseDefinition):
    """``f(m x) * g(n up)``; its derivatives of every order are products of theirs."""

    family = "gated"

    @property
    def packed_family(self) -> str:  # type: ignore[override]
        return "packed geglu" if self._factors[X][0].name == "gelu" else "gated"

    def __init__(self, gate: ElementwiseOperation, up: ElementwiseOperation, multipliers: tuple[float, float]):
        self._factors = {X: (gate, multipliers[0]), UP: (up, multipliers[1])}
        super().__init__(self.body(()), Facts(name=f"gated {gate.name} {up.name}", doc="", module=__name__))

    def body(self, names: Sequence[str]) -> Body:
        def product(el: Elementary, x: Array, up: Real) -> Array:
            f, g = (self._factor(el, n, jnp.asarray(v), list(names).count(n)) for n, v in ((X, x), (UP, up)))
            return f * g

        return product

    def _factor(self, el: Elementary, name: str, v: Array, order: int) -> Array:
        operation, multiplier = self._factors[name]
        for _ in range(order):
            operation = operation.differentiate(0, of_input=True)
        if multiplier == 1.0:
            return operation.evaluate(el, v)
        return operation.evaluate(el, v * multiplier) * multiplier**order


@functools.lru_cache(maxsize=1024)
def _definition(gate: Activation, up: Activation, multipliers: tuple[float, float]) -> GatedDefinition:
    return GatedDefinition(operation_of(gate), operation_of(up), multipliers)


def operation_of(activation: Activation) -> ElementwiseOperation:
    """The value of an elementwise activation with its numbers, as other definitions are made of it."""
    found, named = (
        (activation.activation, activation.parameters) if isinstance(activation, Bound) else (activation, ())
    )
    assert isinstance(found, Elementwise)
    return ElementwiseOperation(found.definition, static=tuple(found.definition.bind((), dict(named)).items()))


def elementwise_argument(owner: str, role: str, activation: Any) -> Activation:
    """An elementwise activation with its numbers, which can be hashed, as `owner` takes it for `role`.

    Raises:
      TypeError: It is none, or a parameter is an array.
    """
    found = get(activation)
    if not isinstance(found, Elementwise | Bound):
        raise TypeError(
            f"{owner}: {role} must be an elementwise activation of jaxact or its name, got {shown(found)}; "
            "make one of your function with jaxact.elementwise"
        )
    arrays = [n for n, v in found.parameters if is_array(v)] if isinstance(found, Bound) else []
    if arrays:
        raise TypeError(
            f"{owner}: parameter {arrays[0]!r} of {role} {found.__name__} must be a number, got an array"
        )
    return found


# -- halves ------------------------------------------------------------------------------------------------------


def _packed(x: Any, axis: int) -> tuple[Array, int]:
    """An array that has two halves along the axis, and that axis from the left."""
    x = promoted(real_array("gated", x))
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"gated: axis {axis} is out of range for x of shape {x.shape}")
    axis %= x.ndim
    size = x.shape[axis]
    if size % 2:
        raise ValueError(
            f"gated: axis {axis} of x {x.shape} has the odd size {size}, which has no halves; "
            "give it an even size, or pass gate and up as a pair"
        )
    return x, axis


def _pair(x: Sequence[Any]) -> tuple[Array, Array]:
    if len(x) != 2:
        raise ValueError(f"gated: x must be one array or a pair of arrays, got {len(x)} of them")
    first, second = (real_array("gated", v) for v in x)
    if first.shape != second.shape:
        raise ValueError(
            f"gated: gate and up must have the same shape, got {first.shape} and {second.shape}; "
            "broadcast one of them first"
        )
    if first.dtype != second.dtype:
        raise TypeError(
            f"gated: gate and up must have the same dtype, got {first.dtype} and {second.dtype}; cast one"
        )
    return first, second


@functools.lru_cache(maxsize=1024)
def _jitted(operation: ElementwiseOperation, layout: Layout, gate_first: bool, axis: int) -> Callable[..., Array]:
    def run(x: Any) -> Array:
        if isinstance(x, tuple | list):
            first, second = map(promoted, _pair(x))
        else:
            x, place = _packed(x, axis)
            if operation.request != "inline" and place == x.ndim - 1 and not is_split(x):
                return engine.activation_p.bind(x, op=PackedOperation(operation, layout, gate_first))
            first, second = halves(x, layout, place)
        operands = varying_alike((first, second) if gate_first else (second, first))
        if operation.request == "inline":
            return inline.function(operation)(*operands)
        return engine.activation_p.bind(*operands, op=operation)

    run.__name__ = run.__qualname__ = operation.name.replace(" ", "_")
    return jax.jit(run)


# -- the public functions ----------------------------------------------------------------------------------------


def gated(
    x: Any,
    gate: str | Activation,
    up: str | Activation = "identity",
    *,
    layout: Layout = "concat",
    gate_first: bool = True,
    gate_multiplier: float = 1.0,
    up_multiplier: float = 1.0,
    axis: int = -1,
    implementation: Implementation | None = None,
) -> Array:
    """One half of the input, activated, times the other: ``gate(g) * up(u)``.

    The backward keeps the two inputs and nothing else; the gradient of a packed array is written packed.

    Args:
      x: One array that holds both halves, or a pair of arrays of one shape and dtype.
      gate: The activation of the gate, an elementwise one or its name (with parameters: ``jaxact.get``).
      up: The activation of the other half.
      layout: How one array holds the halves along `axis`: ``"concat"`` one after the other, ``"interleaved"`` the
        first in the even places and the second in the odd ones.
      gate_first: Whether the first half (or array of a pair) is the gate.
      gate_multiplier: What the gate is multiplied with before its activation.
      up_multiplier: What the other half is multiplied with before its activation.
      axis: The axis that is split.
      implementation: As for every activation.

    Returns:
      An array of half the size along `axis`, or of the shape of each of a pair.

    Raises:
      ValueError: The axis is out of range or of odd size, the shapes of a pair differ, or the layout is unknown.
      TypeError: The gate or up is no elementwise activation, or the dtypes of a pair differ.

    >>> import jax.numpy as jnp, jaxact
    >>> jaxact.gated(jnp.array([1.0, -1.0, 3.0, 4.0]), "relu")
    Array([3., 0.], dtype=float32)
    """
    _layout("gated", "layout", layout)
    request = requested() if implementation is None else implementation
    check_implementation(request)
    multipliers = (
        _number("gated", "gate_multiplier", gate_multiplier),
        _number("gated", "up_multiplier", up_multiplier),
    )
    definition = _definition(
        elementwise_argument("gated", "gate", gate), elementwise_argument("gated", "up", up), multipliers
    )
    operation = ElementwiseOperation(definition, arrays=(UP,), request=request)
    run = _jitted(operation, layout, flag("gated", "gate_first", gate_first), integer("gated", "axis", axis))
    try:
        return run(x)
    except (TypeError, OverflowError):  # perhaps from what is no array: then say so
        for v in x if isinstance(x, tuple | list) else (x,):
            check_array("gated", v)
        raise


def _layout(owner: str, argument: str, value: Any) -> None:
    if value not in get_args(Layout):
        raise ValueError(f"{owner}: {argument} must be one of {get_args(Layout)}, got {shown(value)}")


def _number(owner: str, argument: str, value: Any) -> float:
    """A multiplier, which must be a finite number."""
    if is_array(value):
        raise TypeError(f"{owner}: {argument} must be a number, got an array of shape {value.shape}")
    return Parameter(argument, 1.0, FINITE).check(owner, value)


_OPTIONS = {
    "layout": _layout,
    "gate_first": flag,
    "gate_multiplier": _number,
    "up_multiplier": _number,
    "axis": integer,
}


def _setting(**checks: Check) -> Callable[[F], F]:
    """Decorate a setting of `gated`, which takes its options."""
    return named(options=gated, **_OPTIONS | checks)


@_setting()
def glu(x: Any, axis: int = -1, *, gate_first: bool = False, **options: Any) -> Array:
    """Gated linear unit as ``jax.nn.glu``: the first half times the sigmoid of the second, arXiv:1612.08083.

    Args:
      x: One array that holds both halves, or a pair of arrays.
      axis: The axis that is split.
      gate_first: Whether the gate is the first half; here it is the second.
      **options: Those of `gated`.

    Returns:
      As `gated`.

    Raises:
      ValueError: As `gated`.
    """
    return gated(x, "sigmoid", axis=axis, gate_first=gate_first, **options)


@_setting()
def swiglu(x: Any, **options: Any) -> Array:
    """``silu(gate) * up``, arXiv:2002.05202.

    Args:
      x: One array that holds both halves, gate first, or a pair of arrays.
      **options: Those of `gated`.

    Returns:
      As `gated`.

    Raises:
      ValueError: As `gated`.
    """
    return gated(x, "silu", **options)


@_setting(approximate=like(gelu, "approximate"))
def geglu(x: Any, *, approximate: bool = True, **options: Any) -> Array:
    """``gelu(gate) * up``, arXiv:2002.05202.

    Args:
      x: One array that holds both halves, gate first, or a pair of arrays.
      approximate: Which gelu, as in `jaxact.gelu`.
      **options: Those of `gated`.

    Returns:
      As `gated`.

    Raises:
      ValueError: As `gated`.
    """
    return gated(x, get("gelu", approximate=approximate), **options)


@_setting()
def reglu(x: Any, **options: Any) -> Array:
    """``relu(gate) * up``, arXiv:2002.05202.

    Args:
      x: One array that holds both halves, gate first, or a pair of arrays.
      **options: Those of `gated`.

    Returns:
      As `gated`.

    Raises:
      ValueError: As `gated`.
    """
    return gated(x, "relu", **options)


@_setting()
def bilinear(x: Any, **options: Any) -> Array:
    """``gate * up``, arXiv:2002.05202.

    Args:
      x: One array that holds both halves, gate first, or a pair of arrays.
      **options: Those of `gated`.

    Returns:
      As `gated`.

    Raises:
      ValueError: As `gated`.
    """
    return gated(x, "identity", **options)


@_setting(
    limit=like(swish_limited, "limit"), alpha=like(swish_limited, "beta"), offset=like(clip_offset, "offset")
)
def swiglu_oai(
    x: Any,
    *,
    limit: float = 7.0,
    alpha: float = 1.702,
    offset: float = 1.0,
    layout: Layout = "interleaved",
    **options: Any,
) -> Array:
    """``m * sigmoid(alpha * m) * (clip(up, -L, L) + offset)`` with ``m = min(gate, L)``, as in gpt-oss.

    Args:
      x: One array that holds both halves, gate first, or a pair of arrays.
      limit: L.
      alpha: The steepness of the gate.
      offset: What is added to the other half.
      layout: That of `gated`, here interleaved.
      **options: Those of `gated`.

    Returns:
      As `gated`.

    Raises:
      ValueError: As `gated`, or the limit is not above 0.
    """
    gate, up = get("swish_limited", limit=limit, beta=alpha), get("clip_offset", limit=limit, offset=offset)
    return gated(x, gate, up, layout=layout, **options)


@_setting(limit=like(swish_limited, "limit"))
def swiglu_clamp(x: Any, *, limit: float = 10.0, **options: Any) -> Array:
    """``silu(min(gate, L)) * clip(up, -L, L)``.

    Args:
      x: One array that holds both halves, gate first, or a pair of arrays.
      limit: L.
      **options: Those of `gated`.

    Returns:
      As `gated`.

    Raises:
      ValueError: As `gated`, or the limit is not above 0.
    """
    return gated(
        x, get("swish_limited", limit=limit, beta=1.0), get("clip", min_val=-limit, max_val=limit), **options
    )


@_setting(limit=like(silu_capped, "limit"))
def swiglu_step(x: Any, *, limit: float = 7.0, **options: Any) -> Array:
    """``min(silu(gate), L) * clip(up, -L, L)``.

    Args:
      x: One array that holds both halves, gate first, or a pair of arrays.
      limit: L.
      **options: Those of `gated`.

    Returns:
      As `gated`.

    Raises:
      ValueError: As `gated`, or the limit is not above 0.
    """
    return gated(x, get("silu_capped", limit=limit), get("clip", min_val=-limit, max_val=limit), **options)


@_setting(gate_cap=like(situ, "cap"), up_cap=like(softcap, "cap"))
def situ_glu(x: Any, *, gate_cap: float = 4.0, up_cap: float = 25.0, **options: Any) -> Array:
    """``c tanh(gate / c) * sigmoid(gate) * k tanh(up / k)``, SiTU-GLU of Kimi K3, arXiv:2607.24653.

    As ``SituAndMul`` of its modeling_kimi_linear.py with the ``activation_situ_beta`` and the
    ``activation_situ_linear_beta`` of its config.json. Without the latter the other half is not capped:
    ``gated(x, get("situ", cap=c))``.

    Args:
      x: One array that holds both halves, gate first, or a pair of arrays.
      gate_cap: c.
      up_cap: k.
      **options: Those of `gated`.

    Returns:
      As `gated`.

    Raises:
      ValueError: As `gated`, or a cap is not above 0.
    """
    return gated(x, get("situ", cap=gate_cap), get("softcap", cap=up_cap), **options)


SETTINGS: tuple[Callable[..., Array], ...] = (
    glu,
    swiglu,
    geglu,
    reglu,
    bilinear,
    swiglu_oai,
    swiglu_clamp,
    swiglu_step,
    situ_glu,
)  # of `gated`, each with its own defaults
