"""Flax Linen modules: `Activation`, `PReLU`, and Flax's `Dense` and `Conv` with an ``activation=``."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxact import leaky_relu
from jaxact._src import modules

Array = jax.Array

__all__ = ["Activation", "Conv", "Dense", "PReLU"]


class _Fields(nn.Module):
    """The fields of `Activation`, whose ``__init__`` takes parameters by name."""

    activation: Any
    slc: Any = None
    inplace: bool = False
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
      name: The name of the module.
      args: The activation's parameters by position.
      dialect: Whose name and parameters these are, see `jaxact.get`.
      **params: The activation's parameters by name.

    Raises:
      ValueError: The name or dialect is unknown, a parameter is outside its domain, or (when called) a slice is
        out of range for its axis, or `inplace` is differentiated where the derivative needs the input.
      TypeError: A parameter is unknown or of the wrong kind, or `inplace` is asked of a foreign callable.

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
        name: str | None = None,
        args: Sequence[Any] = (),
        dialect: str = "jax",
        **params: Any,
    ):
        parent = {"parent": params.pop("parent")} if "parent" in params else {}
        given = dict(params.pop("params", ())) | params  # a clone is given the field
        modules.resolve(activation, args, dialect, given, inplace)
        super().__init__(
            activation=activation,
            slc=modules.bounds(slc),
            inplace=inplace,
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
        function = modules.resolve(self.activation, self.args, self.dialect, dict(self.params), self.inplace)
        return modules.apply(function, inputs, self.slc, self.inplace)


class PReLU(nn.Module):
    """Parametric rectified linear unit: x above 0, a trained slope times x below.

    The slopes are the parameter ``"negative_slope"``. A checkpoint of Flax's own `PReLU` loads.

    Shapes: any; the output has the shape of the input.
    Dtypes: the output has `dtype`, or else the input's.

    Attributes:
      param_dtype: The dtype of the slopes.
      negative_slope_init: Their first value, a number or an initialiser.
      num_parameters: 1 for one slope, of shape (); a number for one per channel; None for one per channel, as
        many as the input has. With `shared_axes` it may be left out: it follows from the input.
      axis: The channel axis.
      shared_axes: The axes along which a slope is shared, as Keras counts them: axis 0 is the batch, which
        shares them always. The slopes have the shape of the input without its batch, 1 on these axes.
      dtype: The dtype that the input is cast to.

    Raises:
      ValueError: Both `axis` and `shared_axes` are given, a number is below 1, or (when called) the slopes do not
        fit the input.
      TypeError: An axis or a number is no integer.

    >>> import jax, jax.numpy as jnp
    >>> from jaxact.linen import PReLU
    >>> variables = PReLU(num_parameters=None).init(jax.random.key(0), jnp.ones((8, 4)))
    >>> variables["params"]["negative_slope"].shape
    (4,)
    """

    param_dtype: Any = jnp.float32
    negative_slope_init: Any = 0.01
    num_parameters: int | Sequence[int] | None = 1
    axis: int = -1
    shared_axes: int | Sequence[int] | None = None
    dtype: Any = None

    def __post_init__(self) -> None:
        self._slopes()
        super().__post_init__()

    def _slopes(self) -> modules.Slopes:
        return modules.Slopes.of(self.num_parameters, self.axis, self.shared_axes)

    @nn.compact
    def __call__(self, inputs: Any) -> Array:
        """The inputs, those below 0 times their slope."""
        x = jnp.asarray(inputs, self.dtype)
        slopes = self._slopes()
        shape = slopes.shape(x.shape)
        if self.has_variable("params", "negative_slope"):  # Flax's own error does not tell the axis
            slopes.aligned(nn.meta.unbox(self.get_variable("params", "negative_slope")), x.shape)
        init = modules.initial(self.negative_slope_init)
        slope = self.param("negative_slope", init, shape, self.param_dtype)
        return leaky_relu(x, slopes.aligned(slope, x.shape))


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
        modules.resolve(self.activation, (), "jax", {}, False)
        super().__post_init__()

    def __call__(self, inputs: Any) -> Array:
        """The activation of the layer's output."""
        return modules.resolve(self.activation, (), "jax", {}, False)(super().__call__(inputs))


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
        modules.resolve(self.activation, (), "jax", {}, False)
        super().__post_init__()

    def __call__(self, inputs: Any) -> Array:
        """The activation of the layer's output."""
        return modules.resolve(self.activation, (), "jax", {}, False)(super().__call__(inputs))
