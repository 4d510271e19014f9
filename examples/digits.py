"""Train a small network on scikit-learn's digits, once per activation, and compare what the activations do.

Prints a table (test accuracy, seconds, bytes saved for the backward pass) and draws the training curves, the
activations and the learned slopes of PReLU:

    python examples/digits.py --activations gelu mish prelu --epochs 30 --seed 0 --out digits.png
"""

import argparse
import dataclasses
import difflib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import optax
from flax import nnx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import jaxact
from jaxact.nnx import Activation, Linear, PReLU

mpl.use("Agg")
from matplotlib import pyplot as plt

DEFAULTS = ["relu", "gelu", "silu", "mish", "softplus", "prelu"]
WIDTHS = (128, 64)
BATCH = 64
LEARNING_RATE = 2e-3


class Network(nnx.Module):
    """Two hidden layers, each with its activation, and the logits."""

    def __init__(self, activation: str, seed: int):
        rngs = nnx.Rngs(seed)
        wide, narrow = WIDTHS
        self.first = Linear(64, wide, activation=make_activation(activation, wide), rngs=rngs)
        self.second = Linear(wide, narrow, activation=make_activation(activation, narrow), rngs=rngs)
        self.logits = Linear(narrow, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.logits(self.second(self.first(x)))

    @property
    def activations(self) -> list[nnx.Module]:
        return [self.first.activation, self.second.activation]


def make_activation(name: str, channels: int) -> nnx.Module:
    """The activation as a module; ``"prelu"`` has a slope of its own for every channel."""
    return PReLU(0.25, num_parameters=channels) if name == "prelu" else Activation(name)


@dataclasses.dataclass
class Data:
    """Images with values from 0 to 1, one row each, and their digits."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


@dataclasses.dataclass
class Result:
    """What one training run gave."""

    name: str
    losses: list[float]
    accuracies: list[float]
    seconds: float
    saved: int
    network: Network


def load(seed: int) -> Data:
    digits = load_digits()
    x = (digits.data / 16).astype(np.float32)
    parts = train_test_split(x, digits.target, test_size=0.2, random_state=seed, stratify=digits.target)
    train_x, test_x, train_y, test_y = parts
    return Data(train_x, train_y, test_x, test_y)


@nnx.jit
def train_step(network: Network, optimizer: nnx.Optimizer, x: jax.Array, y: jax.Array) -> jax.Array:
    def loss_of(network: Network) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(network(x), y).mean()

    loss, gradients = nnx.value_and_grad(loss_of)(network)
    optimizer.update(network, gradients)
    return loss


@nnx.jit
def accuracy(network: Network, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(jnp.argmax(network(x), axis=-1) == y)


def train(name: str, data: Data, epochs: int, seed: int, after_epoch: Callable[[float], None]) -> Result:
    network = Network(name, seed)
    rate = optax.cosine_decay_schedule(LEARNING_RATE, epochs * (len(data.train_x) // BATCH))
    optimizer = nnx.Optimizer(network, optax.adam(rate), wrt=nnx.Param)
    shuffle = np.random.default_rng(seed)
    losses, accuracies = [], []
    start = time.perf_counter()
    for _ in range(epochs):
        order = shuffle.permutation(len(data.train_x))
        batches = [order[i : i + BATCH] for i in range(0, len(order) - BATCH + 1, BATCH)]
        steps = [train_step(network, optimizer, data.train_x[b], data.train_y[b]) for b in batches]
        losses.append(float(np.mean(steps)))
        accuracies.append(float(accuracy(network, data.test_x, data.test_y)))
        after_epoch(accuracies[-1])
    seconds = time.perf_counter() - start
    hidden = jax.random.normal(jax.random.key(seed), (BATCH, WIDTHS[0]))
    return Result(name, losses, accuracies, seconds, saved_bytes(network.first.activation, hidden), network)


def saved_bytes(activation: Callable[[jax.Array], jax.Array], x: jax.Array) -> int:
    """Bytes of the distinct arrays that the activation keeps for its backward pass."""
    _, backward = jax.vjp(activation, x)
    kept = {a.unsafe_buffer_pointer(): a.nbytes for a in jax.tree.leaves(backward) if isinstance(a, jax.Array)}
    return sum(kept.values())


# -- what is shown -----------------------------------------------------------------------------------------------


def table_of(results: Sequence[Result]) -> Table:
    table = Table(title=f"Digits, {len(results[0].losses)} epochs")
    table.add_column("activation")
    for heading in ("test accuracy", "seconds", "saved for backward", "per input byte"):
        table.add_column(heading, justify="right")
    size = 4 * BATCH * WIDTHS[0]
    for r in results:
        saved = f"{r.saved:,} bytes"
        table.add_row(r.name, f"{r.accuracies[-1]:.4f}", f"{r.seconds:.1f}", saved, f"{r.saved / size:.2f}")
    return table


def draw(results: Sequence[Result], path: Path) -> None:
    slopes = next((r for r in results if r.name == "prelu"), None)
    figure, axes = plt.subplots(2, 2, figsize=(12, 8.5), layout="constrained")
    colors = {r.name: color for r, color in zip(results, plt.get_cmap("tab10").colors * len(results))}
    draw_training(axes[0], results, colors)
    draw_curves(axes[1, 0], results, colors)
    if slopes is None:
        axes[1, 1].set_axis_off()
    else:
        draw_slopes(axes[1, 1], slopes, colors["prelu"])
    figure.suptitle("One network, one activation at a time, on scikit-learn's digits")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_training(axes: Sequence[plt.Axes], results: Sequence[Result], colors: dict[str, tuple]) -> None:
    for r in results:
        epochs = np.arange(1, len(r.losses) + 1)
        axes[0].plot(epochs, r.losses, color=colors[r.name], label=r.name)
        axes[1].plot(epochs, r.accuracies, color=colors[r.name], label=f"{r.name} {r.accuracies[-1]:.3f}")
    axes[0].set(title="Training loss", xlabel="epoch", ylabel="cross entropy", yscale="log")
    axes[1].set(title="Test accuracy", xlabel="epoch", ylabel="accuracy")
    axes[1].set_ylim(min(r.accuracies[-1] for r in results) - 0.08, 1.005)
    for ax in axes:
        ax.grid(alpha=0.3)
        ax.legend()


def draw_curves(ax: plt.Axes, results: Sequence[Result], colors: dict[str, tuple]) -> None:
    x = np.linspace(-4, 4, 401, dtype=np.float32)
    for r in results:
        color = colors[r.name]
        if r.name == "prelu":
            slope = learned_slopes(r)[0]
            ax.plot(x, np.where(x > 0, x, slope.mean() * x), color=color, label="prelu, mean slope")
            low, high = np.quantile(slope, [0.1, 0.9])
            ax.fill_between(
                x, np.minimum(x * low, 0), np.minimum(x * high, 0), where=x < 0, color=color, alpha=0.2
            )
        else:
            ax.plot(x, jaxact.get(r.name)(x), color=color, label=r.name)
    ax.set(title="Activations (band: the slopes of 80% of prelu's channels)", xlabel="x", xlim=(-4, 4))
    ax.set_ylim(-1.7, 4.0)
    ax.grid(alpha=0.3)
    ax.legend()


def draw_slopes(ax: plt.Axes, result: Result, color: tuple) -> None:
    for i, (slopes, shade) in enumerate(zip(learned_slopes(result), (1.0, 0.5)), 1):
        place = np.linspace(0, 1, len(slopes))
        ax.plot(place, np.sort(slopes), ".-", color=color, alpha=shade, label=f"layer {i}, {len(slopes)} channels")
    ax.axhline(0.25, color="black", linestyle="--", linewidth=1, label="before training")
    ax.set(title="Learned slopes of prelu, sorted", xlabel="share of channels", ylabel="negative slope")
    ax.grid(alpha=0.3)
    ax.legend()


def learned_slopes(result: Result) -> list[np.ndarray]:
    return [np.asarray(a.negative_slope[...]) for a in result.network.activations]


# -- the command -------------------------------------------------------------------------------------------------


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--activations", nargs="+", default=DEFAULTS, metavar="NAME", help="names of jaxact, or prelu"
    )
    parser.add_argument("--epochs", type=int, default=30, help="passes over the training data (30)")
    parser.add_argument("--seed", type=int, default=0, help="of the split, the weights and the order (0)")
    parser.add_argument("--out", type=Path, default=Path("digits.png"), help="the picture (digits.png)")
    return parser.parse_args(argv)


def problem_with(arguments: argparse.Namespace) -> str | None:
    """Why nothing can be trained, in one line, or None."""
    if arguments.epochs < 1:
        return f"--epochs must be at least 1, got {arguments.epochs}"
    if not arguments.out.parent.is_dir():
        return f"--out: there is no folder {str(arguments.out.parent)!r}"
    if arguments.out.suffix not in (".png", ".svg", ".pdf"):
        return f"--out must end in .png, .svg or .pdf, got {str(arguments.out)!r}"
    for name in arguments.activations:
        try:
            make_activation(name, 1)(jnp.zeros(1))
        except TypeError as error:
            return str(error)
        except ValueError:
            near = difflib.get_close_matches(name.lower(), [*jaxact.names(), "prelu"], n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "jaxact.names() lists all"
            return f"unknown activation {name!r}; {hint}"
    return None


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parsed(argv)
    problem = problem_with(arguments)
    if problem:
        print(f"digits.py: {problem}", file=sys.stderr)
        return 2
    data = load(arguments.seed)
    console = Console()
    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    results = []
    with Progress(*columns, TextColumn("{task.fields[accuracy]}"), console=console) as progress:
        for name in dict.fromkeys(arguments.activations):
            task = progress.add_task(name, total=arguments.epochs, accuracy="")

            def after_epoch(accuracy: float, task: int = task) -> None:
                progress.update(task, advance=1, accuracy=f"accuracy {accuracy:.4f}")

            results.append(train(name, data, arguments.epochs, arguments.seed, after_epoch))
    console.print(table_of(results))
    try:
        draw(results, arguments.out)
    except OSError as error:
        print(f"digits.py: can't write {arguments.out}: {error}", file=sys.stderr)
        return 2
    console.print(f"Wrote {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
