"""The layers with trained parameters."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxact._src import trainable
from jaxact.nnx._streams import stream, streams

Array = jax.Array
Metadata = dataclasses.InitVar[Mapping[str, Any]]


def _metadata() -> Any:
    return dataclasses.field(default=MappingProxyType({}), kw_only=True)


@nnx.dataclass(eq=False)
class _Trainable(trainable.Trainable, nnx.Module):
    rngs: dataclasses.InitVar[nnx.Rngs | None] = dataclasses.field(default=None, kw_only=True)

    def __init_subclass__(cls, **options: Any) -> None:
        more = {
            f"{w.name}_metadata": f"Metadata of the `nnx.Param` `{w.name}`." for w in getattr(cls, "weights", ())
        }
        trainable.document(cls, more | {"rngs": "Random keys, for initialisers."})
        super().__init_subclass__(**options)

    def __post_init__(self, rngs: nnx.Rngs | None, *metadata: Mapping[str, Any]) -> None:
        self.check()
        streams(type(self).__name__, rngs, optional=True)
        for weight, more in zip(self.weights, metadata, strict=True):
            name = f"{weight.name}_init"
            random = callable(getattr(self, name))
            if random and rngs is None:
                raise ValueError(f"{type(self).__name__}: an initialiser needs rngs, got {name} without")
            key = stream(type(self).__name__, rngs, "params")() if random and rngs is not None else None
            value = self.initialiser(weight)(key, self.shape(weight, None), self.param_dtype)
            param = nnx.Param(value, **more)
            param[...] = self.stored(weight, param[...])
            setattr(self, weight.name, param)
        for weight in self.weights:  # modules that differ in their first values only share one graph
            delattr(self, f"{weight.name}_init")
        self._add_statistics()

    def _add_statistics(self) -> None:
        """Most have none."""

    def __call__(self, inputs: Any) -> Array:
        """The function of the inputs and the parameters."""
        x = jnp.asarray(inputs, self.dtype)
        return self.evaluate(x, self._values())

    def _values(self) -> dict[trainable.Weight, Array]:
        return {w: getattr(self, w.name)[...] for w in self.weights}


@nnx.dataclass(eq=False)
class PReLU(trainable.PReLU, _Trainable):
    """`jaxact.prelu` as a layer. The state of Flax's own `PReLU` loads.

    >>> import jax.numpy as jnp
    >>> from jaxact.nnx import PReLU
    >>> PReLU(0.25, num_parameters=2)(-jnp.ones((1, 2))).tolist()
    [[-0.25, -0.25]]
    """

    negative_slope_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class SReLU(trainable.SReLU, _Trainable):
    """`jaxact.srelu` as a layer, whose t_right counts as t_left where training takes it below."""

    t_left_metadata: Metadata = _metadata()
    a_left_metadata: Metadata = _metadata()
    t_right_metadata: Metadata = _metadata()
    a_right_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class StarReLU(trainable.StarReLU, _Trainable):
    """`jaxact.star_relu` as a layer."""

    scale_metadata: Metadata = _metadata()
    bias_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class PELU(trainable.PELU, _Trainable):
    """`jaxact.pelu` as a layer, whose parameters count as 0.1 where training takes them below."""

    a_metadata: Metadata = _metadata()
    b_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class SwishBeta(trainable.SwishBeta, _Trainable):
    """`jaxact.swish_beta` as a layer."""

    beta_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class DyT(trainable.DyT, _Trainable):
    """`jaxact.dyt` as a layer."""

    alpha_metadata: Metadata = _metadata()
    weight_metadata: Metadata = _metadata()
    bias_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class AconC(trainable.AconC, _Trainable):
    """`jaxact.acon_c` as a layer."""

    p1_metadata: Metadata = _metadata()
    p2_metadata: Metadata = _metadata()
    beta_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class Dice(trainable.Dice, _Trainable):
    """`jaxact.dice` as a layer, with the mean and the variance of the batch or, later, their running averages.

    Those are the `nnx.BatchStat` ``mean`` and ``var``, as in Flax's `BatchNorm`; ``model.eval()`` turns to them.

    >>> import jax.numpy as jnp
    >>> from jaxact.nnx import Dice
    >>> layer = Dice(num_parameters=4, momentum=0.0)
    >>> y = layer(jnp.full((8, 4), 3.0))
    >>> float(layer.mean.max())
    3.0
    """

    alpha_metadata: Metadata = _metadata()
    use_running_average: bool | None = dataclasses.field(default=False, kw_only=True)

    def _add_statistics(self) -> None:
        shape = self.sharing().shape(None)
        self.mean = nnx.BatchStat(jnp.zeros(shape, jnp.float32))
        self.var = nnx.BatchStat(jnp.ones(shape, jnp.float32))

    def __call__(self, inputs: Any, use_running_average: bool | None = None) -> Array:
        """The function of the inputs, their statistics and the parameters."""
        x = jnp.asarray(inputs, self.dtype)
        running = self.use_running_average if use_running_average is None else use_running_average
        used = self.mean[...], self.var[...]
        if not running:
            used = self.moments(x)
            for statistic, batch in zip((self.mean, self.var), used):
                statistic[...] = self.blended(statistic[...], batch)
        return self.evaluate(x, {**self._values(), self.MEAN: used[0], self.VAR: used[1]})


@nnx.dataclass(eq=False)
class XIELU(trainable.XIELU, _Trainable):
    """`jaxact.xielu` as a layer, whose parameters are stored as Hugging Face's are.

    The function takes ``softplus(alpha_p)`` and ``beta + softplus(alpha_n)``, which the first values stand for.
    """

    alpha_p_metadata: Metadata = _metadata()
    alpha_n_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class Rational(trainable.Rational, _Trainable):
    """`jaxact.rational` as a layer."""

    numerator_metadata: Metadata = _metadata()
    denominator_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class PolyNorm(trainable.PolyNorm, _Trainable):
    """`jaxact.poly_norm` as a layer."""

    weight_metadata: Metadata = _metadata()
    bias_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class MetaAcon(trainable.MetaAcon, _Trainable):
    """`jaxact.meta_acon` as a layer."""

    w1_metadata: Metadata = _metadata()
    b1_metadata: Metadata = _metadata()
    w2_metadata: Metadata = _metadata()
    b2_metadata: Metadata = _metadata()
    p1_metadata: Metadata = _metadata()
    p2_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class Snake(trainable.Snake, _Trainable):
    """`jaxact.snake` as a layer, whose alpha counts as 1e-9 where training takes it below."""

    alpha_metadata: Metadata = _metadata()


@nnx.dataclass(eq=False)
class SnakeBeta(trainable.SnakeBeta, _Trainable):
    """`jaxact.snake_beta` as a layer, whose parameters count as 1e-9 where training takes them below."""

    alpha_metadata: Metadata = _metadata()
    beta_metadata: Metadata = _metadata()
