"""The check of a kernel that no test has run on this kind of GPU: once a process, before it is first chosen.

What counts as one kernel has the same code: one operation with its parameters, which its body has as numbers, and
direction, dtypes, and way of holding a row.
Nothing unproven runs unseen. A kernel that somebody demanded is not checked, nor one for a device that this
process does not have. The small case runs in a thread of its own, because selection happens while a program is
lowered, under whatever mesh and settings that has.
"""

import concurrent.futures
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from jaxact._src import kernels
from jaxact._src.kernels import Kernel
from jaxact._src.rule import Direction

if TYPE_CHECKING:
    from jaxact._src.operation import Operation

# How far a kernel may be from the reference, in eps of the dtype and relative to the largest result: the two round
# float32 arithmetic in different orders, and 16-bit results once.
_ROUNDS: Final = {"float32": 64.0}
_ROUNDS_16: Final = 2.0

_LONGEST: Final = 100_003  # elements along an axis that may be cut
_ROWS: Final = 2

_MOST: Final = 4096  # kernels that are remembered; the oldest one forgotten would be checked again

_failures: dict[tuple[Any, ...], str | None] = {}
_lock = threading.Lock()


def failure(
    kernel: Kernel,
    op: "Operation",
    direction: Direction,
    mask: Sequence[bool],
    compute_capability: str | None,
    device: jax.Device | None,
) -> str | None:
    """The reason why a kernel is not trusted on a device, or None.

    Args:
      kernel: The kernel.
      op: What it computes.
      direction: Which of its maps.
      mask: As in `kernels.find`.
      compute_capability: Of the device.
      device: The device; None for one that is only compiled for, whose kernels are not run.
    """
    key = _key(kernel, op, direction, compute_capability, device)
    if device is None:  # perhaps it has failed to lower
        found = _failures.get(key)
        return found and f"the kernel {found}"
    if kernels.is_proven(kernel, compute_capability):
        return None
    with _lock:
        if key not in _failures:
            found = check(kernel, op, direction, mask, device)
            _remember(key, found)
            if found:
                warnings.warn(
                    f"jaxact: the {kernel.kind} kernel for {op.name} ({direction}) {found} on "
                    f"{device.device_kind}; the reference runs instead",
                    RuntimeWarning,
                    stacklevel=2,
                )
    found = _failures[key]
    return found and f"the kernel {found} on {device.device_kind}"


def failed_to_lower(
    kernel: Kernel,
    op: "Operation",
    direction: Direction,
    compute_capability: str | None,
    device: jax.Device | None,
    error: Exception,
) -> None:
    """Remember that a kernel which the rule chose cannot be lowered, and warn: the reference runs from now on."""
    key = _key(kernel, op, direction, compute_capability, device)
    found = _shortened(error, "does not lower")
    with _lock:
        _remember(key, found)
    what = f"the {kernel.kind} kernel for {op.name} ({direction})"
    warnings.warn(
        f"jaxact: {what} {found}; the reference runs instead",
        RuntimeWarning,
        stacklevel=2,
    )


def _key(
    kernel: Kernel,
    op: "Operation",
    direction: Direction,
    compute_capability: str | None,
    device: jax.Device | None,
) -> tuple[Any, ...]:
    where = f"compute capability {compute_capability}" if device is None else device.device_kind
    return kernel.kind, kernel.dtypes, kernel.variant, op, direction, where


def _remember(key: tuple[Any, ...], found: str | None) -> None:
    _failures[key] = found
    if len(_failures) > _MOST:
        _failures.pop(next(iter(_failures)))


def _shortened(error: Exception, what: str) -> str:
    """Why a kernel failed, in a line."""
    first = str(error).strip().partition("\n")[0]
    return f"{what} ({type(error).__name__}: {first[:300]})"


def check(
    kernel: Kernel, op: "Operation", direction: Direction, mask: Sequence[bool], device: jax.Device
) -> str | None:
    """Run a kernel and the reference on a device, on a few rows: how they differ, or None."""
    reference = kernels.meaning(op, direction, mask, kernel.operands)
    case = _small_case(kernel, positive=op.saves_output and direction != "value")
    with concurrent.futures.ThreadPoolExecutor(1) as alone:
        return alone.submit(_compare, kernel, reference, case, device).result()


def _compare(kernel: Kernel, reference: Callable[..., Any], case: Sequence[Any], device: jax.Device) -> str | None:
    operands = jax.device_put(case, device)
    expected = jax.jit(reference)(*operands)
    try:
        results = jax.block_until_ready(jax.jit(kernel.run)(*operands))
    except Exception as error:  # whatever it is, it is the reason why this kernel cannot be used
        return _shortened(error, "does not run")
    for got, wanted in zip(results, expected):
        difference = _difference(*jax.device_get((got.astype(wanted.dtype), wanted)))
        if difference:
            return difference
    return None


def _small_case(kernel: Kernel, positive: bool) -> list[np.ndarray[Any, Any]]:
    """A few rows, of the length that the program has; operand 0 of positive entries where it is an output."""
    whole = kernel.operands[0].shape
    rank = len(whole)
    small = [
        n if i - rank in kernel.rows else min(n, _LONGEST if i == rank - 1 else _ROWS) for i, n in enumerate(whole)
    ]
    random = np.random.default_rng(0)
    case = []
    for aval in kernel.operands:
        skipped = rank - aval.ndim
        shape = [m if n == w else n for n, w, m in zip(aval.shape, whole[skipped:], small[skipped:])]
        values = random.uniform(0.25, 4.0, shape) * random.choice([-1.0, 1.0], shape)
        case.append(values > 0 if aval.dtype == bool else values.astype(aval.dtype))
    return [np.abs(case[0]), *case[1:]] if positive else case


def _difference(got: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> str | None:
    rounds = _ROUNDS.get(wanted.dtype.name, _ROUNDS_16)
    floats = jnp.issubdtype(wanted.dtype, jnp.floating)
    allowed = rounds * float(jnp.finfo(wanted.dtype).eps) if floats else 1.0 / jnp.iinfo(wanted.dtype).max
    got, wanted = got.astype(np.float64), wanted.astype(np.float64)
    if got.shape != wanted.shape or not np.array_equal(np.isnan(got), np.isnan(wanted)):
        return "has results of another shape, or NaN elsewhere"
    off = np.nanmax(np.abs(got - wanted), initial=0.0)
    size = np.nanmax(np.abs(wanted), initial=0.0)
    return None if off <= allowed * size else f"is {off:.3g} off where the largest result is {size:.3g}"
