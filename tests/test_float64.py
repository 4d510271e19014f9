"""The accuracy contract in float64, against the 60-digit definitions."""

import jax
import numpy as np
import pytest
from cases import CASES
from oracle import ORACLE
from test_accuracy import check
from ulp import stratified

POINTS = 400
LIMITS = (8.0, 16.0, 32.0)
FINITE = [c for c in CASES if all(np.isfinite(list(c.params.values())))]  # mpmath knows no infinite limits


@pytest.mark.parametrize("case", FINITE, ids=str)
def test_float64(case):
    with jax.enable_x64(True):
        points = stratified(POINTS, dense=ORACLE[case.name].kinks(**case.params), dtype=np.float64)
        check([case], points, LIMITS)
