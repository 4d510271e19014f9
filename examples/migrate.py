"""Carry the activations of a Keras and of a PyTorch model over to jaxact, trained slopes included, and compare.

    python examples/migrate.py

Needs Keras and PyTorch, or one of them: what is missing is said.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from jaxact import convert

X = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32) * 3
Compared = tuple[str, np.ndarray, np.ndarray]  # a layer, what it gives there, what its conversion gives


def from_keras() -> Iterator[Compared]:
    """The layers of a small Keras model, each compared on the input that it has in the model."""
    import keras  # noqa: PLC0415  (may be missing)

    layers = keras.layers
    slopes = keras.initializers.RandomUniform(0.1, 0.4, seed=0)
    model = keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(8),
            layers.LeakyReLU(),  # a slope of 0.3, which no other framework has
            layers.Dense(8, activation="gelu"),
            layers.PReLU(alpha_initializer=slopes),
            layers.Dense(3),
            layers.Softmax(),
        ]
    )
    x = X
    for layer in model.layers:
        y = np.asarray(layer(x))
        if isinstance(layer, layers.Dense):
            before = x @ np.asarray(layer.kernel) + np.asarray(layer.bias)
            name = layer.get_config()["activation"]
            if name != "linear":
                yield f"Dense(activation={name!r})", y, applied(convert.from_config(name, "keras"), before)
        else:
            yield type(layer).__name__, y, applied(convert.from_module(layer, to="nnx"), x)
        x = y


def from_torch() -> Iterator[Compared]:
    """The same of a small PyTorch model."""
    import torch  # noqa: PLC0415  (may be missing)

    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(
        nn.Linear(6, 8), nn.PReLU(8, 0.1), nn.Linear(8, 8), nn.GELU(), nn.Hardswish(), nn.Softmax(-1)
    )
    x = torch.from_numpy(X)
    with torch.no_grad():
        for layer in model:
            y = layer(x)
            if not isinstance(layer, nn.Linear):
                converted = convert.from_module(layer, to="nnx")
                yield type(layer).__name__, y.numpy(), applied(converted, x.numpy())
            x = y


def applied(converted: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    return np.asarray(converted(jnp.asarray(x)))


def main() -> int:
    console = Console()
    compared = 0
    for package, layers in (("keras", from_keras), ("torch", from_torch)):
        if importlib.util.find_spec(package) is None:
            console.print(f"{package} is not installed: pip install {package}")
            continue
        table = Table(title=f"From {package}", box=None, header_style="bold")
        for column in ("layer", "largest difference", "largest output"):
            table.add_column(column)
        for layer, theirs, ours in layers():
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=layer)
            table.add_row(layer, f"{np.abs(ours - theirs).max():.1e}", f"{np.abs(theirs).max():.2f}")
            compared += 1
        console.print(table)
    if not compared:
        print("migrate.py: nothing to migrate from", file=sys.stderr)
    return 0 if compared else 2


if __name__ == "__main__":
    sys.exit(main())
