"""`explain`: what a function does with activations, what will run, and why."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxact._src import engine
from jaxact._src.select import select


@dataclasses.dataclass(frozen=True)
class Row:
    """One activation inside a function.

    Attributes:
      name: The activation.
      what: ``"value"``, ``"tangent"`` (forward mode) or ``"backward"``.
      order: How often it has been differentiated before that.
      shapes: The shapes of its operands.
      dtypes: Their dtypes.
      implementation: What runs.
      reason: Why.
    """

    name: str
    what: str
    order: int
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    implementation: str
    reason: str


class Explanation(tuple[Row, ...]):
    """The rows, which print as a table."""

    __slots__ = ()

    def __str__(self) -> str:
        if not self:
            return "no activation of jaxact's (those with implementation='inline' are plain jnp)"
        header = ("name", "what", "operands", "implementation", "reason")
        lines = [header, *((r.name, r.what, _operands(r), r.implementation, r.reason) for r in self)]
        widths = [max(map(len, column)) for column in zip(*lines)]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    __repr__ = __str__


def _operands(row: Row) -> str:
    return " ".join(f"{d}[{','.join(map(str, s))}]" for s, d in zip(row.shapes, row.dtypes))


def explain(fn: Callable[..., Any], *args: Any, platform: str | None = None) -> Explanation:
    """List every activation inside a function: what will run, and why.

    Args:
      fn: A function of arrays, differentiated or not; it is traced, not run.
      *args: Its arguments, arrays or ``jax.ShapeDtypeStruct``.
      platform: ``"cpu"``, ``"cuda"`` or another platform of JAX; None is the default backend.

    Returns:
      A tuple of rows (name, what, order, shapes, dtypes, implementation, reason) that prints as a table.
      Activations run with ``implementation="inline"`` are plain ``jnp`` and are not listed.

    >>> import jax, jax.numpy as jnp, jaxact
    >>> print(jaxact.explain(jax.grad(lambda x: jaxact.relu(x).sum()), jnp.ones(8), platform="cpu"))
    name  what      operands               implementation  reason
    relu  value     float32[8]             reference       no kernel for relu on cpu
    relu  backward  float32[8] float32[8]  reference       no kernel for relu on cpu
    """
    where = platform or _default_platform()
    jaxpr = jax.make_jaxpr(fn)(*args).jaxpr
    return Explanation(_row(what, op, avals, where) for what, op, avals in engine.activations_in(jaxpr))


def _default_platform() -> str:
    backend = jax.default_backend()
    return "cuda" if backend == "gpu" else backend


def _row(what: str, op: Any, avals: Sequence[Any], platform: str) -> Row:
    try:
        choice = select(op.name, op.request, platform)
        implementation, reason = choice.implementation, choice.reason
    except NotImplementedError as error:
        implementation, reason = "error", str(error)
    return Row(
        name=op.name,
        what=what,
        order=len(op.wrt),
        shapes=tuple(tuple(a.shape) for a in avals),
        dtypes=tuple(a.dtype.name for a in avals),
        implementation=implementation,
        reason=reason,
    )
