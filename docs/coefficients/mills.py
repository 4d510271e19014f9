"""Finds MILLS and MILLS_DOUBLE: exp(a*a/2) Phi(-a) (a + K) in t = (a - K)/(a + K), to a = 14.85 and to 40.

K is where the rounding errors of all of gelu are smallest, not those of the polynomial: of K = 3, 3 + 1/16, .., 5
it gives the least largest error with and without fused multiply-adds, and coefficients that round well. MILLS is
of least relative error, MILLS_DOUBLE by Chebyshev interpolation.
"""

from exponentials import polynomial
from mpmath import mp, mpf
from roots import in_powers

K, DEGREE, LIMIT = 3.375, 9, 14.85
K_DOUBLE, COUNT, LIMIT_DOUBLE = 4.25, 23, 40


def mills_sum(k):
    def function(t):
        a = k * (1 + t) / (1 - t)
        return mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2 * (a + k)

    return function


def main():
    print(f"MILLS_K = {K}")
    single = mills_sum(K)
    polynomial("MILLS", single, -1, (LIMIT - K) / (LIMIT + K), DEGREE, lambda t: 1 / single(t))
    print(f"MILLS_DOUBLE_K = {K_DOUBLE}")
    k = mpf(K_DOUBLE)
    in_powers("MILLS_DOUBLE", mills_sum(k), mpf(-1), (LIMIT_DOUBLE - k) / (LIMIT_DOUBLE + k), COUNT)


if __name__ == "__main__":
    main()
