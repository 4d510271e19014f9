"""The layers with trained parameters."""

import functools
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
        return self.evaluate(x, _values(self, x.shape))


# Functions, because Flax makes a scope and a row of `nn.tabulate` of every method.


def _values(module: _Trainable, x: Shape) -> dict[trainable.Weight, Array]:
    return {w: _value(module, w, x) for w in module.weights}


def _value(module: _Trainable, weight: trainable.Weight, x: Shape) -> Array:
    shape = module.shape(weight, x)
    if module.has_variable("params", weight.name):  # Flax's own error does not tell the axis
        module.fitted(weight, nn.meta.unbox(module.get_variable("params", weight.name)).shape, x)
    init = module.initialiser(weight)

    def stored(*args: Any) -> Any:
        return jax.tree.map(functools.partial(module.stored, weight), init(*args))  # in its box, if it has one

    return module.param(weight.name, stored, shape, module.param_dtype)


class PReLU(trainable.PReLU, _Trainable):
    """`jaxact.prelu` as a layer. A checkpoint of Flax's own `PReLU` loads.

    >>> import jax, jax.numpy as jnp
    >>> from jaxact.linen import PReLU
    >>> variables = PReLU(num_parameters=None).init(jax.random.key(0), jnp.ones((8, 4)))
    >>> jax.tree.map(jnp.shape, variables)
    {'params': {'negative_slope': (4,)}}
    """

    param_dtype: Any = jnp.float32  # the fields begin as Flax's do
    negative_slope_init: trainable.Initial = 0.01


class SReLU(trainable.SReLU, _Trainable):
    """`jaxact.srelu` as a layer, whose t_right counts as t_left where training takes it below."""


class StarReLU(trainable.StarReLU, _Trainable):
    """`jaxact.star_relu` as a layer."""


class PELU(trainable.PELU, _Trainable):
    """`jaxact.pelu` as a layer, whose parameters count as 0.1 where training takes them below."""


class SwishBeta(trainable.SwishBeta, _Trainable):
    """`jaxact.swish_beta` as a layer."""


class DyT(trainable.DyT, _Trainable):
    """`jaxact.dyt` as a layer."""


class AconC(trainable.AconC, _Trainable):
    """`jaxact.acon_c` as a layer."""


class Dice(trainable.Dice, _Trainable):
    """`jaxact.dice` as a layer, with the mean and the variance of the batch or, later, their running averages.

    Those are the variables ``"mean"`` and ``"var"`` of the collection ``"batch_stats"``, as in Flax's `BatchNorm`.

    >>> import jax, jax.numpy as jnp
    >>> from jaxact.linen import Dice
    >>> layer = Dice(momentum=0.0)
    >>> variables = layer.init(jax.random.key(0), jnp.ones((8, 4)), use_running_average=False)
    >>> x = jnp.full((8, 4), 3.0)
    >>> y, updates = layer.apply(variables, x, use_running_average=False, mutable="batch_stats")
    >>> float(updates["batch_stats"].pop("mean").max())
    3.0
    """

    @nn.compact
    def __call__(self, inputs: Any, use_running_average: bool | None = None) -> Array:
        """The function of the inputs, their statistics and the parameters."""
        x = jnp.asarray(inputs, self.dtype)
        shape = self.sharing().shape(x.shape)
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
        used = mean.value, var.value
        if not nn.merge_param("use_running_average", self.use_running_average, use_running_average):
            used = self.moments(x)
            if not self.is_initializing():
                mean.value, var.value = self.blended(mean.value, used[0]), self.blended(var.value, used[1])
        return self.evaluate(x, {**_values(self, x.shape), self.MEAN: used[0], self.VAR: used[1]})


class XIELU(trainable.XIELU, _Trainable):
    """`jaxact.xielu` as a layer, whose parameters are stored as Hugging Face's are.

    The function takes ``softplus(alpha_p)`` and ``beta + softplus(alpha_n)``, which the first values stand for.
    """


class Rational(trainable.Rational, _Trainable):
    """`jaxact.rational` as a layer."""


class PolyNorm(trainable.PolyNorm, _Trainable):
    """`jaxact.poly_norm` as a layer."""


class MetaAcon(trainable.MetaAcon, _Trainable):
    """`jaxact.meta_acon` as a layer."""


class Snake(trainable.Snake, _Trainable):
    """`jaxact.snake` as a layer, whose alpha counts as 1e-9 where training takes it below."""


class SnakeBeta(trainable.SnakeBeta, _Trainable):
    """`jaxact.snake_beta` as a layer, whose parameters count as 1e-9 where training takes them below."""
