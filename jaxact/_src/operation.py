"""What the engine's primitives carry: a definition at fixed static parameters, and the order of derivative."""

import abc
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp

from jaxact._src import bits, elementary
from jaxact._src.definition import ElementwiseDefinition, X
from jaxact._src.elementary import Elementary

if TYPE_CHECKING:
    from jaxact._src.select import Implementation

Array = jax.Array
Residual = Literal["input", "output", "mask"]


class Operation(abc.ABC):
    """What selection and lowering know of an activation: hashable, and the same for every operand."""

    name: str
    request: "Implementation | None"
    wrt: tuple[int, ...] = ()

    @property
    @abc.abstractmethod
    def family(self) -> str:
        """What the rule of selection knows it by."""

    @abc.abstractmethod
    def row_length(self, x: Any) -> int:
        """The elements of a row of its result, given operand x; 0 where it is elementwise."""

    @property
    @abc.abstractmethod
    def saves_output(self) -> bool:
        """Whether the linear map is a function of y rather than of the operands."""

    @abc.abstractmethod
    def check_differentiable(self) -> None:
        """Raise where differentiating makes no sense, as when x was overwritten."""

    @abc.abstractmethod
    def evaluate(self, el: Elementary, *operands: Array) -> Any:
        """The value."""


class DifferentiableOperation(Operation):
    """The engine's view of an activation: the value and its linear map."""

    def aval(self, x: Any) -> Any:
        """The abstract value, from that of operand 0."""
        return x

    @property
    @abc.abstractmethod
    def is_product(self) -> bool:
        """Whether the linear map is a product with elementwise derivatives, which `differentiate` gives."""

    @abc.abstractmethod
    def residuals(
        self, y: Array, operands: Sequence[Array], mask: Sequence[bool]
    ) -> tuple[tuple[Array, ...], tuple[bool, ...]]:
        """What the linear map keeps, and which of it stands for operands with a tangent."""

    def two_slopes(self, x: Array) -> tuple[Array, tuple[float, float]] | None:
        """Where the slope in x is the second of two, and both, if the linear map is to keep no more than that."""
        return None

    @property
    @abc.abstractmethod
    def added(self) -> int | None:
        """The operand that is added to the result of the others, so that its tangent passes through, if any."""

    @abc.abstractmethod
    def without_added(self) -> "DifferentiableOperation":
        """The operation without that operand: nothing of it is kept."""

    @abc.abstractmethod
    def evaluate(self, el: Elementary, *operands: Array) -> Array:
        """The value, in the dtype of the first operand."""

    @abc.abstractmethod
    def linear(self, el: Elementary, residuals: Sequence[Array], tangents: Sequence[Array | None]) -> Array:
        """The linear map applied to the tangents of the operands (None: a zero tangent)."""

    @abc.abstractmethod
    def transpose(
        self, el: Elementary, residuals: Sequence[Array], cotangent: Array, mask: Sequence[bool]
    ) -> tuple[Array, ...]:
        """The cotangents of the operands in `mask`."""

    @abc.abstractmethod
    def differentiate(self, operand: int, *, of_input: bool = False) -> "DifferentiableOperation":
        """The derivative in one operand, itself an operation (of x even where y is saved, if `of_input`)."""


def unbroadcast(cotangent: Array, operand: Array) -> Array:
    """A cotangent of the shape of y, summed to the shape of the operand that was broadcast."""
    extra = tuple(range(cotangent.ndim - operand.ndim))
    kept = tuple(
        i + len(extra) for i, n in enumerate(operand.shape) if n == 1 and cotangent.shape[i + len(extra)] != 1
    )
    if not extra and not kept:
        return cotangent
    return jnp.sum(cotangent, axis=extra + kept).reshape(operand.shape)


