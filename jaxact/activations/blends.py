"""Activations that blend two lines by a sigmoid: x (p sigmoid(z) + q sigmoid(-z)), z a line in x.

Notation: e = exp(-|z|), E = 2**shift * e; `major` is the slope on the side of z, `minor` the other one, whose
share is e / (1 + e). Where two terms nearly cancel, at a place that depends on the parameters, they are formed in
words.
"""

import math
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxact._src.definition import Nonnegative, Positive, Real, is_array
from jaxact._src.elementary import Elementary
from jaxact._src.function import elementwise
from jaxact._src.words import Words

Array = jax.Array
_EXP_WORDS = 20.0  # the domain of `Words.exp`
_DEEP = 40.0  # beyond it 1 + e is 1, before it e is normal


class _Sides(NamedTuple):
    """What z decides: e = exp(-distance), and which slope is the larger share."""

    el: Elementary
    right: Array
    sign: Array
    distance: Words
    E: Array
    e: Array

    def order(self, p: Words, q: Words) -> tuple[Words, Words]:
        return p.where(self.right, q), q.where(self.right, p)

    def exact(self) -> Words:
        """e in words, near enough to 0."""
        return (-self.distance).limited(_EXP_WORDS).exp()

    @property
    def near(self) -> Array:
        return self.distance.hi < _EXP_WORDS


def _sides(el: Elementary, z: Words) -> _Sides:
    el = el.full
    sign = el.sign(z.hi)
    distance = Words(z.el, sign * z.hi, sign * z.lo).limited(el.vanishing(el.shift))
    E = el.exp(-distance.hi, -distance.lo, el.shift)
    return _Sides(el, z.hi >= 0.0, sign, distance, E, E * 2.0**-el.shift)


def _of_one_sign(p: Words, q: Words) -> bool:
    """Whether the slopes are known to be, so that nothing cancels."""
    return p.is_number and q.is_number and p.value * q.value >= 0.0


def _blend(x: Array, sides: _Sides, p: Words, q: Words) -> Array:
    """x (p sigmoid(z) + q sigmoid(-z))."""
    el, e = sides.el, sides.e
    major, minor = sides.order(p, q)
    head = major.value
    total = head + minor.value * e
    if not _of_one_sign(p, q):
        cancels = (head * minor.value < 0.0) & sides.near
        total = jnp.where(cancels, (minor * sides.exact() + major).value, total)
    near = x * (total / (1.0 + e))
    tail = ((el.between(x, 2.0**90) * sides.E) * minor.value) * 2.0**-el.shift
    deep = jnp.where(head == 0.0, tail, x * head + tail)  # not inf * 0
    return jnp.where(sides.distance.hi > _DEEP, deep, near)


def _slope(sides: _Sides, v: Words, p: Words, q: Words, factor: Array | float = 1.0) -> Array:
    """factor (p sigmoid(z) + q sigmoid(-z) + (p - q) v sigmoid'(z)), v = x z'(x)."""
    el, e = sides.el, sides.e
    major, minor = sides.order(p, q)
    v, difference, d = v.limited(2.0**20), p - q, 1.0 + e
    turned = difference.value * v.value
    inner = (major.value + minor.value + turned) + minor.value * e
    head = el.shared(major.value / (d * d))
    whole = head + (e * inner) / (d * d)
    size = jnp.abs(head) + (e * (jnp.abs(major.value) + jnp.abs(minor.value) + jnp.abs(turned))) / (d * d)
    cancels = (jnp.abs(whole) < 0.75 * size) & sides.near
    exact = sides.exact()
    words = major + exact * ((major + minor + difference * v) + minor * exact)
    finite = el.between(jnp.asarray(factor, el.dtype), 2.0**90)
    tail = ((finite * (sides.E * inner)) / (d * d)) * 2.0**-el.shift
    deep = jnp.where(head == 0.0, tail, factor * head + tail)
    plain = jnp.where(sides.distance.hi > _DEEP, deep, factor * whole)
    return jnp.where(cancels, factor * (words.value / (d * d)), plain)


def _curvature(sides: _Sides, v: Words, scale: Words) -> Array:
    """scale (2 + v (1 - 2 sigmoid(z))) sigmoid'(z), with scale = (p - q) z'(x)."""
    el = sides.el
    v = v.limited(2.0**20)
    turned = Words(v.el, v.hi * sides.sign, v.lo * sides.sign)
    e, exact = sides.e, sides.exact()
    dense = 1.0 + e
    far = sides.E * (scale.value * (2.0 * dense - turned.value * (1.0 - e)))
    far = (far / (dense * dense * dense)) * 2.0**-el.shift
    d = 1.0 + exact
    near = (exact * (2.0 * d - turned * (1.0 - exact)) * scale) / (d * d * d)
    return jnp.where(sides.near, near.value, far)


