"""The operations that `gpu_static` compiles, and the neighbours that it puts beside them."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params

import jaxact
from jaxact._src import engine, kernels
from jaxact._src.rowwise import RowwiseOperation
from pallas_kernels import row_plan

Array = jax.Array
Function = Callable[..., tuple[Array, ...]]
AFTER_GEMM, BESIDE_ADD, BESIDE_NORM = "after a GEMM with bias", "beside a residual add", "beside a norm"
CONTEXTS = (AFTER_GEMM, BESIDE_ADD, BESIDE_NORM)
INNER = 1024  # of the GEMM


@dataclasses.dataclass(frozen=True)
class Case:
    """One operation: the first of its direction in a function of jaxact.

    Attributes:
      function: Of the arrays of these shapes.
      direction: ``"value"`` or ``"backward"``.
      alpha: Of entmax, whose reference is a loop.
      contexts: Those among whose neighbours it is compiled too.
    """

    name: str
    function: Callable[..., Any]
    operands: tuple[jax.ShapeDtypeStruct, ...]
    direction: str = "value"
    alpha: float | None = None
    contexts: Sequence[str] = CONTEXTS

    def operation(self) -> tuple[Any, Any, Any, Any]:
        """Operation, direction, mask and operands, as the engine's primitives have them."""

        def program(*operands: Array) -> Any:
            if self.direction == "value":
                return self.function(*operands)
            y, pull = jax.vjp(self.function, *operands)
            return pull(jnp.ones_like(y))

        traced = jax.make_jaxpr(program)(*self.operands)
        return next(o for o in engine.activations_in(traced.jaxpr) if o[1] == self.direction)

    @property
    def steps(self) -> int:
        """What the loop of the reference takes for rows of normal numbers."""
        return 1 if self.alpha is None else newton_steps(self.alpha, self.operands[0].shape[-1])

    def read_again(self, operation: Any) -> int:
        """The bytes that the kernel reads more than once, because the row does not stay in registers."""
        op, direction, _, operands = operation
        if not isinstance(op, RowwiseOperation):
            return 0
        found = kernels._row_call(op, direction)
        assert not isinstance(found, str), found
        n, itemsize = op.row_length(operands[0]), operands[0].dtype.itemsize
        plan = row_plan.plan(found[0], n, itemsize)
        if not plan.tiles:
            return 0
        kernel = kernels.find(*operation)
        assert not isinstance(kernel, str), kernel
        read = sum(_reads(jax.make_jaxpr(kernel.run)(*operands).jaxpr, plan.warpgroups, self.steps))
        return read * operands[0].shape[0] - sum(a.size * a.dtype.itemsize for a in operands)


