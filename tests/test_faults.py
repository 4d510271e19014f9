"""What is missing or broken: the reference runs and the reason can be read, or what was asked for fails."""

import importlib.util
import sys
import warnings

import numpy as np
import pytest
from standin import fixture, fresh  # noqa: F401
from support import close
from test_processes import finished, python

import jaxact
from jaxact._src import engine, proof
from pallas_kernels import capability

X = np.random.default_rng(0).normal(size=(3, 20000)).astype(np.float32)
SPARSE = jaxact.reference.sparsemax(X)
BROKEN = "the kernel does not lower (ZeroDivisionError: division by zero)"


def reason(function, **where):
    (row,) = jaxact.explain(function, X, **where)
    return row.implementation, row.reason


@pytest.fixture
def unchecked(monkeypatch):
    monkeypatch.setattr(proof, "_failures", {})


@pytest.fixture
def unattached(standin, unchecked, monkeypatch):
    """Kernels for a device that is only compiled for, so that none is run before it is chosen; none lowers."""
    monkeypatch.setattr(engine, "_is_attached", lambda _: False)
    standin.spoil = lambda _: 1 / 0
    return standin


def test_a_kernel_that_does_not_lower_gives_way_where_the_rule_chose_it(unattached):
    assert reason(jaxact.sparsemax)[0] == "pallas"
    with pytest.warns(
        RuntimeWarning, match=r"sparsemax \(value\) does not lower .*the reference runs instead"
    ) as told:
        y = fresh(jaxact.sparsemax)(X)
    assert len(told) == 1
    close(y, SPARSE)
    assert reason(jaxact.sparsemax) == ("reference", BROKEN)
    with warnings.catch_warnings():  # and is not tried again
        warnings.simplefilter("error")
        close(fresh(jaxact.sparsemax)(X), y)


@pytest.mark.parametrize("request_", ["pallas", "prefer_pallas"])
def test_a_kernel_that_was_asked_for_raises_what_keeps_it_from_lowering(unattached, request_):
    with pytest.raises(ZeroDivisionError):
        fresh(lambda x: jaxact.sparsemax(x, implementation=request_))(X)
    assert reason(jaxact.sparsemax)[0] == "pallas", "the rule has not met it"


@pytest.mark.parametrize("request_", [None, "pallas"])
def test_pallas_that_cannot_be_imported(standin, unchecked, monkeypatch, request_):
    monkeypatch.setitem(sys.modules, "pallas_kernels.rowwise", None)
    import pallas_kernels

    monkeypatch.delattr(pallas_kernels, "rowwise")
    run = fresh(lambda x: jaxact.sparsemax(x, implementation=request_))
    if request_:
        with pytest.raises(ImportError, match="rowwise"):
            run(X)
        return
    with pytest.warns(RuntimeWarning, match="does not run .*the reference runs instead"):
        y = run(X)
    close(y, SPARSE)
    implementation, why = reason(jaxact.sparsemax)
    assert implementation == "reference"
    assert "rowwise" in why


@pytest.mark.parametrize("odd", ["gfx942", "", "sm_90", "9.x", "unknown"])
def test_a_compute_capability_of_another_kind(odd, monkeypatch):
    """A GPU of another vendor has one too, which is no pair of numbers."""
    said = capability.why_not("rowwise", platform="cuda", compute_capability=odd, jax_version=(0, 12, 0))
    assert said == "the compute capability of the GPU is not known"
    assert not capability.is_proven("rowwise", odd)
    device = type("Device", (), {"compute_capability": odd, "platform": "rocm"})()
    target = engine._on("rocm", [device], jaxact._src.sharding.ALONE)
    assert target.compute_capability == odd
    assert jaxact._src.kernels.why_not_here("rocm", odd)


def test_a_cuda_plugin_without_a_device():
    if importlib.util.find_spec("jax_plugins") is None or not any(
        importlib.util.find_spec(f"jax_plugins.xla_cuda{n}") for n in (12, 13)
    ):
        pytest.skip("no CUDA plugin is installed")
    code = (
        "import numpy as np, jaxact\n"
        "x = np.array([[-2.0, 2.0]], np.float32)\n"
        "print(jaxact.relu(x).tolist())\n"
        "print(jaxact.explain(jaxact.sparsemax, x)[0].reason)"
    )
    out, _ = finished(python("-c", code, JAX_PLATFORMS=""))
    value, why = out.splitlines()
    assert value == "[[0.0, 2.0]]"
    assert why, "the reason is said"
