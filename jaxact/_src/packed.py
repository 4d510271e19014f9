"""A gated activation of one array that holds both halves on its last axis, as one operation.

The pair of halves would do, but for kernels: one that reads the packed array and writes its gradient packed moves
every byte once. What it means is said by the operation on the pair, second order included.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from jaxact._src.elementary import Elementary
from jaxact._src.operation import DifferentiableOperation, ElementwiseOperation

if TYPE_CHECKING:
    from jaxact._src.select import Implementation

Array = jax.Array
Layout = Literal["concat", "interleaved"]


def halves(x: Array, layout: Layout, axis: int = -1) -> tuple[Array, Array]:
    """The first and the second half of x along an axis of even size."""
    axis %= x.ndim
    size = x.shape[axis] // 2
    if layout == "concat":  # split's transpose writes both halves of the gradient into one array
        first, second = lax.split(x, (size, size), axis)
        return first, second
    paired = x.reshape(*x.shape[:axis], size, 2, *x.shape[axis + 1 :])
    even, odd = lax.split(paired, (1, 1), axis + 1)
    return even.squeeze(axis + 1), odd.squeeze(axis + 1)


def is_split(x: Array) -> bool:
    """Whether the type of x says that its last axis is split over devices, so that its halves are apart."""
    spec = jax.typeof(x).sharding.spec
    return len(spec) == x.ndim and spec[-1] is not None


@dataclasses.dataclass(frozen=True, repr=False)
class PackedOperation(DifferentiableOperation):
    """An operation of two operands on the halves of one.

    Attributes:
      pair: The operation on (gate, up).
      layout: How the halves lie along the last axis.
      gate_first: Whether the first of them is the gate.
    """

    pair: ElementwiseOperation
    layout: Layout
    gate_first: bool

    wrt = ()  # it is the value; second order is that of the pair
    added = None
    saves_output = False
    is_product = False

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.pair.name

    @property
    def request(self) -> "Implementation | None":  # type: ignore[override]
        return self.pair.request

    @property
    def family(self) -> str:
        return self.pair.definition.packed_family

    def __repr__(self) -> str:
        return f"<{self.layout} {'gate first' if self.gate_first else 'gate second'} {self.pair!r}>"

    def row_length(self, x: Any) -> int:
        return 0

    def aval(self, x: Any) -> Any:
        return x.update(shape=(*x.shape[:-1], x.shape[-1] // 2))

    def pick(self, x: Array) -> tuple[Array, Array]:
        """Gate and up."""
        first, second = halves(x, self.layout)
        return (first, second) if self.gate_first else (second, first)

    def pack(self, gate: Array, up: Array) -> Array:
        """The inverse of `pick`."""
        first, second = (gate, up) if self.gate_first else (up, gate)
        if self.layout == "concat":
            return lax.concatenate((first, second), first.ndim - 1)
        return jnp.stack((first, second), axis=-1).reshape(*first.shape[:-1], 2 * first.shape[-1])

    def residuals(
        self, y: Array, operands: Sequence[Array], mask: Sequence[bool]
    ) -> tuple[tuple[Array, ...], tuple[bool, ...]]:
        return tuple(operands), tuple(mask)

    def check_differentiable(self) -> None:
        """It always is."""

    def without_added(self) -> DifferentiableOperation:
        return self

    def evaluate(self, el: Elementary, *operands: Array) -> Array:
        return self.pair.evaluate(el, *self.pick(operands[0]))

    def linear(self, el: Elementary, residuals: Sequence[Array], tangents: Sequence[Array | None]) -> Array:
        (tangent,) = tangents
        assert tangent is not None
        return self.pair.linear(el, self.pick(residuals[0]), self.pick(tangent))

    def transpose(
        self, el: Elementary, residuals: Sequence[Array], cotangent: Array, mask: Sequence[bool]
    ) -> tuple[Array, ...]:
        return (self.pack(*self.pair.transpose(el, self.pick(residuals[0]), cotangent, (True, True))),)

    def differentiate(self, operand: int, *, of_input: bool = False) -> DifferentiableOperation:
        raise NotImplementedError(f"{self.name} of a packed array is differentiated as that of its halves")
