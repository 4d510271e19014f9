"""Float64 building blocks that keep full relative accuracy in tails and beside roots.

A pair (hi, lo) stands for hi + lo: in the far tail exp(u) multiplies the rounding error of u by u.
"""

from __future__ import annotations

import functools

import numpy as np
from mpmath import mp, mpf
from numpy.polynomial.chebyshev import chebval
from scipy import special

from .textbook import exact

RADIUS = 0.25
NODES = 24


def constant(text: str):
    """The pair nearest a decimal."""
    with mp.workdps(60):
        hi = float(mpf(text))
        return hi, float(mpf(text) - hi)


def two_sum(a, b):
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _split(a):
    c = 134217729.0 * a
    hi = c - (c - a)
    return hi, a - hi


def two_product(a, b):
    p = a * b
    (ah, al), (bh, bl) = _split(a), _split(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def multiply(a, b):
    p, error = two_product(a[0], b[0])
    return p, error + a[0] * b[1] + a[1] * b[0]


def divide(a, b):
    """The pair a over the number b."""
    q = a[0] / b
    p, error = two_product(q, b)
    return q, ((a[0] - p) - error + a[1]) / b


def exp(hi, lo=0.0):
    """exp(hi + lo) for hi <= 0."""
    return np.exp(hi) * (1 + lo)


def sigmoid(u, lo=0.0):
    e = exp(-np.abs(u), -np.sign(u) * lo)
    return np.where(u >= 0, 1, e) / (1 + e)


def softplus(u, lo=0.0):
    return np.maximum(u, 0) + np.log1p(exp(-np.abs(u), -np.sign(u) * lo))


def sech2(u, lo=0.0):
    e = exp(-2 * np.abs(u), -2 * np.sign(u) * lo)
    return 4 * e / (1 + e) ** 2


def normal_pdf(z, lo=0.0):
    square, error = multiply((z, lo), (z, lo))
    return exp(-square / 2, -error / 2) / np.sqrt(2 * np.pi)


def normal_cdf(z, lo=0.0):
    upper = special.erfcx(np.abs(z) / np.sqrt(2)) * normal_pdf(z, lo) * np.sqrt(np.pi / 2)
    return np.where(z > 0, 1 - upper, upper)


def _expand(function, root, multiplicity: int):
    """A root as a pair, and the Chebyshev coefficients of f(root + d) / d**multiplicity."""
    with mp.workdps(60):
        if root:
            root = mp.findroot(function, root, tol=mpf(10) ** -100)
        angles = [mp.pi * (j + mpf(1) / 2) / NODES for j in range(NODES)]
        offsets = [RADIUS * mp.cos(a) for a in angles]
        values = [function(root + d) / d**multiplicity for d in offsets]
        coefficients = [
            mp.fsum(v * mp.cos(k * a) for v, a in zip(values, angles, strict=True)) * (2 - (k == 0)) / NODES
            for k in range(NODES)
        ]
        return float(root), float(root - float(root)), np.array([float(c) for c in coefficients])


def near_roots(name: str, *roots: float, order=0, wrt=None, multiplicity=1, **params):
    """Decorator: beside a root, where the plain formula cancels, f = d**m q(d) with q interpolated.

    q comes from the 60-digit definition, so the result is accurate relative to f up to the root itself.
    """

    def decorate(plain):
        @functools.cache
        def expansions():
            definition = functools.partial(exact, name, order=order, wrt=wrt, **params)
            return [_expand(definition, root, multiplicity) for root in roots]

        @functools.wraps(plain)
        def sharp(u, lo=0.0):
            result = plain(u, lo)
            for root, root_lo, coefficients in expansions():
                d = (u - root) + (lo - root_lo)
                near = np.abs(d) < RADIUS
                if np.any(near):
                    q = chebval(np.where(near, d, 0) / RADIUS, coefficients)
                    result = np.where(near, d**multiplicity * q, result)
            return result

        return sharp

    return decorate
