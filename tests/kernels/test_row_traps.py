"""What neither the compiler nor the interpreter reports: scratch shared by warpgroups, and bool operands."""

import functools
import re

import jax
import jax.numpy as jnp
import pytest
from support import equations

from kernels import deviceless
from kernels.support import needs_kernels

needs_kernels()

from pallas_kernels import row_plan, rowwise

WIDE = 20007  # held by four warpgroups
LONG = 100001  # read in a loop by four


def kernels() -> dict[str, tuple]:
    """Functions and arguments, each with several warpgroups."""

    def rows(n, dtype="bfloat16"):
        return jax.ShapeDtypeStruct((4, n), dtype)

    mask = rows(WIDE, "bool")
    return {
        "softmax": (rowwise.softmax, rows(WIDE)),
        "softmax float32": (rowwise.softmax, rows(WIDE, "float32")),
        "softmax masked": (lambda x, m: rowwise.softmax(x, where=m), rows(WIDE), mask),
        "softmax long": (rowwise.softmax, rows(LONG)),
        "softmax backward": (rowwise.softmax_backward, rows(WIDE), rows(WIDE)),
        "log_softmax backward": (
            lambda x, ct, m: rowwise.log_softmax_backward(x, ct, where=m),
            *(rows(WIDE), rows(WIDE), mask),
        ),
        "entmax": (rowwise.entmax, rows(WIDE)),
        "entmax backward": (rowwise.entmax_backward, rows(WIDE), rows(WIDE)),
    }


KERNELS = kernels()


@functools.cache
def traced(name: str) -> list:
    function, *args = KERNELS[name]
    return list(equations(jax.make_jaxpr(function)(*args)))


@pytest.mark.parametrize("name", KERNELS)
def test_reductions_stay_within_warps(name):
    """Tiles are (tiles, 4 warps, elements of a warp): over the tiles of a thread, and over the lanes of a warp."""
    assert row_plan.plan("softmax", WIDE).warpgroups == 4
    reductions = [e for e in traced(name) if e.primitive.name in ("reduce_sum", "reduce_max")]
    assert reductions
    for e in reductions:
        shape, axes = e.invars[0].aval.shape, tuple(e.params["axes"])
        assert (len(shape), axes) in ((3, (0,)), (2, (1,))), (shape, axes)
        assert shape[-2] == 4


@pytest.mark.parametrize("name", ["softmax masked", "log_softmax backward"])
def test_no_kernel_is_handed_a_bool(name):
    refs = [v.aval for e in traced(name) for v in e.invars if hasattr(v.aval, "inner_aval")]
    dtypes = {r.dtype for r in refs if r.shape == (4, WIDE)}
    assert jnp.dtype("int8") in dtypes
    assert jnp.dtype(bool) not in dtypes


# -- the machine code -------------------------------------------------------------------------------------------


@functools.cache
def ptx(name: str) -> str:
    """The PTX of a program of `kernels.compiled`."""
    if deviceless.why_not():
        pytest.skip(deviceless.why_not())
    return deviceless.reports()["h200"][name].text


# Held in registers, the second operand in shared memory, and read in a loop.
SEVERAL = [
    *(
        f"{k} {d} {n}"
        for k in ("softmax", "softmax_backward")
        for d in ("bfloat16", "float32")
        for n in (WIDE, LONG)
    ),
    *(f"log_softmax_backward bfloat16 {n}" for n in (WIDE, LONG)),
    "softmax_backward bfloat16 49152",
    "entmax_backward1.3 bfloat16 40960",
    *(f"{k} bfloat16 {n}" for k in ("entmax1.5", "entmax_backward1.3") for n in (WIDE, LONG)),
    "act_quant bfloat16 40960",
]


@pytest.mark.parametrize("name", SEVERAL)
def test_warpgroups_share_no_scratch(name):
    """A reduction through scratch brings a barrier of its warpgroup; here are only those before the mbarrier's.

    And slots are read after everyone has arrived: a wait lies between every write and the next read.
    """
    text = ptx(name)
    start = text.index("mbarrier.arrive")
    assert not re.search(r"\b(bar|barrier)(\.cta)?\.(sync|red|arrive)", text[start:])
    written = False
    accesses = re.findall(r"(st\.shared|ld\.shared|mbarrier\.try_wait)", text[text.index("bar.sync") :])
    assert "st.shared" in accesses
    for access in accesses:
        assert not (written and access == "ld.shared"), "a slot is read before all have arrived"
        written = access == "st.shared" or (written and access != "mbarrier.try_wait")


@pytest.mark.parametrize("n", [1023, WIDE])
def test_masks_are_read_by_bytes(n):
    """Rows of odd length leave no wider access: as many bytes of the mask are read as elements of x."""
    text = ptx(f"softmax masked bfloat16 {n}")
    loads = re.findall(r"\bld(?:\.global)?(?:\.nc)?\.[bu](\d+)\s", text)
    assert loads.count("8") == loads.count("16") > 0
    assert deviceless.reports()["h200"][f"softmax masked bfloat16 {n}"].bool_operands == []
