"""Whether a kernel can run here, and if not, why: asked before anything of Pallas is imported.

Cheap to import, on any JAX.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp

MINIMUM_JAX: Final = (0, 11, 2)
MINIMUM_CAPABILITY: Final = (9, 0)

FLOAT8: Final = ("float8_e4m3fn", "float8_e5m2")
FLOATS: Final = ("float32", "float16", "bfloat16", *FLOAT8)

# What each kind of kernel takes, results included.
DTYPES: Final[Mapping[str, Sequence[str]]] = {
    "elementwise": (*FLOATS, "int8"),
    "gated": ("float32", "float16", "bfloat16"),
    "reduce": ("float32", "float16", "bfloat16"),
    "rowwise": ("float32", "float16", "bfloat16", "int8"),
    "quantize": (*FLOATS, "int8"),
}

# Places are 32-bit integers.
LARGEST_SIZE: Final = 2**31 - 2**16

# (kind, compute capability) whose results have been compared with the reference on real hardware. None has.
PROVEN: Final[frozenset[tuple[str, tuple[int, int]]]] = frozenset()


def why_not(
    kind: str,
    *,
    platform: str | None,
    compute_capability: tuple[int, int] | str | None,
    dtypes: Sequence[Any] = (),
    shapes: Sequence[Sequence[Any]] = (),
    longest_row: int | None = None,
    jax_version: tuple[int, ...] | str | None = None,
) -> str | None:
    """The reason why a kernel cannot run, as a sentence; None where it can.

    Args:
      kind: A key of `DTYPES`.
      platform: ``"cuda"``, or what the program is lowered for; None where that is not known.
      compute_capability: Of the GPU, as ``(9, 0)`` or ``"9.0"``; None where it is not known.
      dtypes: Of the operands and results.
      shapes: Of the operands.
      longest_row: The most elements of the last axis that the kernel takes, where it has a limit.
      jax_version: Of the JAX that asks, when not this one.
    """
    return (
        _jax_reason(_version(jax.__version__ if jax_version is None else jax_version))
        or _device_reason(platform, _capability(compute_capability))
        or _dtype_reason(kind, dtypes)
        or _shape_reason(shapes, longest_row)
    )


def is_proven(kind: str, compute_capability: tuple[int, int] | str | None) -> bool:
    """Whether kernels of this kind have been tested on such a GPU."""
    found = _capability(compute_capability)
    return found is not None and (kind, found) in PROVEN


def _version(version: tuple[int, ...] | str) -> tuple[int, ...]:
    if not isinstance(version, str):
        return version
    leading = version.split("+")[0].split(".")[:3]
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in leading)


def _capability(value: tuple[int, int] | str | None) -> tuple[int, int] | None:
    if not isinstance(value, str):
        return value
    major, _, minor = value.partition(".")
    if not (major.isdecimal() and (minor or "0").isdecimal()):
        return None  # of another vendor's GPU, such as gfx942
    return int(major), int(minor or 0)


def _text(numbers: Sequence[int]) -> str:
    return ".".join(map(str, numbers))


def _jax_reason(version: tuple[int, ...]) -> str | None:
    if version[:3] < MINIMUM_JAX:
        return f"kernels need JAX {_text(MINIMUM_JAX)} or later, this is {_text(version)}"
    return None


def _device_reason(platform: str | None, capability: tuple[int, int] | None) -> str | None:
    if platform != "cuda":
        return f"kernels run on NVIDIA GPUs, not on {platform or 'a platform that is not known yet'}"
    if capability is None:
        return "the compute capability of the GPU is not known"
    if capability < MINIMUM_CAPABILITY:
        return (
            f"kernels need compute capability {_text(MINIMUM_CAPABILITY)} (Hopper) or above, "
            f"the GPU has {_text(capability)}"
        )
    return None


def _dtype_reason(kind: str, dtypes: Sequence[Any]) -> str | None:
    for dtype in dtypes:
        name = jnp.dtype(dtype).name
        if name == "bool":
            return "Mosaic GPU reads bool arrays wrongly: pass the mask as int8"
        if name not in DTYPES[kind]:
            return f"{kind} kernels take {', '.join(DTYPES[kind])}, not {name}"
    return None


def _shape_reason(shapes: Sequence[Sequence[Any]], longest_row: int | None) -> str | None:
    for shape in shapes:
        if not all(isinstance(n, int) for n in shape):
            return f"kernels need a known shape, got the symbolic {tuple(map(str, shape))}"
        if math.prod(shape) > LARGEST_SIZE:
            return f"an array of {math.prod(shape)} elements is beyond the {LARGEST_SIZE} that kernels can count"
        if longest_row is not None and shape and shape[-1] > longest_row:
            return f"rows of {shape[-1]} elements are longer than the {longest_row} that the kernel takes"
    return None
