"""The gated feed-forward block."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
from flax import nnx

from jaxact._src import gated_mlp
from jaxact.nnx._streams import streams

Array = jax.Array
Metadata = Mapping[str, Any]
_NONE: Metadata = MappingProxyType({})


@nnx.dataclass(eq=False)
class GatedMLP(gated_mlp.GatedMLP, nnx.Module):
    """NNX takes besides, all by keyword:

    * `in_features`: The size of the input; None is `features`.
    * `rngs`: Random keys.
    * `kernel_metadata`, `bias_metadata`: Metadata of the kernels and of the biases, for instance
      ``{"out_sharding": (None, "model")}``.
    * `down_kernel_metadata`, `down_bias_metadata`: Those of ``down``.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxact.nnx import GatedMLP
    >>> GatedMLP(4, 8, "swiglu_oai", rngs=nnx.Rngs(0))(jnp.ones((2, 4))).shape
    (2, 4)
    """

    _: dataclasses.KW_ONLY
    rngs: dataclasses.InitVar[nnx.Rngs]
    in_features: int | None = None
    kernel_metadata: dataclasses.InitVar[Metadata] = _NONE
    bias_metadata: dataclasses.InitVar[Metadata] = _NONE
    down_kernel_metadata: dataclasses.InitVar[Metadata] = _NONE
    down_bias_metadata: dataclasses.InitVar[Metadata] = _NONE

    def __post_init__(
        self, rngs: nnx.Rngs, kernel: Metadata, bias: Metadata, down_kernel: Metadata, down_bias: Metadata
    ) -> None:
        self.check()
        streams("GatedMLP", rngs)

        def linear(name: str, size: int, out: int, kernel: Metadata, bias: Metadata) -> nnx.Linear:
            options = self.dense(name) | {"kernel_metadata": kernel, "bias_metadata": bias}
            return nnx.Linear(size, out, rngs=rngs, **options)

        for name, size in self.widths().items():
            setattr(self, name, linear(name, self.in_features or self.features, size, kernel, bias))
        self.down = linear("down", self.hidden, self.features, down_kernel, down_bias)
        for name in ("kernel_init", "bias_init", "down_kernel_init", "down_bias_init"):
            delattr(self, name)  # what has done its work is no part of the graph

    def __call__(self, inputs: Any) -> Array:
        """The block's output."""
        return self.down(self.activated(*(getattr(self, name)(inputs) for name in self.widths())))
