"""What `Activation` shares between Linen and NNX: the function of its arguments, and slices of the input."""

import dataclasses
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from jaxact._src.checks import flag, shown
from jaxact._src.definition import is_array
from jaxact._src.function import Elementwise
from jaxact._src.rowwise import Rowwise
from jaxact._src.select import Implementation, check_implementation
from jaxact.registry import Bound, get

Array = jax.Array
Shape = tuple[int, ...]
Bounds = tuple[int | None, int | None, int | None]  # start, stop, step: a slice is not hashable before 3.12
Slices = Bounds | tuple[Bounds, ...] | None  # of the flattened tensor, one per axis, or everything


def resolve(
    activation: Any,
    args: Sequence[Any] = (),
    dialect: str = "jax",
    params: Mapping[str, Any] = MappingProxyType({}),
    *,
    inplace: bool = False,
    implementation: Implementation | None = None,
) -> Callable[..., Any]:
    """The function of a module's arguments; a module or another callable is its own."""
    check_implementation(implementation)
    flag("Activation", "inplace", inplace)
    if isinstance(args, str) or not isinstance(args, Sequence):
        raise TypeError(f"Activation: args must be a sequence of parameters, got {shown(args)}")
    found = get(activation, *args, dialect=dialect, **params)
    if isinstance(found, type):
        raise TypeError(f"an activation is a name, a callable or a module, got the class {found.__name__}")
    own = found.activation if isinstance(found, Bound) else found
    if inplace and not isinstance(own, Elementwise):
        raise TypeError(f"inplace needs one of jaxact's elementwise activations, got {shown(found)}")
    if implementation is not None and not isinstance(own, Elementwise | Rowwise):
        raise TypeError(f"implementation needs one of jaxact's activations, got {shown(found)}")
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
    raise TypeError(f"slc must be None, a slice or a tuple of slices, got {shown(slc)}")


def _stored(*parts: Any) -> Bounds:
    try:
        start, stop, step = (None if p is None else operator.index(p) for p in parts)
    except (TypeError, ValueError):
        raise TypeError(f"slc: the bounds of a slice must be integers or None, got {shown(parts)}") from None
    if step == 0:
        raise ValueError(f"slc: the step of a slice can't be 0, got {parts!r}")
    return start, stop, step


def apply(
    function: Callable[..., Any],
    x: Any,
    slc: Slices,
    inplace: bool,
    implementation: Implementation | None = None,
    **arrays: Array,
) -> Array:
    """The function on the elements that are selected; the others pass through.

    Args:
      function: A callable of one array.
      x: The input.
      slc: Where to apply it.
      inplace: Whether to reuse the buffer of x.
      implementation: As for every activation.
      **arrays: Parameters of the function that are arrays.

    Raises:
      ValueError: A slice is out of range for its axis, or the function changes the shape of what is selected.
    """
    function, more = without_arrays(function)
    options: dict[str, Any] = {**arrays, **more}
    if implementation is not None:
        options["implementation"] = implementation
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
    function = functools.partial(function, **options)
    part, y = jax.eval_shape(lambda v: (v[index], function(v[index])), viewed)
    if y.shape != part.shape:
        raise ValueError(
            f"slc: the activation makes {y.shape} of the slice's {part.shape} elements, which must stay where "
            "they are; use it without slc"
        )
    y = function(viewed[index])
    return viewed.astype(y.dtype).at[index].set(y, unique_indices=True).reshape(x.shape)


_donating = jax.jit(
    _apply_to_slice, static_argnums=(0, 1, 2), static_argnames=("implementation",), donate_argnums=3
)


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
