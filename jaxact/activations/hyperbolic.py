"""Activations made of the hyperbolic tangent."""

import math

import jax
import jax.numpy as jnp

from jaxact._src import roots
from jaxact._src.definition import Positive
from jaxact._src.elementary import Elementary
from jaxact._src.function import elementwise

Array = jax.Array
_TINY = 2.0**-40  # tanh(u) is u, and u may be so small that its relatives are subnormal


def _odd(x: Array, v: Array) -> Array:
    """v with the sign of x, for v of |x|."""
    return jnp.where(x < 0.0, -1.0, 1.0) * v


@elementwise(
    formula=r"\tanh(x)",
    source="LeCun, Bottou, Orr and Müller 1998, Efficient BackProp",
    range="[-1, 1]",
    limits="-1, 1",
)
def tanh(el: Elementary, x: Array) -> Array:
    """Hyperbolic tangent."""
    return el.tanh(x)


@tanh.derivative
def _(el: Elementary, x: Array) -> Array:
    return el.sech2(jnp.abs(x))


@tanh.second_derivative
def _(el: Elementary, x: Array) -> Array:
    return -el.tanh(x) * el.sech2(jnp.abs(x), shift=1)  # -2 tanh(x) sech(x)**2


@tanh.output_derivative()
def _(el: Elementary, y: Array) -> Array:
    return (1.0 - y) * (1.0 + y)


@elementwise(
    formula=r"x - \tanh(x)",
    source="PyTorch, torch.nn.Tanhshrink",
    range="(-inf, inf)",
    limits="-inf, inf",
)
def tanh_shrink(el: Elementary, x: Array) -> Array:
    """Tanh shrinkage: what tanh takes away from x."""
    return el.tanh_shrink(x)


@tanh_shrink.derivative
def _(el: Elementary, x: Array) -> Array:
    t = el.tanh(x)
    return t * t


@tanh_shrink.second_derivative
def _(el: Elementary, x: Array) -> Array:
    return el.tanh(x) * el.sech2(jnp.abs(x), shift=1)


# -- soft capping: u = x / cap --------------------------------------------------------------------------------


def _capped(el: Elementary, x: Array, cap: Positive) -> Array:
    """x / cap as far as its tanh tells apart, rounded once (XLA multiplies by a rounded 1 / cap)."""
    hi, lo = el.quotient(el.between(x, el.saturation * cap), 0.0, cap)
    return hi + lo


def capped_sech2(el: Elementary, x: Array, cap: Positive, shift: int = 0) -> Array:
    """2**shift * sech(x / cap)**2; the exponent is large, so it is split in two words."""
    a = el.upper(jnp.abs(x), 0.5 * el.vanishing(shift + 2) * cap)
    return el.sech2(*el.quotient(a, 0.0, cap), shift=shift)


@elementwise(
    aliases=("logit_softcap",),
    formula=r"c \tanh(x / c)",
    source="Gemma 2, arXiv:2408.00118; Bello et al., arXiv:1611.09940",
    range="[-cap, cap]",
    limits="-cap, cap",
    settings=({"cap": 50.0}, {"cap": 0.3}, {"cap": 1.0}),
)
def softcap(el: Elementary, x: Array, cap: Positive) -> Array:
    """Soft cap: x near 0, bent smoothly so that it stays within plus and minus cap."""
    u = _capped(el, x, cap)
    return jnp.where(jnp.abs(u) < _TINY, x, cap * el.tanh(u, tight=True))  # tiny x / cap may be subnormal


@softcap.derivative
def _(el: Elementary, x: Array, cap: Positive) -> Array:
    return capped_sech2(el, x, cap)


@softcap.second_derivative
def _(el: Elementary, x: Array, cap: Positive) -> Array:
    bend = el.tanh(x / cap) * capped_sech2(el, x, cap, el.shift)
    return -(bend / cap) * 2.0 ** (1 - el.shift)


