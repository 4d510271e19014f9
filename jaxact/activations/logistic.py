"""Activations made of the logistic function: sigmoid, softplus and x times a sigmoid.

Notation: e = exp(x) or exp(-|x|), E = 2**shift * e, so that results that are normal although e is not keep
their digits. Two words (u, low) stand for u + low, an exponent known beyond the last digit of u.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jaxact._src import roots
from jaxact._src.definition import Positive, is_array
from jaxact._src.elementary import Elementary
from jaxact._src.function import elementwise

Array = jax.Array


# -- the sigmoid and its integral ------------------------------------------------------------------------------


@elementwise(
    aliases=("logistic",),
    formula=r"\sigma(x) = \frac{1}{1 + e^{-x}}",
    source="Verhulst 1838; as a unit of neural networks Rumelhart, Hinton and Williams 1986",
    range="[0, 1]",
    limits="0, 1",
)
def sigmoid(el: Elementary, x: Array) -> Array:
    """Logistic sigmoid, accurate in both tails."""
    return el.sigmoid(x)


@sigmoid.derivative
def _(el: Elementary, x: Array) -> Array:
    return el.sigmoid_slope(x)


@sigmoid.second_derivative
def _(el: Elementary, x: Array) -> Array:
    return el.sigmoid_curvature(x)


# Not exact: for x > 0 only the digits of 1 - y that y still has.
@sigmoid.output_derivative(exact=False)
def _(el: Elementary, y: Array) -> Array:
    return y * (1.0 - y)


@elementwise(
    formula=r"-\log(1 + e^{-x})",
    source="the log-likelihood of a Bernoulli variable; jax.nn.log_sigmoid, torch.nn.LogSigmoid",
    range="(-inf, 0]",
    limits="-inf, 0",
)
def log_sigmoid(el: Elementary, x: Array) -> Array:
    """Logarithm of the sigmoid, without forming the sigmoid."""
    return -el.softplus(-x)


@log_sigmoid.derivative
def _(el: Elementary, x: Array) -> Array:
    return el.sigmoid(-x)


@log_sigmoid.second_derivative
def _(el: Elementary, x: Array) -> Array:
    return -el.sigmoid_slope(x)


def _scaled(el: Elementary, x: Array, beta: Positive) -> tuple[Array, Array | None]:
    """beta * x in two words; the second is None where there is nothing to add."""
    if not is_array(beta) and beta == 1.0:
        return x, None
    return el.product(x, beta)


def _scaled_decay(el: Elementary, x: Array, beta: Positive) -> tuple[Array, Array]:
    """|beta * x|, at most where its exponential vanishes, and 2**shift * exp(-|beta * x|)."""
    u, low = _scaled(el, el.upper(jnp.abs(x), el.vanishing(el.shift) / beta), beta)
    E = el.exp(-u, None if low is None else -low, el.shift)
    return u if low is None else u + low, E


@elementwise(
    formula=r"\frac{1}{\beta} \log(1 + e^{\beta x})",
    source="Dugas et al. 2001, Incorporating second-order functional knowledge; beta is that of torch.nn.Softplus",
    range="[0, inf)",
    limits="0, inf",
    settings=({"beta": 0.1}, {"beta": 2.0}, {"beta": 33.3}),
)
def softplus(el: Elementary, x: Array, beta: Positive = 1.0) -> Array:
    """Smooth rectifier: the integral of the sigmoid of beta * x, with no threshold above which it is x."""
    _, E = _scaled_decay(el, x, beta)
    return jnp.maximum(x, 0.0) + (E * el.log1p01_ratio(E * 2.0**-el.shift)) * (2.0**-el.shift / beta)


@softplus.derivative
def _(el: Elementary, x: Array, beta: Positive) -> Array:
    inner = el.lower(el.upper(x, el.saturation / beta), -el.exp_limit / beta)
    e = el.exp(*_scaled(el, inner, beta))
    return e / (1.0 + e)


@softplus.second_derivative
def _(el: Elementary, x: Array, beta: Positive) -> Array:
    _, E = _scaled_decay(el, x, beta)
    d = 1.0 + E * 2.0**-el.shift
    return (E / (d * d)) * (2.0**-el.shift * beta)


@softplus.derivative("beta")
def _(el: Elementary, x: Array, beta: Positive) -> Array:
    u, E = _scaled_decay(el, x, beta)
    e = E * 2.0**-el.shift
    return ((-E * (u / (1.0 + e) + el.log1p01_ratio(e))) / beta) * (2.0**-el.shift / beta)


# Not exact: where y has been rounded to x, the distance of the derivative from 1 is lost.
@softplus.output_derivative(exact=False)
def _(el: Elementary, y: Array, beta: Positive) -> Array:
    return -el.expm1(-el.upper(y, el.exp_limit / beta) * beta)


def _root_parts(el: Elementary, x: Array) -> tuple[Array, Array, Array, Array]:
    """e = exp(-|x|), and p**2 * s = softplus(x) with p = exp(x/2) for x <= 0, else 1; and whether x > 0.

    The root of softplus is normal down to exp(-87), where softplus itself has long vanished.
    """
    half = el.decay(0.5 * x)
    e = half * half
    ratio = el.log1p01_ratio(e)
    right = x > 0.0
    return e, jnp.where(right, x + e * ratio, ratio), jnp.where(right, 1.0, half), right


@elementwise(
    formula=r"\sqrt{\log(1 + e^x)}",
    source="the score function of DeepSeek-V4's expert routing, sqrtsoftplus",
    range="[0, inf)",
    limits="0, inf",
)
def sqrt_softplus(el: Elementary, x: Array) -> Array:
    """Square root of softplus: exp(x/2) far left, sqrt(x) far right."""
    _, s, p, _ = _root_parts(el, x)
    return jnp.sqrt(s) * p


@sqrt_softplus.derivative
def _(el: Elementary, x: Array) -> Array:
    e, s, p, _ = _root_parts(el, x)
    return (0.5 * p) / ((1.0 + e) * jnp.sqrt(s))


@sqrt_softplus.second_derivative
def _(el: Elementary, x: Array) -> Array:
    x = el.upper(x, 0.25 * float(jnp.finfo(el.dtype).max))  # at infinity s * e would be NaN
    e, s, p, right = _root_parts(el, x)
    d = 1.0 + e
    value = (0.25 * p) * (2.0 * s * jnp.where(right, e, 1.0) - 1.0) / (jnp.sqrt(s) * s * d * d)
    return el.beside_root(roots.SQRT_SOFTPLUS_CURVATURE, x, 0.0, value)


# -- x times a sigmoid -----------------------------------------------------------------------------------------


@elementwise(
    aliases=("swish",),
    formula=r"x \cdot \sigma(x)",
    source="Elfwing, Uchibe and Doya 2017, arXiv:1702.03118; as swish Ramachandran et al. 2017, arXiv:1710.05941",
    range="[-0.2785, inf)",
    limits="0, inf",
)
def silu(el: Elementary, x: Array) -> Array:
    """Sigmoid-weighted linear unit, also called swish."""
    inner = el.lower(x, -el.underflow)
    return el.gate(inner, el.exp(inner, None, el.shift), el.saturation)


def silu_slope(el: Elementary, u: Array, low: Any) -> Array:
    """silu'(u + low) for -underflow <= u <= saturation + 1, where it is exactly 1."""
    E = el.exp(u, None if isinstance(low, float) else low, el.shift)
    return el.beside_root(roots.SILU_SLOPE, u, low, el.gate_slope(E, u + low))


