"""Finds EXP, EXP2, EXPM1, LOG1P and TANH_SHRINK, their LITE and DOUBLE forms, TANH_HALF and TANH_P/Q_LITE.

Run ``python docs/coefficients/exponentials.py``. Near-minimax: least squares at Chebyshev nodes, weighted for the
relative error of what the polynomial is part of, with Lawson's re-weighting, in float64; then rounded to float32
from the lowest coefficient up, each time fitting the rest again. The float64 form is Lambert's continued fraction.
"""

from fractions import Fraction

import numpy as np
from mpmath import mp, mpf

mp.dps = 50


def nodes(lo, hi, n=800):
    return (lo + hi) / 2 - (hi - lo) / 2 * np.cos(np.pi * (np.arange(n) + 0.5) / n)


def tabulated(function, t):
    return np.array([float(function(mpf(float(v)))) for v in t])


def lawson(columns, y, weight, rounds=150):
    """Coefficients whose largest weighted error is nearly the least."""
    w, best = np.ones(len(y)), (np.inf, None)
    for _ in range(rounds):
        scale = np.sqrt(w) * weight
        found = np.linalg.lstsq(columns * scale[:, None], y * scale, rcond=None)[0]
        error = np.abs(columns @ found - y) * weight
        if error.max() < best[0]:
            best = error.max(), found
        w *= error / error.max() + 1e-4
        w /= w.sum()
    return best


def polynomial(name, function, lo, hi, degree, weight, fixed=()):
    """Print the coefficients of a float32 polynomial; `weight` turns its error into the one that counts."""
    t = nodes(lo, hi)
    y, w = tabulated(function, t), tabulated(weight, t)
    known = list(fixed)
    while len(known) <= degree:
        rest = y - sum(k * t**i for i, k in enumerate(known))
        columns = np.stack([t**i for i in range(len(known), degree + 1)], 1)
        _, found = lawson(columns, rest, w)
        known.append(float(np.float32(found[0])))
    error = np.max(np.abs(sum(k * t**i for i, k in enumerate(known)) - y) * w)
    print(f"# relative error {error:.1e}\n{name} = {tuple(known)}")


def rational(y, top, bottom, weight, constant=0.0, rounds=200, floor=1e-4):
    """Coefficients of (constant + top p) / (1 + bottom q), near to y, and the largest weighted error.

    Linear least squares, each time divided by the denominator before, with Lawson's re-weighting.
    """
    w, below, best = np.ones(len(y)), np.ones(len(y)), (np.inf,)
    for _ in range(rounds):
        scale = np.sqrt(w) * weight / below
        columns = np.concatenate([top, -y[:, None] * bottom], 1) * scale[:, None]
        found = np.linalg.lstsq(columns, (y - constant) * scale, rcond=None)[0]
        p, q = np.split(found, [top.shape[1]])
        below = 1 + bottom @ q
        error = np.abs((constant + top @ p) / below - y) * weight
        if error.max() < best[0]:
            best = error.max(), p, q
        w *= error / error.max() + floor
        w /= w.sum()
    return best


def tanh_half(end=8.9, p=3, q=2, first=3.62, rounds=200):
    """u = tanh(x/2) = x P/Q in x*x; an error of u counts (1 - u*u)/(1 + u*u) times in tanh(x) = 2u/(1 + u*u).

    Both are scaled: their first steps, which round most for small x, then lie high in a binade, where a rounding
    is relatively least, and x times P is normal if x is. `end` and `first` are such that 1 comes out there, and
    nothing beyond 1 before.
    """
    x = nodes(0, end, 1000)
    u = tabulated(lambda v: mp.tanh(v / 2), x)
    powers = ((x / end) ** 2)[:, None] ** np.arange(1 + max(p, q))
    counts = (1 - u * u) / (1 + u * u) / (u / x)
    error, above, below = rational(u / x, powers[:, : p + 1], powers[:, 1 : q + 1], counts, rounds=rounds)
    print(f"# relative error {error:.1e}\nTANH_END = {end}")
    stored = []
    for name, values in (("TANH_HALF_P", above), ("TANH_HALF_Q", np.r_[1.0, below])):
        scaled = first * values / end ** (2.0 * np.arange(len(values)))
        stored.append(tuple(float(np.float32(v)) for v in scaled))
        print(f"{name} = {stored[-1]}")
    reaches_one(*stored, end)