def _density(sides: _Sides, left: Array, right: Any) -> Array:
    """left sigmoid'(z) right."""
    d = 1.0 + sides.e
    deep = (((left * sides.E) / (d * d)) * right) * 2.0**-sides.el.shift
    slope = sides.e / (d * d)
    near = jnp.where(jnp.abs(left) < 1.0, (left * right) * slope, (left * slope) * right)  # in range whole
    return jnp.where(sides.distance.hi > _DEEP, deep, near)


def _limited(el: Elementary, x: Array, scale: Words, beside: Any = 0.0) -> Array:
    """x where z is not so large that its exponential has vanished long ago, and finite."""
    size = jnp.abs(scale.value)
    flat = size == 0.0
    bound = jnp.where(flat, jnp.inf, 1.5 * el.vanishing(el.shift) / jnp.where(flat, 1.0, size)) + beside
    return el.between(x, jnp.minimum(bound, 0.5 * jnp.finfo(el.dtype).max))


# -- acon_c: z = beta (p1 - p2) x --------------------------------------------------------------------------------


def _acon(el: Elementary, x: Array, p1: Real, p2: Real, beta: Real) -> tuple[_Sides, Words, Words, Words, Words]:
    """The sides, z, and p1, p2 and z'(x) in words."""
    p, q = Words.of(el, p1), Words.of(el, p2)
    scale = (p - q) * beta
    z = scale * _limited(el, x, scale)
    return _sides(el, z), z, p, q, scale


@elementwise(
    aliases=("acon",),
    formula=r"(p_1 - p_2) x \cdot \sigma(\beta (p_1 - p_2) x) + p_2 x",
    source="Ma, Zhang, Liu and Sun 2021, Activate or not, arXiv:2009.04759, whose code draws p1 and p2 from a "
    "normal distribution and starts beta at 1",
    range="(-inf, inf); bounded on a side whose slope is 0",
    limits="infinite with the sign of min(p1, p2) x and max(p1, p2) x for beta above 0, 0 at a slope of 0",
    settings=(
        {"p1": 1.2, "p2": -0.4, "beta": 0.7},
        {"p1": 0.2, "p2": 0.9, "beta": 2.5},
        {"p1": -0.6, "p2": 0.7, "beta": -1.5},
        {"p1": 1.5, "p2": -0.25, "beta": 0.0},
    ),
)
def acon_c(el: Elementary, x: Array, p1: Real = 1.0, p2: Real = 0.0, beta: Real = 1.0) -> Array:
    """ACON-C: a smooth maximum of two lines through the origin; the mean of both at beta = 0, swish at (1, 0)."""
    sides, _, p, q, _ = _acon(el, x, p1, p2, beta)
    return _blend(x, sides, p, q)


@acon_c.derivative
def _(el: Elementary, x: Array, p1: Real, p2: Real, beta: Real) -> Array:
    sides, z, p, q, _ = _acon(el, x, p1, p2, beta)
    return _slope(sides, z, p, q)


@acon_c.second_derivative
def _(el: Elementary, x: Array, p1: Real, p2: Real, beta: Real) -> Array:
    sides, z, p, q, scale = _acon(el, x, p1, p2, beta)
    return _curvature(sides, z, (p - q) * scale)


@acon_c.derivative("p1")
def _(el: Elementary, x: Array, p1: Real, p2: Real, beta: Real) -> Array:
    sides, z, _, _, _ = _acon(el, x, p1, p2, beta)
    return _slope(sides, z, Words.of(el, 1.0), Words.of(el, 0.0), x)


@acon_c.derivative("p2")
def _(el: Elementary, x: Array, p1: Real, p2: Real, beta: Real) -> Array:
    sides, z, _, _, _ = _acon(el, x, p1, p2, beta)
    return _slope(sides, z, Words.of(el, 0.0), Words.of(el, 1.0), x)


@acon_c.derivative("beta")
def _(el: Elementary, x: Array, p1: Real, p2: Real, beta: Real) -> Array:
    sides, _, p, q, scale = _acon(el, x, p1, p2, beta)
    u = (p - q).value * _limited(el, x, scale)
    return _density(sides, u, u)