def silu_curvature(el: Elementary, a: Array, low: Any, scale: Any = 1.0) -> Array:
    """scale * silu''(+-(a + low)) for 0 <= a <= underflow."""
    E = el.exp(-a, None if isinstance(low, float) else -low, el.shift)
    return el.beside_root(roots.SILU_CURVATURE, a, low, el.gate_curvature(E, 2.0, a + low, scale), scale)


@silu.derivative
def _(el: Elementary, x: Array) -> Array:
    return silu_slope(el, el.lower(el.upper(x, el.saturation + 1.0), -el.underflow), 0.0)


@silu.second_derivative
def _(el: Elementary, x: Array) -> Array:
    return silu_curvature(el, el.upper(jnp.abs(x), el.underflow), 0.0)


_STEEPNESS = 1.702
_STEEPNESS_LOW = 4.263256414560601e-17  # 1.702 minus its float64


def _steep(el: Elementary, x: Array) -> tuple[Array, Array]:
    """1.702 * x in two words."""
    return el.product(x, _STEEPNESS, _STEEPNESS_LOW)


@elementwise(
    formula=r"x \cdot \sigma(1.702 x)",
    source="Hendrycks and Gimpel 2016, arXiv:1606.08415; CLIP, arXiv:2103.00020",
    range="[-0.1636, inf)",
    limits="0, inf",
)
def quick_gelu(el: Elementary, x: Array) -> Array:
    """Sigmoid approximation of gelu, as in CLIP."""
    inner = el.lower(x, -el.underflow / _STEEPNESS)
    return el.gate(inner, el.exp(*_steep(el, inner), el.shift), el.saturation / _STEEPNESS)


@quick_gelu.derivative
def _(el: Elementary, x: Array) -> Array:
    top = (el.saturation + 1.0) / _STEEPNESS
    return silu_slope(el, *_steep(el, el.lower(el.upper(x, top), -el.underflow / _STEEPNESS)))


@quick_gelu.second_derivative
def _(el: Elementary, x: Array) -> Array:
    a = el.upper(jnp.abs(x), el.underflow / _STEEPNESS)
    return silu_curvature(el, *_steep(el, a), _STEEPNESS)
