"""Every kernel on the present device, each against the reference on a small case: `jaxact doctor --selfcheck`."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import jax
import jax.numpy as jnp

import jaxact
from jaxact._src import engine, kernels, proof
from jaxact._src.rule import Direction

Status = Literal["ok", "failed", "cannot run"]


@dataclasses.dataclass(frozen=True)
class Case:
    """A kernel: that of the activation inside a function, in one direction.

    Attributes:
      name: What it is called in the report.
      function: Of arrays of these shapes.
      operands: Their shapes and dtypes.
      direction: ``"value"`` or ``"backward"``.
    """

    name: str
    function: Callable[..., Any]
    operands: tuple[jax.ShapeDtypeStruct, ...]
    direction: Direction = "value"

    def kernel(self) -> tuple[Any, Any, Any, kernels.Kernel | str]:
        """Operation, direction, mask and the kernel, or why there is none."""

        def program(*operands: jax.Array) -> Any:
            if self.direction == "value":
                return self.function(*operands)
            y, pull = jax.vjp(self.function, *operands)
            return pull(y)

        traced = jax.make_jaxpr(program)(*self.operands)
        found = engine.activations_in(traced.jaxpr)
        op, direction, mask, avals = next(f for f in found if f[1] == self.direction)
        return op, direction, mask, kernels.find(op, direction, mask, avals)


@dataclasses.dataclass(frozen=True)
class Result:
    """How a kernel did: `detail` is why it cannot run, or how far it is off."""

    name: str
    status: Status
    detail: str = ""


def run() -> Iterator[Result]:
    """Check each of `CASES` on the default device."""
    here = engine.here()
    for case in CASES:
        op, direction, mask, kernel = case.kernel()
        reason = (
            kernel
            if isinstance(kernel, str)
            else kernels.why_not(kernel, here.platform, here.compute_capability) or here.obstacle
        )
        if reason or here.device is None or isinstance(kernel, str):
            yield Result(case.name, "cannot run", reason or "there is no device to run it on")
            continue
        failure = proof.check(kernel, op, direction, mask, here.device)
        yield Result(case.name, "failed", failure) if failure else Result(case.name, "ok")


# -- the cases: each kernel, and each way in which it holds its operands ------------------------------------------


def _array(*shape: int, dtype: str = "bfloat16") -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))


def _both(name: str, function: Callable[..., Any], *operands: Any) -> list[Case]:
    return [
        Case(name, function, operands),
        Case(f"{name}, backward", function, operands, "backward"),
    ]


def _elementwise() -> Iterator[Case]:
    for dtype in ("float32", "bfloat16", "float16"):
        yield from _both(f"gelu {dtype}", jaxact.gelu, _array(4, 4099, dtype=dtype))
    for dtype in ("float8_e4m3fn", "float8_e5m2"):
        yield from _both(f"silu {dtype}", jaxact.silu, _array(4, 4099, dtype=dtype))
    yield Case("relu in place", functools.partial(jaxact.relu, inplace=True), (_array(4, 4096),))
    x, row = _array(64, 640), _array(640)
    yield from _both("bias, gelu and residual", _fused, x, row, x)
    yield from _both("prelu, a slope a channel", jaxact.prelu, x, row)
    yield from _both("prelu, one slope", jaxact.prelu, x, _array())
    for layout in ("concat", "interleaved"):
        yield from _both(f"geglu {layout}", functools.partial(jaxact.geglu, layout=layout), _array(4, 4100))


def _fused(x: jax.Array, bias: jax.Array, residual: jax.Array) -> jax.Array:
    return jaxact.fused(x, "gelu", bias=bias, residual=residual)


def _rows() -> Iterator[Case]:
    # held by one warpgroup, by four, with the second operand in shared memory, and read again
    for n in (1023, 20007, 40_005, 100_001):
        for dtype in ("float32", "bfloat16"):
            for function in (jaxact.softmax, jaxact.log_softmax):
                yield from _both(f"{function.__name__} {dtype} {n}", function, _array(2, n, dtype=dtype))
        mask = _array(2, n, dtype="bool")
        yield Case(f"softmax masked {n}", lambda x, m: jaxact.softmax(x, where=m), (_array(2, n), mask))
        for dtype in ("float32", "bfloat16", "float16"):
            x = _array(2, n, dtype=dtype)
            yield from _both(f"sparsemax {dtype} {n}", jaxact.sparsemax, x)
            yield from _both(f"entmax15 {dtype} {n}", jaxact.entmax15, x)
            yield from _both(f"entmax of 1.3 {dtype} {n}", functools.partial(jaxact.entmax, alpha=1.3), x)


def _quantised() -> Iterator[Case]:
    to_int8 = functools.partial(jaxact.act_quant, activation="silu", dtype="int8")
    for given in ("float32", "float16"):
        for n in (1408, 20_007):  # of one warpgroup and of four
            yield Case(f"silu {given} to int8, rows of {n}", to_int8, (_array(4, n, dtype=given),))
    for dtype in ("int8", "float8_e4m3fn", "float8_e5m2"):
        for block in (None, 128):
            for activation, n in (("silu", 1408), ("swiglu", 2816)):
                function = functools.partial(jaxact.act_quant, activation=activation, dtype=dtype, block=block)
                scales = "a scale a row" if block is None else "a scale a block"
                yield Case(f"{activation} to {dtype}, {scales}", function, (_array(4, n),))


CASES: Final[tuple[Case, ...]] = (*_elementwise(), *_rows(), *_quantised())
