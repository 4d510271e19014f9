"""Kernels in plain jnp under the names that selection asks for, so that the way to them is tested on the CPU."""

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import pallas_kernels
from pallas_kernels import capability


class StandIn:
    """What the kernels were called with.

    Attributes:
      shapes: The shape of the first operand of each call, where it runs: that of a shard.
      names: The kernel of each call.
      spoil: Applied to every result.
    """

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.names: list[str] = []
        self.spoil: Callable[[Any], Any] = lambda v: v

    def _called(self, name: str, x: Any) -> None:
        self.names.append(name)
        self.shapes.append(x.shape)

    def elementwise(self, body: Any, operands: Any, out_dtypes: Any, *, rows: Any = (), **_: Any) -> Any:
        x = operands[0]
        self._called("elementwise", x)
        assert all(v.shape == x.shape for v in operands)
        blocks = [v.astype(jnp.float32) for v in (*operands, *_blocks(rows, x))]
        return tuple(self.spoil(v).astype(d) for v, d in zip(body(*blocks), out_dtypes, strict=True))

    def packed_backward(self, body: Any, x: Any, ct: Any, *, layout: str, gate_first: bool) -> Any:
        self._called("gated", x)
        assert (layout, gate_first) == ("concat", True)
        halves = jnp.split(x.astype(jnp.float32), 2, axis=-1)
        return self.spoil(jnp.concatenate(body(*halves, ct.astype(jnp.float32)), axis=-1)).astype(x.dtype)

    def backward(self, body: Any, x: Any, parameters: Any, ct: Any) -> Any:
        self._called("reduce", x)
        blocks = [v.astype(jnp.float32) for v in (x, ct, *_blocks(parameters, x))]
        dx, terms = body(*blocks)
        axes = [tuple(range(x.ndim - p.ndim)) for p in parameters]
        sums = tuple(self.spoil(jnp.sum(t, axis=a)) for t, a in zip(terms, axes, strict=True))
        return self.spoil(dx).astype(x.dtype), sums

    def softmax(self, x: Any, *, log: bool = False, scale: float = 1.0, where: Any = None) -> Any:
        self._called("softmax", x)
        z = jnp.where(True if where is None else where != 0, scale * x.astype(jnp.float32), -jnp.inf)
        y = (jax.nn.log_softmax if log else jax.nn.softmax)(z, axis=1)
        return self.spoil(y).astype(x.dtype)

    def entmax(self, x: Any, *, alpha: float = 2.0, scale: float = 1.0, where: Any = None) -> Any:
        self._called("entmax", x)
        assert (alpha, scale, where) == (2.0, 1.0, None)  # sparsemax, by sorting
        z = x.astype(jnp.float32)
        z = z - jnp.max(z, axis=1, keepdims=True)
        down = -jnp.sort(-z, axis=1)
        sums, count = jnp.cumsum(down, axis=1) - 1.0, jnp.arange(1.0, x.shape[1] + 1.0, dtype=jnp.float32)
        support = jnp.sum(down * count > sums, axis=1, keepdims=True)
        t = jnp.take_along_axis(sums, support - 1, axis=1) / support.astype(jnp.float32)
        return self.spoil(jnp.maximum(z - t, 0.0)).astype(x.dtype)

    def softmax_backward(self, y: Any, ct: Any, *, scale: float = 1.0) -> Any:
        self._called("softmax_backward", y)
        wide, t = y.astype(jnp.float32), ct.astype(jnp.float32)
        return self.spoil(scale * wide * (t - jnp.sum(wide * t, axis=1, keepdims=True))).astype(y.dtype)


def _blocks(rows: Any, x: Any) -> list[Any]:
    """Rows as the kernels give them to a body: of the shape of the block beside them."""
    assert all(r.ndim == 0 or r.shape == x.shape[-1:] for r in rows)
    return [jnp.broadcast_to(r, x.shape) for r in rows]


@pytest.fixture(name="standin")
def fixture(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Selection believes that kernels run on this machine, and finds these.

    Lowered programs are cached, so tests call what they test inside a function of their own that is jitted.
    """
    found = StandIn()
    monkeypatch.setattr(capability, "why_not", lambda *_, **__: None)
    modules = {
        "elementwise": {"elementwise": found.elementwise},
        "reduce": {"backward": found.backward},
        "gated": {"backward": found.packed_backward},
        "rowwise": {
            "softmax": found.softmax,
            "softmax_backward": found.softmax_backward,
            "entmax": found.entmax,
        },
    }
    for name, functions in modules.items():
        module = types.ModuleType(f"pallas_kernels.{name}")
        for function, stands_in in functions.items():
            setattr(module, function, stands_in)
        monkeypatch.setitem(sys.modules, f"pallas_kernels.{name}", module)
        monkeypatch.setattr(pallas_kernels, name, module, raising=False)
    return found


def fresh(function: Callable[..., Any]) -> Any:
    """A jitted function that no cache knows."""
    return jax.jit(lambda *args: function(*args))  # noqa: PLW0108  (jit knows functions by identity)