# -- dice: z = (x - mean) / sqrt(var + eps), p = 1, q = alpha -----------------------------------------------------


def _inverse_root(el: Elementary, var: Any, eps: Any) -> Words:
    """1 / sqrt(var + eps)."""
    if not is_array(var) and not is_array(eps):
        exact = Fraction(var) + Fraction(eps)
        near = Fraction(1.0 / math.sqrt(exact))
        return Words.of(el, near * (3 - exact * near * near) / 2)  # Newton's step doubles the digits
    v = Words.of(el, var) + eps
    s = 1.0 / jnp.sqrt(v.value)
    return Words.of(el, s, (0.5 * s) * (1.0 - v * s * s).value)


def _dice(
    el: Elementary, x: Array, mean: Real, var: Positive, eps: Nonnegative
) -> tuple[_Sides, Words, Words, Words]:
    """The sides, z, x z'(x) and z'(x)."""
    s = _inverse_root(el, var, eps)
    inner = Words.of(el, _limited(el, x, s, abs(mean)))
    z = (inner - mean) * s
    return _sides(el, z), z, inner * s, s


@elementwise(
    formula=r"x (p + \alpha (1 - p)),\; p = \sigma\left(\frac{x - \mu}{\sqrt{v + \epsilon}}\right)",
    source="Zhou et al. 2018, Deep interest network, arXiv:1706.06978: alpha starts at 0, eps is 1e-8",
    range="(-inf, inf); bounded below for alpha = 0",
    limits="-inf for alpha above 0, 0 at 0; inf",
    settings=(
        {"alpha": 0.25, "mean": 1.5, "var": 4.0},
        {"alpha": -0.4, "mean": -0.7, "var": 0.3, "eps": 1e-3},
        {"alpha": 1.7, "mean": 0.2, "var": 9.0},
    ),
)
def dice(
    el: Elementary, x: Array, alpha: Real = 0.0, mean: Real = 0.0, var: Positive = 1.0, eps: Nonnegative = 1e-8
) -> Array:
    """Data adaptive activation: from slope alpha to slope 1 at the mean of the data, over their deviation.

    The mean and the variance are arguments: those of the batch or running ones, each with a gradient.
    """
    sides, *_ = _dice(el, x, mean, var, eps)
    return _blend(x, sides, Words.of(el, 1.0), Words.of(el, alpha))


@dice.derivative
def _(el: Elementary, x: Array, alpha: Real, mean: Real, var: Positive, eps: Nonnegative) -> Array:
    sides, _, v, _ = _dice(el, x, mean, var, eps)
    return _slope(sides, v, Words.of(el, 1.0), Words.of(el, alpha))


@dice.second_derivative
def _(el: Elementary, x: Array, alpha: Real, mean: Real, var: Positive, eps: Nonnegative) -> Array:
    sides, _, v, s = _dice(el, x, mean, var, eps)
    return _curvature(sides, v, (1.0 - Words.of(el, alpha)) * s)


@dice.derivative("alpha")
def _(el: Elementary, x: Array, alpha: Real, mean: Real, var: Positive, eps: Nonnegative) -> Array:
    sides, *_ = _dice(el, x, mean, var, eps)
    return _blend(x, sides, Words.of(el, 0.0), Words.of(el, 1.0))


@dice.derivative("mean")
def _(el: Elementary, x: Array, alpha: Real, mean: Real, var: Positive, eps: Nonnegative) -> Array:
    sides, _, _, s = _dice(el, x, mean, var, eps)
    return _density(sides, _limited(el, x, s, abs(mean)) * s.value, -(1.0 - Words.of(el, alpha)).value)


@dice.derivative("var")
def _(el: Elementary, x: Array, alpha: Real, mean: Real, var: Positive, eps: Nonnegative) -> Array:
    sides, z, _, s = _dice(el, x, mean, var, eps)
    v = _limited(el, x, s, abs(mean)) * s.value
    return _density(sides, v, ((-0.5 * z.value) * s.value) * (1.0 - Words.of(el, alpha)).value)


@dice.derivative("eps")
def _(el: Elementary, x: Array, alpha: Real, mean: Real, var: Positive, eps: Nonnegative) -> Array:
    sides, z, _, s = _dice(el, x, mean, var, eps)
    v = _limited(el, x, s, abs(mean)) * s.value
    return _density(sides, v, ((-0.5 * z.value) * s.value) * (1.0 - Words.of(el, alpha)).value)
