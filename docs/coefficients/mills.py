"""Finds MILLS and MILLS_DOUBLE: exp(a*a/2) Phi(-a) (a + K) in t = (a - K)/(a + K), of least relative error.

K is where rounding errors of the whole gelu are smallest, not those of the polynomial: among K = 3, 3 + 1/16, .. 5,
3.375 gives the least largest error with and without fused multiply-adds, and coefficients that round well.
"""

from exponentials import polynomial
from mpmath import mp, mpf
from roots import interpolated

K, DEGREE, LIMIT = 3.375, 9, 14.85
K_DOUBLE, COUNT, LIMIT_DOUBLE = 4.25, 23, 40.0


def mills_sum(t, k):
    a = k * (1 + t) / (1 - t)
    return mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2 * (a + k)


def end(limit, k):
    return (limit - k) / (limit + k)


def main():
    polynomial("MILLS", lambda t: mills_sum(t, K), -1, end(LIMIT, K), DEGREE, lambda t: 1 / mills_sum(t, K))


if __name__ == "__main__":
    main()
