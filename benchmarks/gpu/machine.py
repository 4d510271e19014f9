"""On what a run was made: the GPU, its clocks and driver, and the versions of everything that took part."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from typing import Any

import jax

SMI = (
    "name",
    "driver_version",
    "clocks.sm",
    "clocks.mem",
    "clocks.max.sm",
    "clocks.max.mem",
    "power.draw",
    "power.limit",
    "temperature.gpu",
)
PACKAGES = (
    "jax",
    "jaxlib",
    "jax-cuda13-plugin",
    "jax-cuda12-plugin",
    "jaxact",
    "flax",
    "torch",
    "triton",
    "liger-kernel",
    "quack-kernels",
    "tokamax",
)


def description() -> dict[str, Any]:
    """What does not change during a run."""
    device: Any = jax.devices()[0]
    return {
        "device": device.device_kind,
        "platform": jax.default_backend(),
        "compute_capability": getattr(device, "compute_capability", None),
        "runtime": device.client.platform_version,
        "python": platform.python_version(),
        "processor": platform.machine(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def version(package: str) -> str | None:
    """The installed version, None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def clocks() -> dict[str, str]:
    """What nvidia-smi says of the first GPU now, or why it says nothing."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {"nvidia-smi": "not found"}
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"
    command = [program, f"--query-gpu={','.join(SMI)}", "--format=csv,noheader", f"--id={first}"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:  # a run does not end because of this
        return {"nvidia-smi": f"{type(error).__name__}: {error}"}
    values = [v.strip() for v in done.stdout.strip().split(",")]
    if done.returncode or len(values) != len(SMI):
        return {"nvidia-smi": (done.stderr or done.stdout).strip()}
    return dict(zip(SMI, values))
