"""Every body of the catalogue lowers inside a kernel: values, and linear maps in x and in every parameter.

The interpreter accepts bodies that Mosaic GPU does not lower, so only this shows that a definition can be one.
"""

import itertools

import jax
import pytest
from cases import CASES

from kernels import bodies
from kernels.support import lowered, needs_kernels

needs_kernels()

from pallas_kernels.elementwise import elementwise

OF_CASE = {str(case): list(found) for case, found in itertools.groupby(bodies.EVERY, key=lambda body: body.case)}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", [str(case) for case in CASES])
def test_lowers_for_cuda(case, dtype):
    """All bodies of a case as results of one kernel; on a size with tiles of every layout for the defaults."""
    found = OF_CASE[case]
    defaults = "=" not in case
    x = jax.ShapeDtypeStruct((512 + 33 if defaults else 512,), dtype)
    row = jax.ShapeDtypeStruct((), "float32")

    def every_result(x, tangent, *parameters):
        results = []
        for body in found:
            given = parameters if body.arrays else ()
            tangents = () if body.wrt is None else (tangent,)
            results.append(body.of(dtype)(x, *tangents, *given))
        return tuple(results)

    arrays = max((body.arrays for body in found), key=len)
    lowered(
        lambda x, *rows: elementwise(every_result, [x, x], [dtype] * len(found), rows=rows),
        x,
        *(row for _ in arrays),
    )
