"""What is timed, as data: a function of jaxact's, the plain one beside it, and the operands of both."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp

Direction = Literal["forward", "backward", "gradient"]
SLACK = {"bfloat16": 4.0, "float16": 4.0, "float32": 64.0}  # eps of the largest result


@dataclasses.dataclass(frozen=True)
class Operand:
    """An array of normal numbers, or a mask: a bool array that is mostly True."""

    shape: tuple[int, ...]
    dtype: str
    scale: float = 1.0
    mask: bool = False

    def make(self, seed: int) -> jax.Array:
        key = jax.random.key(seed)
        if self.mask:
            return jax.random.bernoulli(key, 0.75, self.shape)
        return (self.scale * jax.random.normal(key, self.shape)).astype(self.dtype)

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * (1 if self.mask else jnp.dtype(self.dtype).itemsize)


@dataclasses.dataclass(frozen=True)
class Case:
    """One line of a report.

    Attributes:
      part: What ``--only`` chooses.
      name: The function, with its setting.
      direction: ``"backward"`` is the pullback alone, from what the forward saved; ``"gradient"`` is both.
      operands: Those of the function.
      function: Called as ``function(*operands, implementation=...)``.
      plain: What a user writes without jaxact, or why there is nothing to compare with.
      worth: Cases of a small number come first: what the rule selects and what users run most.
      in_context: The activation is one step of many, so a copy of its bytes is no limit.
      tolerance: How far a result may be off, of the largest result; by default `SLACK` eps.
      measured: What of a result is compared.
    """

    part: str
    name: str
    direction: Direction
    operands: tuple[Operand, ...]
    function: Callable[..., Any]
    plain: Callable[..., Any] | str
    worth: int
    in_context: bool = False
    tolerance: float | None = None
    measured: Callable[[Any], Any] = lambda result: result

    @property
    def dtype(self) -> str:
        return self.operands[0].dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.operands[0].shape

    @property
    def row(self) -> int:
        return self.shape[-1]

    @property
    def id(self) -> str:
        return f"{self.part}/{self.name}/{self.direction}/{self.dtype}/{'x'.join(map(str, self.shape))}"

    @property
    def allowed(self) -> float:
        return self.tolerance or SLACK[self.dtype] * float(jnp.finfo(self.dtype).eps)

    def arguments(self) -> list[jax.ShapeDtypeStruct]:
        return [jax.ShapeDtypeStruct(o.shape, bool if o.mask else o.dtype) for o in self.operands]

    def results(self) -> list[Any]:
        """The abstract results of the forward pass."""
        run = lambda *v: self.function(*v, implementation="reference")  # noqa: E731  (eval_shape wants one)
        return jax.tree.leaves(jax.eval_shape(run, *self.arguments()))

    def moved(self) -> int:
        """The bytes that one pass has to move: what is read once and what is written once."""
        out = sum(math.prod(r.shape) * r.dtype.itemsize for r in self.results())
        if self.direction == "forward":
            return sum(o.bytes for o in self.operands) + out
        # what was saved, as large as the operand, the cotangent, and the gradients
        return 2 * sum(o.bytes for o in self.operands if not o.mask) + out


def both_directions(directions: Sequence[Direction] = ("forward", "backward"), **of: Any) -> list[Case]:
    return [Case(direction=d, **of) for d in directions]
