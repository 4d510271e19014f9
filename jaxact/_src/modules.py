"""What the Linen and the NNX modules share: slices of the input, and which elements share a slope."""

import dataclasses
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxact._src.definition import is_array
from jaxact._src.function import Elementwise
from jaxact.registry import Bound, get

Array = jax.Array
Shape = tuple[int, ...]
Bounds = tuple[int | None, int | None, int | None]  # start, stop, step: a slice is not hashable before 3.12
Slices = Bounds | tuple[Bounds, ...] | None  # of the flattened tensor, one per axis, or everything


def resolve(
    activation: Any, args: Sequence[Any], dialect: str, params: Mapping[str, Any], inplace: bool
) -> Callable[..., Any]:
    """The function of a module's arguments; a module or another callable is its own."""
    found = get(activation, *args, dialect=dialect, **params)
    if isinstance(found, type):
        raise TypeError(f"an activation is a name, a callable or a module, got the class {found.__name__}")
    own = found.activation if isinstance(found, Bound) else found
    if inplace and not isinstance(own, Elementwise):
        raise TypeError(f"inplace needs one of jaxact's elementwise activations, got {found!r}")
    return found


def without_arrays(function: Callable[..., Any]) -> tuple[Callable[..., Any], dict[str, Array]]:
    """The function with its numbers, which can be hashed, and the parameters that are arrays."""
    if not isinstance(function, Bound):
        return function, {}
    arrays = {n: jnp.asarray(v) for n, v in function.parameters if is_array(v)}
    if not arrays:
        return function, {}
    static = tuple(item for item in function.parameters if item[0] not in arrays)
    return dataclasses.replace(function, parameters=static), arrays


# -- slices ------------------------------------------------------------------------------------------------------


def bounds(slc: Any) -> Slices:
    """A slice or a tuple of slices as it is stored; what is stored already is left as it is.

    Raises:
      TypeError: It is something else, or its bounds are no integers.
      ValueError: A step is zero.
    """
    if slc is None:
        return None
    if isinstance(slc, slice):
        return _stored(slc.start, slc.stop, slc.step)
    if isinstance(slc, tuple) and all(isinstance(s, slice | tuple) for s in slc):
        return tuple(_stored(s.start, s.stop, s.step) if isinstance(s, slice) else _stored(*s) for s in slc)
    if isinstance(slc, tuple) and len(slc) == 3:
        return _stored(*slc)
    raise TypeError(f"slc must be None, a slice or a tuple of slices, got {slc!r}")


def _stored(*parts: Any) -> Bounds:
    try:
        start, stop, step = (None if p is None else operator.index(p) for p in parts)
    except (TypeError, ValueError):
        raise TypeError(f"slc: the bounds of a slice must be integers or None, got {parts!r}") from None
    if step == 0:
        raise ValueError(f"slc: the step of a slice can't be 0, got {parts!r}")
    return start, stop, step


def apply(function: Callable[..., Any], x: Any, slc: Slices, inplace: bool, **arrays: Array) -> Array:
    """The function on the elements that are selected; the others pass through.

    Args:
      function: A callable of one array.
      x: The input.
      slc: Where to apply it.
      inplace: Whether to reuse the buffer of x.
      **arrays: Parameters of the function that are arrays.

    Raises:
      ValueError: A slice is out of range for its axis.
    """
    function, more = without_arrays(function)
    options = {**arrays, **more}
    if slc is None:
        return function(x, **options, inplace=True) if inplace else function(x, **options)
    concrete = isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)
    run = _donating if inplace and concrete else _apply_to_slice
    return run(function, slc, inplace, x, **options)


def _apply_to_slice(function: Callable[..., Any], slc: Slices, inplace: bool, x: Any, **options: Any) -> Array:
    x = jnp.asarray(x)
    flat = slc if slc and not isinstance(slc[0], tuple) else None
    viewed = x if flat is None else x.reshape(-1)
    index = _index((flat,) if flat else slc, viewed.shape, x.shape)
    if inplace:
        options["inplace"] = True
    y = function(viewed[index], **options)
    return viewed.astype(y.dtype).at[index].set(y, unique_indices=True).reshape(x.shape)


_donating = jax.jit(_apply_to_slice, static_argnums=(0, 1, 2), donate_argnums=3)


def _index(slices: Any, shape: Shape, of: Shape) -> tuple[slice, ...]:
    if len(slices) > len(shape):
        raise ValueError(f"slc has {len(slices)} slices, x of shape {of} has {len(shape)} axes")
    for axis, (s, size) in enumerate(zip(slices, shape)):
        low, high = (0, size) if (s[2] or 1) > 0 else (-1, size - 1)
        for bound in s[:2]:
            if bound is not None and not low <= (bound + size if bound < 0 else bound) <= high:
                where = f"axis {axis}" if shape == of else f"the flattened axis of size {size}"
                raise ValueError(f"slc: {slice(*s)} is out of range for {where} of x of shape {of}")
    return tuple(slice(*s) for s in slices)


