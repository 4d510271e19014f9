"""The layers with trained parameters, as data: which function, which parameters, their first values.

Each class here is what its Linen and its NNX module share. A parameter ``p`` of the function that is trained has a
field ``p_init``; any other field is a setting that is handed to the function as it is.
"""

import dataclasses
import functools
import inspect
import numbers
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxact._src.checks import integer, shown
from jaxact._src.definition import FINITE, Parameter, Positive, is_array, read_parameter
from jaxact._src.documentation import of_layer
from jaxact._src.elementary import profile
from jaxact._src.layers import annotated
from jaxact._src.select import Implementation, check_implementation
from jaxact._src.sharing import Axes, Number, Shape, Sharing
from jaxact.activations import (
    acon_c,
    dice,
    dyt,
    meta_acon,
    pade,
    pelu,
    poly_norm,
    prelu,
    rational,
    snake,
    snake_beta,
    softplus,
    srelu,
    star_relu,
    swish_beta,
    xielu,
)
from jaxact.activations.rational import DENOMINATOR, NUMERATOR

Array = jax.Array
# a number (for axes of its own, as many as they have), or an initialiser (key, shape, dtype)
Initial = float | tuple[float, ...] | Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Weight:
    """One trained parameter.

    Attributes:
      name: Its name, in the function and among the module's parameters.
      own: Axes of its own, behind those of the channels.
      scalar: Whether all elements share it, whatever the module's settings are.
    """

    name: str
    own: Shape = ()
    scalar: bool = False

    @property
    def kind(self) -> str:
        """What a first value may be."""
        return f"{self.own[0]} numbers" if self.own else "a number"


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class Trainable:
    """What every layer with trained parameters takes."""

    param_dtype: Any = jnp.float32
    num_parameters: Number = 1
    axis: int = -1
    shared_axes: Axes = None
    dtype: Any = None
    implementation: Implementation | None = None

    function: ClassVar[Callable[..., Any]]
    lowest: ClassVar[float | None] = None  # what the function is given at least, wherever training takes a weight
    arguments: ClassVar[tuple[str, ...]] = ()  # the fields that the function takes
    weights: ClassVar[tuple[Weight, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "function" in vars(cls):
            takes, fields = inspect.signature(cls.function).parameters, annotated(cls)
            cls.arguments = tuple(n for n in fields if n in takes)
            if "weights" not in vars(cls):
                cls.weights = tuple(Weight(n) for n in takes if f"{n}_init" in fields)

    def check(self) -> None:
        """Check the settings, and store them so that they can be hashed.

        Raises:
          TypeError: A number, an axis or a first value is of the wrong kind.
          ValueError: Both `axis` and `shared_axes` are given, or a number is below 1.
        """
        check_implementation(self.implementation)
        for name in ("param_dtype", "dtype"):
            self._check_dtype(name)
        definition = getattr(self.function, "definition", None)
        for name in self.arguments:
            if definition is not None and name in definition.parameters:
                self._check_number(name, definition.parameters[name])
        for name in ("num_parameters", "shared_axes"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value) if isinstance(value, list) else value)
        self.sharing()
        for weight in self.weights:
            self.initialiser(weight)

    def _check_dtype(self, name: str) -> None:
        value = getattr(self, name)
        try:
            floating = value is None or jnp.issubdtype(jnp.dtype(value), jnp.floating)
        except TypeError:
            floating = False
        if not floating or (value is None and name == "param_dtype"):
            raise TypeError(f"{type(self).__name__}: {name} must be a floating-point dtype, got {shown(value)}")

    def _check_number(self, name: str, parameter: Parameter) -> None:
        """Check a setting that is a number as the parameter of an activation."""
        if is_array(parameter.check(type(self).__name__, getattr(self, name))):
            raise TypeError(f"{type(self).__name__}: {name} must be a number, got an array")

    def sharing(self) -> Sharing:
        return _sharing(type(self).__name__, self.num_parameters, self.axis, self.shared_axes)

    def initialiser(self, weight: Weight) -> Callable[..., Any]:
        """The initialiser of a weight, of its effective value."""
        init = getattr(self, f"{weight.name}_init")
        if callable(init):
            return init
        values = init if isinstance(init, tuple) else (init,)
        numbers_only = all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in values)
        if not numbers_only or (isinstance(init, tuple) and weight.own != (len(init),)):
            raise TypeError(
                f"{type(self).__name__}: {weight.name}_init must be {weight.kind} or an initialiser "
                f"(key, shape, dtype), got {shown(init)}"
            )
        return functools.partial(_constant, init)

    def stored(self, weight: Weight, effective: Array) -> Array:
        """The value that is trained, of the one that the function takes; here the same."""
        return effective

    def effective(self, weight: Weight, stored: Array) -> Array:
        """The inverse of `stored`; what training has taken below `lowest` counts as that."""
        return stored if self.lowest is None else _at_least(self.lowest, stored)

    def shape(self, weight: Weight, x: Shape | None) -> Shape:
        """The shape of a weight, for an input of this shape (None: not known yet)."""
        return (() if weight.scalar else self.sharing().shape(x)) + weight.own

    def fitted(self, weight: Weight, shape: Shape, x: Shape) -> Shape:
        """The shape in which a weight of this shape broadcasts against x."""
        n = len(shape) - len(weight.own)
        return self.sharing().fitted(weight.name, shape[:n], x) + shape[n:]

    def evaluate(self, x: Array, values: Mapping[Weight, Array]) -> Array:
        """The function of x and the stored values."""
        arrays = self.together({w.name: self._laid(w, v, x.shape) for w, v in values.items()})
        return self.function(x, **arrays, **{n: getattr(self, n) for n in self.arguments})

    def together(self, arrays: dict[str, Array]) -> dict[str, Array]:
        """What the function is given of its weights, where one decides what another may be."""
        return arrays

    def _laid(self, weight: Weight, value: Array, x: Shape) -> Array:
        shape = self.fitted(weight, value.shape, x)
        effective = self.effective(weight, value)
        return effective if shape == value.shape else effective.reshape(shape)  # which costs time outside jit