def _reads(jaxpr: Any, times: int, steps: int) -> Iterator[int]:
    """The bytes of each load from global memory of a kernel over rows, whose solver takes so many steps."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "load":
            (value,) = equation.outvars
            yield times * value.aval.size * value.aval.dtype.itemsize
        loops = {"scan": equation.params.get("length", 1), "while": steps}
        for inner in jaxprs_in_params(equation.params):
            yield from _reads(inner, times * loops.get(equation.primitive.name, 1), steps)


@functools.cache
def newton_steps(alpha: float, n: int, rows: int = 16) -> int:
    """The steps until the threshold of every row stays where it is, in float32."""
    x = np.random.default_rng(0).normal(size=(rows, n)).astype(np.float32)
    z = np.float32(alpha - 1.0) * (x - x.max(axis=1, keepdims=True))
    q = np.float32(1.0 / (alpha - 1.0))
    t, steps = np.full((rows, 1), -1.0, np.float32), 0
    while True:
        u = np.maximum(z - t, np.float32(0.0))
        slope = np.where(u > 0, u ** (q - np.float32(1.0)), np.float32(0.0))
        total = (slope * u).sum(axis=1, keepdims=True)
        after = t + (total - total ** np.float32(2.0 - alpha)) / slope.sum(axis=1, keepdims=True)
        steps += 1
        if (after <= t).all():
            return steps
        t = np.maximum(after, t)


# -- neighbours -------------------------------------------------------------------------------------------------


def _norm(x: Array) -> Array:
    wide = x.astype(jnp.float32)
    return (wide * jax.lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + 1e-6)).astype(x.dtype)


def _norm_backward(x: Array, ct: Array) -> Array:
    return jax.vjp(_norm, x)[1](ct)[0]


Program = tuple[Callable[..., Any], list[Any], list[Any]]


def contexts(
    context: str, run: Function, direction: str, operands: Sequence[Any], *, saves_output: bool
) -> Program:
    """A program around the function, its arguments, and the other matrices of its GEMMs, whose bytes do not count.

    Forward the residual is added to the value and the norm is of the value; where the value is quantised both come
    before it, and the sum is a result too, the next residual. Backward the neighbours are those of the gradient:
    that of the bias and the GEMM after it, the sum of two cotangents before it, the gradient of the norm before
    it. What the norm normalises is y, which a backward that `saves_output` has for its first operand: both read
    the one array.
    """
    if context == AFTER_GEMM:
        return _after_gemm(run, direction, operands)
    x = operands[0]
    shape = operands[-1] if direction == "backward" else jax.eval_shape(run, *operands)[0]
    other = jax.ShapeDtypeStruct(shape.shape, x.dtype)
    if shape.dtype != x.dtype:
        beside_add = lambda r, v: (v + r, *run(v + r)), [x, x]
        beside_norm = lambda v: run(_norm(v)), [x]
    elif direction == "value":
        beside_add = lambda r, *v: r + run(*v)[0], [other, *operands]
        beside_norm = lambda *v: _norm(run(*v)[0]), list(operands)
    else:
        beside_add = lambda r, *v: run(*v[:-1], v[-1] + r), [other, *operands]
        beside_norm = lambda y, *v: run(*v[:-1], _norm_backward(y, v[-1])), [other, *operands]
        if saves_output:
            beside_norm = lambda y, *v: run(y, *v[:-1], _norm_backward(y, v[-1])), list(operands)
    return (*(beside_add if context == BESIDE_ADD else beside_norm), [])


def _after_gemm(run: Function, direction: str, operands: Sequence[Any]) -> Program:
    x, rest = operands[0], list(operands[1:])
    rows, n = x.shape
    left, right, bias = (jax.ShapeDtypeStruct(s, x.dtype) for s in ((rows, INNER), (INNER, n), (n,)))
    if direction == "value":
        return lambda a, w, b, *r: run(a @ w + b, *r), [left, right, bias, *rest], [left, right]

    def backward(a: Array, w: Array, *r: Array) -> Any:
        (dh, *more) = run(*r)
        return a.T @ dh, dh @ w.T, jnp.sum(dh, axis=0), more

    return backward, [left, right, *operands], [left, right] * 2


# -- cases ------------------------------------------------------------------------------------------------------


def _array(*shape: int, dtype: Any = "bfloat16") -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def _both(name: str, function: Callable[..., Any], *operands: Any, **more: Any) -> list[Case]:
    return [Case(f"{name} {d}", function, operands, d, **more) for d in ("value", "backward")]


def _elementwise() -> Iterator[Case]:
    x = _array(4096, 4096)
    for name in ("relu", "silu", "gelu", "mish", "softplus", "snake"):
        function = getattr(jaxact, name)
        if name == "gelu":
            function = functools.partial(function, approximate=False)
        yield from _both(name, function, x, contexts=CONTEXTS if name == "gelu" else ())
    yield from _both(
        "gelu float32",
        functools.partial(jaxact.gelu, approximate=False),
        _array(4096, 4096, dtype="float32"),
        contexts=(),
    )
    yield from _both("prelu, a slope a channel", jaxact.prelu, x, _array(4096), contexts=())
    for name in ("swiglu", "geglu"):
        shown = CONTEXTS if name == "geglu" else ()
        yield from _both(f"{name}, packed", getattr(jaxact, name), _array(4096, 8192), contexts=shown)


def _rows() -> Iterator[Case]:
    for name in ("softmax", "log_softmax"):
        function = getattr(jaxact, name)
        for rows, n in ((4096, 4096), (2048, 16384), (1024, 32768), (1024, 49152), (256, 131072)):
            yield from _both(f"{name}, rows of {n}", function, _array(rows, n))
    x = _array(1024, 36864, dtype="float32")
    for name in ("softmax", "log_softmax"):
        yield from _both(f"{name} float32, rows of 36864", getattr(jaxact, name), x)
    for rows, n in ((4096, 4096), (4096, 8192), (1024, 32768)):
        masked = lambda x, m: jaxact.softmax(x, where=m)  # noqa: E731
        yield Case(
            f"softmax masked, rows of {n} value",
            masked,
            (_array(rows, n), _array(rows, n, dtype="bool")),
        )
    for name, alpha in (("sparsemax", 2.0), ("entmax15", 1.5), ("entmax", 1.3)):
        function = functools.partial(jaxact.entmax, alpha=alpha) if name == "entmax" else getattr(jaxact, name)
        for rows, n in ((2**17, 64), (2**16, 128), (4096, 4096), (1024, 32768), (256, 131072)):
            yield from _both(f"{name}, rows of {n}", function, _array(rows, n), alpha=alpha)
        for rows, n in ((2**16, 128), (512, 24576), (512, 32768)):
            x = _array(rows, n, dtype="float32")
            yield from _both(f"{name} float32, rows of {n}", function, x, alpha=alpha)


def _quantised() -> Iterator[Case]:
    for activation, dtype in (("silu", "int8"), ("silu", "float8_e4m3fn"), ("swiglu", "float8_e4m3fn")):
        for block in (None, 128):
            function = functools.partial(jaxact.act_quant, activation=activation, dtype=dtype, block=block)
            x = _array(4096, 8192 if activation == "swiglu" else 4096)
            scales = "a scale a row" if block is None else "a scale for 128"
            yield Case(f"{activation} to {dtype}, {scales} value", function, (x,))
    short = functools.partial(jaxact.act_quant, activation="silu", dtype="int8")
    yield Case("silu to int8, rows of 64 value", short, (_array(2**17, 64),))


CASES = [*_elementwise(), *_rows(), *_quantised()]
QUICK = "softmax, rows of 32768 backward"
