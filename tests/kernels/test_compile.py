"""Every kernel compiled for H200 and B200, without one: it compiles, spills nothing, moves 16 bytes at a time."""

import pytest

from kernels import deviceless
from kernels.support import needs_kernels

needs_kernels()
if deviceless.why_not():
    pytest.skip(deviceless.why_not(), allow_module_level=True)

from kernels.compiled import CASES


@pytest.fixture(params=list(deviceless.GPUS))
def gpu(request):
    return request.param


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_compiles(case, gpu):
    report = deviceless.reports()[gpu][case.name]
    assert report.error is None
    assert report.architectures == {deviceless.GPUS[gpu]}
    assert report.spilled == 0
    assert report.registers
    assert report.bool_operands == []
    assert report.copies == []
    widest = report.widest_accesses
    assert all(found >= least for found, least in zip(widest, case.accesses)), widest
