"""The exponential, and the linear units with an exponential left side."""

import math

import jax
import jax.numpy as jnp

from jaxact._src.definition import Positive, Real, is_array
from jaxact._src.elementary import Elementary, horner
from jaxact._src.function import elementwise
from jaxact.activations._cases import check_monotonous

Array = jax.Array


@elementwise(
    aliases=("exp",),
    formula=r"e^x",
    source="Keras, keras.activations.exponential",
    range="[0, inf]",
    limits="0, inf",
)
def exponential(el: Elementary, x: Array) -> Array:
    """Exponential: e to the power of x."""
    return el.exp_unbounded(x)


@exponential.derivative
def _(el: Elementary, x: Array) -> Array:
    return el.exp_unbounded(x)


@exponential.second_derivative
def _(el: Elementary, x: Array) -> Array:
    return el.exp_unbounded(x)


@exponential.output_derivative(exact=True)  # the derivative is the value, bit for bit
def _(el: Elementary, y: Array) -> Array:
    return y


# -- x above 0, alpha (exp(x) - 1) below ----------------------------------------------------------------------


def _left_exp(el: Elementary, x: Array, factor: Real) -> Array:
    """factor * exp(x) for x <= 0; the product may be normal where the exponential is not."""
    E = el.exp(el.lower(el.upper(x, 0.0), -el.vanishing(el.shift)), None, el.shift)
    return (E * factor) * 2.0**-el.shift


def _left_expm1(el: Elementary, x: Array) -> Array:
    """exp(x) - 1 for x <= 0."""
    return el.expm1(el.lower(el.upper(x, 0.0), -2.0 * el.saturation))


@elementwise(
    formula=r"\max(x, 0) + \alpha (e^{\min(x, 0)} - 1)",
    source="Clevert, Unterthiner and Hochreiter, arXiv:1511.07289",
    range="(-alpha, inf)",
    limits="-alpha, inf",
    kinks="the derivative at 0 is alpha, that of x <= 0",
    settings=({"alpha": 0.3}, {"alpha": 2.5}, {"alpha": -0.5}),
)
def elu(el: Elementary, x: Array, alpha: Real = 1.0) -> Array:
    """Exponential linear unit: x above 0, alpha (exp(x) - 1) below."""
    # -0 goes right, to keep its sign, and with it subnormal numbers, where they count as 0
    right = x if not is_array(alpha) and alpha == 1 else jnp.where(x > 0.0, x, alpha * x)
    return jnp.where(x >= 0.0, right, alpha * _left_expm1(el, x))


@elu.derivative
def _(el: Elementary, x: Array, alpha: Real) -> Array:
    return jnp.where(x > 0.0, 1.0, _left_exp(el, x, alpha))


@elu.second_derivative
def _(el: Elementary, x: Array, alpha: Real) -> Array:
    return jnp.where(x > 0.0, 0.0, _left_exp(el, x, alpha))


@elu.derivative("alpha")
def _(el: Elementary, x: Array, alpha: Real) -> Array:
    return jnp.where(x > 0.0, 0.0, _left_expm1(el, x))


@elu.output_derivative()
def _(el: Elementary, y: Array, alpha: Real) -> Array:
    check_monotonous("elu", "alpha", alpha)
    return jnp.where(y > 0.0, 1.0, y + alpha)


_SELU_SCALE = 1.0507009873554805
_SELU_SCALE_ALPHA = 1.7580993408473766


@elementwise(
    formula=r"\lambda (\max(x, 0) + \alpha (e^{\min(x, 0)} - 1)), \lambda = 1.0507..., \alpha = 1.6733...",
    source="Klambauer, Unterthiner, Mayr and Hochreiter, arXiv:1706.02515",
    range="(-1.7581, inf)",
    limits="-1.7581, inf",
    kinks="the derivative at 0 is that of x <= 0, 1.7581",
)
def selu(el: Elementary, x: Array) -> Array:
    """Scaled exponential linear unit: keeps zero mean and unit variance through layers."""
    return jnp.where(x >= 0.0, _SELU_SCALE * x, _SELU_SCALE_ALPHA * _left_expm1(el, x))


@selu.derivative
def _(el: Elementary, x: Array) -> Array:
    return jnp.where(x > 0.0, _SELU_SCALE, _left_exp(el, x, _SELU_SCALE_ALPHA))


@selu.second_derivative
def _(el: Elementary, x: Array) -> Array:
    return jnp.where(x > 0.0, 0.0, _left_exp(el, x, _SELU_SCALE_ALPHA))


@selu.output_derivative()
def _(el: Elementary, y: Array) -> Array:
    return jnp.where(y > 0.0, _SELU_SCALE, y + _SELU_SCALE_ALPHA)


# -- celu: u = x / alpha --------------------------------------------------------------------------------------


def _celu_exp(el: Elementary, x: Array, alpha: Positive, shift: int = 0) -> Array:
    """2**shift * exp(x / alpha) for x <= 0; the exponent is large, so it is split in two words."""
    left = el.lower(el.upper(x, 0.0), -el.vanishing(shift) * alpha)
    return el.exp(*el.quotient(left, 0.0, alpha), shift)


@elementwise(
    formula=r"\max(x, 0) + \min(0, \alpha (e^{x/\alpha} - 1))",
    source="Barron, arXiv:1704.07483",
    range="(-alpha, inf)",
    limits="-alpha, inf",
    kinks="none in the derivative; the second derivative at 0 is 1 / alpha, that of x <= 0",
    settings=({"alpha": 0.3}, {"alpha": 2.0}, {"alpha": 10.0}),
)
def celu(el: Elementary, x: Array, alpha: Positive = 1.0) -> Array:
    """Continuously differentiable exponential linear unit: x above 0, alpha (exp(x / alpha) - 1) below."""
    u = x / alpha
    return jnp.where(u > -(2.0**-60), x, alpha * _left_expm1(el, u))  # tiny x / alpha may be subnormal


@celu.derivative
def _(el: Elementary, x: Array, alpha: Positive) -> Array:
    return jnp.where(x > 0.0, 1.0, _celu_exp(el, x, alpha))


@celu.second_derivative
def _(el: Elementary, x: Array, alpha: Positive) -> Array:
    return jnp.where(x > 0.0, 0.0, (_celu_exp(el, x, alpha, el.shift) / alpha) * 2.0**-el.shift)


@celu.derivative("alpha")
def _(el: Elementary, x: Array, alpha: Positive) -> Array:
    # exp(u) - 1 - u exp(u), near 0 its series: -sum of (k - 1)/k! u**k
    u = el.lower(el.upper(x / alpha, 0.0), -2.0 * el.saturation)
    e, m = el.exp_expm1(u)
    series = -(u * u) * horner([(k - 1) / math.factorial(k) for k in range(2, 22 if el.double else 13)], u)
    return jnp.where(u > -1.0, series, m - u * e)


@celu.output_derivative()
def _(el: Elementary, y: Array, alpha: Positive) -> Array:
    return jnp.where(y > 0.0, 1.0, 1.0 + y / alpha)
