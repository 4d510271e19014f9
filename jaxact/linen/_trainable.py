"""The layers with trained parameters."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxact._src import trainable
from jaxact._src.sharing import Shape

Array = jax.Array


class _Trainable(trainable.Trainable, nn.Module):
    def __init_subclass__(cls, **options: Any) -> None:
        trainable.document(cls, {})
        super().__init_subclass__(**options)

    def __post_init__(self) -> None:
        self.check()
        super().__post_init__()

    @nn.compact
    def __call__(self, inputs: Any) -> Array:
        """The function of the inputs and the parameters."""
        x = jnp.asarray(inputs, self.dtype)
        return self.evaluate(x, {w.name: self._value(w, x.shape) for w in self.weights})

    def _value(self, weight: trainable.Weight, x: Shape) -> Array:
        shape = self.shape(weight, x)
        if self.has_variable("params", weight.name):  # Flax's own error does not tell the axis
            self.aligned(weight, nn.meta.unbox(self.get_variable("params", weight.name)), x)
        return self.param(weight.name, self.initialiser(weight), shape, self.param_dtype)


class PReLU(trainable.PReLU, _Trainable):
    """`jaxact.prelu` as a layer. A checkpoint of Flax's own `PReLU` loads.

    >>> import jax, jax.numpy as jnp
    >>> from jaxact.linen import PReLU
    >>> variables = PReLU(num_parameters=None).init(jax.random.key(0), jnp.ones((8, 4)))
    >>> variables["params"]["negative_slope"].shape
    (4,)
    """

    param_dtype: Any = jnp.float32  # the fields begin as Flax's do
    negative_slope_init: trainable.Initial = 0.01


class SReLU(trainable.SReLU, _Trainable):
    """`jaxact.srelu` as a layer."""


class StarReLU(trainable.StarReLU, _Trainable):
    """`jaxact.star_relu` as a layer."""


class PELU(trainable.PELU, _Trainable):
    """`jaxact.pelu` as a layer."""


class SwishBeta(trainable.SwishBeta, _Trainable):
    """`jaxact.swish_beta` as a layer."""


class DyT(trainable.DyT, _Trainable):
    """`jaxact.dyt` as a layer."""
