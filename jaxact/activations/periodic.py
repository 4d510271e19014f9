"""Snakes: x and a squared sine, whose slope touches or crosses 0 in every period."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxact._src.definition import Positive
from jaxact._src.elementary import Elementary
from jaxact._src.function import elementwise
from jaxact._src.phase import REACH, quarter_turns, sin_cos
from jaxact._src.words import Words

Array = jax.Array
_SMALL = 2.0**-7  # alpha x, whose fourth power is lost beside 1
_TINY, _LARGE = 2.0**-60, 2.0**60
_NO_LIMIT = "-inf, inf; derivatives have no limit, and are those of some large x at infinity"


def _reach(alpha: float, **_: float) -> float:
    return REACH / alpha


class _Wave(NamedTuple):
    """|sin(u)| and sin(2 u), each accurate relative to itself."""

    sine: Words
    double: Words

    @property
    def square(self) -> Words:
        return self.sine * self.sine


def _wave(el: Elementary, x: Array, alpha: Any, offset: float = 0.0) -> _Wave:
    """That of u = alpha x + offset pi / 2."""
    odd, angle = quarter_turns(el.full, x, alpha, offset)
    sine, cosine = sin_cos(angle)
    sign = jnp.where(odd, -2.0, 2.0)
    # a tiny sine needs no second word, which there would be subnormal
    plain = Words(angle.el, sine.value, 0.0 * sine.value)
    double = plain.where(jnp.abs(sine.hi) < _TINY, sine * cosine)
    return _Wave(cosine.where(odd, sine), Words(angle.el, double.hi * sign, double.lo * sign))


def _value(el: Elementary, x: Array, alpha: Any, beta: Any) -> Array:
    part = _wave(el, x, alpha).square / beta
    inner = Words.of(el, el.between(x, _LARGE))
    moderate = (jnp.abs(x) > _TINY) & (jnp.abs(x) < _LARGE)
    return jnp.where(moderate, (inner + part).value, x + part.value)


@elementwise(
    formula=r"x + \tfrac{1}{\alpha} \sin^2(\alpha x)",
    source="Ziyin, Hartwig and Ueda 2020, Neural networks fail to learn periodic functions, arXiv:2006.08195; "
    "alpha = 1 as in BigVGAN's code",
    range="(-inf, inf)",
    limits=_NO_LIMIT,
    settings=({"alpha": 0.2}, {"alpha": 2.5}, {"alpha": 0.7}),
    reach=_reach,
)
def snake(el: Elementary, x: Array, alpha: Positive = 1.0) -> Array:
    """Snake: the identity with a periodic part of frequency alpha and mean 1 / (2 alpha); it never decreases."""
    if el.lite:
        s = jnp.sin(el.between(x * alpha, 2.0**30))
        return x + s * (s / alpha)
    return _value(el, x, alpha, alpha)


@snake.derivative
def _(el: Elementary, x: Array, alpha: Positive) -> Array:
    return 2.0 * _wave(el, x, alpha, 0.5).square.value  # 1 + sin(2 u) = 2 sin(u + pi / 4)**2


@snake.second_derivative
def _(el: Elementary, x: Array, alpha: Positive) -> Array:
    return (2.0 * alpha) * _wave(el, x, alpha, 0.5).double.value


@snake.derivative("alpha")
def _(el: Elementary, x: Array, alpha: Positive) -> Array:
    wave = _wave(el, x, alpha)
    inner = el.between(x, _LARGE)
    u = inner * alpha
    change = (Words.of(el, inner) * alpha * wave.double - wave.square).value / alpha
    small = x * (x - (x * u) * u)
    large = x * (wave.double.value / alpha)
    return jnp.where(jnp.abs(u) < _SMALL, small, jnp.where(jnp.abs(x) < _LARGE, change / alpha, large))


@elementwise(
    formula=r"x + \tfrac{1}{\beta} \sin^2(\alpha x)",
    source="Lee et al. 2023, BigVGAN, arXiv:2206.04658, whose code starts both from 1 or stores their logarithms",
    range="(-inf, inf)",
    limits=_NO_LIMIT,
    settings=(
        {"alpha": 0.7, "beta": 2.0},
        {"alpha": 2.5, "beta": 0.9},
        {"alpha": 1.5, "beta": 1.5},
    ),
    reach=_reach,
)
def snake_beta(el: Elementary, x: Array, alpha: Positive = 1.0, beta: Positive = 1.0) -> Array:
    """Snake with a frequency, alpha, and a height of its periodic part, 1 / beta."""
    return _value(el, x, alpha, beta)


@snake_beta.derivative
def _(el: Elementary, x: Array, alpha: Positive, beta: Positive) -> Array:
    ratio = Words.of(el, alpha) / beta
    return (_wave(el, x, alpha, 0.5).square * (2.0 * ratio) + (1.0 - ratio)).value


@snake_beta.second_derivative
def _(el: Elementary, x: Array, alpha: Positive, beta: Positive) -> Array:
    return ((2.0 * alpha) * (alpha / beta)) * _wave(el, x, alpha, 0.5).double.value


@snake_beta.derivative("alpha")
def _(el: Elementary, x: Array, alpha: Positive, beta: Positive) -> Array:
    return x * (_wave(el, x, alpha).double.value / beta)


@snake_beta.derivative("beta")
def _(el: Elementary, x: Array, alpha: Positive, beta: Positive) -> Array:
    part = _wave(el, x, alpha).sine.value / beta
    return -(part * part)
