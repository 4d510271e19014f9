"""A function of whole arrays as one operation: its linear maps are those of its body, run in the backward."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxact._src import elementary, engine
from jaxact._src.elementary import Elementary
from jaxact._src.function import varying_alike
from jaxact._src.operation import DifferentiableOperation
from jaxact._src.select import Implementation, check_implementation, requested

Array = jax.Array
Body = Callable[..., Array]


@dataclasses.dataclass(frozen=True, repr=False)
class MappedOperation(DifferentiableOperation):
    """``body(x, *operands, **static)``, of the shape of x, computed in float32 or float64 and rounded once.

    Operands align with x from the right, so that a batch dimension may stand before all of them.

    Attributes:
      name: That of the activation.
      body: A function that lives as long as the module it is in.
      static: Its arguments that are numbers, as items.
      request: The implementation asked for.
    """

    name: str
    body: Body
    static: tuple[tuple[str, Any], ...] = ()
    request: Implementation | None = None

    wrt = ()
    added = None
    family = "mapped"

    def __repr__(self) -> str:
        return f"<{' '.join([self.name, *(f'{n}={v:g}' for n, v in self.static)])}>"

    @property
    def saves_output(self) -> bool:
        return False

    @property
    def is_product(self) -> bool:
        return False

    def row_length(self, x: Any) -> int:
        return 0  # no kernel's business

    def check_differentiable(self) -> None:
        """It always is."""

    def without_added(self) -> DifferentiableOperation:
        return self

    def residuals(self, y: Array, operands: Sequence[Array], mask: Sequence[bool]) -> Any:
        return tuple(operands), tuple(mask)

    def evaluate(self, el: Elementary, *operands: Array) -> Array:
        return self._wide(*(v.astype(el.dtype) for v in operands)).astype(operands[0].dtype)

    def linear(self, el: Elementary, residuals: Sequence[Array], tangents: Sequence[Array | None]) -> Array:
        mask = [t is not None for t in tangents]
        function, at = self._along(el, residuals, mask)
        moving = [t.astype(el.dtype) for t in tangents if t is not None]
        return jax.jvp(function, at, moving)[1].astype(residuals[0].dtype)

    def transpose(
        self, el: Elementary, residuals: Sequence[Array], cotangent: Array, mask: Sequence[bool]
    ) -> tuple[Array, ...]:
        function, at = self._along(el, residuals, mask)
        found = jax.vjp(function, *at)[1](cotangent.astype(el.dtype))
        return tuple(v.astype(r.dtype) for v, r in zip(found, (r for r, m in zip(residuals, mask) if m)))

    def differentiate(self, operand: int, *, of_input: bool = False) -> DifferentiableOperation:
        raise NotImplementedError(f"{self.name} has no elementwise derivatives")

    def _wide(self, *operands: Array) -> Array:
        return self.body(*operands, **dict(self.static))

    def _along(self, el: Elementary, residuals: Sequence[Array], mask: Sequence[bool]) -> tuple[Body, list[Array]]:
        """The body as a function of the operands in `mask`, and these operands."""
        wide = [r.astype(el.dtype) for r in residuals]

        def function(*moved: Array) -> Array:
            values = iter(moved)
            return self._wide(*(next(values) if m else w for w, m in zip(wide, mask)))

        return function, [w for w, m in zip(wide, mask) if m]


def run(
    name: str, body: Body, operands: Sequence[Array], implementation: Implementation | None, **static: float
) -> Array:
    """The operation on floating operands, x first; ``"inline"`` is the body itself."""
    request = requested() if implementation is None else implementation
    check_implementation(request)
    operation = MappedOperation(name, body, tuple(static.items()), request)
    return _jitted(operation)(*operands)


@functools.lru_cache(maxsize=1024)
def _jitted(operation: MappedOperation) -> Callable[..., Array]:
    def call(*operands: Array) -> Array:
        operands = varying_alike(operands)
        if operation.request == "inline":
            return operation.evaluate(elementary.profile(None, operands[0].dtype), *operands)
        return engine.activation_p.bind(*operands, op=operation)

    call.__name__ = call.__qualname__ = operation.name
    return jax.jit(call)
