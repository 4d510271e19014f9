"""Which implementation serves an operation, and why: a rule that lowering and `jaxact.explain` both ask."""

import contextlib
import contextvars
import dataclasses
import functools
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import jax

from jaxact._src import kernels, proof, rule
from jaxact._src.checks import shown
from jaxact._src.kernels import Kernel
from jaxact._src.rule import Direction
from jaxact._src.sharding import Placement

if TYPE_CHECKING:
    from jaxact._src.operation import Operation

Implementation = Literal["pallas", "prefer_pallas", "reference", "inline"]
IMPLEMENTATIONS: tuple[str, ...] = get_args(Implementation)

_ENVIRONMENT = "JAXACT_IMPLEMENTATION"


def check_implementation(value: object) -> None:
    """Raise ValueError unless `value` is None or names an implementation."""
    if value is not None and value not in IMPLEMENTATIONS:
        raise ValueError(f"implementation must be None or one of {IMPLEMENTATIONS}, got {shown(value)}")


@functools.lru_cache(maxsize=1)
def _from_environment() -> Implementation | None:
    value = os.environ.get(_ENVIRONMENT) or None
    if value is not None and value not in IMPLEMENTATIONS:
        raise ValueError(f"{_ENVIRONMENT} must be unset or one of {IMPLEMENTATIONS}, got {value!r}")
    return value  # type: ignore[return-value]


# The environment is read at the first call, so that what is wrong there is no error of importing jaxact.
_requested: contextvars.ContextVar[Implementation | Literal["environment"] | None] = contextvars.ContextVar(
    "jaxact_implementation", default="environment"
)


def requested() -> Implementation | None:
    """The implementation asked for by `use` or the environment.

    Raises:
      ValueError: The environment asks for one that is not known.
    """
    found = _requested.get()
    return _from_environment() if found == "environment" else found


@contextlib.contextmanager
def use(*, implementation: Implementation | None) -> Iterator[None]:
    """Set the implementation of what is called or traced inside the ``with`` block.

    A function already compiled by ``jax.jit`` keeps what it was traced with: the choice is part of the trace.

    Args:
      implementation: As the argument of every jaxact function; None follows the rule.

    Raises:
      ValueError: `implementation` is not None and not one of the known names.

    >>> import jax.numpy as jnp, jaxact
    >>> with jaxact.use(implementation="reference"):
    ...     y = jaxact.relu(jnp.float32(-1.0))
    """
    check_implementation(implementation)
    token = _requested.set(implementation)
    try:
        yield
    finally:
        _requested.reset(token)


@dataclasses.dataclass(frozen=True)
class Target:
    """What a program is lowered for.

    Attributes:
      platform: ``"cpu"``, ``"cuda"``, or None where no lowering of ours is for it.
      compute_capability: Of its GPU, such as ``"9.0"``; None where that is not known.
      placement: How the operands lie on its devices.
      device: Such a device of this process, or None for one that is only compiled for.
      obstacle: What else keeps kernels from being compiled for it, or None.
    """

    platform: str | None
    compute_capability: str | None
    placement: Placement
    device: jax.Device | None = None
    obstacle: str | None = None


@dataclasses.dataclass(frozen=True)
class Choice:
    """What runs, and the reason a user can read.

    Attributes:
      implementation: ``"pallas"`` or ``"reference"``.
      reason: Why.
      kernel: The kernel, where one was chosen.
    """

    implementation: str
    reason: str
    kernel: Kernel | None = None


def select(
    op: "Operation", direction: Direction, mask: Sequence[bool], operands: Sequence[Any], target: Target
) -> Choice:
    """Choose the implementation of an operation.

    Args:
      op: The operation, with the implementation that was asked for.
      direction: Its value, or its linear map applied to tangents or to a cotangent.
      mask: The operands of the operation that have a tangent or are asked for their cotangent.
      operands: Abstract operands, as the primitive has them.
      target: What it is lowered for.

    Raises:
      NotImplementedError: A kernel was asked for by ``implementation="pallas"`` and cannot run.
    """
    if op.request == "reference":
        return Choice("reference", "asked for by implementation='reference'")
    if op.request is None:
        return _by_the_rule(op, direction, mask, operands, target)
    found = _kernel(op, direction, mask, operands, target)
    if isinstance(found, Kernel):
        gathers = target.placement.kind == "automatic" and found.rows
        cost = ", and rows that the mesh splits are gathered for it" if gathers else ""
        return Choice("pallas", f"asked for by implementation={op.request!r}{cost}", found)
    if op.request == "pallas":
        raise NotImplementedError(
            f"implementation='pallas' was asked for, but {op.name} ({direction}) has no kernel here: {found}; "
            "use 'prefer_pallas' to fall back to the reference"
        )
    return Choice("reference", found)


def check_without_jit(op: "Operation") -> None:
    """Raise NotImplementedError where a kernel was demanded of what runs under ``jax.disable_jit``."""
    if op.request == "pallas":
        raise NotImplementedError(
            f"implementation='pallas' was asked for, but {op.name} has no kernel under jax.disable_jit(): kernels "
            "are compiled, and nothing is compiled there; use 'prefer_pallas' to fall back to the reference"
        )


def _by_the_rule(
    op: "Operation", direction: Direction, mask: Sequence[bool], operands: Sequence[Any], target: Target
) -> Choice:
    x = operands[0]
    line = rule.row(op.family, direction, op.row_length(x), x.dtype.itemsize)
    machine = kernels.why_not_here(target.platform, target.compute_capability) or target.obstacle
    if machine or not line.kernel:
        return Choice("reference", machine or line.evidence)
    found = _kernel(op, direction, mask, operands, target)
    if not isinstance(found, Kernel):
        return Choice("reference", found)
    failure = proof.failure(found, op, direction, mask, target.compute_capability, target.device)
    if failure:
        return Choice("reference", failure)
    return Choice("pallas", line.evidence, found)


def _kernel(
    op: "Operation", direction: Direction, mask: Sequence[bool], operands: Sequence[Any], target: Target
) -> Kernel | str:
    """The kernel, or why none can run."""
    capability = target.compute_capability
    if op.request == "pallas" and capability is None:
        capability = kernels.OLDEST  # what Mosaic compiles for where it does not know: a demand outranks a doubt
    doubt = None if op.request == "pallas" else target.obstacle
    machine = kernels.why_not_here(target.platform, capability) or doubt
    if machine:
        return machine
    found = kernels.find(op, direction, mask, operands)
    if not isinstance(found, Kernel):
        return found
    unasked = op.request is None
    return (
        kernels.why_not(found, target.platform, capability)
        or target.placement.why_not(operands, found.rows, unasked=unasked)
        or found
    )
