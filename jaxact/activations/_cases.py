"""What the activations by cases share."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxact._src.definition import Real, is_array

Array = jax.Array


def step(condition: Array, x: Array) -> Array:
    """1 where the condition holds, else 0, in the dtype of x."""
    return condition.astype(x.dtype)


def choose(condition: Array | bool, yes: Real, no: Real) -> Any:
    """jnp.where, but a condition on a number is decided here: Mosaic GPU lowers no select by a scalar."""
    if isinstance(condition, bool):
        return yes if condition else no
    return jnp.where(condition, yes, no)


def check_monotonous(name: str, parameter: str, value: Real) -> None:
    """Raise ValueError where y does not tell on which side of 0 x lies, for ``residual="output"``."""
    if value < 0:
        raise ValueError(f"{name}: residual='output' needs {parameter} >= 0, or y does not tell x, got {value!r}")


def clamp(low: Real, x: Array, high: Real) -> Array:
    """x limited to [low, high], NaN stays NaN. A clamp, not selects: XLA fuses it into the GEMM before it."""
    if is_array(low) or is_array(high):
        return jnp.minimum(jnp.maximum(x, low), high)
    return lax.clamp(jnp.asarray(low, x.dtype), x, jnp.asarray(high, x.dtype))


def inside(low: Real, x: Array, high: Real) -> Array:
    """1 strictly between the limits, else 0: the derivative of `clamp`, 0 at both ends as in PyTorch.

    A limit at infinity is none: there the derivative at infinity is 1.
    """
    above = jnp.ones_like(x, bool) if _unlimited(low) else x > low
    below = jnp.ones_like(x, bool) if _unlimited(high) else x < high
    return step(above & below, x)


def _unlimited(limit: Real) -> bool:
    return not is_array(limit) and math.isinf(limit)


def short(value: float) -> bool:
    """Whether every float dtype holds the value exactly (3 significant bits do, the width of float8_e5m2).

    Only then does a limit come back from y unrounded, so that y tells on which side of it x was.
    """
    if value == 0 or math.isinf(value):
        return True
    mantissa, exponent = math.frexp(value)
    return (mantissa * 8).is_integer() and -5 <= exponent <= 8
