"""Finds MILLS: exp(a*a/2) Phi(-a) (a + K) in t = (a - K)/(a + K), 0 <= a <= 14.85, of least relative error.

K is where the rounding errors of all of gelu are smallest, not those of the polynomial: of K = 3, 3 + 1/16, .., 5
it gives the least largest error with and without fused multiply-adds, and coefficients that round well.
"""

from exponentials import polynomial
from mpmath import mp

K, DEGREE, LIMIT = 3.375, 9, 14.85


def mills_sum(t):
    a = K * (1 + t) / (1 - t)
    return mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2 * (a + K)


def main():
    print(f"MILLS_K = {K}")
    end = (LIMIT - K) / (LIMIT + K)
    polynomial("MILLS", mills_sum, -1, end, DEGREE, lambda t: 1 / mills_sum(t))


if __name__ == "__main__":
    main()
