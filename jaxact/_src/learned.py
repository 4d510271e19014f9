"""Trained weights of other frameworks' layers as those of jaxact's, and back: their values and their layout.

A reader is given a layer's configuration and its weights by their names; a writer gives both.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxact._src.checks import integer, shown

Shape = tuple[int, ...]
Config = Mapping[str, Any]
Weights = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Learned:
    """What a layer with trained parameters is made of.

    Attributes:
      values: Each parameter as the function takes it, a number or an array.
      settings: The module's settings, such as its channel axis.
    """

    values: Mapping[str, Any]
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Values:
    """An initialiser that gives what was learned. Equal ones are one static argument of jit.

    Attributes:
      array: The values.
    """

    array: np.ndarray[Any, Any]

    def __call__(self, key: Any, shape: Sequence[int], dtype: Any = np.float32) -> Any:
        """The values in this dtype; a single one is given any shape of one element.

        Raises:
          ValueError: They have another shape.
        """
        if self.array.shape != tuple(shape) and not self.array.size == np.prod(shape) == 1:
            raise ValueError(
                f"the learned values have shape {self.array.shape}, the module asks for {tuple(shape)}"
            )
        return np.asarray(self.array.reshape(shape)).astype(dtype)

    def _key(self) -> tuple[Any, ...]:
        return self.array.shape, self.array.dtype.str, self.array.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Values) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


# -- PReLU of Keras: alpha has the shape of the input without its batch, 1 on the shared axes ---------------------

_INITIAL = {"Zeros": 0.0, "Ones": 1.0}


def read_keras(owner: str, config: Config, weights: Weights) -> Learned:
    shared = config.get("shared_axes") or ()
    shared = tuple(shared) if isinstance(shared, Sequence) else (shared,)
    settings: dict[str, Any] = {"shared_axes": shared, "num_parameters": None}
    if "alpha" in weights:
        alpha = weights["alpha"]
        return Learned({"negative_slope": alpha}, settings | {"num_parameters": alpha.shape})
    return Learned({"negative_slope": _initial(owner, config.get("alpha_initializer", "Zeros"))}, settings)


def _initial(owner: str, initializer: Any) -> float:
    """The number that an initializer of Keras stands for."""
    name = initializer.get("class_name") if isinstance(initializer, Mapping) else initializer
    given = initializer.get("config", {}) if isinstance(initializer, Mapping) else {}
    known = {k.lower(): v for k, v in _INITIAL.items()}
    if str(name).lower() == "constant":
        return float(given.get("value", 0.0))
    if str(name).lower() not in known:
        raise ValueError(
            f"{owner}: alpha_initializer must be Zeros, Ones or Constant, got {shown(initializer)}; "
            "give the values in 'weights', or make the module yourself"
        )
    return known[str(name).lower()]


def write_keras(
    owner: str, slope: np.ndarray[Any, Any], rank: int | None, shared: Shape | None
) -> tuple[Config, Weights]:
    """Of slopes that have one axis for each of the input's, its batch among them."""
    if rank is None:
        raise ValueError(f"{owner}: Keras has slopes of the input's shape, which is not known; pass input_shape")
    if slope.shape[0] != 1:
        raise ValueError(f"{owner}: Keras shares slopes along the batch axis, got slopes of shape {slope.shape}")
    axes = [a for a in range(1, rank) if slope.shape[a] == 1] if shared is None else list(shared)
    return {"shared_axes": axes or None}, {"alpha": slope[0]}


# -- PReLU of torch: one weight, or one for each channel along axis 1 ---------------------------------------------


def read_torch(owner: str, config: Config, weights: Weights) -> Learned:
    number = integer(owner, "num_parameters", config.get("num_parameters", 1))
    slope: Any = weights["weight"] if "weight" in weights else float(config.get("init", 0.25))
    if np.size(slope) != number and "weight" in weights:
        raise ValueError(f"{owner}: num_parameters is {number}, but the weight has shape {np.shape(slope)}")
    settings = {"num_parameters": number} | ({"axis": 1} if number > 1 else {})
    return Learned({"negative_slope": slope}, settings)


def write_torch(owner: str, slope: np.ndarray[Any, Any]) -> tuple[Config, Weights]:
    """Of one slope, a vector along axis 1, or slopes that have one axis for each of the input's."""
    if slope.ndim > 1 and any(n != 1 for a, n in enumerate(slope.shape) if a != 1):
        raise ValueError(
            f"{owner}: torch has one slope for each channel along axis 1, got slopes of shape {slope.shape}"
        )
    return {"num_parameters": slope.size}, {"weight": slope.reshape(-1)}


# -- xIELU of transformers: alphas through the inverse of softplus, alpha_n less beta -----------------------------


def _softplus(x: Any) -> Any:
    return np.logaddexp(np.asarray(x, np.float64), 0.0)


def _inverse_softplus(y: Any) -> Any:
    y = np.asarray(y, np.float64)
    return y + np.log(-np.expm1(-y))


def read_xielu(owner: str, config: Config, weights: Weights) -> Learned:
    beta = float(config.get("beta", 0.5))
    values = {"alpha_p": config.get("alpha_p_init", 0.8), "alpha_n": config.get("alpha_n_init", 0.8)}
    if weights:
        values = {"alpha_p": _softplus(weights["alpha_p"]), "alpha_n": beta + _softplus(weights["alpha_n"])}
    numbers = {n: np.asarray(v, np.float32).reshape(()) for n, v in values.items()}
    return Learned(numbers, {"beta": beta, "eps": float(config.get("eps", -1e-6))})


def write_xielu(owner: str, values: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Config, Weights]:
    beta = float(settings["beta"])
    if any(np.size(v) != 1 for v in values.values() if isinstance(v, np.ndarray)):
        raise ValueError(f"{owner}: transformers has one alpha_p and one alpha_n, got {shown(dict(values))}")
    alpha_p, alpha_n = (np.asarray(values[n], np.float64).reshape(1) for n in ("alpha_p", "alpha_n"))
    if not (alpha_p > 0 and alpha_n > beta):
        raise ValueError(
            f"{owner}: transformers stores alpha_p > 0 and alpha_n > beta only, "
            f"got {alpha_p[0]:g}, {alpha_n[0]:g} and beta={beta:g}"
        )
    weights = {"alpha_p": _inverse_softplus(alpha_p), "alpha_n": _inverse_softplus(alpha_n - beta)}
    return {"beta": beta, "eps": float(settings["eps"])}, {n: w.astype(np.float32) for n, w in weights.items()}


READERS: Mapping[str, Callable[[str, Config, Weights], Learned]] = {
    "prelu": read_keras,
    "prelu_channelwise": read_torch,
    "xielu": read_xielu,
}
