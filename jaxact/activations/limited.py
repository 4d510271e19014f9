"""The halves of the limited forms of SwiGLU: swish and clip with limits that keep 16-bit results finite."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxact._src.definition import Positive, Real, is_array
from jaxact._src.elementary import Elementary
from jaxact._src.function import elementwise
from jaxact.activations._cases import clamp, inside
from jaxact.activations.logistic import silu
from jaxact.activations.parametric import carry, plus, swish_beta

Array = jax.Array
_SLOPE = swish_beta.definition.body(("x",))
_CURVATURE = swish_beta.definition.body(("x", "x"))
_BY_BETA = swish_beta.definition.body(("beta",))
_SILU_SLOPE = silu.definition.body(("x",))
_SILU_CURVATURE = silu.definition.body(("x", "x"))


@elementwise(
    formula=r"m \cdot \sigma(\beta m),\; m = \min(x, L)",
    source="the gate of gpt-oss (limit 7, beta 1.702) and of models with a limit of 10 and beta 1",
    range="up to L sigmoid(beta L)",
    limits="0, L sigmoid(beta L) for beta above 0",
    kinks="the derivative is 0 at the limit",
    settings=({"limit": 10.0, "beta": 1.0}, {"limit": 1.5, "beta": 0.7}),
)
def swish_limited(el: Elementary, x: Array, limit: Positive = 7.0, beta: Real = 1.702) -> Array:
    """Swish of an input that is limited from above."""
    return swish_beta.value(el, el.upper(x, limit), beta)


@swish_limited.derivative
def _(el: Elementary, x: Array, limit: Positive, beta: Real) -> Array:
    return jnp.where(x >= limit, 0.0, _SLOPE(el, x, beta=beta))


@swish_limited.second_derivative
def _(el: Elementary, x: Array, limit: Positive, beta: Real) -> Array:
    return jnp.where(x >= limit, 0.0, _CURVATURE(el, x, beta=beta))


@swish_limited.derivative("limit")
def _(el: Elementary, x: Array, limit: Positive, beta: Real) -> Array:
    return carry(x, jnp.where(x >= limit, _SLOPE(el, el.upper(x, limit), beta=beta), 0.0))


@swish_limited.derivative("beta")
def _(el: Elementary, x: Array, limit: Positive, beta: Real) -> Array:
    return _BY_BETA(el, el.upper(x, limit), beta=beta)


def _silu_equals(limit: Any) -> Any:
    """Where silu is `limit`: x = limit (1 + exp(-x)), by Newton's method from below.

    Compared with x, so that a rounding of silu itself does not choose the side.
    """
    exp = jnp.exp if is_array(limit) else math.exp
    x = limit
    for _ in range(7):
        x = x - (x - limit * (1.0 + exp(-x))) / (1.0 + limit * exp(-x))
    return limit * (1.0 + exp(-x))


@elementwise(
    formula=r"\min(x \cdot \sigma(x), L)",
    source="the gate of Step-3.5's SwiGLU, with a limit of 7",
    range="[-0.2785, limit]",
    limits="0, limit",
    kinks="the derivative is 0 where silu reaches the limit",
    settings=({"limit": 10.0}, {"limit": 0.6}),
)
def silu_capped(el: Elementary, x: Array, limit: Positive = 7.0) -> Array:
    """Silu, limited from above."""
    return jnp.where(x >= _silu_equals(limit), limit, silu.value(el, x))


@silu_capped.derivative
def _(el: Elementary, x: Array, limit: Positive) -> Array:
    return jnp.where(x >= _silu_equals(limit), 0.0, _SILU_SLOPE(el, x))


@silu_capped.second_derivative
def _(el: Elementary, x: Array, limit: Positive) -> Array:
    return jnp.where(x >= _silu_equals(limit), 0.0, _SILU_CURVATURE(el, x))


@silu_capped.derivative("limit")
def _(el: Elementary, x: Array, limit: Positive) -> Array:
    return carry(x, jnp.where(x >= _silu_equals(limit), 1.0, 0.0))


@elementwise(
    formula=r"\min(\max(x, -L), L) + o",
    source="the linear half of gpt-oss's SwiGLU (limit 7, offset 1)",
    range="[offset - limit, offset + limit]",
    limits="offset - limit, offset + limit",
    kinks="the derivative is 0 at both limits",
    settings=({"limit": 10.0, "offset": 0.0}, {"limit": 1.5, "offset": -0.3}),
)
def clip_offset(el: Elementary, x: Array, limit: Positive = 7.0, offset: Real = 1.0) -> Array:
    """The input limited to plus and minus a number, and shifted."""
    return plus(el.full, clamp(-limit, x, limit), offset)


@clip_offset.derivative
def _(el: Elementary, x: Array, limit: Positive, offset: Real) -> Array:
    return carry(x, inside(-limit, x, limit))


@clip_offset.second_derivative
def _(el: Elementary, x: Array, limit: Positive, offset: Real) -> Array:
    return carry(x, 0.0)


@clip_offset.derivative("limit")
def _(el: Elementary, x: Array, limit: Positive, offset: Real) -> Array:
    return carry(x, jnp.where(x >= limit, 1.0, jnp.where(x <= -limit, -1.0, 0.0)))


@clip_offset.derivative("offset")
def _(el: Elementary, x: Array, limit: Positive, offset: Real) -> Array:
    return jnp.ones_like(x)
