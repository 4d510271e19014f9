"""Numbers of two float64 words, about 32 digits, for results beside roots that depend on the parameters."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from mpmath import mp, mpf

from .precise import two_product, two_sum


def words(number, count: int = 2) -> list[float]:
    """A 60-digit number as float64 words of decreasing size."""
    found = []
    with mp.workdps(120):
        for _ in range(count):
            found.append(float(number))
            number -= mpf(found[-1])
    return found


@dataclass(frozen=True)
class Pair:
    """hi + lo, the words of a sum that rounds to hi."""

    hi: np.ndarray
    lo: np.ndarray | float = 0.0

    __array_ufunc__ = None  # so that an array on the left leaves the arithmetic to this class

    @property
    def value(self):
        return self.hi + self.lo

    def __neg__(self):
        return Pair(-self.hi, -self.lo)

    def __add__(self, other):
        b = pair(other)
        s, error = two_sum(self.hi, b.hi)
        t, rest = two_sum(self.lo, b.lo)
        s, error = two_sum(s, error + t)
        return Pair(*two_sum(s, error + rest))

    def __mul__(self, other):
        b = pair(other)
        p, error = two_product(self.hi, b.hi)
        return Pair(*two_sum(p, error + (self.hi * b.lo + self.lo * b.hi)))

    def __truediv__(self, other):
        b = pair(other)
        q = self.hi / b.hi
        rest = self - b * q
        r = rest.hi / b.hi
        return Pair(*two_sum(q, r + (rest - b * r).hi / b.hi))

    def __sub__(self, other):
        return self + -pair(other)

    def __rsub__(self, other):
        return pair(other) - self

    def __rtruediv__(self, other):
        return pair(other) / self

    __radd__ = __add__
    __rmul__ = __mul__


def pair(value) -> Pair:
    return value if isinstance(value, Pair) else Pair(np.float64(value))


def where(condition, a, b) -> Pair:
    a, b = pair(a), pair(b)
    return Pair(np.where(condition, a.hi, b.hi), np.where(condition, a.lo, b.lo))


@functools.cache
def _inverse_factorials(count: int = 30) -> list[Pair]:
    with mp.workdps(60):
        return [Pair(*words(1 / mp.factorial(n))) for n in range(count)]


def _series(x: Pair, coefficients) -> Pair:
    total = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * x + c
    return total


@functools.cache
def _constants() -> tuple[list[float], list[float]]:
    with mp.workdps(120):
        return words(mp.log(2), 3), words(mp.pi / 2, 4)


def exp(u: Pair) -> Pair:
    """exp(u) for u below 700; 0 where float64 has no normal result."""
    ln2, _ = _constants()
    deep = u.hi < -700
    inner = where(deep, 0.0, u)
    k = np.round(inner.hi / ln2[0])
    r = inner
    for word in ln2:
        r = r - Pair(*two_product(k, np.float64(word)))
    e = _series(r * 0.0625, _inverse_factorials(15))
    for _ in range(4):
        e = e * e
    scale = np.where(deep, 0.0, np.exp2(k))
    return Pair(e.hi * scale, e.lo * scale)


def expm1(u: Pair) -> Pair:
    """exp(u) - 1 for u below 700, through 0."""
    near = where(np.abs(u.hi) < 0.25, u, 0.0)
    return where(np.abs(u.hi) < 0.25, near * _series(near, _inverse_factorials()[1:20]), exp(u) - 1)


def sin_cos(u: Pair) -> tuple[Pair, Pair]:
    """sin(u) and cos(u), absolute error 1e-30."""
    _, quarter = _constants()
    far = np.abs(u.hi) > 1e6
    inner = where(far, 0.0, u)
    k = np.round(inner.hi / quarter[0])
    r = inner
    for word in quarter:
        r = r - Pair(*two_product(k, np.float64(word)))
    turns = np.mod(k, 4)
    if np.any(far):
        turns[far], r.hi[far], r.lo[far] = _far_turns(u.hi[far], np.broadcast_to(u.lo, far.shape)[far])
    q = r * r
    c = _inverse_factorials()
    sine = r * _series(q, [c[n] * (-1.0) ** (n // 2) for n in range(1, 30, 2)])
    cosine = _series(q, [c[n] * (-1.0) ** (n // 2) for n in range(0, 30, 2)])
    odd = np.mod(turns, 2) == 1
    s, t = where(odd, cosine, sine), where(odd, sine, cosine)
    return where(turns >= 2, -s, s), where((turns == 1) | (turns == 2), -t, t)


# The bits behind the point, of numbers above 1e6 in two words, and of the quarter turn, of which up to 2**1024 are
# taken away.
_FINE, _FINER = 160, 160 + 1024 + 160


@functools.cache
def _quarter_turn() -> int:
    with mp.workprec(2 * _FINER):
        return int(mp.floor(mp.ldexp(mp.pi / 2, _FINER)))


def _far_turns(his: np.ndarray, lows: np.ndarray) -> tuple[list[float], list[float], list[float]]:
    """hi + lo in quarter turns modulo 4, and the rest, at most half a quarter, in two words; by whole numbers."""
    turns, heads, rests = [], [], []
    quarter = _quarter_turn()
    for hi, low in zip(his.tolist(), lows.tolist(), strict=True):
        whole = _fixed(hi) + _fixed(low)
        k, rest = divmod((whole << (_FINER - _FINE)) + quarter // 2, quarter)
        rest = (rest - quarter // 2) >> (_FINER - 2 * _FINE)
        head = math.ldexp(rest, -2 * _FINE)
        turns.append(float(k % 4))
        heads.append(head)
        rests.append(math.ldexp(rest - int(math.ldexp(head, 2 * _FINE)), -2 * _FINE))
    return turns, heads, rests


def _fixed(x: float) -> int:
    numerator, denominator = x.as_integer_ratio()
    return (numerator << _FINE) // denominator
