"""Finds ``ERF_DOUBLE``: erf(s)/s in s*s for 0 <= s <= log(2), where serf is left of 0. Chebyshev interpolation."""

from mpmath import mp, mpf
from roots import interpolated

mp.dps = 50
TOP = mpf("0.48046")  # log(2)**2, rounded up
COUNT = 12


def ratio(q):
    s = mp.sqrt(q)
    return mp.erf(s) / s


def main():
    half = TOP / 2
    nodes = [half * mp.cos(mp.pi * (j + mpf(1) / 2) / COUNT) for j in range(COUNT)]
    shifted = interpolated([ratio(half + d) for d in nodes], half)  # in d = q - half
    coefficients = [
        mp.fsum(shifted[k] * mp.binomial(k, i) * (-half) ** (k - i) for k in range(i, COUNT)) for i in range(COUNT)
    ]
    rounded = [float(c) for c in coefficients]
    checks = [TOP * mpf(i) / 200 for i in range(1, 201)]
    worst = max(abs(mp.polyval([mpf(c) for c in rounded[::-1]], q) / ratio(q) - 1) for q in checks)
    print(f"# relative error {float(worst):.1e}")
    print("ERF_DOUBLE = (")
    print("\n".join(f"    {c!r}," for c in rounded))
    print(")")


if __name__ == "__main__":
    main()