@softcap.derivative("cap")
def _(el: Elementary, x: Array, cap: Positive) -> Array:
    # tanh(u) - u sech(u)**2 = u (tanh(u)**2 - r u**2) with tanh(u) = u - r u**3, which near 0 does not cancel
    a = el.upper(jnp.abs(_capped(el, x, cap)), el.saturation)
    q = a * a
    r = el.tanh_shrink_ratio(a)
    t = 1.0 - q * r
    e, m = el.exp_expm1(-2.0 * a)
    d = 2.0 + m
    far = (-m * d - 4.0 * (a * e)) / (d * d)
    return _odd(x, jnp.where(a < 1.0, (a * q) * (t * t - r), far))


@softcap.output_derivative()
def _(el: Elementary, y: Array, cap: Positive) -> Array:
    t = y / cap
    return (1.0 - t) * (1.0 + t)


# -- x times a tanh -------------------------------------------------------------------------------------------


@elementwise(
    formula=r"x \tanh(x)",
    source="Roy et al., LiSHT, arXiv:1901.05894",
    range="[0, inf)",
    limits="inf, inf",
)
def lisht(el: Elementary, x: Array) -> Array:
    """Linearly scaled hyperbolic tangent: |x| with a rounded corner."""
    return x * el.tanh(x)


@lisht.derivative
def _(el: Elementary, x: Array) -> Array:
    a = el.upper(jnp.abs(x), el.saturation)
    e, t = el.exp_expm1(-2.0 * a)
    d = 2.0 + t
    return _odd(x, (4.0 * (a * e) - t * d) / (d * d))  # tanh(a) + a sech(a)**2


@lisht.second_derivative
def _(el: Elementary, x: Array) -> Array:
    # 8 e ((1 + e) - a (1 - e))/(1 + e)**3, e = exp(-2 a)
    a = el.upper(jnp.abs(x), 0.5 * el.vanishing(el.shift))
    E = el.full.exp(-2.0 * a, None, el.shift)
    e = E * 2.0**-el.shift
    d = 1.0 + e
    value = (E * ((1.0 - a) + e * (1.0 + a))) / (d * d * d) * 2.0 ** (3 - el.shift)
    return el.beside_root(roots.LISHT_CURVATURE, a, 0.0, value)


# -- mish: x n/(n + 2) = x - 2 x/(n + 2), n = w (w + 2), w = exp(x) -----------------------------------------------


@elementwise(
    formula=r"x \tanh(\log(1 + e^x))",
    source="Misra 2019, arXiv:1908.08681",
    range="[-0.309, inf)",
    limits="0, inf",
)
def mish(el: Elementary, x: Array) -> Array:
    """Mish: x times the tanh of its softplus, a smooth self-gated rectifier."""
    low = el.lower(x, -el.vanishing(el.shift))
    z = el.upper(low, el.saturation)
    E = el.exp(z, None, el.shift)
    e = E * 2.0**-el.shift
    left = el.exp(z, None, el.shift, factor=2.0 * z + z * e)  # x n; not z * (2 + e), which rounds twice
    right = z * -(2.0 ** (el.shift + 1))  # small beside x, and its errors with it
    is_right = z > 2.0**-20  # below, it may be subnormal
    part = jnp.where(is_right, right, left) / (E * (2.0 + e) + 2.0 ** (el.shift + 1))
    return jnp.where(is_right, x, -0.0) + part


@mish.derivative
def _(el: Elementary, x: Array) -> Array:
    # w (4 (1 + x) + w (6 + 4 x + w (4 + w)))/(2 + 2 w + w**2)**2
    top = 0.65 * el.saturation  # from here on it is 1
    x = el.lower(el.upper(x, top), -el.vanishing(el.shift))
    E = el.full.exp(x, None, el.shift)
    w = E * 2.0**-el.shift
    q = 4.0 * (1.0 + x) + w * ((6.0 + 4.0 * x) + w * (4.0 + w))
    d = 2.0 + w * (2.0 + w)
    value = jnp.where(x >= top, 1.0, ((E * q) / (d * d)) * 2.0**-el.shift)
    return el.beside_root(roots.MISH_SLOPE, x, 0.0, value)


