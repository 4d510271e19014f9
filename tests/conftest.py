"""Test set-up: eight CPU devices and strict promotion; JAX_ENABLE_CHECKS=1, as in CI, has JAX check itself too."""

import collections
import gc
import os
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# One compiler thread a program: there is a test process a core already.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + (
    " --xla_force_host_platform_device_count=8 --xla_cpu_parallel_codegen_split_count=1"
)

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
# Tracing makes objects by the million, nearly all of which reference counts free: at Python's own threshold of 700
# looking for cycles takes a tenth of the time.
gc.set_threshold(200_000, 50, 1000)


def _kernel_cases(reporter: Any) -> collections.Counter[str]:
    """How many cases of kernels passed, by what was done with them."""
    return collections.Counter(
        "compiled"
        if "compile" in report.nodeid
        else "lowered"
        if "lower" in report.nodeid.rpartition("::")[2]
        else "run"
        for report in reporter.getreports("passed")
        if report.when == "call"
        and "kernel" in report.nodeid.partition("::")[0]
        and "test_capability" not in report.nodeid
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many kernels were lowered for CUDA, compiled for a GPU, and run: a skipped module shows as none."""
    counts = _kernel_cases(terminalreporter)
    found = ", ".join(f"{n} {how}" for how, n in sorted(counts.items())) or "none"
    terminalreporter.write_line(f"kernels: {found}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where fewer kernels were tested than ``JAXACT_LEAST_KERNELS`` demands: ``run=500,compiled=200``."""
    demands = filter(None, os.environ.get("JAXACT_LEAST_KERNELS", "").split(","))
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    for how, _, least in (demand.partition("=") for demand in demands):
        found = _kernel_cases(reporter)[how]
        if found < int(least):
            reporter.write_line(f"only {found} cases of kernels were {how}, JAXACT_LEAST_KERNELS demands {least}")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
