"""The accuracy contract in float64, against the 60-digit definitions."""

import jax
import numpy as np
import pytest
from cases import CASES, Case
from oracle import ORACLE
from test_accuracy import check
from ulp import stratified

POINTS = 1500
LIMITS = (8.0, 16.0, 32.0)
FINITE = [c for c in CASES if all(np.isfinite(list(c.params.values())))]  # mpmath knows no infinite limits
SMALLEST = np.finfo(np.float64).smallest_normal


def _points(case: Case) -> np.ndarray:
    points = stratified(POINTS, dense=ORACLE[case.name].kinks(**case.params), dtype=np.float64)
    subnormal = (np.abs(points) < SMALLEST) & (points != 0)  # XLA's CPU backend takes them for zeros
    return points[~subnormal]


@pytest.mark.parametrize("case", FINITE, ids=str)
def test_float64(case):
    with jax.enable_x64(True):
        check([case], _points(case), LIMITS)