# -- slopes ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Slopes:
    """Which elements of x share a slope.

    Attributes:
      number: 1, for one slope of shape (); a number, for one per channel; None, to take it from x; with
        `shared_axes` also the shape of x without its batch axis.
      axis: The channel axis.
      shared_axes: Axes of x along which a slope is shared, its batch axis (0) not among them, as Keras has it.
    """

    number: int | tuple[int, ...] | None
    axis: int
    shared_axes: tuple[int, ...] | None

    @classmethod
    def of(cls, number: Any, axis: Any, shared_axes: Any) -> "Slopes":
        """Check what a module was given.

        Raises:
          TypeError: Something is no integer.
          ValueError: Both an axis and shared axes are given, or a number is below 1.
        """
        if shared_axes is not None and axis != -1:
            raise ValueError(f"PReLU takes axis or shared_axes, not both; got {axis} and {shared_axes}")
        shared = None if shared_axes is None else _integers("shared_axes", shared_axes)
        if shared is not None and 0 in shared:
            raise ValueError(f"PReLU: axis 0 of shared_axes {shared} is the batch, which always shares its slopes")
        (axis,) = _integers("axis", (axis,))
        if number is not None:
            numbers = _integers("num_parameters", number)
            if min(numbers, default=1) < 1:
                raise ValueError(f"PReLU: num_parameters must be at least 1, got {number}")
            if isinstance(number, Sequence) and shared is None:
                raise ValueError(f"PReLU: num_parameters {number} is a shape, which needs shared_axes")
            number = numbers if isinstance(number, Sequence) else numbers[0]
        return cls(number, axis, shared)

    def shape(self, x: Shape | None) -> Shape:
        """The shape of the parameter, for an input of this shape (None: not known yet).

        Raises:
          ValueError: It depends on x, which is not known, or x has no such axis.
        """
        if self.shared_axes is None:
            if self.number is not None:
                return () if self.number == 1 else (self.number,)  # type: ignore[return-value]  # not a shape here
            return (_known(x)[_axis(self.axis, _known(x))],)
        if isinstance(self.number, int) and self.number > 1:
            return self._one_axis(self.number)
        inner = self.number if isinstance(self.number, tuple) else _known(x)[1:]
        shared = {_axis(a, (1, *inner) if x is None else x) for a in self.shared_axes}
        return tuple(1 if a in shared else n for a, n in enumerate(inner, 1))

    def _one_axis(self, number: int) -> Shape:
        """All axes are shared but one."""
        assert self.shared_axes is not None
        rank = len(self.shared_axes) + 2
        shared = {_axis(a, (1,) * rank) for a in self.shared_axes}
        return tuple(1 if a in shared else number for a in range(1, rank))

    def aligned(self, slope: Array, x: Shape) -> Array:
        """The parameter, shaped to broadcast against x.

        Raises:
          ValueError: It does not fit x; the message names both shapes and the axis.
        """
        if slope.ndim == 0:
            return slope
        if self.shared_axes is None:
            axis = _axis(self.axis, x)
            _check_fit(slope, x, slope.shape == (x[axis],), f"axis {self.axis}, of size {x[axis]}")
            return slope.reshape(-1, *(1,) * (len(x) - axis - 1))
        _check_fit(slope, x, slope.ndim == len(x) - 1, f"the axes behind the batch, of sizes {x[1:]}")
        shared = {_axis(a, x) for a in self.shared_axes}
        for axis, (own, size) in enumerate(zip(slope.shape, x[1:]), 1):
            what = f"axis {axis}, of size {size}" + (", which is shared" if axis in shared else "")
            _check_fit(slope, x, own == (1 if axis in shared else size), what)
        return slope


def _check_fit(slope: Array, x: Shape, fits: bool, what: str) -> None:
    if not fits:
        raise ValueError(f"PReLU: negative_slope {slope.shape} does not fit x {x} at {what}")


def _integers(what: str, value: Any) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    try:
        if any(isinstance(v, bool) for v in values):
            raise TypeError
        return tuple(map(operator.index, values))
    except TypeError:
        raise TypeError(f"PReLU: {what} must be integers, got {value!r}") from None


def _known(x: Shape | None) -> Shape:
    if x is None:
        raise ValueError("PReLU: NNX makes parameters before it sees an input, so num_parameters must be given")
    return x


def _axis(axis: int, x: Shape) -> int:
    if not -len(x) <= axis < len(x):
        raise ValueError(f"PReLU: axis {axis} is out of range for x of shape {x}")
    return axis % len(x)


def initial(init: Any) -> Callable[..., Array]:
    """A number as an initialiser; an initialiser is left as it is."""
    return init if callable(init) else functools.partial(_constant, init)


def _constant(value: Any, key: Any, shape: Shape, dtype: Any) -> Array:
    return jnp.full(shape, value, dtype)
