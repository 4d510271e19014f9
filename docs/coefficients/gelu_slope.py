"""Finds GELU_SLOPE, its LITE form and GELU_SLOPE_ROOT: (a/sqrt(2 pi) - exp(a*a/2) Phi(-a))/(a - root).

In u = a/(a + K), of least relative error. At 0 that of GELU_SLOPE is what rounding its first coefficient leaves,
1.6e-8; the fit starts beside it, at u = `START`, or it would allow itself as much everywhere.
"""

import numpy as np
from exponentials import polynomial
from mpmath import mp, mpf

LIMIT, START = 14.85, 0.04


def gap(a):
    return a / mp.sqrt(2 * mp.pi) - mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2


ROOT = mp.findroot(gap, 0.7518)


def quotient(k):
    def function(u):
        a = k * u / (1 - u)
        return gap(a) / (a - ROOT)

    return function


def main():
    hi = np.float32(float(ROOT))
    print(f"GELU_SLOPE_ROOT = {(float(hi), float(np.float32(float(ROOT - mpf(float(hi))))))}")
    for name, k, degree, start in (("GELU_SLOPE", 4.5, 8, START), ("GELU_SLOPE_LITE", 3.0, 5, 0.0)):
        print(f"{name}_K = {k}")
        function = quotient(k)
        polynomial(name, function, start, LIMIT / (LIMIT + k), degree, lambda u, f=function: 1 / f(u))


if __name__ == "__main__":
    main()
