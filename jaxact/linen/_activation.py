"""`Activation`, and Flax's `Dense` and `Conv` with an ``activation=``."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax

from jaxact._src import modules
from jaxact._src.select import Implementation

Array = jax.Array


class _Fields(nn.Module):
    """The fields of `Activation`, whose ``__init__`` takes parameters by name."""

    activation: Any
    slc: Any = None
    inplace: bool = False
    implementation: Any = None
    args: tuple[Any, ...] = ()
    dialect: str = "jax"
    params: tuple[tuple[str, Any], ...] = ()


class Activation(_Fields):
    """An activation as a layer, on all of its input or on a slice of it.

    It has no variables of its own; those of a module that it is given are under ``"activation"``.

    Shapes: any; the output has the shape of the input.
    Dtypes: those of the activation: its input's, for floats.

    Args:
      activation: A name, a callable or a module.
      slc: Where it acts: None (everywhere), a slice of the flattened input, as PuzzleLib has it, or a tuple of
        slices, one per axis from the first. Elements outside pass through unchanged.
      inplace: The input's buffer is reused. Outside jit the input can't be used afterwards.
      implementation: As for every activation of jaxact.
      name: The name of the module.
      args: The activation's parameters by position.
      dialect: Whose name and parameters these are, see `jaxact.get`.
      **params: The activation's parameters by name.

    Raises:
      ValueError: The name or dialect is unknown, a parameter is outside its domain, or (when called) a slice is
        out of range for its axis, or `inplace` is differentiated where the derivative needs the input.
      TypeError: A parameter is unknown or of the wrong kind, or `inplace` or an
        `implementation` is asked of a foreign callable.

    >>> import jax, jax.numpy as jnp
    >>> from jaxact.linen import Activation
    >>> layer = Activation("leaky_relu", slc=slice(0, 2), negative_slope=0.5)
    >>> layer.apply({}, jnp.array([-2.0, 2.0, -2.0])).tolist()
    [-1.0, 2.0, -2.0]
    """

    def __init__(
        self,
        activation: str | Callable[..., Any] | nn.Module | None,
        *,
        slc: slice | tuple[slice, ...] | None = None,
        inplace: bool = False,
        implementation: Implementation | None = None,
        name: str | None = None,
        args: Sequence[Any] = (),
        dialect: str = "jax",
        **params: Any,
    ):
        parent = {"parent": params.pop("parent")} if "parent" in params else {}
        given = dict(params.pop("params", ())) | params  # a clone is given the field
        modules.resolve(activation, args, dialect, given, inplace=inplace, implementation=implementation)
        super().__init__(
            activation=activation,
            slc=modules.bounds(slc),
            inplace=inplace,
            implementation=implementation,
            args=tuple(args),
            dialect=dialect,
            params=tuple(sorted(given.items())),
            name=name,
            **parent,
        )

    def __init_subclass__(cls, **options: Any) -> None:
        # Flax writes an __init__ of the fields for every class, also for those that nn.remat and nn.scan make.
        keep = "__init__" not in vars(cls) and not vars(cls).get("__annotations__")
        super().__init_subclass__(**options)
        if keep:
            cls.__init__ = Activation.__init__  # type: ignore[method-assign]

    def __call__(self, inputs: Any) -> Array:
        """The activation of the inputs."""
        function = modules.resolve(self.activation, self.args, self.dialect, dict(self.params))
        return modules.apply(function, inputs, self.slc, self.inplace, self.implementation)


class Dense(nn.Dense):
    """Flax's `Dense`, followed by an activation.

    Its parameters are those of Flax's, so that checkpoints load; a module's are under ``"activation"``.

    Attributes:
      activation: A name, a callable, a module, or None. All others are Flax's.

    Raises:
      ValueError: The name is unknown.

    >>> import jax, jax.numpy as jnp
    >>> from jaxact.linen import Dense
    >>> y, variables = Dense(4, activation="relu").init_with_output(jax.random.key(0), jnp.ones((2, 3)))
    >>> y.shape, sorted(variables["params"])
    ((2, 4), ['bias', 'kernel'])
    """

    activation: str | Callable[..., Any] | nn.Module | None = None

    def __post_init__(self) -> None:
        modules.resolve(self.activation)
        super().__post_init__()

    def __call__(self, inputs: Any) -> Array:
        """The activation of the layer's output."""
        return modules.resolve(self.activation)(super().__call__(inputs))


class Conv(nn.Conv):
    """Flax's `Conv`, followed by an activation.

    Its parameters are those of Flax's, so that checkpoints load; a module's are under ``"activation"``.

    Attributes:
      activation: A name, a callable, a module, or None. All others are Flax's.

    Raises:
      ValueError: The name is unknown.

    >>> import jax, jax.numpy as jnp
    >>> from jaxact.linen import Conv
    >>> y, variables = Conv(4, 3, activation="relu").init_with_output(jax.random.key(0), jnp.ones((2, 8, 3)))
    >>> y.shape, sorted(variables["params"])
    ((2, 8, 4), ['bias', 'kernel'])
    """

    activation: str | Callable[..., Any] | nn.Module | None = None

    def __post_init__(self) -> None:
        modules.resolve(self.activation)
        super().__post_init__()

    def __call__(self, inputs: Any) -> Array:
        """The activation of the layer's output."""
        return modules.resolve(self.activation)(super().__call__(inputs))
