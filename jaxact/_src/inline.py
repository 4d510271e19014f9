"""An operation as a plain ``jax.custom_jvp`` function: no primitives, for readers and tools that walk jaxprs."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxact._src import elementary
from jaxact._src.operation import DifferentiableOperation, ElementwiseOperation

Array = jax.Array


def function(operation: ElementwiseOperation) -> Callable[..., Array]:
    """The operation on operands of any float dtype: computed in float32 (or float64), rounded once."""

    def run(*operands: Array) -> Array:
        dtype = elementary.profile(None, operands[0].dtype).dtype
        y = _differentiable(operation)(*(v.astype(dtype) for v in operands))
        return y.astype(operands[0].dtype)

    return run


@functools.lru_cache(maxsize=1024)
def _differentiable(operation: ElementwiseOperation) -> Callable[..., Array]:
    @jax.custom_jvp
    def value(*operands: Array) -> Array:
        return operation.evaluate(elementary.profile(None, operands[0].dtype), *operands)

    def jvp(primals: Sequence[Array], tangents: Sequence[Any]) -> tuple[Array, Any]:
        operation.check_differentiable()
        y = value(*primals)
        terms = [
            _differentiable(operation.differentiate(i, of_input=True))(*primals) * t
            for i, t in enumerate(tangents)
            if not isinstance(t, SymbolicZero)
        ]
        return y, functools.reduce(jnp.add, terms) if terms else jnp.zeros_like(y)

    value.defjvp(jvp, symbolic_zeros=True)
    return value


def rowwise(operation: DifferentiableOperation) -> Callable[..., Array]:
    """A rowwise operation likewise; its rule is its linear map in terms of y."""

    def run(*operands: Array) -> Array:
        dtype = elementary.profile(None, operands[0].dtype).dtype
        wide = (v if v.dtype == bool else v.astype(dtype) for v in operands)
        return _linearised(operation)(*wide).astype(operands[0].dtype)

    return run


@functools.lru_cache(maxsize=1024)
def _linearised(operation: DifferentiableOperation) -> Callable[..., Array]:
    # The rule is written in y, whatever the engine would keep; under jit XLA keeps what it likes.
    operation = dataclasses.replace(operation, residual="output")  # type: ignore[type-var]

    @jax.custom_jvp
    def value(*operands: Array) -> Array:
        return operation.evaluate(elementary.profile(None, operands[0].dtype), *operands)

    def jvp(primals: Sequence[Array], tangents: Sequence[Any]) -> tuple[Array, Any]:
        y = value(*primals)
        mask = tuple(not isinstance(t, SymbolicZero) for t in tangents)
        residuals, kept = operation.residuals(y, primals, mask)
        if not any(kept):
            return y, jnp.zeros_like(y)
        moving = iter(t for t, m in zip(tangents, mask) if m)
        el = elementary.profile(None, y.dtype)
        return y, operation.linear(el, residuals, [next(moving) if m else None for m in kept])

    value.defjvp(jvp, symbolic_zeros=True)
    return value