_sharing = functools.lru_cache(maxsize=1024, typed=True)(Sharing.of)  # modules are called often


_COMMON = {
    "num_parameters": "1 for one of each parameter, of shape (); a number for one per channel; None for one per "
    "channel, as many as the input has (Linen only). With `shared_axes` it is the shape of the input without its "
    "batch, or a number if all axes but one (and the batch) are shared; Linen may leave it out.",
    "axis": "The channel axis.",
    "shared_axes": "The axes along which a parameter is shared, as Keras counts them: axis 0 is the batch, which "
    "shares them always. Parameters have the shape of the input without its batch, 1 on these axes.",
    "dtype": "The dtype that the input is cast to, and the output's; None leaves the input as it is.",
    "param_dtype": "The dtype of the parameters.",
}
_MORE = {
    "hidden": "The size between the two layers; None is a sixteenth of the channels, but at least 16.",
    "momentum": "How much of a running statistic stays at a batch.",
    "axis_name": "A mapped axis, of `jax.vmap` or `jax.shard_map`, whose batches are taken together.",
    "use_running_average": "Whether the running mean and variance are used rather than the batch's; also an "
    "argument of the call.",
}


def document(cls: type[Trainable], more: Mapping[str, str]) -> None:
    """Append the function's docstring to that of its layer."""
    if cls.weights and cls.__doc__:
        first = {f"{w.name}_init": _describe(w, getattr(cls, f"{w.name}_init")) for w in cls.weights}
        own = {n: text for n, text in _MORE.items() if n in annotated(cls)}
        more = {**first, **_COMMON, **own, **more}
        cls.__doc__ = of_layer(cls.__doc__, cls.function.__doc__ or "", cls.arguments, more)


def _describe(weight: Weight, init: Initial) -> str:
    start = "that of Flax's kernels" if callable(init) else init
    return f"First value of the parameter `{weight.name}`, {weight.kind} or an initialiser; by default {start}."


def _at_least(lowest: float | Array, stored: Array) -> Array:
    """max(stored, lowest), but with the slope 1 below it too: an optimiser must be able to come back."""
    return jnp.where(stored < lowest, lowest + (stored - jax.lax.stop_gradient(stored)), stored)


