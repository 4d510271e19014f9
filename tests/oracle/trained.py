"""Trainable activations whose roots depend on the parameters: closed forms over pairs of float64."""

from __future__ import annotations

import numpy as np

from .formula import Formula
from .pairs import Pair, exp, expm1, pair, where
from .precise import two_product, two_sum

# ---- x (p sigmoid(z) + q sigmoid(-z))


class Blend:
    """Value and derivatives for a line z = s (x - m), all exact to 30 digits."""

    def __init__(self, x, z: Pair, s: Pair, p, q):
        self.x, self.z, self.s, self.p, self.q = x, z, s, pair(p), pair(q)
        self.right = z.hi >= 0
        self.e = exp(where(self.right, -z, z))
        self.density = self.e / ((1 + self.e) * (1 + self.e))
        self.v = s * self.x

    def mean(self) -> Pair:
        major, minor = where(self.right, self.p, self.q), where(self.right, self.q, self.p)
        return (major + minor * self.e) / (1 + self.e)

    def value(self) -> Pair:
        return self.mean() * self.x

    def first(self) -> Pair:
        return self.mean() + (self.p - self.q) * self.v * self.density

    def second(self) -> Pair:
        half = (1 - self.e) / (1 + self.e)
        turn = where(self.right, -half, half)
        return (self.p - self.q) * self.s * (2 + self.v * turn) * self.density


def _acon(result, p=None, q=None):
    """A method of the blend, of its own slopes or of other ones."""

    def formula(x, p1=1.0, p2=0.0, beta=1.0):
        s = (pair(p1) - p2) * beta
        blend = Blend(x, s * x, s, p1 if p is None else p, p2 if q is None else q)
        return result(blend).value

    return formula


def _acon_beta(blend: Blend) -> Pair:
    u = (blend.p - blend.q) * blend.x
    return u * u * blend.density


ACON_C = Formula(
    _acon(Blend.value),
    _acon(Blend.first),
    _acon(Blend.second),
    {
        "p1": _acon(lambda b: b.first() * b.x, 1.0, 0.0),
        "p2": _acon(lambda b: b.first() * b.x, 0.0, 1.0),
        "beta": _acon(_acon_beta),
    },
)


def _root(v: Pair) -> Pair:
    """The square root, by one step from the rounded one."""
    r = np.sqrt(v.hi)
    return Pair(r) + (v - Pair(*two_product(r, r))) / (2 * r)


def _dice(result):
    def formula(x, alpha=0.0, mean=0.0, var=1.0, eps=1e-8):
        variance = pair(var) + eps
        s = 1 / _root(variance)
        z = Pair(*two_sum(x, -np.float64(mean))) * s
        return result(Blend(x, z, s, 1.0, alpha), alpha, variance).value

    return formula


def _dice_var(blend: Blend, alpha, variance: Pair) -> Pair:
    return (alpha - pair(1.0)) * blend.x * blend.z * blend.density / (2 * variance)


DICE = Formula(
    _dice(lambda b, *_: b.value()),
    _dice(lambda b, *_: b.first()),
    _dice(lambda b, *_: b.second()),
    {
        "alpha": _dice(lambda b, *_: Blend(b.x, b.z, b.s, 0.0, 1.0).value()),
        "mean": _dice(lambda b, alpha, _: (alpha - pair(1.0)) * b.v * b.density),
        "var": _dice(_dice_var),
        "eps": _dice(_dice_var),
    },
)

# ---- the integral of a shifted elu


def _xielu(right, left):
    """Both sides as functions of x, exp(m) - 1 with m = min(x, eps), whether x is above eps, and the parameters."""

    def formula(x, alpha_p=0.8, alpha_n=0.8, beta=0.5, eps=-1e-6):
        m = np.minimum(np.minimum(x, np.float64(eps)), 0)
        parameters = [pair(v) for v in (alpha_p, alpha_n, beta)]
        result = where(x > 0, right(pair(x), *parameters), left(pair(x), expm1(pair(m)), x > eps, *parameters))
        return result.value

    return formula


def _zero(*_):
    return pair(0.0)


XIELU = Formula(
    _xielu(lambda x, p, n, b: x * (p * x + b), lambda x, e, on, p, n, b: n * e + (b - n) * x),
    _xielu(lambda x, p, n, b: 2 * p * x + b, lambda x, e, on, p, n, b: where(on, b - n, (b - n) + n * (e + 1))),
    _xielu(lambda x, p, n, b: 2 * p, lambda x, e, on, p, n, b: where(on, 0.0, n * (e + 1))),
    {
        "alpha_p": _xielu(lambda x, *_: x * x, _zero),
        "alpha_n": _xielu(_zero, lambda x, e, *_: e - x),
        "beta": lambda x, **_: x,
        "eps": _xielu(_zero, lambda x, e, on, p, n, b: where(on, n * (e + 1), 0.0)),
    },
    lambda alpha_p=0.8, alpha_n=0.8, beta=0.5, eps=-1e-6: (0.0, float(eps)),
)

TRAINED = {"acon_c": ACON_C, "dice": DICE, "xielu": XIELU}
