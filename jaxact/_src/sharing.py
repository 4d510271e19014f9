"""Which elements of the input share a trained parameter: its shape, and how it is laid against the input."""

import dataclasses
import operator
import sys
from collections.abc import Sequence
from typing import Any

from jaxact._src.checks import shown

Shape = tuple[int, ...]
Number = int | Sequence[int] | None
Axes = int | Sequence[int] | None


@dataclasses.dataclass(frozen=True)
class Sharing:
    """Which elements of x share a parameter.

    Attributes:
      owner: The module's name, for errors.
      number: 1, for one parameter of shape (); a number, for one per channel; None, to take it from x; with
        `shared_axes` also the shape of x without its batch axis.
      axis: The channel axis.
      shared_axes: Axes of x along which a parameter is shared, its batch axis (0) not among them, as Keras has it.
    """

    owner: str
    number: int | Shape | None
    axis: int
    shared_axes: Shape | None

    @classmethod
    def of(cls, owner: str, number: Number, axis: int, shared_axes: Axes) -> "Sharing":
        """Check what a module was given.

        Raises:
          TypeError: Something is no integer.
          ValueError: Both an axis and shared axes are given, or a number is below 1.
        """
        if shared_axes is not None and axis != -1:
            raise ValueError(f"{owner} takes axis or shared_axes, not both; got {axis} and {shared_axes}")
        shared = None if shared_axes is None else _integers(owner, "shared_axes", shared_axes)
        if shared is not None and 0 in shared:
            raise ValueError(f"{owner}: axis 0 of shared_axes {shared} is the batch, which always shares them")
        (axis,) = _integers(owner, "axis", (axis,))
        if number is not None:
            numbers = _integers(owner, "num_parameters", number)
            if min(numbers, default=1) < 1:
                raise ValueError(f"{owner}: num_parameters must be at least 1, got {shown(number)}")
            if max(numbers, default=1) > sys.maxsize:
                raise ValueError(f"{owner}: num_parameters is more than an array can have, got {shown(number)}")
            if isinstance(number, Sequence) and shared is None:
                raise ValueError(f"{owner}: num_parameters {number} is a shape, which needs shared_axes")
            number = numbers if isinstance(number, Sequence) else numbers[0]
        return cls(owner, number, axis, shared)

    def shape(self, x: Shape | None) -> Shape:
        """The shape of the parameter, for an input of this shape (None: not known yet).

        Raises:
          ValueError: It depends on x, which is not known, or x has no such axis.
        """
        if self.shared_axes is None:
            if self.number is not None:
                return () if self.number == 1 else (self.number,)  # type: ignore[return-value]  # not a shape here
            known = self._known(x)
            return (known[self._axis(self.axis, known)],)
        if isinstance(self.number, int) and self.number > 1:
            return self._one_axis(self.number, self.shared_axes)
        inner = self.number if isinstance(self.number, tuple) else self._known(x)[1:]
        shared = {self._axis(a, (1, *inner) if x is None else x) for a in self.shared_axes}
        return tuple(1 if a in shared else n for a, n in enumerate(inner, 1))

    def _one_axis(self, number: int, shared_axes: Shape) -> Shape:
        """All axes are shared but one."""
        rank = len(shared_axes) + 2
        shared = {self._axis(a, (1,) * rank) for a in shared_axes}
        return tuple(1 if a in shared else number for a in range(1, rank))

    def along(self, x: Shape) -> Shape:
        """The axes of x along which elements share a parameter."""
        if self.shared_axes is not None:
            return (0, *sorted({self._axis(a, x) for a in self.shared_axes}))
        every = tuple(range(len(x)))
        if self.number == 1:
            return every
        channel = self._axis(self.axis, x)
        return every[:channel] + every[channel + 1 :]

    def fitted(self, name: str, shape: Shape, x: Shape) -> Shape:
        """The shape in which a parameter of this shape broadcasts against x.

        Raises:
          ValueError: It does not fit x; the message names both shapes and the axis.
        """
        if not shape:
            return shape

        def check(fits: bool, what: str) -> None:
            if not fits:
                raise ValueError(f"{self.owner}: {name} {shape} does not fit x {x} at {what}")

        if self.shared_axes is None:
            axis = self._axis(self.axis, x)
            check(shape == (x[axis],), f"axis {self.axis}, of size {x[axis]}")
            return (*shape, *(1,) * (len(x) - axis - 1))
        check(len(shape) == len(x) - 1, f"the axes behind the batch, of sizes {x[1:]}")
        shared = {self._axis(a, x) for a in self.shared_axes}
        for axis, (own, size) in enumerate(zip(shape, x[1:]), 1):
            what = f"axis {axis}, of size {size}" + (", which is shared" if axis in shared else "")
            check(own == (1 if axis in shared else size), what)
        return shape

    def _known(self, x: Shape | None) -> Shape:
        if x is None:
            raise ValueError(
                f"{self.owner}: NNX makes parameters before it sees an input, so num_parameters must be given"
            )
        return x

    def _axis(self, axis: int, x: Shape) -> int:
        if not -len(x) <= axis < len(x):
            raise ValueError(f"{self.owner}: axis {axis} is out of range for x of shape {x}")
        return axis % len(x)


def _integers(owner: str, what: str, value: Any) -> Shape:
    values = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    try:
        if any(isinstance(v, bool) for v in values):
            raise TypeError
        return tuple(map(operator.index, values))
    except TypeError:
        raise TypeError(f"{owner}: {what} must be integers, got {shown(value)}") from None
