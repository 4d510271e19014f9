"""The gated feed-forward block."""

from typing import Any

import flax.linen as nn
import jax

from jaxact._src import gated_mlp

Array = jax.Array


class GatedMLP(gated_mlp.GatedMLP, nn.Module):
    """A kernel is partitioned by its initialiser, see `flax.linen.with_partitioning`.

    >>> import jax, jax.numpy as jnp
    >>> from jaxact.linen import GatedMLP
    >>> y, variables = GatedMLP(4, 8).init_with_output(jax.random.key(0), jnp.ones((2, 4)))
    >>> jax.tree.map(jnp.shape, variables["params"])
    {'down': {'kernel': (8, 4)}, 'gate_up': {'kernel': (4, 16)}}
    """

    def __post_init__(self) -> None:
        self.check()
        super().__post_init__()

    @nn.compact
    def __call__(self, inputs: Any) -> Array:
        """The block's output."""
        parts = [nn.Dense(size, name=name, **self.dense(name))(inputs) for name, size in self.widths().items()]
        return nn.Dense(self.features, name="down", **self.dense("down"))(self.activated(*parts))
