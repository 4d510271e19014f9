"""Numbers of two words: a sum of floats that stands for about one and a half times the digits of one.

Where terms nearly cancel at a place that depends on the parameters, a formula written over `Words` keeps the
digits of what is left. It reads like the formula over arrays, and costs about ten times as much.
"""

import dataclasses
from fractions import Fraction
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxact._src.arithmetic import Arithmetic

Array = jax.Array
_NUMBER = (float, int, Fraction)


@dataclasses.dataclass(frozen=True)
class Words:
    """``hi + lo``, with arithmetic of relative error 2**-34 (2**-78 in float64) of the larger operand.

    A number keeps its full value, in float64 as a fraction, and is combined with others before anything is traced:
    XLA would reorder a chain of constants and lose their second words.

    Attributes:
      el: The profile, one that is not `lite`.
      hi: The leading word, or a number.
      lo: The rest, which need not be small enough for `hi` to be the rounded sum.
    """

    el: Arithmetic
    hi: Any
    lo: Any

    @classmethod
    def of(cls, el: Arithmetic, value: Any, low: Any = 0.0) -> Self:
        """An array or a number."""
        if isinstance(value, _NUMBER):
            value = Fraction(value) if el.double else float(value)
        return cls(el.full, value, low)

    @property
    def value(self) -> Any:
        """The rounded sum."""
        return (float(self.hi) if self.is_number else self.hi) + self.lo

    @property
    def is_number(self) -> bool:
        return isinstance(self.hi, _NUMBER)

    def _lift(self, other: Any) -> "Words":
        return other if isinstance(other, Words) else Words.of(self.el, other)

    def _array(self) -> "Words":
        if not self.is_number:
            return self
        rounded = float(np.asarray(self.value, self.el.dtype))
        return Words(self.el, self.el.constant(rounded), float(self.hi - type(self.hi)(rounded)))

    def _floats(self) -> tuple[Any, Any]:
        """Both words; those of a number as floats."""
        if not isinstance(self.hi, Fraction):
            return self.hi, self.lo
        rounded = float(self.hi)
        return rounded, float(self.hi - Fraction(rounded))

    def __neg__(self) -> "Words":
        return Words(self.el, -self.hi, -self.lo)

    def __add__(self, other: Any) -> "Words":
        a, b = _number_last(self, self._lift(other))
        if a.is_number:
            return Words.of(self.el, a.hi + b.hi)
        b_hi, b_lo = b._floats()
        hi, rest = self.el.difference(a.hi, -b_hi)
        return Words(self.el, hi, rest + (a.lo + b_lo))

    def __sub__(self, other: Any) -> "Words":
        return self + -self._lift(other)

    def __mul__(self, other: Any) -> "Words":
        a, b = _number_last(self, self._lift(other))
        if a.is_number:
            return Words.of(self.el, a.hi * b.hi)
        b_hi, b_lo = b._floats()
        hi, rest = self.el.product(a.hi, b_hi)
        return Words(self.el, hi, rest + (a.hi * b_lo + a.lo * b.value))

    def __truediv__(self, other: Any) -> "Words":
        b = self._lift(other)
        if self.is_number and b.is_number:
            return Words.of(self.el, self.hi / b.hi)
        divisor = b.value
        q = self.el.shared(self.value / divisor)
        return Words(self.el, q, self.el.shared((self - b * q).value / divisor))

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> "Words":
        return self._lift(other) - self

    def __rtruediv__(self, other: Any) -> "Words":
        return self._lift(other) / self

    def where(self, condition: Array, other: Any) -> "Words":
        """This one where the condition holds, else the other."""
        a, b = self._array(), self._lift(other)._array()
        zero = jnp.zeros_like(a.hi)  # gives a number the dtype
        return Words(self.el, jnp.where(condition, a.hi, b.hi), jnp.where(condition, zero + a.lo, zero + b.lo))

    def limited(self, limit: Any) -> "Words":
        """Itself between plus and minus `limit`; beyond, that limit."""
        inside = jnp.abs(self.hi) < limit
        low = jnp.where(inside, self.lo, jnp.zeros_like(self.hi))
        return Words(self.el, self.el.between(self.hi, limit), low)  # NaN stays NaN

    def exp(self) -> "Words":
        """exp of a number between -20 and 20, relative error 2**-30."""
        hi, lo = self.el.exp_words(self.hi)
        return Words(self.el, hi, lo) * (1.0 + Words.of(self.el, self.lo + 0.5 * (self.lo * self.lo)))


def _number_last(a: Words, b: Words) -> tuple[Words, Words]:
    return (b, a) if a.is_number else (a, b)


def horner(coefficients: Any, x: Words) -> Words:
    """Polynomial with coefficients in increasing order."""
    value = x._lift(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value