@dataclasses.dataclass(frozen=True)
class ElementwiseOperation(DifferentiableOperation):
    """An elementwise definition: operands are x (or y, where that is the residual) and the array parameters.

    Attributes:
      definition: The record.
      static: The parameters that are numbers, flags or None, as items.
      arrays: The names of the parameters that are operands, in order.
      wrt: The operands (by index) that it has been differentiated in, so () is the value.
      of_output: Whether operand 0 is y rather than x.
      residual: What the linear map saves.
      request: The implementation asked for.
      inplace: Whether x may be overwritten by y.
    """

    definition: ElementwiseDefinition
    static: tuple[tuple[str, Any], ...] = ()
    arrays: tuple[str, ...] = ()
    wrt: tuple[int, ...] = ()
    of_output: bool = False
    residual: Residual = "input"
    request: "Implementation | None" = None
    inplace: bool = False

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.definition.name

    def __repr__(self) -> str:  # what a jaxpr shows
        parts = [self.name, *(f"{n}={v:g}" if isinstance(v, float) else f"{n}={v}" for n, v in self.static)]
        parts += [*self.arrays, *(["wrt=" + ",".join(map(str, self.wrt))] if self.wrt else [])]
        parts += [f"residual={self.residual}"] + ([self.request] if self.request else [])
        return f"<{' '.join(parts)}>"

    @property
    def family(self) -> str:
        return self.definition.family

    def row_length(self, x: Any) -> int:
        return 0

    @property
    def saves_output(self) -> bool:
        return self.residual == "output" and not self.wrt

    @property
    def is_product(self) -> bool:
        return True

    def residuals(
        self, y: Array, operands: Sequence[Array], mask: Sequence[bool]
    ) -> tuple[tuple[Array, ...], tuple[bool, ...]]:
        return ((y,) if self.saves_output else tuple(operands)), tuple(mask)

    def check_differentiable(self) -> None:
        if self.inplace and not self.saves_output:
            raise ValueError(
                f"{self.name} with inplace=True cannot be differentiated: its derivative needs x, which the "
                "output overwrites; drop inplace=True"
                + (", or pass residual='output'" if self.definition.has_output_derivative else "")
            )

    @property
    def added(self) -> int | None:
        name = self.definition.added
        return None if self.wrt or name not in self.arrays else 1 + self.arrays.index(name)

    def without_added(self) -> "ElementwiseOperation":
        return dataclasses.replace(self, arrays=tuple(n for n in self.arrays if n != self.definition.added))

    def evaluate(self, el: Elementary, *operands: Array) -> Array:
        return self._at(el, operands).astype(operands[0].dtype)

    def linear(self, el: Elementary, residuals: Sequence[Array], tangents: Sequence[Array | None]) -> Array:
        terms = [self.term(el, residuals, i, t) for i, t in enumerate(tangents) if t is not None]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total.astype(residuals[0].dtype)

    def transpose(
        self, el: Elementary, residuals: Sequence[Array], cotangent: Array, mask: Sequence[bool]
    ) -> tuple[Array, ...]:
        return tuple(
            unbroadcast(self.term(el, residuals, i, cotangent), residuals[i]).astype(residuals[i].dtype)
            for i, m in enumerate(mask)
            if m
        )

    def term(self, el: Elementary, residuals: Sequence[Array], operand: int, cotangent: Array) -> Array:
        """A tangent or cotangent times the derivative in its operand, before anything is summed or rounded."""
        x = residuals[0]
        alike = jax.typeof(x).sharding == jax.typeof(cotangent).sharding  # which a product can do without
        if self._is_step and alike and not el.native:
            steep = self.differentiate(operand)._unguarded(el, residuals) != 0.0
            return bits.select(jnp.isnan(x), x, bits.select(steep, cotangent, jnp.zeros_like(cotangent)))
        return self._slope(el, residuals, operand) * cotangent.astype(el.dtype)

    @property
    def _is_step(self) -> bool:
        """Whether the derivative is nowhere other than 0 or 1."""
        return not (self.arrays or self.wrt) and self.definition.slopes(dict(self.static)) == (0.0, 1.0)

    def differentiate(self, operand: int, *, of_input: bool = False) -> "ElementwiseOperation":
        of_output = self.of_output or (self.saves_output and not of_input)
        return dataclasses.replace(self, wrt=tuple(sorted((*self.wrt, operand))), of_output=of_output)

    def two_slopes(self, x: Array) -> tuple[Array, tuple[float, float]] | None:
        slopes = self.definition.slopes(dict(self.static)) if self.residual == "mask" and not self.wrt else None
        if slopes is None:
            return None
        return self._slope(elementary.profile(None, x.dtype), (x,), 0) != slopes[0], slopes  # NaN is steep

    def _slope(self, el: Elementary, residuals: Sequence[Array], operand: int) -> Array:
        """The derivative in one operand at the residuals, in the profile's dtype."""
        return self.differentiate(operand)._at(el, residuals)

    @property
    def _selects(self) -> bool:
        """Whether the value needs no wider dtype: as ``max(x, 0)`` itself XLA makes it part of a GEMM."""
        return self.definition.facts.selects and not (self.arrays or self.wrt or any(v for _, v in self.static))

    def _at(self, el: Elementary, operands: Sequence[Array]) -> Array:
        """The value, or the derivative that this operation is, in the dtype that it is computed in."""
        value = self._unguarded(el, operands)
        return self._guarded(el, value, operands[0].astype(value.dtype))

    def _unguarded(self, el: Elementary, operands: Sequence[Array]) -> Array:
        dtype = operands[0].dtype if self._selects else el.dtype
        x, *arrays = (v.astype(dtype) for v in operands)
        if self.wrt and self.definition.facts.slopes is None:
            x = el.shared(x)  # in one jit the value and its derivative share nothing: it would cost a pass to keep
        parameters = {**dict(self.static), **dict(zip(self.arrays, arrays))}
        if self.of_output:
            value = self.definition.output_body(len(self.wrt))(el, x, **parameters)
        else:
            names = (X, *self.arrays)
            value = self.definition.body([names[i] for i in self.wrt])(el, x, **parameters)
        return jnp.broadcast_arrays(value, x)[0]  # split over devices as x is, which broadcast_to would forget

    def _guarded(self, el: Elementary, value: Array, x: Array) -> Array:
        """NaN in, NaN out for derivatives by cases; and an outermost select for XLA's CPU backend.

        Without it a polynomial exp that feeds a multiply or a reduction is cut into materialised pieces
        (sigmoid(x).sum() takes 33.9 copies, with it 2.3).
        """
        by_cases = not self.definition.uses_elementary
        if (by_cases and self.wrt) or (not by_cases and not el.native):
            return jnp.where(jnp.isnan(x), x, value)
        return value
