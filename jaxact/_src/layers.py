"""The layers without trained parameters, as data: which function, and its parameters with their defaults.

Each class here is what its Linen and its NNX module share. Its fields have the names and the defaults of the
function's own parameters.
"""

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxact import activations
from jaxact._src.checks import flag, integer
from jaxact._src.documentation import of_layer
from jaxact._src.select import Implementation, check_implementation
from jaxact.gated import glu as gated_linear_unit

Array = jax.Array
Axis = int | Sequence[int] | None


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class Layer:
    """What every layer of this room has."""

    function: ClassVar[Callable[..., Any]]
    arguments: ClassVar[tuple[str, ...]] = ()  # the fields that the function takes

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "function" in vars(cls):
            takes = {*inspect.signature(cls.function).parameters, "implementation"}  # glu hands its options on
            cls.arguments = tuple(n for n in annotated(cls) if n in takes)

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Check the parameters, and store them so that they can be hashed.

        Raises:
          TypeError: A parameter is missing or of the wrong kind.
          ValueError: A parameter is outside its domain.
        """
        owner = type(self).__name__
        for name, check in (("axis", integer), ("num_pieces", integer), ("gate_first", flag), ("inplace", flag)):
            several = hasattr(self.function, "definition") and name == "axis"  # the record checks those
            if hasattr(self, name) and not several:
                object.__setattr__(self, name, check(owner, name, getattr(self, name)))
        definition = getattr(self.function, "definition", None)
        if definition is not None:
            given = {n: getattr(self, n) for n in self.arguments if n in definition.parameters}
            for name, value in definition.bind((), given).items():
                if name in given:
                    object.__setattr__(self, name, value)

    def evaluate(self, x: Any, **options: Any) -> Array:
        """The function of x, with these parameters."""
        given = {n: getattr(self, n) for n in self.arguments}
        return self.function(x, **given, **options)


def annotated(cls: type) -> list[str]:
    """The names that a class and its bases annotate, in the order of dataclasses."""
    return list(dict.fromkeys(n for base in reversed(cls.__mro__) for n in inspect.get_annotations(base)))


_MORE = {
    "deterministic": "Whether every slope is the mean one; also an argument of the call.",
    "rng_collection": "The name of the random keys.",
    "rngs": "Random keys, which are forked; also an argument of the call.",
}


def document(cls: type[Layer]) -> None:
    """Append the function's docstring to that of its layer."""
    if cls.arguments and cls.__doc__:
        more = {n: text for n, text in _MORE.items() if n in annotated(cls)}
        cls.__doc__ = of_layer(cls.__doc__, cls.function.__doc__ or "", cls.arguments, more)


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class Implemented(Layer):
    """A layer whose function has several implementations."""

    implementation: Implementation | None = None

    def check(self) -> None:
        check_implementation(self.implementation)
        super().check()


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class Elementwise(Implemented):
    """A layer whose function may overwrite its input."""

    inplace: bool = False


# -- elementwise -------------------------------------------------------------------------------------------------


@dataclasses.dataclass(eq=False, repr=False)
class Identity(Elementwise):
    function = activations.identity


@dataclasses.dataclass(eq=False, repr=False)
class ReLU(Elementwise):
    function = activations.relu
    negative_slope: float = 0.0
    max_value: float | None = None
    threshold: float = 0.0


@dataclasses.dataclass(eq=False, repr=False)
class ReLU6(Elementwise):
    function = activations.relu6


@dataclasses.dataclass(eq=False, repr=False)
class LeakyReLU(Elementwise):
    function = activations.leaky_relu
    negative_slope: float = 0.01


@dataclasses.dataclass(eq=False, repr=False)
class ThresholdedReLU(Elementwise):
    function = activations.thresholded_relu
    theta: float = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class Threshold(Elementwise):
    function = activations.threshold
    threshold: float
    value: float


