"""Trainable activations whose roots depend on the parameters: closed forms over pairs of float64."""

from __future__ import annotations

import functools

import numpy as np
from mpmath import mp

from .formula import Formula
from .pairs import Pair, exp, expm1, pair, sin_cos, where, words
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
    """Both sides as functions of x, exp(min(x, eps)) - 1, whether x is above eps, and the parameters."""

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

# ---- a polynomial of degree 5 over one of degree 4

_PADE = {
    "a0": 0.029792778657264946,
    "a1": 0.6183735264987601,
    "a2": 2.323309062531321,
    "a3": 3.051936237265109,
    "a4": 1.4854203263828845,
    "a5": 0.2510244961111299,
    "b1": -1.1419548357285474,
    "b2": 4.393159974992486,
    "b3": 0.8714712309957245,
    "b4": 0.34719662339598834,
}


def _polynomial(coefficients, x: Pair) -> tuple[Pair, Pair, Pair]:
    """Value and derivatives."""
    value, first, second = pair(0.0), pair(0.0), pair(0.0)
    for c in coefficients[::-1]:
        second = second * x + 2 * first
        first = first * x + value
        value = value * x + c
    return value, first, second


def _pade(function):
    """A function of x, |x|, the derivatives of the ratio in |x|, and 1 over the denominator as a pair of factors.

    Beyond 1 they come from the polynomials in t = 1/|x|, whose ratio is R: y = |x| R, and so on.
    """

    def formula(x, **given):
        parameters = _PADE | given
        sign, size = np.where(x < 0, -1.0, 1.0), np.abs(x)
        outside = size > 1
        t = where(outside, 1 / pair(np.maximum(size, 1)), size)
        upper = [pair(parameters[f"a{k}"]) * sign**k for k in range(6)]
        lower = [pair(1.0), *(pair(abs(parameters[f"b{k}"])) for k in range(1, 5))]
        p, p1, p2 = _polynomial([where(outside, b, a) for a, b in zip(upper, upper[::-1], strict=True)], t)
        q, q1, q2 = _polynomial([where(outside, b, a) for a, b in zip(lower, lower[::-1], strict=True)], t)
        r = p / q
        r1 = (p1 - r * q1) / q
        r2 = (p2 - 2 * r1 * q1 - r * q2) / q
        y = where(outside, r * size, r), where(outside, r - t * r1, r1), where(outside, _power(t, 3) * r2, r2)

        def basis(k):
            """|x|**k over the denominator."""
            return where(outside, pair(size) if k == 5 else _power(t, max(4 - k, 0)), _power(t, k)) / q

        return function(x, sign, y, basis, parameters).value + np.zeros_like(x)

    return formula


def _power(u: Pair, k: int) -> Pair:
    result = pair(1.0)
    for _ in range(k):
        result = result * u
    return result


def _pade_first(x, sign, y, basis, parameters):
    return where(x == 0, parameters["a1"], y[1] * sign)


def _pade_second(x, sign, y, basis, parameters):
    at_zero = 2 * (pair(parameters["a2"]) - pair(parameters["a0"]) * abs(parameters["b2"]))
    return where(x == 0, at_zero, y[2])


def _in_numerator(k):
    return _pade(lambda x, sign, y, basis, parameters: basis(k) * sign**k)


def _in_denominator(k):
    return _pade(lambda x, sign, y, basis, parameters: -y[0] * basis(k) * np.sign(parameters[f"b{k}"]))


PADE = Formula(
    _pade(lambda x, sign, y, *_: y[0]),
    _pade(_pade_first),
    _pade(_pade_second),
    {f"a{k}": _in_numerator(k) for k in range(6)} | {f"b{k}": _in_denominator(k) for k in range(1, 5)},
    lambda **_: (0.0,),
)

# ---- x and a squared sine


