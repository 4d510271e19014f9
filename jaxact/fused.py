"""An activation with what stands around it: ``activation(x * scale + bias) + residual`` in one operation.

Derived from the record of the activation: computed in float32 and rounded once, where a chain of operations rounds
after each. The backward keeps x, scale and bias; the residual's cotangent is that of the result.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxact._src import engine, inline
from jaxact._src.definition import Body, ElementwiseDefinition, Facts, Real, X, is_array
from jaxact._src.elementary import Elementary
from jaxact._src.function import check_array, promoted, real_array, varying_alike
from jaxact._src.operation import ElementwiseOperation
from jaxact._src.select import Implementation, check_implementation, requested
from jaxact.gated import elementwise_argument, operation_of
from jaxact.registry import Activation

Array = jax.Array
SCALE, BIAS, RESIDUAL = "scale", "bias", "residual"


class FusedDefinition(ElementwiseDefinition):
    """``f(x * scale + bias) + residual``; its derivatives of every order are made of those of f."""

    family = "fused"
    added = RESIDUAL

    def __init__(self, activation: ElementwiseOperation):
        self._activation = activation
        super().__init__(self.body(()), Facts(name=f"fused {activation.name}", doc="", module=__name__))

    def body(self, names: Sequence[str]) -> Body:
        in_x, in_scale, in_bias, in_residual = (list(names).count(n) for n in (X, SCALE, BIAS, RESIDUAL))

        def derivative(
            el: Elementary, x: Array, scale: Real = 1.0, bias: Real = 0.0, residual: Real = 0.0
        ) -> Array:
            if in_residual:
                return jnp.full_like(x, float(len(names) == 1))
            z = _plus(_times(x, scale), bias)
            # Leibniz's rule in x for x**k * g(x * scale + bias), which k derivatives in scale leave
            total: Any = 0.0
            for m in range(min(in_x, in_scale) + 1):
                factor = float(math.comb(in_x, m) * math.perm(in_scale, m))
                power = _times(_power(scale, in_x - m), _power(x, in_scale - m))
                slope = self._slope(el, z, in_bias + in_scale + in_x - m)
                total = _plus(_times(_times(slope, power), factor), total)
            return _plus(total, residual) if not names else total

        return derivative

    def _slope(self, el: Elementary, z: Array, order: int) -> Array:
        operation = self._activation
        for _ in range(order):
            operation = operation.differentiate(0, of_input=True)
        return operation.evaluate(el, z)


def _is(value: Any, number: float) -> bool:
    return not is_array(value) and isinstance(value, float) and value == number


def _times(v: Any, factor: Any) -> Any:
    return v if _is(factor, 1.0) else factor if _is(v, 1.0) else v * factor


def _plus(v: Any, term: Any) -> Any:
    return v if _is(term, 0.0) else v + term


def _power(v: Any, n: int) -> Any:
    return 1.0 if n == 0 else v if n == 1 else v**n


@functools.lru_cache(maxsize=1024)
def _definition(activation: Activation) -> FusedDefinition:
    return FusedDefinition(operation_of(activation))


@functools.lru_cache(maxsize=1024)
def _jitted(operation: ElementwiseOperation) -> Callable[..., Array]:
    def run(x: Any, *arrays: Array) -> Array:
        x = promoted(real_array("fused", x))
        operands = varying_alike((x, *(_operand(n, v, x) for n, v in zip(operation.arrays, arrays))))
        if operation.request == "inline":
            return inline.function(operation)(*operands)
        return engine.activation_p.bind(*operands, op=operation)

    run.__name__ = run.__qualname__ = operation.name.replace(" ", "_")
    return jax.jit(run)


def _operand(name: str, value: Array, x: Array) -> Array:
    try:
        fits = jnp.broadcast_shapes(value.shape, x.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"fused: {name} must broadcast to the shape of x {x.shape}, got {value.shape}")
    value = jnp.asarray(value) if jnp.issubdtype(value.dtype, jnp.floating) else jnp.asarray(value, x.dtype)
    return jnp.broadcast_to(value, x.shape) if name == RESIDUAL else value


def fused(
    x: Any,
    activation: str | Activation,
    *,
    bias: Any = None,
    scale: Any = None,
    residual: Any = None,
    implementation: Implementation | None = None,
) -> Array:
    """``activation(x * scale + bias) + residual``, in this order, computed in float32 and rounded once.

    Where a kernel runs it is one, and so is its backward, with the gradients of `scale` and `bias`. The backward
    keeps x, `scale` and `bias`; the gradient of `residual` is the cotangent itself.

    Args:
      x: A real array; integers are promoted as by ``jnp.tanh``.
      activation: An elementwise activation or its name (with parameters: ``jaxact.get``).
      bias: A number or an array that broadcasts to the shape of x, such as one value a channel of the last axis.
      scale: Likewise.
      residual: Likewise; usually an array of the shape of x.
      implementation: As for every activation.

    Returns:
      An array of the shape and dtype of x. Each gradient has the dtype of its operand.

    Raises:
      ValueError: An operand does not broadcast to the shape of x, or is a number that is not finite.
      TypeError: The activation is no elementwise one, or an operand is neither a number nor a real array.

    >>> import jax.numpy as jnp, jaxact
    >>> jaxact.fused(jnp.array([-1.0, 2.0]), "relu", scale=2.0, bias=jnp.array([3.0, 0.0]), residual=0.5)
    Array([1.5, 4.5], dtype=float32)
    """
    request = requested() if implementation is None else implementation
    check_implementation(request)
    definition = _definition(elementwise_argument("fused", "activation", activation))
    given = {n: v for n, v in ((SCALE, scale), (BIAS, bias), (RESIDUAL, residual)) if v is not None}
    parameters = {n: v for n, v in definition.bind((), given).items() if n in given}
    arrays = {n: v for n, v in parameters.items() if is_array(v)}
    static = tuple((n, v) for n, v in parameters.items() if n not in arrays)
    operation = ElementwiseOperation(definition, static=static, arrays=tuple(arrays), request=request)
    try:
        return _jitted(operation)(x, *arrays.values())
    except (TypeError, OverflowError):  # perhaps from what is no array: then say so
        check_array("fused", x)
        raise
