"""Finds ``MILLS_LITE``: exp(a*a/2) Phi(-a) (a + K) in u = a/(a + K), 0 <= a <= 14.85, of least relative error.

The first coefficient is fixed at K/2, so that gelu of a tiny x is exactly x/2: one unit less, and half of twice
the smallest normal number would be flushed to zero. Linear programming on a grid; float32 coefficients.
"""

import numpy as np
from scipy import optimize, special

K = 5.0
COUNT = 7
LIMIT = 14.85


def design(a):
    u = a / (a + K)
    target = special.erfcx(a / np.sqrt(2)) / 2 * (a + K)
    return u[:, None] ** np.arange(COUNT) / target[:, None]


def main():
    u = (1 - np.cos(np.linspace(0, np.pi, 4001))) / 2 * LIMIT / (LIMIT + K)
    rows = design(K * u / (1 - u))
    fixed, free = rows[:, 0] * (K / 2), rows[:, 1:]
    ones = np.ones((len(u), 1))
    solution = optimize.linprog(
        np.append(np.zeros(COUNT - 1), 1.0),
        A_ub=np.block([[free, -ones], [-free, -ones]]),
        b_ub=np.concatenate([1 - fixed, fixed - 1]),
        bounds=[(None, None)] * (COUNT - 1) + [(0, None)],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    coefficients = np.append(K / 2, solution.x[:-1]).astype(np.float32).astype(float)
    error = np.max(np.abs(rows @ coefficients - 1))
    print(f"# relative error {error:.1e}")
    print("MILLS_LITE = (")
    print("\n".join(f"    {float(c)!r}," for c in coefficients))
    print(")")


if __name__ == "__main__":
    main()
