"""Which implementation serves an operation, and why: a rule that lowering and `jaxact.explain` both ask."""

import contextlib
import contextvars
import dataclasses
import os
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

Implementation = Literal["pallas", "prefer_pallas", "reference", "inline"]
IMPLEMENTATIONS: tuple[str, ...] = get_args(Implementation)

_ENVIRONMENT = "JAXACT_IMPLEMENTATION"


def check_implementation(value: object) -> None:
    """Raise ValueError unless `value` is None or names an implementation."""
    if value is not None and value not in IMPLEMENTATIONS:
        raise ValueError(f"implementation must be None or one of {IMPLEMENTATIONS}, got {value!r}")


def _from_environment() -> Implementation | None:
    value = os.environ.get(_ENVIRONMENT) or None
    if value is not None and value not in IMPLEMENTATIONS:
        raise ValueError(f"{_ENVIRONMENT} must be unset or one of {IMPLEMENTATIONS}, got {value!r}")
    return value  # type: ignore[return-value]


_default = _from_environment()
_requested: contextvars.ContextVar[Implementation | None] = contextvars.ContextVar(
    "jaxact_implementation", default=_default
)


def requested() -> Implementation | None:
    """The implementation asked for by `use` or the environment."""
    return _requested.get()


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
class Choice:
    """What runs, and the reason a user can read.

    Attributes:
      implementation: ``"pallas"``, ``"reference"`` or ``"inline"``.
      reason: Why.
      kernel: The kernel, where one was chosen.
    """

    implementation: str
    reason: str
    kernel: Callable[..., Any] | None = None


def select(name: str, request: Implementation | None, platform: str | None) -> Choice:
    """Choose the implementation of operation `name` on a platform.

    Raises:
      NotImplementedError: A kernel was asked for by ``implementation="pallas"`` and cannot run.
    """
    where = f"on {platform}" if platform else "on a platform known when lowered"
    reason = f"no kernel for {name} {where}"
    if request == "pallas":
        raise NotImplementedError(
            f"implementation='pallas' was asked for, but there is {reason}; "
            "use 'prefer_pallas' to fall back to the reference"
        )
    return Choice("reference", reason)
