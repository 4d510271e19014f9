"""How a kernel runs on several devices: on the shard that each of them holds, with no operand gathered.

A Pallas call is opaque to XLA's partitioner, which would gather its operands and say nothing. So:

=====================  =========================================================================================
one device, `shard_map`  the kernel as it is
explicit mesh            ``jax.shard_map`` inside the lowering; the shardings are in the types
automatic mesh           ``custom_partitioning``; the shardings are known when the program is compiled
anything else            the reference, with the reason
=====================  =========================================================================================

Operands broadcast against operand 0 from the right, so its sharding says how all of them and the results lie: an
axis that a result has not, or has with one entry, was summed, and is summed over the devices it was split over.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
from jax.experimental.custom_partitioning import custom_partitioning
from jax.sharding import AbstractMesh, AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

Run = Callable[..., tuple[jax.Array, ...]]
Entry = str | tuple[str, ...] | None


@dataclasses.dataclass(frozen=True)
class Placement:
    """How operands lie on devices.

    Attributes:
      kind: ``"alone"`` (one device, or inside `shard_map`), ``"explicit"``, ``"automatic"``, or ``"unsupported"``.
      reason: Why it is unsupported.
    """

    kind: Literal["alone", "explicit", "automatic", "unsupported"]
    reason: str = ""

    def why_not(self, operands: Sequence[Any], rows: Sequence[int], *, unasked: bool) -> str | None:
        """The reason why a kernel cannot run, or should not unless it is asked for.

        Args:
          operands: Abstract operands; the first says how the others lie.
          rows: The axes, counted from the right, that the kernel needs whole on a device.
          unasked: Whether nobody asked for a kernel.
        """
        if self.kind == "unsupported":
            return self.reason
        if not rows:
            return None
        if self.kind == "explicit":
            spec = _entries(operands[0].sharding.spec, operands[0].ndim)
            split = [spec[a] for a in rows if spec[a] is not None]
            return f"rows are split over the mesh axes {split}, which a kernel would gather" if split else None
        if self.kind == "automatic" and unasked:
            return "an automatic mesh does not tell whether rows are split, which a kernel would gather"
        return None


ALONE = Placement("alone")


def placement(operands: Sequence[Any], devices: int | None = None, *, exported: bool = False) -> Placement:
    """How abstract operands lie.

    Args:
      operands: Abstract operands.
      devices: How many devices the program is for, where that is known.
      exported: Whether the program is lowered for `jax.export`.
    """
    mesh = mesh_of(operands)
    kinds = set() if mesh is None else {t for t, n in zip(mesh.axis_types, mesh.axis_sizes) if n > 1}
    if devices == 1 or kinds == {AxisType.Manual} or (not kinds and devices is None):
        return ALONE
    if not kinds:
        return Placement("unsupported", "the mesh of a program for several devices is not known")
    if kinds == {AxisType.Explicit}:
        return Placement("explicit")
    if kinds != {AxisType.Auto}:
        return Placement("unsupported", "kernels need a mesh that is wholly manual, explicit or automatic")
    if exported:
        return Placement("unsupported", "jax.export takes no kernel partitioned over an automatic mesh")
    return Placement("automatic")


def spread(run: Run, operands: Sequence[Any], results: Sequence[Any], rows: Sequence[int], kind: str) -> Run:
    """The kernel for operands that lie on several devices as `kind` says.

    Args:
      run: The kernel, of any shape.
      operands: Abstract operands.
      results: Abstract results.
      rows: The axes that the kernel needs whole on a device.
      kind: That of the `Placement`.
    """
    if kind == "explicit":
        return _mapped(run, operands, results)
    if kind == "automatic":
        return _partitioned(run, operands, results, rows)
    return _locally(run, results)


def mesh_of(operands: Sequence[Any]) -> AbstractMesh | None:
    """The mesh that abstract operands lie on, or None."""
    meshes = (a.sharding.mesh for a in operands)
    return next((m for m in meshes if not m.empty), None)


def apart(operands: Sequence[Any]) -> Any:
    """A context in which a kernel is traced and lowered: no mesh around it, but the kind of GPU if it is known."""
    mesh = mesh_of(operands)
    device = {} if mesh is None else {"abstract_device": mesh.abstract_device}
    return jax.sharding.use_abstract_mesh(AbstractMesh((), (), **device))


# -- from the sharding of operand 0 to all others -------------------------------------------------------------


def _entries(spec: Any, rank: int) -> tuple[Entry, ...]:
    return (*spec, *(None,) * (rank - len(spec)))


def _names(entry: Entry) -> tuple[str, ...]:
    return () if entry is None else entry if isinstance(entry, tuple) else (entry,)


def _along(entries: Sequence[Entry], whole: Sequence[int], shape: Sequence[int]) -> P:
    """The spec of an array that broadcasts against shape `whole`: split alike, except axes of one entry."""
    skipped = len(whole) - len(shape)
    return P(*(e if n == m else None for e, n, m in zip(entries[skipped:], shape, whole[skipped:])))


def _summed(entries: Sequence[Entry], spec: P) -> tuple[str, ...]:
    """The mesh axes that split operand 0 but not the array of `spec`."""
    kept = {name for entry in spec for name in _names(entry)}
    return tuple(name for entry in entries for name in _names(entry) if name not in kept)


def _locally(run: Run, results: Sequence[Any], entries: Sequence[Entry] = (), specs: Sequence[P] = ()) -> Run:
    """The kernel on a shard, and what it summed, summed over the devices and only then rounded."""
    over = [_summed(entries, spec) for spec in specs] or [()] * len(results)

    def local(*operands: jax.Array) -> tuple[jax.Array, ...]:
        outputs = run(*operands)
        totals = (jax.lax.psum(v, names) if names else v for v, names in zip(outputs, over))
        return tuple(v.astype(a.dtype) for v, a in zip(totals, results, strict=True))

    return local


# -- explicit mesh --------------------------------------------------------------------------------------------


def _mapped(run: Run, operands: Sequence[Any], results: Sequence[Any]) -> Run:
    # custom_partitioning would abort the process here on a psum
    x = operands[0]
    entries = _entries(x.sharding.spec, x.ndim)
    ins, outs = (tuple(_along(entries, x.shape, a.shape) for a in avals) for avals in (operands, results))
    mapped = jax.shard_map(
        _locally(run, results, entries, outs), mesh=x.sharding.mesh, in_specs=ins, out_specs=outs, check_vma=False
    )

    def call(*values: jax.Array) -> tuple[jax.Array, ...]:
        outputs = mapped(*(jax.sharding.reshard(v, spec) for v, spec in zip(values, ins)))
        return tuple(jax.sharding.reshard(v, a.sharding) for v, a in zip(outputs, results))

    return call


# -- automatic mesh -------------------------------------------------------------------------------------------


def _partitioned(run: Run, operands: Sequence[Any], results: Sequence[Any], rows: Sequence[int]) -> Run:
    whole = operands[0].shape
    rank = len(whole)

    def partition(mesh: Any, arguments: Any, outputs: Any) -> Any:
        entries = list(_widest([a.sharding for a in arguments if a.shape == whole], rank))
        for axis, n in enumerate(whole):
            if axis - rank in rows or n % math.prod(mesh.shape[name] for name in _names(entries[axis])):
                entries[axis] = None  # an uneven split would be padded, and the padding summed
        ins, outs = (tuple(_along(entries, whole, a.shape) for a in avals) for avals in (operands, results))
        local = _locally(run, results, entries, outs)

        def lower(*values: jax.Array) -> tuple[jax.Array, ...]:
            with apart(operands):
                return local(*values)

        on_mesh = [tuple(NamedSharding(mesh, spec) for spec in specs) for specs in (outs, ins)]
        return mesh, lower, *on_mesh

    call = custom_partitioning(_locally(run, results))
    call.def_partition(
        partition=partition,
        infer_sharding_from_operands=None,
        sharding_rule=_sharding_rule(whole, operands, results),
        need_replication_factors=tuple(f"d{rank + a}" for a in rows),
    )
    return call


def _widest(shardings: Sequence[Any], rank: int) -> tuple[Entry, ...]:
    """The spec that splits most; the first of them."""
    specs = [_entries(s.spec, rank) for s in shardings]
    return max(specs, key=lambda entries: sum(len(_names(e)) for e in entries))


def _sharding_rule(whole: Sequence[int], operands: Sequence[Any], results: Sequence[Any]) -> str:
    """Shardy's rule: one factor an axis of operand 0, shared by all arrays that have it."""
    single = iter(range(sum(a.ndim for a in (*operands, *results))))

    def factors(aval: Any) -> str:
        skipped = len(whole) - aval.ndim
        axes = enumerate(zip(aval.shape, whole[skipped:]), start=skipped)
        return " ".join(f"d{i}" if n == m else f"one{next(single)}" for i, (n, m) in axes)

    ins, outs = (", ".join(map(factors, avals)) for avals in (operands, results))
    return f"{ins} -> {outs}"
