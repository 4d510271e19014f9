"""The layers without trained parameters."""

import dataclasses
from typing import Any

import jax
from flax import nnx

from jaxact._src import layers
from jaxact.nnx._streams import stream

Array = jax.Array


class _Layer(layers.Layer, nnx.Module):
    def __init_subclass__(cls, **options: Any) -> None:
        layers.document(cls)
        super().__init_subclass__(**options)

    def __call__(self, inputs: Any) -> Array:
        """The function of the inputs."""
        return self.evaluate(inputs)


class _Masked(_Layer):
    def __call__(self, inputs: Any, mask: Any = None) -> Array:
        """The function of the inputs; where the mask is False they are left out."""
        return self.evaluate(inputs, where=mask)


class Identity(layers.Identity, _Layer):
    """`jaxact.identity` as a layer."""


class ReLU(layers.ReLU, _Layer):
    """`jaxact.relu` as a layer."""


class ReLU6(layers.ReLU6, _Layer):
    """`jaxact.relu6` as a layer."""


class LeakyReLU(layers.LeakyReLU, _Layer):
    """`jaxact.leaky_relu` as a layer."""


class ThresholdedReLU(layers.ThresholdedReLU, _Layer):
    """`jaxact.thresholded_relu` as a layer."""


class Threshold(layers.Threshold, _Layer):
    """`jaxact.threshold` as a layer."""


class ELU(layers.ELU, _Layer):
    """`jaxact.elu` as a layer."""


class CELU(layers.CELU, _Layer):
    """`jaxact.celu` as a layer."""


class SELU(layers.SELU, _Layer):
    """`jaxact.selu` as a layer."""


class GELU(layers.GELU, _Layer):
    """`jaxact.gelu` as a layer."""


class SiLU(layers.SiLU, _Layer):
    """`jaxact.silu` as a layer."""


class Mish(layers.Mish, _Layer):
    """`jaxact.mish` as a layer."""


class Softplus(layers.Softplus, _Layer):
    """`jaxact.softplus` as a layer."""


class SoftSign(layers.SoftSign, _Layer):
    """`jaxact.soft_sign` as a layer."""


class Sigmoid(layers.Sigmoid, _Layer):
    """`jaxact.sigmoid` as a layer."""


class LogSigmoid(layers.LogSigmoid, _Layer):
    """`jaxact.log_sigmoid` as a layer."""


class Tanh(layers.Tanh, _Layer):
    """`jaxact.tanh` as a layer."""


class HardTanh(layers.HardTanh, _Layer):
    """`jaxact.hard_tanh` as a layer."""


class HardSigmoid(layers.HardSigmoid, _Layer):
    """`jaxact.hard_sigmoid` as a layer."""


class HardSilu(layers.HardSilu, _Layer):
    """`jaxact.hard_silu` as a layer."""


class HardShrink(layers.HardShrink, _Layer):
    """`jaxact.hard_shrink` as a layer."""


class SoftShrink(layers.SoftShrink, _Layer):
    """`jaxact.soft_shrink` as a layer."""


class TanhShrink(layers.TanhShrink, _Layer):
    """`jaxact.tanh_shrink` as a layer."""


class Softmax(layers.Softmax, _Masked):
    """`jaxact.softmax` as a layer."""


class Softmin(layers.Softmin, _Masked):
    """`jaxact.softmin` as a layer."""


class LogSoftmax(layers.LogSoftmax, _Masked):
    """`jaxact.log_softmax` as a layer."""


class Softmax2d(layers.Softmax2d, _Masked):
    """`jaxact.softmax` over the channels of ``(N, C, H, W)`` or ``(C, H, W)`` as a layer."""


class GLU(layers.GLU, _Layer):
    """`jaxact.glu` as a layer."""


class CReLU(layers.CReLU, _Layer):
    """`jaxact.crelu` as a layer."""


class Maxout(layers.Maxout, _Layer):
    """`jaxact.maxout` as a layer."""


@nnx.dataclass(eq=False)
class RReLU(layers.RReLU, _Layer):
    """`jaxact.rrelu` as a layer, with a random key unless it is deterministic, as ``model.eval()`` makes it."""

    _: dataclasses.KW_ONLY
    deterministic: bool = False
    rng_collection: str = "dropout"
    rngs: dataclasses.InitVar[nnx.Rngs | None] = None

    def __post_init__(self, rngs: nnx.Rngs | None) -> None:
        super().__post_init__()
        self.stream = None if rngs is None else stream("RReLU", rngs, self.rng_collection).fork()

    def __call__(self, inputs: Any, deterministic: bool | None = None, rngs: nnx.Rngs | None = None) -> Array:
        """The function of the inputs."""
        if self.deterministic if deterministic is None else deterministic:
            return self.evaluate(inputs)
        keys = self.stream if rngs is None else stream("RReLU", rngs, self.rng_collection)
        if keys is None:
            raise ValueError("RReLU: random slopes need rngs, of the layer or of the call, or deterministic=True")
        return self.evaluate(inputs, key=keys())


# the spellings of Keras and torch
Hardshrink = HardShrink
Hardsigmoid = HardSigmoid
Hardswish = HardSwish = HardSilu
Hardtanh = HardTanh
Softshrink = SoftShrink
Softsign = SoftSign
Swish = SiLU
Tanhshrink = TanhShrink
