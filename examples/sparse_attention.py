"""Classify digits by attention over their pixels, dense (softmax) and sparse (entmax), and draw where it looks.

Four learned queries read the 64 pixels of scikit-learn's digits. Softmax gives every pixel some weight; 1.5-entmax
and sparsemax give most pixels exactly none, so the picture tells what the model did not look at:

    python examples/sparse_attention.py --steps 400 --out attention.png
"""

import argparse
import dataclasses
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import optax
from flax import nnx
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import jaxact

mpl.use("Agg")
from matplotlib import pyplot as plt

NAMES = ("softmax", "entmax15", "sparsemax")
HEADS, WIDTH, SIDE = 4, 32, 8
BATCH, RATE = 64, 3e-3


class Reader(nnx.Module):
    """Learned queries attend to the pixels, each a value with its place; what they find tells the digit."""

    def __init__(self, name: str, rngs: nnx.Rngs):
        self.normalise = jaxact.get(name)  # over the last axis, as softmax
        self.value = nnx.Linear(1, WIDTH, rngs=rngs)
        self.place = nnx.Embed(SIDE * SIDE, WIDTH, rngs=rngs)
        self.mix = nnx.Linear(WIDTH, WIDTH, rngs=rngs)
        self.queries = nnx.Param(jax.random.normal(rngs.params(), (HEADS, WIDTH)))
        self.logits = nnx.Linear(HEADS * WIDTH, 10, rngs=rngs)

    def __call__(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Logits, and the weights of the attention, of shape (images, heads, pixels)."""
        pixels = self.value(images[..., None]) + self.place(jnp.arange(SIDE * SIDE))
        keys = jaxact.gelu(self.mix(pixels))
        scores = jnp.einsum("hw,npw->nhp", self.queries[...], keys) / WIDTH**0.5
        weights = self.normalise(scores)
        found = jnp.einsum("nhp,npw->nhw", weights, keys)
        return self.logits(found.reshape(len(images), -1)), weights


@dataclasses.dataclass
class Result:
    """What one normaliser gave on the test images."""

    name: str
    accuracy: float
    weights: np.ndarray

    @property
    def pixels(self) -> float:
        """How many pixels a head gives a weight above zero, on average."""
        return float((self.weights > 0).sum(-1).mean())


@functools.cache
def data() -> tuple[np.ndarray, ...]:
    digits = load_digits()
    x = (digits.data / 16).astype(np.float32)
    return tuple(train_test_split(x, digits.target, test_size=0.2, random_state=0, stratify=digits.target))


@nnx.jit
def train_step(model: Reader, optimizer: nnx.Optimizer, x: jax.Array, y: jax.Array) -> jax.Array:
    def loss_of(model: Reader) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(model(x)[0], y).mean()

    loss, gradients = nnx.value_and_grad(loss_of)(model)
    optimizer.update(model, gradients)
    return loss


def train(name: str, steps: int, seed: int) -> Result:
    train_x, test_x, train_y, test_y = data()
    model = Reader(name, nnx.Rngs(seed))
    optimizer = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)
    draw = np.random.default_rng(seed)
    for _ in track(range(steps), description=f"{name:>10}"):
        chosen = draw.integers(len(train_x), size=BATCH)
        train_step(model, optimizer, train_x[chosen], train_y[chosen])
    logits, weights = nnx.jit(lambda model, x: model(x))(model, test_x)
    return Result(name, float(np.mean(np.argmax(logits, -1) == test_y)), np.asarray(weights))


def draw_maps(results: Sequence[Result], path: Path, digits: int = 6) -> None:
    """A row of digits, below it the mean weight of the heads for each normaliser; white is exactly zero."""
    _, images, _, labels = data()
    shown = [int(np.argmax(labels == d)) for d in range(digits)]
    size = (1.4 * digits + 0.8, 1.5 * (len(results) + 1))
    figure, axes = plt.subplots(len(results) + 1, digits, figsize=size, layout="constrained")
    rows = [("digit", images[shown], "Greys")]
    for r in results:
        mean = r.weights[shown].mean(1)
        rows.append((f"{r.name}\n{r.pixels:.1f} of 64", np.where(mean > 0, mean, np.nan), "viridis"))
    for line, (title, pictures, colours) in zip(axes, rows):
        for ax, picture in zip(line, pictures):
            ax.imshow(picture.reshape(SIDE, SIDE), cmap=colours)
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(title)
    figure.suptitle("Where the attention looks, and how many pixels a head uses")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def problem_with(options: argparse.Namespace) -> str | None:
    """Why nothing can be trained, in one line, or None."""
    if options.steps < 1:
        return f"--steps must be at least 1, got {options.steps}"
    if not options.out.parent.is_dir():
        return f"--out: there is no folder {str(options.out.parent)!r}"
    if options.out.suffix not in (".png", ".svg", ".pdf"):
        return f"--out must end in .png, .svg or .pdf, got {str(options.out)!r}"
    return None


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400, help="of training, for each (400)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (0)")
    parser.add_argument("--out", type=Path, default=Path("attention.png"), help="the picture (attention.png)")
    options = parser.parse_args(argv)
    wrong = problem_with(options)
    if wrong:
        print(f"sparse_attention.py: {wrong}", file=sys.stderr)
        return 2
    results = [train(name, options.steps, options.seed) for name in NAMES]
    table = Table("attention", "test accuracy", "pixels of 64 a head uses", box=None, header_style="bold")
    for r in results:
        table.add_row(r.name, f"{r.accuracy:.3f}", f"{r.pixels:.1f}")
    console = Console()
    console.print(table)
    try:
        draw_maps(results, options.out)
    except OSError as error:
        print(f"sparse_attention.py: can't write {options.out}: {error}", file=sys.stderr)
        return 2
    console.print(f"Wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
