"""Finds ``MILLS_P``, ``MILLS_Q``: exp(a*a/2) Phi(-a) = P(a)/Q(a) for 0 <= a <= 14.85, float32 coefficients.

All coefficients are positive, so both polynomials are evaluated without cancellation, and P(0)/Q(0) is exactly 1/2.
Linearised least squares of the relative error, reweighted towards the largest errors (Lawson); the coefficients
are rounded to float32 one by one, the others fitted again each time.
"""

import numpy as np
from scipy import special

LIMIT = 14.85
DEGREE_P, DEGREE_Q = 4, 5


def solve(a, target, weight, fixed):
    """P and Q as one vector without Q(0) = 1; `fixed` maps indices to values."""
    columns = np.hstack(
        [a[:, None] ** np.arange(DEGREE_P + 1), -target[:, None] * a[:, None] ** np.arange(1, DEGREE_Q + 1)]
    )
    columns = columns / target[:, None]
    rhs = np.ones_like(a)
    free = [i for i in range(columns.shape[1]) if i not in fixed]
    for i, v in fixed.items():
        rhs = rhs - columns[:, i] * v
    size = np.linalg.norm(columns[:, free], axis=0)
    q = np.ones_like(a)
    lawson = np.ones_like(a)
    best, best_error = None, np.inf
    for _ in range(60):
        row = np.sqrt(lawson) / q
        part = np.linalg.lstsq(columns[:, free] / size * row[:, None], rhs * row, rcond=None)[0] / size
        full = np.zeros(columns.shape[1])
        full[free] = part
        for i, v in fixed.items():
            full[i] = v
        q = 1 + (a[:, None] ** np.arange(1, DEGREE_Q + 1)) @ full[DEGREE_P + 1 :]
        error = np.abs((columns @ full - 1) / q)
        if error.max() < best_error:
            best, best_error = full, error.max()
        lawson = lawson * (error / error.max() + 1e-3)
        lawson /= lawson.mean()
    return best, best_error


def main():
    a = (1 - np.cos(np.linspace(0, np.pi, 3001))) / 2 * LIMIT
    target = special.erfcx(a / np.sqrt(2)) / 2
    fixed = {0: 0.5}
    start, error = solve(a, target, None, fixed)
    print(f"# before rounding {error:.1e}")
    for i in [*range(DEGREE_P + DEGREE_Q, DEGREE_P, -1), *range(DEGREE_P, 0, -1)]:
        full, error = solve(a, target, None, fixed)
        fixed[i] = float(np.float32(full[i]))
    full, error = solve(a, target, None, {**fixed})
    print(f"# relative error {error:.1e}")
    for name, part in (("P", full[: DEGREE_P + 1]), ("Q", np.append(1.0, full[DEGREE_P + 1 :]))):
        print(f"MILLS_{name} = (")
        print("\n".join(f"    {float(c)!r}," for c in part))
        print(")")


if __name__ == "__main__":
    main()
