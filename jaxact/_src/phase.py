"""The phase of sin(alpha x), reduced exactly: what is left of alpha x / (pi / 2) after whole quarter turns.

Beside the roots of 1 + sin(2 alpha x) a result is as small as the square of the distance, so the distance needs
all its digits. alpha / (pi / 2) is cut into pieces of half a float's digits. A product of such a piece with half
of x is exact, and so is its remainder modulo 2; the remainders are added in two words.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxact._src.arithmetic import Arithmetic, horner
from jaxact._src.words import Words

Array = jax.Array
_PI = Fraction(3141592653589793238462643383279502884197169399375105820974944592307816406286, 10**75)
_PER_QUARTER = 2 / _PI
_PIECES = 3  # and a rest, about 60 digits of a float32 in all
REACH = 2.0**20  # |alpha x| up to which the digits suffice beside a root too
_SMALL = 2.0**-30


def quarter_turns(el: Arithmetic, x: Array, alpha: Any, offset: float = 0.0) -> tuple[Array, Words]:
    """Whether alpha x + offset pi / 2 is an odd number of quarter turns, and what is left, at most pi / 4."""
    x = el.between(x, _domain(alpha))
    turns, hi, lo = _remainder(el.full, x, alpha, offset)
    left = Words.of(el, hi, lo + _moving(el, x, alpha))
    angle = left * Words.of(el, _PI / 2)
    odd = _modulo_2(turns) != 0.0
    if offset:
        return odd, angle
    plain = x * alpha
    return odd, Words.of(el, plain, 0.0 * plain).where(jnp.abs(plain) < _SMALL, angle)


def _domain(alpha: Any) -> Any:
    """Where products with alpha stay finite."""
    return (
        2.0**100 / abs(alpha) if isinstance(alpha, float | int) else 2.0**100 / jnp.maximum(jnp.abs(alpha), 1e-6)
    )


def _remainder(el: Arithmetic, x: Array, alpha: Any, offset: float) -> tuple[Array, Array, Array]:
    """alpha x / (pi / 2) + offset as a whole number modulo 2 and what is left, in two words."""
    x = el.fixed(x)
    *pieces, rest = _pieces(el, alpha)
    halves = el.head(x), x - el.head(x)
    turns, hi, lo = jnp.zeros_like(x), jnp.full_like(x, offset), jnp.zeros_like(x)
    for term in (*(half * piece for piece in pieces for half in halves), x * rest):
        hi, error = el.difference(hi, -_modulo_2(term))
        whole = lax.round(hi, lax.RoundingMethod.TO_NEAREST_EVEN)
        # whole turns are taken out each time: beside 1 the small terms that follow would be rounded
        turns, hi, lo = turns + whole, hi - whole, lo + error
    return turns, hi, lo


def _modulo_2(q: Array) -> Array:
    """q less the nearest even integer, exact."""
    return q - 2.0 * lax.round(0.5 * q, lax.RoundingMethod.TO_NEAREST_EVEN)


def _moving(el: Arithmetic, x: Array, alpha: Any) -> Array:
    """0, with the derivatives of alpha x / (pi / 2), which the remainder in pieces has not."""
    dx = x - el.fixed(x)
    if isinstance(alpha, float | int):
        return dx * (alpha * float(_PER_QUARTER))
    fixed = el.fixed(alpha)
    return (dx * alpha + el.fixed(x) * (alpha - fixed)) * float(_PER_QUARTER)


def _pieces(el: Arithmetic, alpha: Any) -> Sequence[Any]:
    """alpha / (pi / 2) as numbers of half the digits, and a rest."""
    if isinstance(alpha, float | int):
        return _pieces_of_number(Fraction(alpha) * _PER_QUARTER, el.digits // 2)
    fixed = el.fixed(alpha)
    if el.double:
        c = Words.of(el, fixed) * Words.of(el, _PER_QUARTER)
        return el.head(c.hi), c.hi - el.head(c.hi), c.lo
    return _pieces_of_array(fixed)


def _pieces_of_number(value: Fraction, digits: int) -> list[float]:
    found = []
    for _ in range(_PIECES):
        exponent = math.frexp(float(value))[1]
        unit = Fraction(2) ** (exponent - digits)
        piece = int(value / unit) * unit
        found.append(float(piece))
        value -= piece
    return [*found, float(value)]


def _digits(value: Fraction, count: int, bits: int = 12) -> list[int]:
    """The leading digits of a fraction below 1, to the base 2**bits."""
    whole = int(value * 2 ** (bits * count))
    return [(whole >> (bits * (count - 1 - k))) & (2**bits - 1) for k in range(count)]


def _pieces_of_array(alpha: Array) -> list[Array]:
    """Long multiplication of float32 significands with the digits of 2 / pi, to the base 4096."""
    bits = lax.bitcast_convert_type(alpha, jnp.int32)
    significand = (bits & np.int32(0x7FFFFF)) | np.int32(0x800000)
    upper, lower = significand >> 12, significand & np.int32(0xFFF)
    digits = _digits(_PER_QUARTER, 7)
    columns = [upper * digits[0]]
    columns += [upper * digits[k] + lower * digits[k - 1] for k in range(1, 7)]
    carry = jnp.zeros_like(significand)
    for k in reversed(range(7)):
        total = columns[k] + carry
        columns[k], carry = total & np.int32(0xFFF), total >> 12
    unit = lax.bitcast_convert_type(bits & np.int32(-(1 << 23)), jnp.float32)  # the power of two, with the sign
    whole = [carry, *columns[:3]]
    weights = [2.0 ** (1 - 12 * k) for k in range(4)]
    first, second, third, fourth = (v.astype(jnp.float32) * (w * 2.0**-24 * 4096) for v, w in zip(whole, weights))
    rest = columns[3].astype(jnp.float32) * (2.0 ** (1 - 48) * 2.0**-24 * 4096)
    return [unit * first, unit * second, unit * third, unit * (fourth + rest)]


def sin_cos(angle: Words) -> tuple[Words, Words]:
    """sin and cos of an angle between -pi / 4 and pi / 4, relative error 2**-32."""
    q = angle * angle
    terms = 11 if angle.el.double else 6
    sine = _alternating(q, 1, terms) * angle
    return angle.where(jnp.abs(angle.hi) < _SMALL, sine), _alternating(q, 0, terms)


def _alternating(q: Words, first: int, terms: int) -> Words:
    """Sum over k of (-q)**k / (2 k + first)!, the small terms in one word."""
    c = [(-1.0) ** k / math.factorial(2 * k + first) for k in range(terms)]
    total = q * horner(c[3:], q.value) + c[2]
    return (total * q + c[1]) * q + c[0]