def _snake(result):
    def formula(x, alpha=1.0, beta=1.0):
        u = Pair(*two_product(x, np.float64(alpha)))
        return result(x, u, pair(alpha), pair(beta)).value

    return formula


def _with_equal(formula):
    return lambda x, alpha=1.0: formula(x, alpha, alpha)


def _square(u: Pair) -> Pair:
    s, _ = sin_cos(u)
    return s * s


def _double(u: Pair) -> Pair:
    s, c = sin_cos(u)
    return 2 * s * c


def _snake_value(x, u, a, b):
    # beyond 1e20 the sine is lost
    return x + _square(where(np.abs(x) < 1e20, u, 0.0)) / b


def _snake_alpha(x, u, a, b):
    exact = (u * _double(u) - _square(u)) / (a * a)
    return where(np.abs(u.hi) < 1e-9, two_product(x, x)[0], exact)


_snake_first = _snake(lambda x, u, a, b: 1 + a / b * _double(u))
_snake_second = _snake(lambda x, u, a, b: 2 * a * a / b * (1 - 2 * _square(u)))


def _half_turn(alpha=1.0, **_):
    return np.pi / alpha


SNAKE_BETA = Formula(
    _snake(_snake_value),
    _snake_first,
    _snake_second,
    {
        "alpha": _snake(lambda x, u, a, b: x * _double(u) / b),
        "beta": _snake(lambda x, u, a, b: -_square(u) / (b * b)),
    },
    period=_half_turn,
)

SNAKE = Formula(
    _with_equal(SNAKE_BETA.value),
    _with_equal(_snake_first),
    _with_equal(_snake_second),
    {"alpha": lambda x, alpha=1.0: _snake(_snake_alpha)(x, alpha)},
    period=_half_turn,
)

# ---- a sigmoid times a soft cap


def _situ(result):
    """A function of tanh(x / cap), sech^2, the sigmoid with its first two derivatives, and the cap."""

    def formula(x, cap=4.0):
        c = pair(cap)
        w, e = exp(-2 * np.abs(x) / c), exp(-pair(np.abs(x)))
        right = x >= 0
        t = -expm1(-2 * np.abs(x) / c) / (1 + w)
        s0 = where(right, 1.0, e) / (1 + e)
        s1 = e / ((1 + e) * (1 + e))
        turn = -expm1(-pair(np.abs(x))) / (1 + e)
        s2 = s1 * where(right, -turn, turn)
        return result(x, where(right, t, -t), 4 * w / ((1 + w) * (1 + w)), (s0, s1, s2), c).value

    return formula


def _situ_cap(x, t, sech2, s, c):
    u = x / c
    near = np.abs(u.hi) < 0.1
    q = where(near, u * u, 0.0)
    # tanh(u) - u sech(u)^2, in even powers divided by u
    series = _odd_series(q) * u
    return where(near, series, t - u * sech2) * s[0]


@functools.cache
def _coefficients():
    with mp.workdps(60):
        return [Pair(*words(c)) for c in mp.taylor(lambda u: mp.tanh(u) - u * mp.sech(u) ** 2, 0, 41)[1::2]]


def _odd_series(q: Pair) -> Pair:
    total = pair(0.0)
    for c in _coefficients()[::-1]:
        total = total * q + c
    return total


SITU = Formula(
    _situ(lambda x, t, sech2, s, c: where(np.abs(x) < 1e-20, x / c, t) * c * s[0]),
    _situ(lambda x, t, sech2, s, c: sech2 * s[0] + c * t * s[1]),
    _situ(lambda x, t, sech2, s, c: 2 * sech2 * s[1] - 2 * t * sech2 / c * s[0] + c * t * s[2]),
    {"cap": _situ(_situ_cap)},
)

TRAINED = {
    "situ": SITU,
    "acon_c": ACON_C,
    "dice": DICE,
    "xielu": XIELU,
    "pade": PADE,
    "snake": SNAKE,
    "snake_beta": SNAKE_BETA,
}