def _constant(value: float | tuple[float, ...], key: Any, shape: Shape, dtype: Any) -> Array:
    return jnp.broadcast_to(jnp.asarray(value, dtype), shape)


# -- the layers --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(eq=False, repr=False)
class PReLU(Trainable):
    function = prelu
    negative_slope_init: Initial = 0.01


@dataclasses.dataclass(eq=False, repr=False)
class SReLU(Trainable):
    """t_right is kept at t_left or above, where the function would leave out its right part."""

    function = srelu
    t_left_init: Initial = 0.0
    a_left_init: Initial = 0.2
    t_right_init: Initial = 1.0
    a_right_init: Initial = 1.0

    def check(self) -> None:
        super().check()
        left, right = self.t_left_init, self.t_right_init
        if isinstance(left, numbers.Real) and isinstance(right, numbers.Real) and left > right:
            raise ValueError(
                f"{type(self).__name__}: t_left_init must not exceed t_right_init, got {left:g} and {right:g}"
            )

    def together(self, arrays: dict[str, Array]) -> dict[str, Array]:
        return arrays | {"t_right": _at_least(arrays["t_left"], arrays["t_right"])}


@dataclasses.dataclass(eq=False, repr=False)
class StarReLU(Trainable):
    function = star_relu
    scale_init: Initial = 0.8944
    bias_init: Initial = -0.4472


@dataclasses.dataclass(eq=False, repr=False)
class PELU(Trainable):
    """Both parameters are kept at 0.1 or above, as in github.com/ltrottier/pelu.resnet.torch."""

    function = pelu
    lowest = 0.1
    a_init: Initial = 1.0
    b_init: Initial = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class SwishBeta(Trainable):
    function = swish_beta
    beta_init: Initial = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class DyT(Trainable):
    function = dyt
    weights = (Weight("alpha", scalar=True), Weight("weight"), Weight("bias"))
    alpha_init: Initial = 0.5
    weight_init: Initial = 1.0
    bias_init: Initial = 0.0


@dataclasses.dataclass(eq=False, repr=False)
class AconC(Trainable):
    function = acon_c
    p1_init: Initial = 1.0
    p2_init: Initial = 0.0
    beta_init: Initial = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class Snake(Trainable):
    """alpha is kept at 1e-9 or above, the summand that github.com/EdwardDixon/snake divides by."""

    function = snake
    lowest = 1e-9
    alpha_init: Initial = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class SnakeBeta(Trainable):
    """Both parameters are kept at 1e-9 or above, as in `Snake`."""

    function = snake_beta
    lowest = 1e-9
    alpha_init: Initial = 1.0
    beta_init: Initial = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class Dice(Trainable):
    """Elements that share an alpha share their mean and variance."""

    function = dice
    alpha_init: Initial = 0.0
    num_parameters: Number = dataclasses.field(default=None, kw_only=True)
    eps: float = dataclasses.field(default=1e-8, kw_only=True)
    momentum: float = dataclasses.field(default=0.99, kw_only=True)
    axis_name: str | None = dataclasses.field(default=None, kw_only=True)
    use_running_average: bool | None = dataclasses.field(default=None, kw_only=True)

    MEAN: ClassVar[Weight] = Weight("mean")
    VAR: ClassVar[Weight] = Weight("var")

    def check(self) -> None:
        super().check()
        self._check_number("momentum", Parameter("momentum", 0.99, FINITE))
        if not 0.0 <= self.momentum < 1.0:
            raise ValueError(f"{type(self).__name__}: momentum must be in [0, 1), got {self.momentum}")

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Mean and variance of a batch, in float32 (or float64), of the shape of alpha."""
        sharing = self.sharing()
        shape = sharing.shape(x.shape)
        self.fitted(self.MEAN, shape, x.shape)
        wide = x.astype(profile(None, x.dtype).dtype)
        mean = self._mean(wide, sharing.along(x.shape))
        var = self._mean((wide - mean) ** 2, sharing.along(x.shape))
        return mean.reshape(shape), var.reshape(shape)

    def _mean(self, x: Array, axes: Shape) -> Array:
        mean = jnp.mean(x, axis=axes, keepdims=True)
        return mean if self.axis_name is None else jax.lax.pmean(mean, self.axis_name)

    def blended(self, running: Array, batch: Array) -> Array:
        """A running statistic after a batch."""
        return self.momentum * running + (1.0 - self.momentum) * batch.astype(running.dtype)


@dataclasses.dataclass(eq=False, repr=False)
class XIELU(Trainable):
    """The parameters are stored as Hugging Face's: through the inverse of softplus, alpha_n less beta."""

    function = xielu
    alpha_p_init: Initial = 0.8
    alpha_n_init: Initial = 0.8
    beta: float = dataclasses.field(default=0.5, kw_only=True)
    eps: float = dataclasses.field(default=-1e-6, kw_only=True)

    def check(self) -> None:
        super().check()
        for weight, low in zip(self.weights, (0.0, self.beta)):
            init = getattr(self, f"{weight.name}_init")
            if not callable(init) and init <= low:
                raise ValueError(f"{type(self).__name__}: {weight.name}_init must be above {low:g}, got {init}")

    def stored(self, weight: Weight, effective: Array) -> Array:
        wide = effective.astype(profile(None, effective.dtype).dtype)
        wide = wide - self.beta if weight.name == "alpha_n" else wide
        return (wide + jnp.log(-jnp.expm1(-wide))).astype(effective.dtype)

    def effective(self, weight: Weight, stored: Array) -> Array:
        wide = softplus(stored.astype(profile(None, stored.dtype).dtype))
        return wide + self.beta if weight.name == "alpha_n" else wide


