"""What the kernels' tests share: when they can run, operands, exact results, and how to lower for CUDA."""

import functools
import os
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from pallas_kernels import capability

FLOATS = ("float32", "bfloat16", "float16")
FLOAT8 = ("float8_e4m3fn", "float8_e5m2")

# One element, around a warp, a warpgroup, blocks of every dtype; primes, powers of two and their neighbours.
SIZES = (0, 1, 31, 33, 127, 128, 129, 257, 1021, 1023, 1025, 2047, 2049, 4099)


def needs_kernels() -> None:
    """Skip the module that calls it, with the reason, where this JAX has no kernels."""
    reason = capability.why_not("elementwise", platform="cuda", compute_capability=(9, 0))
    if reason is not None:
        pytest.skip(reason, allow_module_level=True)


@functools.cache
def interpreted() -> Any:
    """Parameters of the interpreter, which runs on the CPU and finds races; None in `make test-gpu`."""
    if os.environ.get("JAXACT_TEST_GPU"):
        return None
    from jax.experimental.pallas import mosaic_gpu as plgpu

    return plgpu.InterpretGPUParams(detect_races=True)


def values(*key: Any, shape: Sequence[int], dtype: Any, scale: float = 2.0) -> jax.Array:
    """Normal numbers that every test finds again by its key."""
    rng = np.random.default_rng(zlib.crc32(repr(key).encode()))
    return jnp.asarray(rng.normal(0.0, scale, tuple(shape)).astype(np.float32)).astype(dtype)


def double(x: Any) -> np.ndarray:
    return np.asarray(x).astype(np.float64)


def close(actual: Any, exact: np.ndarray, dtype: Any, *, size: Any = None) -> None:
    """Raise unless each element is the exact float64 number, rounded once, or 2 units of float32 beside it.

    Args:
      size: What those units are of, where terms cancel: by default the result itself.
    """
    assert actual.dtype == dtype
    assert actual.shape == exact.shape
    slack = 2.0 * np.finfo(np.float32).eps * np.abs(exact if size is None else size)
    info = ml_dtypes.finfo(dtype)
    low, high = ((exact + s).astype(np.float32).astype(dtype).astype(np.float64) for s in (-slack, slack))
    found = double(actual)
    tiny = float(info.smallest_normal)  # XLA on CPUs takes subnormals for 0
    inside = (low <= found) & (found <= high)
    inside |= (np.isnan(found) & np.isnan(high)) | ((np.abs(exact) < tiny) & (np.abs(found) < tiny))
    if not inside.all():
        i = tuple(int(v[0]) for v in np.nonzero(~inside))
        raise AssertionError(
            f"{(~inside).sum()} of {inside.size} elements differ; at {i}: {found[i]!r}, exact {exact[i]!r}"
        )


def lowered(function: Callable[..., Any], *args: Any) -> str:
    """The program for CUDA, which needs neither a GPU nor its plugin; raises where Mosaic GPU lowers no kernel."""
    return jax.jit(function).trace(*args).lower(lowering_platforms=("cuda",)).as_text()


def shapes_of(*arrays: Any) -> tuple[jax.ShapeDtypeStruct, ...]:
    return tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays)
