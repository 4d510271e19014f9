"""Numbers of two words: a sum of floats that stands for about one and a half times the digits of one.

Where terms nearly cancel at a place that depends on the parameters, a formula written over `Words` keeps the digits
of what is left. It reads like the formula over arrays, and costs about ten times as much.
"""

import dataclasses
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxact._src.arithmetic import Arithmetic

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Words:
    """``hi + lo``, with arithmetic of relative error 2**-34 (2**-78 in float64) of the larger operand.

    Attributes:
      el: The profile, one that is not `lite`.
      hi: The leading word.
      lo: The rest, which need not be small enough for `hi` to be the rounded sum.
    """

    el: Arithmetic
    hi: Array
    lo: Any

    @classmethod
    def of(cls, el: Arithmetic, value: Any, low: Any = 0.0) -> Self:
        """An array, or a number to its full float64 value."""
        if isinstance(value, float | int):
            rounded = float(np.asarray(value, el.dtype))
            return cls(el.full, el.constant(rounded), (value - rounded) + low)  # type: ignore[arg-type]
        return cls(el.full, value, low)  # type: ignore[arg-type]

    @property
    def value(self) -> Array:
        """The rounded sum."""
        return self.hi + self.lo

    def _lift(self, other: Any) -> "Words":
        return other if isinstance(other, Words) else Words.of(self.el, other)

    def __neg__(self) -> "Words":
        return Words(self.el, -self.hi, -self.lo)

    def __add__(self, other: Any) -> "Words":
        b = self._lift(other)
        hi, rest = self.el.difference(self.hi, -b.hi)
        return Words(self.el, hi, rest + (self.lo + b.lo))

    def __sub__(self, other: Any) -> "Words":
        return self + -self._lift(other)

    def __mul__(self, other: Any) -> "Words":
        b = self._lift(other)
        hi, rest = self.el.product(self.hi, b.hi)
        return Words(self.el, hi, rest + (self.hi * b.lo + self.lo * (b.hi + b.lo)))

    def __truediv__(self, other: Any) -> "Words":
        b = self._lift(other)
        divisor = b.value
        q = self.value / divisor
        return Words(self.el, q, (self - b * q).value / divisor)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> "Words":
        return self._lift(other) - self

    def where(self, condition: Array, other: Any) -> "Words":
        """This one where the condition holds, else the other."""
        b = self._lift(other)
        return Words(self.el, jnp.where(condition, self.hi, b.hi), jnp.where(condition, self.lo, b.lo))

    def limited(self, limit: float) -> "Words":
        """Itself between plus and minus `limit`; beyond, that limit."""
        inside = jnp.abs(self.hi) < limit
        bound = self.el.between(self.hi, limit)  # NaN stays NaN
        return Words(self.el, jnp.where(inside, self.hi, bound), jnp.where(inside, self.lo, 0.0))

    def exp(self) -> "Words":
        """exp of a number between -20 and 20, relative error 2**-30."""
        hi, lo = self.el.exp_words(self.hi)  # type: ignore[attr-defined]
        return Words(self.el, hi, lo) * (1.0 + Words.of(self.el, self.lo + 0.5 * (self.lo * self.lo)))


def horner(coefficients: Any, x: Words) -> Words:
    """Polynomial with coefficients in increasing order."""
    value = x._lift(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value