@dataclasses.dataclass(eq=False, repr=False)
class ELU(Elementwise):
    function = activations.elu
    alpha: float = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class CELU(Elementwise):
    function = activations.celu
    alpha: float = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class SELU(Elementwise):
    function = activations.selu


@dataclasses.dataclass(eq=False, repr=False)
class GELU(Elementwise):
    function = activations.gelu
    approximate: bool = True


@dataclasses.dataclass(eq=False, repr=False)
class SiLU(Elementwise):
    function = activations.silu


@dataclasses.dataclass(eq=False, repr=False)
class Mish(Elementwise):
    function = activations.mish


@dataclasses.dataclass(eq=False, repr=False)
class Softplus(Elementwise):
    function = activations.softplus
    beta: float = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class SoftSign(Elementwise):
    function = activations.soft_sign


@dataclasses.dataclass(eq=False, repr=False)
class Sigmoid(Elementwise):
    function = activations.sigmoid


@dataclasses.dataclass(eq=False, repr=False)
class LogSigmoid(Elementwise):
    function = activations.log_sigmoid


@dataclasses.dataclass(eq=False, repr=False)
class Tanh(Elementwise):
    function = activations.tanh


@dataclasses.dataclass(eq=False, repr=False)
class HardTanh(Elementwise):
    function = activations.hard_tanh
    min_val: float = -1.0
    max_val: float = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class HardSigmoid(Elementwise):
    function = activations.hard_sigmoid


@dataclasses.dataclass(eq=False, repr=False)
class HardSilu(Elementwise):
    function = activations.hard_silu


@dataclasses.dataclass(eq=False, repr=False)
class HardShrink(Elementwise):
    function = activations.hard_shrink
    threshold: float = 0.5


@dataclasses.dataclass(eq=False, repr=False)
class SoftShrink(Elementwise):
    function = activations.soft_shrink
    threshold: float = 0.5


@dataclasses.dataclass(eq=False, repr=False)
class TanhShrink(Elementwise):
    function = activations.tanh_shrink


# -- over rows ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass(eq=False, repr=False)
class Softmax(Implemented):
    function = activations.softmax
    axis: Axis = -1
    scale: float = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class Softmin(Implemented):
    function = activations.softmin
    axis: Axis = -1
    scale: float = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class LogSoftmax(Implemented):
    function = activations.log_softmax
    axis: Axis = -1
    scale: float = 1.0


@dataclasses.dataclass(eq=False, repr=False)
class Softmax2d(Implemented):
    function = activations.softmax
    axis: int = -3

    def evaluate(self, x: Any, **options: Any) -> Array:
        if jnp.ndim(x) not in (3, 4):
            raise ValueError(f"Softmax2d: x must have 3 or 4 axes, with or without a batch, got {jnp.shape(x)}")
        return super().evaluate(x, **options)


# -- those that change the shape ---------------------------------------------------------------------------------


@dataclasses.dataclass(eq=False, repr=False)
class GLU(Implemented):
    function = staticmethod(gated_linear_unit)
    axis: int = -1
    gate_first: bool = False


@dataclasses.dataclass(eq=False, repr=False)
class CReLU(Layer):
    function = staticmethod(activations.crelu)
    axis: int = -1


@dataclasses.dataclass(eq=False, repr=False)
class Maxout(Layer):
    function = staticmethod(activations.maxout)
    num_pieces: int
    axis: int = -1

    def check(self) -> None:
        super().check()
        if self.num_pieces < 1:
            raise ValueError(f"Maxout: num_pieces must be at least 1, got {self.num_pieces}")


# -- with random slopes ------------------------------------------------------------------------------------------


@dataclasses.dataclass(eq=False, repr=False)
class RReLU(Implemented):
    function = staticmethod(activations.rrelu)
    lower: float = 1 / 8
    upper: float = 1 / 3

    def check(self) -> None:
        super().check()
        jax.eval_shape(self.evaluate, jax.ShapeDtypeStruct((), jnp.float32))
