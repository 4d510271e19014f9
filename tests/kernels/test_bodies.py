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

DEFAULTS = [case for case in CASES if case.params not in case.definition.facts.settings]

# The defaults with every body; other settings with those in which their numbers stand.
OF_CASE = {
    str(case): [body for body in found if case in DEFAULTS or not body.arrays]
    for case, found in itertools.groupby(bodies.EVERY, key=lambda body: body.case)
}


@pytest.mark.parametrize(
    ("case", "dtype"),
    [(str(case), "float32") for case in CASES] + [(str(case), "bfloat16") for case in DEFAULTS],
)
def test_lowers_for_cuda(case, dtype):
    """All bodies of a case as results of one kernel, in the profile of the dtype."""
    found = OF_CASE[case]
    x = jax.ShapeDtypeStruct((512,), dtype)
    row = jax.ShapeDtypeStruct((), "float32")

    def every_result(x, tangent, *parameters):
        results = []
        for body in found:
            tangents = () if body.wrt is None else (tangent,)
            results.append(body.of(dtype)(x, *tangents, *(parameters if body.arrays else ())))
        return tuple(results)

    lowered(
        lambda x, *rows: elementwise(every_result, [x, x], [dtype] * len(found), rows=rows),
        x,
        *[row] * max(len(body.arrays) for body in found),
    )


@pytest.mark.parametrize(
    "body", [b for b in bodies.ALL if b.case.name in ("gelu", "softplus")], ids=lambda b: b.name
)
def test_lowers_in_every_layout(body):
    """Full blocks, narrow ones, what each warp holds and what each thread holds."""
    x = jax.ShapeDtypeStruct((2048 + 128 + 33,), "float32")
    lowered(lambda *xs: elementwise(body.of("float32"), xs, ["float32"]), *[x] * body.operands)
