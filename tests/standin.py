"""Kernels in plain jnp under the names that selection asks for, so that the way to them is tested on the CPU."""

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from pallas_kernels import capability


class StandIn:
    """What the kernels were called with.

    Attributes:
      shapes: The shape of the first operand of each call, where it runs: that of a shard.
      spoil: Applied to every result.
    """

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.spoil: Callable[[Any], Any] = lambda v: v

    def elementwise(self, body: Any, operands: Any, out_dtypes: Any, *, rows: Any = (), **_: Any) -> Any:
        x = operands[0]
        self.shapes.append(x.shape)
        assert all(v.shape == x.shape for v in operands)
        assert all(r.ndim == 0 or r.shape == x.shape[-1:] for r in rows)
        blocks = [jnp.broadcast_to(v.astype(jnp.float32), x.shape) for v in (*operands, *rows)]
        return tuple(self.spoil(v).astype(d) for v, d in zip(body(*blocks), out_dtypes, strict=True))


@pytest.fixture(name="standin")
def fixture(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Selection believes that kernels run on this machine, and finds these.

    Lowered programs are cached, so tests call what they test inside a function of their own that is jitted.
    """
    found = StandIn()
    monkeypatch.setattr(capability, "why_not", lambda *_, **__: None)
    module = types.ModuleType("pallas_kernels.elementwise")
    module.elementwise = found.elementwise
    monkeypatch.setitem(sys.modules, "pallas_kernels.elementwise", module)
    return found


def fresh(function: Callable[..., Any]) -> Any:
    """A jitted function that no cache knows."""
    return jax.jit(lambda *args: function(*args))  # noqa: PLW0108  (jit knows functions by identity)