def reaches_one(p, q, end):
    """Check all float32 from 7.5 on, with and without fused multiply-adds, whichever product is fused."""

    def single(v):
        return v.astype(np.float32).astype(np.float64)

    def horner(coefficients, fused):
        value = coefficients[-1]
        for c in coefficients[-2::-1]:
            value = single((value * square if fused else single(value * square)) + c)
        return value

    first, last = (int(np.float32(v).view(np.uint32)) for v in (7.5, end))
    x = np.arange(first, last + 1, dtype=np.uint32).view(np.float32).astype(np.float64)
    square = single(x * x)
    for fused in (False, True):
        n, d = single(x * horner(p, fused)), horner(q, fused)
        top = single(n * (d + d))
        for whole in (single(n * n) + single(d * d), n * n + single(d * d), single(n * n) + d * d):
            y = single(top / single(whole))
            assert y.max() == y[-1] == 1.0


def tanh_lite(end=7.0, p=2, q=3, rounds=400):
    """(x - tanh x)/x**3 = R/Q by iterated linear least squares; the error of tanh = 1 - t R/Q counts too."""
    t = nodes(0, end * end, 1500)
    y = tabulated(lambda v: (mp.sqrt(v) - mp.tanh(mp.sqrt(v))) / mp.sqrt(v) ** 3, t)
    counts = np.maximum(1.0, t * y / (1 - t * y)) / y
    powers = (t / t.max())[:, None] ** np.arange(1, 1 + max(p, q))
    error, above, below = rational(y, powers[:, :p], powers[:, :q], counts, 1 / 3, rounds, floor=1e-3)
    top = np.r_[1 / 3, above / t.max() ** np.arange(1, p + 1)]
    bottom = np.r_[1, below / t.max() ** np.arange(1, q + 1)]
    print(f"# relative error {error:.1e}")
    for name, values in (
        ("TANH_SHRINK_LITE", top),
        ("TANH_Q_LITE", bottom),
        ("TANH_P_LITE", bottom - np.r_[0, top]),
    ):
        print(f"{name} = {tuple(float(np.float32(v)) for v in values)}")


def tanh_shrink_double(depth=9):
    """x - tanh x = x**3 D/(N + q D), q = x*x, for the continued fraction N/D = 3 + q/(5 + q/(7 + ...))."""
    n, d = [2 * depth + 1], [1]
    for k in range(2 * depth - 1, 2, -2):
        longer = max(len(n), len(d) + 1)
        n, d = [k * a + b for a, b in zip(padded(n, longer), padded([0, *d], longer))], n
    longer = max(len(n), len(d) + 1)
    bottom = [a + b for a, b in zip(padded(n, longer), padded([0, *d], longer))]
    x = mpf("1.25")
    value = x**3 * mp.polyval(d[::-1], x * x) / mp.polyval(bottom[::-1], x * x)
    print(f"# relative error {float(abs(value / (x - mp.tanh(x)) - 1)):.1e}")
    for name, values in (("TANH_SHRINK_DOUBLE_R", d), ("TANH_SHRINK_DOUBLE_Q", bottom)):
        print(f"{name} = {tuple(float(Fraction(v, bottom[0])) for v in values)}")


def padded(values, length):
    return [*values, *[0] * (length - len(values))]


def main():
    half = float(mp.log(2)) / 2
    for suffix, degree in (("", 5), ("_LITE", 3)):
        one = (1.0,) if not suffix else ()
        polynomial(
            f"EXP{suffix}", lambda r: mp.expm1(r) / r, -half, half, degree, lambda r: abs(r) / mp.exp(r), one
        )
        polynomial(
            f"EXP2{suffix}",
            lambda r: mp.expm1(r * mp.log(2)) / r,
            -0.5,
            0.5,
            degree,
            lambda r: abs(r) / mp.power(2, r),
        )
    polynomial(
        "EXPM1", lambda r: (mp.expm1(r) - r) / r**2, -half, half, 4, lambda r: abs(r * r / mp.expm1(r)), (0.5,)
    )
    for suffix, degree, one in (("", 9, (1.0,)), ("_LITE", 6, ())):
        polynomial(f"LOG1P{suffix}", lambda e: mp.log1p(e) / e, 0, 1, degree, lambda e: e / mp.log1p(e), one)

    def shrink(q):
        x = mp.sqrt(q)
        return (x - mp.tanh(x)) / x**3

    polynomial("TANH_SHRINK", shrink, 0, 1.25**2, 8, lambda q: 1 / shrink(q))
    tanh_half()
    tanh_lite()
    tanh_shrink_double()


if __name__ == "__main__":
    main()
