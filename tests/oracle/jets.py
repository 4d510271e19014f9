"""Second-order Taylor arithmetic in mpmath: a formula written once gives value and derivatives."""

from __future__ import annotations

from dataclasses import dataclass

from mpmath import mp, mpf

# exp() stops here: beyond, every result is 0 or inf in float64. The floor is far below the inverse of the
# ceiling, so that a huge argument times a vanishing exponential still vanishes.
EXP_FLOOR = -5000
EXP_CEILING = 1000


@dataclass(frozen=True)
class Jet:
    """Value, first and second derivative along one direction."""

    value: mpf
    first: mpf | int = 0
    second: mpf | int = 0

    def __add__(self, other):
        other = lift(other)
        return Jet(self.value + other.value, self.first + other.first, self.second + other.second)

    def __mul__(self, other):
        other = lift(other)
        return Jet(
            self.value * other.value,
            self.first * other.value + self.value * other.first,
            self.second * other.value + 2 * self.first * other.first + self.value * other.second,
        )

    def __neg__(self):
        return Jet(-self.value, -self.first, -self.second)

    def __sub__(self, other):
        return self + -lift(other)

    def __rsub__(self, other):
        return lift(other) - self

    def __truediv__(self, other):
        other = lift(other)
        v = other.value
        return self * chain(other, 1 / v, -1 / v**2, 2 / v**3)

    def __rtruediv__(self, other):
        return lift(other) / self

    __radd__ = __add__
    __rmul__ = __mul__

    def __lt__(self, other):
        return self.value < lift(other).value

    def __le__(self, other):
        return self.value <= lift(other).value

    def __gt__(self, other):
        return self.value > lift(other).value

    def __ge__(self, other):
        return self.value >= lift(other).value

    def __abs__(self):
        return self * mp.sign(self.value)


def lift(number) -> Jet:
    """A constant as a jet; decimal strings are taken exactly."""
    return number if isinstance(number, Jet) else Jet(mpf(number))


def chain(u: Jet, value, first, second) -> Jet:
    """f(u), given f, f' and f'' at u."""
    return Jet(value, first * u.first, second * u.first**2 + first * u.second)


def _exp(x):
    return mp.exp(min(max(x, EXP_FLOOR), EXP_CEILING))


def _sigmoid(x):
    e = _exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


def exp(u: Jet) -> Jet:
    e = _exp(u.value)
    return chain(u, e, e, e)


def expm1(u: Jet) -> Jet:
    e = _exp(u.value)
    return chain(u, mp.expm1(min(max(u.value, EXP_FLOOR), EXP_CEILING)), e, e)


def sigmoid(u: Jet) -> Jet:
    s, c = _sigmoid(u.value), _sigmoid(-u.value)
    return chain(u, s, s * c, s * c * (c - s))


def sin(u: Jet) -> Jet:
    return chain(u, mp.sin(u.value), mp.cos(u.value), -mp.sin(u.value))


def softplus(u: Jet) -> Jet:
    s, c = _sigmoid(u.value), _sigmoid(-u.value)
    return chain(u, max(u.value, 0) + mp.log1p(_exp(-abs(u.value))), s, s * c)


def tanh(u: Jet) -> Jet:
    e = _exp(-2 * abs(u.value))
    t, slope = mp.tanh(min(max(u.value, EXP_FLOOR), -EXP_FLOOR)), 4 * e / (1 + e) ** 2
    return chain(u, t, slope, -2 * t * slope)


def erf(u: Jet) -> Jet:
    slope = 2 / mp.sqrt(mp.pi) * _exp(-(u.value**2))
    return chain(u, mp.erf(min(max(u.value, -200), 200)), slope, -2 * u.value * slope)


def normal_cdf(u: Jet) -> Jet:
    density = _exp(-(u.value**2) / 2) / mp.sqrt(2 * mp.pi)
    below = mp.erfc(-min(max(u.value, -200), 200) / mp.sqrt(2)) / 2
    return chain(u, below, density, -u.value * density)


def sqrt(u: Jet) -> Jet:
    """At 0, where the derivatives are infinite, they are taken as 0."""
    r = mp.sqrt(u.value)
    return chain(u, r, 1 / (2 * r), -1 / (4 * r**3)) if r else Jet(r)
