"""Finds `jaxact/_src/roots.py`: f(root + d) / d beside the roots of derivatives, where the plain formula cancels.

Run ``python docs/coefficients/roots.py > jaxact/_src/roots.py`` (half a minute).
Interpolation at Chebyshev nodes in |d| <= radius; the count of coefficients is the least for which the relative
error, checked between the nodes, is below `BOUND`.
"""

import numpy as np
from mpmath import mp, mpf

mp.dps = 50
BOUND = {np.float32: mpf(2) ** -27, np.float64: mpf(2) ** -57}


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def softplus(x):
    return mp.log1p(mp.exp(x))


def gelu_tanh(x):
    return x * sigmoid(2 * mp.sqrt(2 / mp.pi) * (x + mpf("0.044715") * x**3))


def serf(x):
    return x * mp.erf(softplus(x))


def sqrt_softplus(x):
    return mp.sqrt(softplus(x))


def mish(x):
    return x * mp.tanh(softplus(x))


def telu(x):
    return x * mp.tanh(mp.exp(x))


# name: (function, order of derivative, near what, radius)
ROOTS = {
    "SILU_SLOPE": (lambda x: x * sigmoid(x), 1, -1.278, 0.5),
    "SILU_CURVATURE": (lambda x: x * sigmoid(x), 2, 2.4, 0.5),
    "GELU_TANH_SLOPE": (gelu_tanh, 1, -0.752, 0.25),
    "GELU_TANH_CURVATURE": (gelu_tanh, 2, 1.41, 0.4),
    "GELU_SLOPE_CORE": (lambda a: mp.exp(a * a / 2) * mp.ncdf(-a) - a / mp.sqrt(2 * mp.pi), 0, 0.7518, 0.5),
    "SERF_SLOPE": (serf, 1, -1.2, 1.1),
    "SERF_CURVATURE_LEFT": (serf, 2, -2.25, 0.5),
    "SERF_CURVATURE_RIGHT": (serf, 2, 1.09, 0.4),
    "SQRT_SOFTPLUS_CURVATURE": (sqrt_softplus, 2, 0.937, 1.2),
    "LISHT_CURVATURE": (lambda x: x * mp.tanh(x), 2, 1.2, 0.4),
    "MISH_SLOPE": (mish, 1, -1.19, 0.5),
    "MISH_CURVATURE_LEFT": (mish, 2, -2.256, 0.5),
    "MISH_CURVATURE_RIGHT": (mish, 2, 1.49, 0.4),
    "TELU_SLOPE": (telu, 1, -1.079, 0.95),
    "TELU_CURVATURE_LEFT": (telu, 2, -2.066, 0.5),
    "TELU_CURVATURE_RIGHT": (telu, 2, 0.697, 0.3),
}


def interpolated(values, radius):
    """Coefficients of the polynomial through values at the Chebyshev nodes, in powers of d."""
    n = len(values)
    angles = [mp.pi * (j + mpf(1) / 2) / n for j in range(n)]
    chebyshev = [mp.fsum(v * mp.cos(k * a) for v, a in zip(values, angles)) * (2 - (k == 0)) / n for k in range(n)]
    previous, current = [mpf(1)], [mpf(0), mpf(1)]
    total = [mpf(0)] * n
    for k in range(n):
        polynomial = previous
        for i, p in enumerate(polynomial):
            total[i] += chebyshev[k] * p
        following = [mpf(0), *(2 * p for p in current)]
        for i, p in enumerate(previous):
            following[i] -= p
        previous, current = current, following
    return [t / radius**i for i, t in enumerate(total)]


def in_powers(name, function, lo, hi, count):
    """Print float64 coefficients of the polynomial through `count` Chebyshev nodes between lo and hi."""
    middle, half = (lo + hi) / 2, (hi - lo) / 2
    nodes = [middle + half * mp.cos(mp.pi * (j + mpf(1) / 2) / count) for j in range(count)]
    shifted = interpolated([function(t) for t in nodes], half)  # in t - middle
    coefficients = [
        mp.fsum(shifted[k] * mp.binomial(k, i) * (-middle) ** (k - i) for k in range(i, count))
        for i in range(count)
    ]
    checks = [lo + (hi - lo) * mpf(i) / 400 for i in range(1, 401)]
    worst = max(abs(mp.polyval(coefficients[::-1], t) / function(t) - 1) for t in checks)
    print(f"# relative error {float(worst):.1e}\n{name} = {tuple(float(c) for c in coefficients)}")


def fit(function, order, guess, radius, dtype):
    def derivative(x):
        return mp.taylor(function, x, order)[order] * mp.factorial(order)

    root = mp.findroot(derivative, (guess - 0.01, guess + 0.01), tol=mpf(10) ** -60)

    def quotient(d):
        return derivative(root + d) / d

    radius = mpf(radius)
    checks = [radius * mpf(i) / 20 for i in range(-20, 21) if i]
    exact = [quotient(d) for d in checks]
    for n in range(5, 40):
        nodes = [radius * mp.cos(mp.pi * (j + mpf(1) / 2) / n) for j in range(n)]
        if n % 2:
            nodes[n // 2] = radius * mpf(10) ** -25
        coefficients = interpolated([quotient(d) for d in nodes], radius)
        error = max(abs(mp.polyval(coefficients[::-1], d) / q - 1) for d, q in zip(checks, exact))
        if error < BOUND[dtype]:
            break
    hi = dtype(float(root))
    return (
        (float(hi), float(dtype(float(root - mpf(float(hi)))))),
        [float(dtype(float(c))) for c in coefficients],
        error,
    )


def show(name, center, radius, coefficients):
    lines = [f"    {name}=Root(", f"        {center!r},", f"        {radius!r},", "        ("]
    rows = [coefficients[i : i + 4] for i in range(0, len(coefficients), 4)]
    lines += ["            " + " ".join(f"{c!r}," for c in row) for row in rows]
    return "\n".join([*lines, "        ),", "    ),"])


HEADER = '''"""Derivatives beside their roots; printed by ``docs/coefficients/roots.py``."""

from typing import NamedTuple

# fmt: off


class Root(NamedTuple):
    """f(x) = d * polynomial(d), d = x - center, for abs(d) < radius; the center in two words."""

    center: tuple[float, float]
    radius: float
    coefficients: tuple[float, ...]


class Roots(NamedTuple):
    """The same root for both precisions."""

    single: Root
    double: Root
'''


def main():
    print(HEADER)
    for name, (function, order, guess, radius) in ROOTS.items():
        single, double = (fit(function, order, guess, radius, t) for t in (np.float32, np.float64))
        print(f"\n# order {order}; relative error {float(single[2]):.1e}, {float(double[2]):.1e}")
        print(f"{name} = Roots(")
        print(show("single", single[0], radius, single[1]))
        print(show("double", double[0], radius, double[1]))
        print(")")


if __name__ == "__main__":
    main()
