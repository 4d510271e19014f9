"""`Activation`, and Flax's `Linear` and `Conv` with an ``activation=``."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from flax import nnx

from jaxact._src import modules
from jaxact._src.select import Implementation
from jaxact.nnx._streams import streams

Array = jax.Array


class Activation(nnx.Module):
    """An activation as a layer, on all of its input or on a slice of it.

    It has no variables of its own; those of a module that it is given are under ``activation``.

    Shapes: any; the output has the shape of the input.
    Dtypes: those of the activation: its input's, for floats.

    Args:
      activation: A name, a callable or a module.
      slc: Where it acts: None (everywhere), a slice of the flattened input, as PuzzleLib has it, or a tuple of
        slices, one per axis from the first. Elements outside pass through unchanged.
      inplace: The input's buffer is reused. Outside jit the input can't be used afterwards.
      implementation: As for every activation of jaxact.
      name: A name to tell it by.
      args: The activation's parameters by position.
      dialect: Whose name and parameters these are, see `jaxact.get`.
      **params: The activation's parameters by name.

    Raises:
      ValueError: The name or dialect is unknown, a parameter is outside its domain, or (when called) a slice is
        out of range for its axis, or `inplace` is differentiated where the derivative needs the input.
      TypeError: A parameter is unknown or of the wrong kind, or `inplace` or an
        `implementation` is asked of a foreign callable.

    >>> import jax.numpy as jnp
    >>> from jaxact.nnx import Activation
    >>> layer = Activation("leaky_relu", slc=slice(0, 2), negative_slope=0.5)
    >>> layer(jnp.array([-2.0, 2.0, -2.0])).tolist()
    [-1.0, 2.0, -2.0]
    """

    def __init__(
        self,
        activation: str | Callable[..., Any] | None,
        *,
        slc: slice | tuple[slice, ...] | None = None,
        inplace: bool = False,
        implementation: Implementation | None = None,
        name: str | None = None,
        args: Sequence[Any] = (),
        dialect: str = "jax",
        **params: Any,
    ):
        function = modules.resolve(
            activation, args, dialect, params, inplace=inplace, implementation=implementation
        )
        function, arrays = modules.without_arrays(function)  # what is static must be hashable
        self.activation = function
        self.arrays = nnx.data(arrays)
        self.slc = modules.bounds(slc)
        self.inplace = inplace
        self.implementation = implementation
        self.name = name

    def __call__(self, inputs: Any) -> Array:
        """The activation of the inputs."""
        return modules.apply(self.activation, inputs, self.slc, self.inplace, self.implementation, **self.arrays)


class Linear(nnx.Linear):
    """Flax's `Linear`, followed by an activation.

    Its state is that of Flax's, so that checkpoints load; a module's is under ``activation``.

    Args:
      in_features: The number of input features.
      out_features: The number of output features.
      activation: A name, a callable, a module, or None.
      rngs: Random keys.
      **options: What Flax's takes beside.

    Raises:
      ValueError: The name is unknown.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxact.nnx import Linear
    >>> Linear(3, 4, activation="relu", rngs=nnx.Rngs(0))(jnp.ones((2, 3))).shape
    (2, 4)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: str | Callable[..., Any] | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        layer = activation if isinstance(activation, nnx.Module) else Activation(activation)
        super().__init__(in_features, out_features, rngs=streams("Linear", rngs), **options)
        self.activation = layer

    def __call__(self, inputs: Array, out_sharding: Any = None) -> Array:
        """The activation of the layer's output."""
        return self.activation(super().__call__(inputs, out_sharding))


class Conv(nnx.Conv):
    """Flax's `Conv`, followed by an activation.

    Its state is that of Flax's, so that checkpoints load; a module's is under ``activation``.

    Args:
      in_features: The number of input features.
      out_features: The number of output features.
      kernel_size: The shape of the kernel; a number for one dimension.
      strides: The strides of the window.
      activation: A name, a callable, a module, or None.
      rngs: Random keys.
      **options: What Flax's takes beside.

    Raises:
      ValueError: The name is unknown.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxact.nnx import Conv
    >>> Conv(3, 4, (3, 3), activation="relu", rngs=nnx.Rngs(0))(jnp.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 4)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] | None = 1,
        *,
        activation: str | Callable[..., Any] | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        layer = activation if isinstance(activation, nnx.Module) else Activation(activation)
        super().__init__(in_features, out_features, kernel_size, strides, rngs=streams("Conv", rngs), **options)
        self.activation = layer

    def __call__(self, inputs: Array, out_sharding: Any = None) -> Array:
        """The activation of the layer's output."""
        return self.activation(super().__call__(inputs, out_sharding))
