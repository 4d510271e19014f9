"""`explain`: what a function does with activations, what will run, and why."""

import dataclasses
import numbers
from collections.abc import Callable, Sequence
from typing import Any, Final

import jax

from jaxact._src import engine, sharding
from jaxact._src.checks import shown
from jaxact._src.select import Target, select

# Compute capability, as NVIDIA publishes it.
GPUS: Final = {
    **dict.fromkeys(("v100",), "7.0"),
    **dict.fromkeys(("t4",), "7.5"),
    **dict.fromkeys(("a100", "a30"), "8.0"),
    **dict.fromkeys(("a10", "a40"), "8.6"),
    **dict.fromkeys(("l4", "l40s"), "8.9"),
    **dict.fromkeys(("h100", "h200", "gh200"), "9.0"),
    **dict.fromkeys(("b200", "gb200"), "10.0"),
    **dict.fromkeys(("b300", "gb300"), "10.3"),
}


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


def explain(
    fn: Callable[..., Any], *args: Any, platform: str | None = None, gpu: str | None = None
) -> Explanation:
    """List every activation inside a function: what will run, and why.

    Args:
      fn: A function of arrays, differentiated or not; it is traced, not run. A kernel that the rule chooses and
        this process has not yet checked is checked, as when it is lowered.
      *args: Its arguments, arrays or ``jax.ShapeDtypeStruct``.
      platform: ``"cpu"``, ``"cuda"`` or another platform of JAX; None is the default backend.
      gpu: An NVIDIA GPU that this machine need not have, such as ``"h200"``, for ``platform="cuda"``.

    Returns:
      A tuple of rows (name, what, order, shapes, dtypes, implementation, reason) that prints as a table.
      Activations run with ``implementation="inline"`` are plain ``jnp`` and are not listed.

    Raises:
      TypeError: `fn` is no function, an argument holds what is no array, or `platform` or `gpu` no string.
      ValueError: The GPU is not known, or given for another platform.

    >>> import jax, jax.numpy as jnp, jaxact
    >>> def loss(x):
    ...     return jaxact.relu(x, implementation="reference").sum()
    >>> print(jaxact.explain(jax.grad(loss), jnp.ones(8), gpu="h200"))
    name  what      operands               implementation  reason
    relu  value     float32[8]             reference       asked for by implementation='reference'
    relu  backward  float32[8] float32[8]  reference       asked for by implementation='reference'
    """
    if not callable(fn):
        raise TypeError(f"explain: fn must be a function of arrays, got {shown(fn)}")
    target = _machine(platform, gpu)
    for path, value in jax.tree_util.tree_leaves_with_path(args):
        if not (hasattr(value, "shape") and hasattr(value, "dtype")) and not isinstance(value, numbers.Number):
            raise TypeError(
                f"explain: args{jax.tree_util.keystr(path)} must be an array or a jax.ShapeDtypeStruct, got "
                f"{shown(value)}; bind what is none with functools.partial"
            )
    jaxpr = jax.make_jaxpr(fn)(*args).jaxpr
    return Explanation(_row(*found, target) for found in engine.activations_in(jaxpr))


def _machine(platform: str | None, gpu: str | None) -> Target:
    for name, value in (("platform", platform), ("gpu", gpu)):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"explain: {name} must be a string or None, got {shown(value)}")
    if gpu is None:
        return engine.here() if platform is None else Target(platform, None, sharding.ALONE)
    if platform not in (None, "cuda"):
        raise ValueError(f"explain: gpu={gpu!r} is of platform 'cuda', got platform={platform!r}")
    if gpu.lower() not in GPUS:
        raise ValueError(f"explain: gpu must be one of {sorted(GPUS)}, got {shown(gpu)}")
    return Target("cuda", GPUS[gpu.lower()], sharding.ALONE)


def _row(op: Any, what: Any, mask: Sequence[bool], avals: Sequence[Any], machine: Target) -> Row:
    try:
        target = dataclasses.replace(machine, placement=sharding.placement(avals))
        choice = select(op, what, mask, avals, target)
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
