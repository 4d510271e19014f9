"""Test set-up: eight CPU devices, strict promotion, and JAX's own checks on."""

import collections
import os
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"

import jax

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_enable_checks", True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many kernels were lowered for CUDA, compiled for a GPU, and run: a skipped module shows as none."""
    counts = collections.Counter(
        "compiled for a GPU"
        if "test_compiles[" in report.nodeid
        else "lowered for CUDA"
        if "lower" in report.nodeid.rpartition("::")[2]
        else "run"
        for report in terminalreporter.getreports("passed")
        if report.when == "call" and "tests/kernels/" in report.nodeid and "test_capability" not in report.nodeid
    )
    found = ", ".join(f"{n} {how}" for how, n in sorted(counts.items())) or "none"
    terminalreporter.write_line(f"kernels: {found}")
