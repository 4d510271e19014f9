"""Rational activations: a polynomial over one that is never below 1.

Beyond 1 both are polynomials in t = 1/|x|, so that nothing overflows: y = |x| R(t), dy/d|x| = R - t R' and
t**3 R''. They are evaluated in words, because the terms of a numerator that has learned a shape cancel heavily.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxact._src.definition import Real
from jaxact._src.elementary import Elementary, horner
from jaxact._src.function import elementwise
from jaxact._src.words import Words

Array = jax.Array
NUMERATOR = tuple(f"a{k}" for k in range(6))
DENOMINATOR = tuple(f"b{k}" for k in range(1, 5))
_LIMIT = 2.0**24  # its fifth power is finite; x is limited to it where b4 is 0
_TINY = 2.0**-60


class _Place(NamedTuple):
    """|x| and its sign, whether the reversed polynomials are used, and their argument."""

    el: Elementary
    size: Array
    sign: Array
    reverse: Array
    t: Words


def _place(el: Elementary, x: Array, b4: Real) -> _Place:
    el = el.full
    sign = el.sign(x)
    size = x * sign
    reverse = (size > 1.0) & (b4 != 0.0)
    far = 2.0 ** (1000 if el.double else 100)
    inverse = 1.0 / Words.of(el, el.upper(el.lower(size, 1.0), far))  # not 1 / inf
    direct = Words.of(el, el.upper(size, jnp.where(jnp.asarray(b4) != 0.0, 1.0, _LIMIT)))
    return _Place(el, size, sign, reverse, inverse.where(reverse, direct))


def _ordered(place: _Place, values: list[Words]) -> list[Words]:
    """The values, backwards where the place says so."""
    return [r.where(place.reverse, v) for v, r in zip(values, reversed(values))]


def _taylor(coefficients: list[Words], t: Words) -> tuple[Words, Words, Words]:
    """A polynomial and its first two derivatives."""
    zero = t * 0.0
    value, first, half = coefficients[-1], zero, zero
    for c in coefficients[-2::-1]:
        half = half * t + first
        first = first * t + value
        value = value * t + c
    return value, first, half * 2.0


def _ratio(place: _Place, parameters: dict[str, Any]) -> tuple[Words, Words, Words]:
    """R and its first two derivatives in t."""
    signs = (1.0, place.sign) * 3
    numerator = [Words.of(place.el, parameters[n]) * s for n, s in zip(NUMERATOR, signs)]
    denominator = [Words.of(place.el, v) for v in _sizes(parameters)]
    n, n1, n2 = _taylor(_ordered(place, numerator), place.t)
    d, d1, d2 = _taylor(_ordered(place, denominator), place.t)
    r = n / d
    r1 = (n1 - r * d1) / d
    return r, r1, (n2 - (r1 * d1) * 2.0 - r * d2) / d


def _sizes(parameters: dict[str, Any]) -> list[Any]:
    return [1.0, *(abs(parameters[n]) for n in DENOMINATOR)]


def _inverse(place: _Place, parameters: dict[str, Any]) -> Array:
    """1 over the denominator as it is evaluated, |x|**4 over the true one where it is reversed."""
    sizes = _sizes(parameters)
    swapped = [jnp.where(place.reverse, r, v) for v, r in zip(sizes, reversed(sizes))]
    return place.el.shared(1.0 / horner(swapped, place.t.value))


def _times(place: _Place, value: Array, power: int, reversed_power: int) -> Array:
    """value times |x|**power, or times t**reversed_power, factor by factor, since a power may be subnormal."""
    t = place.t.value
    direct, reverse = value, value * place.size if reversed_power < 0 else value
    for _ in range(power):
        direct = direct * t
    if reversed_power > 0:
        reverse = reverse / place.el.lower(place.size, 1.0)  # t itself may be subnormal
    for _ in range(1, reversed_power):
        reverse = reverse * t
    return jnp.where(place.reverse, reverse, direct)


@elementwise(
    aliases=("pade_activation_unit", "pau"),
    formula=r"\frac{\sum_{k=0}^5 a_k x^k}{1 + \sum_{k=1}^4 |b_k x^k|}",
    source="Molina, Schramowski and Kersting 2020, Padé activation units, arXiv:1907.06732; version A and initial "
    "values, those of leaky_relu, of github.com/ml-research/rational_activations",
    range="(-inf, inf)",
    limits="infinite with the sign of a5 x",
    kinks="at 0 the derivative is a1, the mean of both sides, and the second one 2 a2 - 2 a0 |b2|",
    settings=(
        {
            "a0": -0.0012423594497499122,
            "a1": 0.5080497063245629,
            "a2": 0.41586363182937475,
            "a3": 0.13022718688035761,
            "a4": 0.024355900098993424,
            "a5": 0.00290283948155535,
            "b1": -0.06675015696494944,
            "b2": 0.17927646217001553,
            "b3": 0.03746682605496631,
            "b4": 0.01,
        },
        {"a0": 0.0, "a1": 1.0, "a2": -0.3, "a3": 0.1, "a4": 0.05, "a5": 0.02, "b1": 0.0, "b2": 0.4, "b3": 0.0},
    ),
)
def pade(
    el: Elementary,
    x: Array,
    a0: Real = 0.029792778657264946,
    a1: Real = 0.6183735264987601,
    a2: Real = 2.323309062531321,
    a3: Real = 3.051936237265109,
    a4: Real = 1.4854203263828845,
    a5: Real = 0.2510244961111299,
    b1: Real = -1.1419548357285474,
    b2: Real = 4.393159974992486,
    b3: Real = 0.8714712309957245,
    b4: Real = 0.34719662339598834,
) -> Array:
    """Padé activation unit: a rational function of degrees 5 and 4, with each coefficient a parameter.

    `rational` is the same with arrays of coefficients. Where b4 is 0, x is limited to plus and minus 2**24.
    """
    place = _place(el, x, b4)
    r = _ratio(
        place,
        {"a0": a0, "a1": a1, "a2": a2, "a3": a3, "a4": a4, "a5": a5} | {"b1": b1, "b2": b2, "b3": b3, "b4": b4},
    )[0].value
    inside = jnp.where(place.size < _TINY, a0 + a1 * x, r)  # where its terms are subnormal
    return jnp.where(place.reverse, place.size * r, inside)


@pade.derivative
def _(el: Elementary, x: Array, **parameters: Any) -> Array:
    place = _place(el, x, parameters["b4"])
    r, r1, _ = _ratio(place, parameters)
    slope = (r - place.t * r1).where(place.reverse, r1)
    return jnp.where(x == 0.0, parameters["a1"], place.sign * slope.value)


@pade.second_derivative
def _(el: Elementary, x: Array, **parameters: Any) -> Array:
    place = _place(el, x, parameters["b4"])
    t, r2 = place.t, _ratio(place, parameters)[2]
    plain = ((r2.value * t.value) * t.value) * t.value
    cubed = jnp.where(place.size < 2.0**16, (r2 * t * t * t).value, plain)  # second words end before the first
    at_zero = 2.0 * (parameters["a2"] - parameters["a0"] * abs(parameters["b2"]))
    return jnp.where(x == 0.0, at_zero, jnp.where(place.reverse, cubed, r2.value))


def _in_numerator(power: int) -> Any:
    def body(el: Elementary, x: Array, **parameters: Any) -> Array:
        place = _place(el, x, parameters["b4"])
        share = _times(place, _inverse(place, parameters), power, 4 - power)
        return place.sign * share if power % 2 else share

    return body


def _in_denominator(power: int) -> Any:
    def body(el: Elementary, x: Array, **parameters: Any) -> Array:
        place = _place(el, x, parameters["b4"])
        share = _ratio(place, parameters)[0].value * _inverse(place, parameters)
        return -jnp.sign(parameters[f"b{power}"]) * _times(place, share, power, 3 - power)

    return body


for _power, _name in enumerate(NUMERATOR):
    pade.derivative(_name)(_in_numerator(_power))
for _power, _name in enumerate(DENOMINATOR, start=1):
    pade.derivative(_name)(_in_denominator(_power))
