"""Finds ERF and ERF_DOUBLE: erf(s)/s in s*s for 0 <= s <= log(2), where serf is left of 0.

ERF is of least relative error, its first coefficient the exact 2/sqrt(pi), of which the layer takes 1 before it
rounds; ERF_DOUBLE by Chebyshev interpolation.
"""

from exponentials import polynomial
from mpmath import mp, mpf
from roots import in_powers

mp.dps = 50
TOP = mpf("0.48046")  # log(2)**2, rounded up
COUNT = 12


def ratio(q):
    s = mp.sqrt(q)
    return mp.erf(s) / s


def main():
    polynomial("ERF", ratio, 0, float(TOP), 5, lambda q: 1 / ratio(q), (float(2 / mp.sqrt(mp.pi)),))
    in_powers("ERF_DOUBLE", ratio, mpf(0), TOP, COUNT)


if __name__ == "__main__":
    main()
