"""jaxact's own bodies, as kernels are handed them: value and linear map of every elementwise activation."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from cases import CASES, Case

from jaxact._src import elementary
from jaxact._src.operation import ElementwiseOperation


@dataclasses.dataclass(frozen=True)
class Body:
    """One body: its operands are x, for a linear map the tangent, and the parameters that are arrays.

    Attributes:
      wrt: The operand with the tangent, None for the value.
    """

    case: Case
    arrays: tuple[str, ...]
    wrt: int | None

    @property
    def name(self) -> str:
        what = "value" if self.wrt is None else "derivative " + ("x", *self.arrays)[self.wrt]
        return f"{self.case} {what}" + (" of arrays" if self.arrays else "")

    @property
    def operands(self) -> int:
        return 1 + (self.wrt is not None) + len(self.arrays)

    def operations(self, dtype: Any) -> str:
        """The body of a dtype as a kernel computes it, in float32."""
        block = jax.ShapeDtypeStruct((128,), "float32")
        return str(jax.make_jaxpr(self.of(dtype))(*[block] * self.operands))

    def of(self, dtype: Any) -> Callable[..., jax.Array]:
        el = elementary.profile("cuda", jax.numpy.dtype(dtype))
        static = self.case.definition.bind((), dict(self.case.params))
        numbers = tuple((n, v) for n, v in static.items() if n not in self.arrays)
        operation = ElementwiseOperation(self.case.definition, static=numbers, arrays=self.arrays)
        if self.wrt is None:
            return lambda *operands: operation.evaluate(el, *operands)

        def linear(x: jax.Array, tangent: jax.Array, *arrays: jax.Array) -> jax.Array:
            tangents = [tangent if i == self.wrt else None for i in range(1 + len(arrays))]
            return operation.linear(el, (x, *arrays), tangents)

        return linear


def _bodies(case: Case) -> list[Body]:
    found = [Body(case, (), None), Body(case, (), 0)]
    names = case.differentiable
    if names:
        found += [Body(case, names, wrt) for wrt in (None, *range(1 + len(names)))]
    return found


EVERY = [body for case in CASES for body in _bodies(case)]
# At the defaults, with parameters that are numbers.
ALL = [b for b in EVERY if not b.arrays and b.case.params not in b.case.definition.facts.settings]