@mish.second_derivative
def _(el: Elementary, x: Array) -> Array:
    # 4 v n/d**3, on either side of 0 in powers of u = exp(-|x|)
    right = x > 0.0
    a = el.upper(jnp.abs(x), el.vanishing(el.shift))
    U = el.full.exp(-a, None, el.shift)
    u = U * 2.0**-el.shift
    n_right = (2.0 - 2.0 * a) + u * ((6.0 - 3.0 * a) + u * ((8.0 + 2.0 * a) + u * (4.0 + 2.0 * a)))
    n_left = (4.0 - 2.0 * a) + u * ((8.0 - 2.0 * a) + u * ((6.0 + 3.0 * a) + u * (2.0 + 2.0 * a)))
    d = jnp.where(right, 1.0 + u * (2.0 + 2.0 * u), 2.0 + u * (2.0 + u))
    v = jnp.where(right, u, 1.0) * U
    value = v * (jnp.where(right, n_right, n_left) / (d * d * d)) * 2.0 ** (2 - el.shift)
    value = el.beside_root(roots.MISH_CURVATURE_LEFT, x, 0.0, value)
    return el.beside_root(roots.MISH_CURVATURE_RIGHT, x, 0.0, value)


# -- telu: x tanh(e), e = exp(x) ------------------------------------------------------------------------------


@elementwise(
    formula=r"x \tanh(e^x)",
    source="Fernandez and Mali 2024, arXiv:2412.20269",
    range="[-0.354, inf)",
    limits="0, inf",
)
def telu(el: Elementary, x: Array) -> Array:
    """TeLU: x times the tanh of its exponential."""
    top = math.log(0.5 * el.saturation)  # from here on the tanh is 1
    low = el.lower(x, -el.vanishing(el.shift))
    E, e = _telu_exp(el, el.upper(low, top))
    return jnp.where(x > top, x, (low * _telu_tanh(el, E, e)) * 2.0**-el.shift)


def _telu_exp(el: Elementary, x: Array) -> tuple[Array, Array]:
    """2**shift * exp(x), and exp(x)."""
    E = el.exp(x, None, el.shift)
    return E, E * 2.0**-el.shift


def _telu_tanh(el: Elementary, E: Array, e: Array) -> Array:
    """2**shift * tanh(e), where e may be too small to be normal."""
    return jnp.where(e < _TINY, E, el.tanh(e, tight=True) * 2.0**el.shift)


@telu.derivative
def _(el: Elementary, x: Array) -> Array:
    # tanh(e) + x e sech(e)**2; beside the root 16 bit too needs all digits
    el = el.full
    x = el.lower(el.upper(x, math.log(el.saturation)), -el.vanishing(el.shift))
    E, e = _telu_exp(el, x)
    value = jnp.where(e < _TINY, E * (1.0 + x), el.tanh(e) * 2.0**el.shift + (x * E) * el.sech2(e))
    return el.beside_root(roots.TELU_SLOPE, x, 0.0, value * 2.0**-el.shift)


@telu.second_derivative
def _(el: Elementary, x: Array) -> Array:
    # e sech(e)**2 (2 + x (1 - 2 e tanh(e))). The square multiplies the error of e by e, so it gets two words,
    # and in 16 bit too the roots need all digits.
    el = el.full
    top = math.log(0.5 * el.vanishing(el.shift + 2))
    x = el.lower(el.upper(x, top), -el.vanishing(el.shift))
    E, e = _telu_exp(el, x)
    bend = 2.0 + x * (1.0 - 2.0 * (e * el.tanh(e)))
    square = el.sech2(*el.exp_words(el.lower(x, -20.0)), shift=el.shift)
    value = ((E * square) * bend) * 2.0 ** (-2 * el.shift)
    value = el.beside_root(roots.TELU_CURVATURE_LEFT, x, 0.0, value)
    return el.beside_root(roots.TELU_CURVATURE_RIGHT, x, 0.0, value)
