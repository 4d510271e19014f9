"""Compile jaxact's programs for eight H200s that this machine need not have, and count what they do.

python -m kernels.sharded       prints, as JSON, the kernels and the collectives of each program
"""

import contextlib
import json
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import topologies
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from support import collectives

import jaxact
from kernels.deviceless import TARGETS

AUTO, EXPLICIT = AxisType.Auto, AxisType.Explicit
GPU = "h200"


def both(function: Any) -> Any:
    """The value and the gradients."""

    def run(ct: Any, *operands: Any) -> Any:
        y, pull = jax.vjp(function, *operands)
        return y, pull(ct)

    return run


def gelu(x: Any) -> Any:
    return jaxact.gelu(x, implementation="pallas")


def prelu(x: Any, slope: Any) -> Any:
    return jaxact.prelu(x, slope, implementation="pallas")


def softmax(x: Any) -> Any:
    return jaxact.softmax(x, implementation="prefer_pallas")


def entmax(x: Any) -> Any:
    return jaxact.entmax(x, 1.25)


def fused(x: Any, bias: Any, residual: Any) -> Any:
    return jaxact.fused(x, "gelu", bias=bias, residual=residual, implementation="pallas")


def quantised(x: Any) -> Any:
    return jaxact.act_quant(x, "swiglu", "float8_e4m3fn")


X, ROW = (256, 1024), (1024,)
LONG, HELD = (64, 32768), (64, 20480)
# name -> function, (shape, how it is split) of each operand
PROGRAMS: dict[str, tuple[Any, list[tuple[tuple[int, ...], P]]]] = {
    "gelu": (both(gelu), [(X, P("rows", "columns"))] * 2),
    "prelu": (both(prelu), [(X, P("rows", "columns"))] * 2 + [(ROW, P("columns"))]),
    "prelu of whole channels": (both(prelu), [(X, P("rows", None))] * 2 + [(ROW, P(None))]),
    "fused": (both(fused), [(X, P("rows", None))] * 2 + [(ROW, P(None)), (X, P("rows", None))]),
    "softmax": (both(softmax), [(LONG, P("rows", None))] * 2),
    "softmax of split rows, unasked": (both(jaxact.softmax), [(LONG, P("rows", "columns"))] * 2),
    "entmax of split rows, unasked": (both(entmax), [(LONG, P("rows", "columns"))] * 2),
    "entmax, unasked": (both(entmax), [(HELD, P("rows", None))] * 2),
    "act_quant, unasked": (quantised, [(X, P("rows", None))]),
}


def count(name: str, kind: AxisType) -> dict[str, int]:
    function, operands = PROGRAMS[name]
    target = (TARGETS / f"{GPU}.txtpb").read_text()
    devices = topologies.get_topology_desc(platform="cuda", target_config=target, topology="1x1x8").devices
    grid = [devices[:2], devices[2:4], devices[4:6], devices[6:]]
    mesh = jax.sharding.Mesh(grid, ("rows", "columns"), axis_types=(kind, kind))
    args = [jax.ShapeDtypeStruct(s, jnp.float32, sharding=NamedSharding(mesh, p)) for s, p in operands]
    with jax.set_mesh(mesh) if kind is EXPLICIT else contextlib.nullcontext():
        compiled = jax.jit(function).lower(*args).compile()
    return {"kernels": compiled.as_text().count('custom_call_target="mosaic_gpu_v2"'), **collectives(compiled)}


def main() -> None:
    found = {f"{name}, {kind.name}": count(name, kind) for name in PROGRAMS for kind in (AUTO, EXPLICIT)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
