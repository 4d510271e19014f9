"""The gated feed-forward block, as data: what its Linen and its NNX module share."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxact._src import catalogue
from jaxact._src.checks import integer
from jaxact._src.packed import Layout
from jaxact._src.select import Implementation, check_implementation
from jaxact.gated import SETTINGS, gated
from jaxact.registry import get

Array = jax.Array
_BY_NAME = {catalogue.fold(s.__name__): s for s in SETTINGS}


@dataclasses.dataclass(eq=False, repr=False)
class GatedMLP:
    r"""``down(f(gate(x)) * up(x))``, the feed-forward block of most language models, arXiv:2002.05202.

    Formula: ``W_d \, (f(W_g x) \odot W_u x)``

    Shapes: (..., in) to (..., features).
    Dtypes: as of Flax's dense layers.
    Saved for the backward: the inputs of the product, as `jaxact.gated`, and those of the dense layers.

    The dense layers are ``gate_up`` (``gate`` and ``up`` if not packed) and ``down``, each with a ``kernel`` and
    perhaps a ``bias``.

    Args:
      features: The size of the output.
      hidden: The size of the gate.
      activation: The activation of the gate, an elementwise one or its name; or a setting of `jaxact.gated` or its
        name, such as ``"swiglu_oai"``.
      packed: Whether gate and up are one dense layer.
      layout: How a packed layer holds them, as in `jaxact.gated`; None is the setting's own.
      gate_first: Whether the first half of a packed layer is the gate; None is the setting's own.
      use_bias: Whether the dense layers have a bias.
      dtype: The dtype of the computation, as Flax has it.
      param_dtype: The dtype of the parameters.
      precision: That of the matrix products, as Flax has it.
      kernel_init: The initialiser of the kernels; None is Flax's.
      bias_init: That of the biases.
      down_kernel_init: That of the kernel of ``down``; None is `kernel_init`.
      down_bias_init: That of its bias.
      implementation: As for every activation.
    """

    features: int
    hidden: int
    activation: str | Callable[..., Any] = "silu"
    _: dataclasses.KW_ONLY
    packed: bool = True
    layout: Layout | None = None
    gate_first: bool | None = None
    use_bias: bool = False
    dtype: Any = None
    param_dtype: Any = jnp.float32
    precision: Any = None
    kernel_init: Callable[..., Any] | None = None
    bias_init: Callable[..., Any] | None = None
    down_kernel_init: Callable[..., Any] | None = None
    down_bias_init: Callable[..., Any] | None = None
    implementation: Implementation | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        cls.__doc__ = f"{inspect.getdoc(GatedMLP)}\n\n{inspect.cleandoc(cls.__doc__ or '')}"
        super().__init_subclass__(**options)

    def check(self) -> None:
        """Check the settings.

        Raises:
          TypeError: The activation has no gated form.
          ValueError: Its name is unknown, or a size is below 1.
        """
        check_implementation(self.implementation)
        for name in ("features", "hidden"):
            if integer("GatedMLP", name, getattr(self, name)) < 1:
                raise ValueError(f"GatedMLP: {name} must be at least 1, got {getattr(self, name)}")
        jax.eval_shape(self.activated, *[jax.ShapeDtypeStruct((2,), jnp.float32)] * len(self.widths()))

    def widths(self) -> dict[str, int]:
        """The dense layers of the input, and their sizes."""
        return {"gate_up": 2 * self.hidden} if self.packed else {"gate": self.hidden, "up": self.hidden}

    def dense(self, name: str) -> dict[str, Any]:
        """The settings of a dense layer."""
        first = {"kernel_init": self.kernel_init, "bias_init": self.bias_init}
        if name == "down":
            first = {n: getattr(self, f"down_{n}") or init for n, init in first.items()}
        same = {n: getattr(self, n) for n in ("use_bias", "dtype", "param_dtype", "precision")}
        return same | {n: init for n, init in first.items() if init is not None}

    def activated(self, *parts: Array) -> Array:
        """The product of what the layers of the input give."""
        options: dict[str, Any] = {"implementation": self.implementation}
        if len(parts) == 2:
            return _function(self.activation)(parts, gate_first=True, **options)
        options |= {n: v for n in ("layout", "gate_first") if (v := getattr(self, n)) is not None}
        return _function(self.activation)(parts[0], **options)


def _function(activation: str | Callable[..., Any]) -> Callable[..., Array]:
    """The gated function of an activation or a setting."""
    if isinstance(activation, str) and catalogue.fold(activation) in _BY_NAME:
        return _BY_NAME[catalogue.fold(activation)]
    own = activation.func if isinstance(activation, functools.partial) else activation
    if own in SETTINGS and callable(activation):
        return activation
    return functools.partial(gated, gate=get(activation))
