"""The quantisation of an activation's result, and the two as one operation, for which there is a kernel."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp

from jaxact._src.elementary import Elementary, profile
from jaxact._src.operation import DifferentiableOperation, Operation

if TYPE_CHECKING:
    from jaxact._src.select import Implementation

Array = jax.Array
Dtype = Literal["int8", "float8_e4m3fn", "float8_e5m2"]


def quantised(
    h: Array, dtype: Dtype, block: int | None, result: Callable[[Array, Array], Array] = lambda _, rounded: rounded
) -> tuple[Array, Array]:
    """(q, scale) of h in float32 or float64; `result` is handed the numbers before and after they are rounded."""
    if h.size == 0:
        return jnp.zeros(h.shape, dtype), jnp.ones((*h.shape[:-1], h.shape[-1] // (block or 1)), h.dtype)
    blocks = h.reshape(*h.shape[:-1], -1, block or h.shape[-1])
    scale = _scale(jnp.max(jnp.abs(jax.lax.stop_gradient(blocks)), axis=-1, keepdims=True), dtype)
    exact = blocks * (1.0 / scale)
    return result(exact, _rounded(exact, dtype)).reshape(h.shape), scale[..., 0]


def _scale(largest: Array, dtype: Dtype) -> Array:
    limit = 127.0 if dtype == "int8" else float(jnp.finfo(dtype).max)
    scale = largest * (1.0 / limit)
    return jnp.where(scale < float(jnp.finfo(scale.dtype).tiny), 1.0, scale)


def _rounded(exact: Array, dtype: Dtype) -> Array:
    if dtype == "int8":  # the cast of a NaN to an integer would be anything
        exact = jnp.where(jnp.isnan(exact), 0.0, jnp.round(exact))
    return exact.astype(dtype)


@dataclasses.dataclass(frozen=True, repr=False)
class QuantisedOperation(Operation):
    """An activation of one array and the quantisation of its result along the last axis.

    Attributes:
      activation: The activation.
      dtype: Of q.
      block: How many columns share a scale; None for all of a row.
      request: The implementation asked for.
    """

    activation: DifferentiableOperation
    dtype: Dtype
    block: int | None
    request: "Implementation | None"

    saves_output = False
    family = "act_quant"

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"act_quant {self.activation.name}"

    def __repr__(self) -> str:
        asked = f" {self.request}" if self.request else ""
        return f"<{self.dtype} block={self.block}{asked} of {self.activation!r}>"

    def row_length(self, x: Any) -> int:
        length = self.activation.aval(x).shape[-1]
        return length if isinstance(length, int) else 0

    def avals(self, x: Any) -> list[Any]:
        """The abstract (q, scale)."""
        y = self.activation.aval(x)
        scales = (*y.shape[:-1], y.shape[-1] // self.block if self.block else 1)
        wide = profile(None, x.dtype).dtype
        return [y.update(dtype=jnp.dtype(self.dtype)), y.update(shape=scales, dtype=jnp.dtype(wide))]

    def check_differentiable(self) -> None:
        raise TypeError(
            "act_quant has no gradient, its result is rounded; pass straight_through=True for that of the "
            "activation"
        )

    def evaluate(self, el: Elementary, *operands: Array) -> tuple[Array, Array]:
        accurate = dataclasses.replace(el, lite=False)  # the result is not rounded to 16 bit in between
        return quantised(self.activation.evaluate(accurate, operands[0].astype(el.dtype)), self.dtype, self.block)