_NUMERATOR = tuple(pade.definition.parameters[n].default for n in NUMERATOR)
_DENOMINATOR = tuple(pade.definition.parameters[n].default for n in DENOMINATOR)


@dataclasses.dataclass(eq=False, repr=False)
class Rational(Trainable):
    function = staticmethod(rational)
    weights = (Weight("numerator", own=(len(_NUMERATOR),)), Weight("denominator", own=(len(_DENOMINATOR),)))
    numerator_init: Initial = _NUMERATOR
    denominator_init: Initial = _DENOMINATOR


@dataclasses.dataclass(eq=False, repr=False)
class PolyNorm(Trainable):
    function = staticmethod(poly_norm)
    weights = (Weight("weight", own=(3,), scalar=True), Weight("bias"))
    weight_init: Initial = (1 / 3, 1 / 3, 1 / 3)
    bias_init: Initial = 0.0
    eps: float = dataclasses.field(default=1e-6, kw_only=True)

    def check(self) -> None:
        super().check()
        self._check_number("eps", _EPS)


_EPS = read_parameter(inspect.Parameter("eps", inspect.Parameter.KEYWORD_ONLY, default=1e-6, annotation=Positive))
_KERNEL = jax.nn.initializers.lecun_normal()


@dataclasses.dataclass(eq=False, repr=False)
class MetaAcon(Trainable):
    """Its parameters belong to channels, of which there are `num_parameters`; they can't be shared otherwise."""

    function = staticmethod(meta_acon)
    w1_init: Initial = _KERNEL
    b1_init: Initial = 0.0
    w2_init: Initial = _KERNEL
    b2_init: Initial = 0.0
    p1_init: Initial = 1.0
    p2_init: Initial = 0.0
    num_parameters: Number = dataclasses.field(default=None, kw_only=True)
    hidden: int | None = dataclasses.field(default=None, kw_only=True)

    def check(self) -> None:
        super().check()
        if self.shared_axes is not None:
            raise ValueError(f"MetaAcon takes axis only, got shared_axes {self.shared_axes}")
        if self.hidden is not None and integer("MetaAcon", "hidden", self.hidden) < 1:
            raise ValueError(f"MetaAcon: hidden must be at least 1, got {self.hidden}")

    def shape(self, weight: Weight, x: Shape | None) -> Shape:
        (channels,) = self.sharing().shape(x) or (1,)
        hidden = max(16, channels // 16) if self.hidden is None else self.hidden
        shapes = {"w1": (channels, hidden), "b1": (hidden,), "w2": (hidden, channels)}
        return shapes.get(weight.name, (channels,))

    def fitted(self, weight: Weight, shape: Shape, x: Shape) -> Shape:
        return shape  # the function lays them along the axis
