"""The accuracy contract in the profile of a GPU, by a kernel: `make accuracy KERNELS=1` in short.

Activations by cases compute the same in every profile; tests/test_accuracy.py has them. Those in two words take
minutes to compile: they run where `JAXACT_ACCURACY_POINTS` asks for the contract at its full size.
"""

import functools
import os

import jax.numpy as jnp
import numpy as np
import pytest
from cases import DEFAULTS
from oracle import ORACLE
from ulp import Reference, on_a_kink

from kernels.support import interpreted, needs_kernels

needs_kernels()

from benchmarks import accuracy
from benchmarks.peers import Kernels
from jaxact._src import elementary
from jaxact._src.operation import ElementwiseOperation
from pallas_kernels.elementwise import elementwise

POINTS = int(os.environ.get("JAXACT_ACCURACY_POINTS", "10000"))
IN_WORDS = {"acon_c", "dice", "pade", "situ", "snake", "snake_beta", "xielu"}
LEFT_OUT = set() if "JAXACT_ACCURACY_POINTS" in os.environ else IN_WORDS
CASES = [case for case in DEFAULTS if case.definition.uses_elementary and case.name not in LEFT_OUT]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_and_derivatives(case):
    library = Kernels()
    rows = [r for dtype in ("bfloat16", "float32") for r in accuracy.measure(case, dtype, POINTS, [library])]
    assert {r["order"] for r in rows} == ({0, 1, 2} if library.find(case.name, case.params) else set())
    assert not [r for r in rows if not r["within"]]


@pytest.mark.parametrize("case", [c for c in CASES if c.differentiable], ids=str)
def test_derivatives_in_parameters(case):
    oracle, x = ORACLE[case.name], accuracy.points_of(case, "float32", POINTS)
    x = x[~on_a_kink(x, oracle.kinks(**case.params)) & case.within_reach(x)]
    static = case.definition.bind((), dict(case.params))
    numbers = tuple((n, v) for n, v in static.items() if n not in case.differentiable)
    operation = ElementwiseOperation(case.definition, numbers, case.differentiable)
    slopes = [operation.differentiate(i) for i in range(1, 1 + len(case.differentiable))]
    el = elementary.profile("cuda", jnp.float32)
    results = elementwise(
        lambda *operands: tuple(op.evaluate(el, *operands) for op in slopes),
        [jnp.asarray(x)],
        ["float32"] * len(slopes),
        rows=[jnp.float32(v) for v in case.values()],
        interpret=interpreted(),
    )
    params = dict(case.params) | {n: float(np.float32(v)) for n, v in zip(case.differentiable, case.values())}
    at = functools.partial(Reference.of, oracle, 1, x, **params)
    found = [at(wrt=wrt).report(np.asarray(y)) for wrt, y in zip(case.differentiable, results)]
    print(*found, sep="\n")
    assert not [f for f in found if not f.within(accuracy.LIMITS["float32"][1])]
