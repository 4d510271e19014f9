"""Train a character language model on the source text of Python's standard library.

Attention and GatedMLP, scanned over layers and rematerialised. Prints progress and a sample, draws the loss, and
saves checkpoints from which the next run goes on exactly:

    python examples/lm.py --steps 300 --out lm.png --checkpoint /tmp/lm

On the devices of a mesh, and on those of several processes (the same command in each, with its own id):

    python examples/lm.py --mesh data=4,model=2
    python examples/lm.py --coordinator localhost:1234 --num-processes 2 --process-id 0
"""

import argparse
import contextlib
import dataclasses
import functools
import math
import socket
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import optax
import orbax.checkpoint as ocp
from flax import nnx
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jaxact.nnx import GatedMLP

mpl.use("Agg")
from matplotlib import pyplot as plt

ALPHABET = "\n" + "".join(map(chr, range(32, 127)))
REMAT = {
    "all": jax.checkpoint_policies.nothing_saveable,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "none": jax.checkpoint_policies.everything_saveable,
}
REMAT_HELP = "what the backward computes again: all, all but matrix products (dots, the default), or none"


@dataclasses.dataclass(frozen=True)
class Size:
    """What decides the shapes and the program."""

    layers: int
    width: int
    heads: int
    context: int
    activation: str
    remat: str


# -- the model ---------------------------------------------------------------------------------------------------


class Attention(nnx.Module):
    """Causal attention with several heads."""

    def __init__(self, size: Size, rngs: nnx.Rngs):
        self.heads = size.heads
        self.query, self.key, self.value, self.out = (
            nnx.Linear(size.width, size.width, use_bias=False, rngs=rngs) for _ in range(4)
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (*x.shape[:-1], self.heads, x.shape[-1] // self.heads)
        q, k, v = (f(x).reshape(shape) for f in (self.query, self.key, self.value))
        return self.out(jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(x.shape))


class Block(nnx.Module):
    """One layer. Gate and up are two matrices, so that a mesh splits both alike."""

    def __init__(self, size: Size, rngs: nnx.Rngs):
        self.before_attention = nnx.RMSNorm(size.width, rngs=rngs)
        self.attention = Attention(size, rngs)
        self.before_mlp = nnx.RMSNorm(size.width, rngs=rngs)
        self.mlp = GatedMLP(size.width, 3 * size.width, size.activation, packed=False, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + self.attention(self.before_attention(x))
        return x + self.mlp(self.before_mlp(x))


class Model(nnx.Module):
    """Characters to the logits of the next ones."""

    def __init__(self, size: Size, rngs: nnx.Rngs):
        self.remat = size.remat
        self.characters = nnx.Embed(len(ALPHABET), size.width, rngs=rngs)
        self.places = nnx.Embed(size.context, size.width, rngs=rngs)
        make = nnx.split_rngs(splits=size.layers)(nnx.vmap(functools.partial(Block, size)))
        self.blocks = make(rngs)  # one block, whose parameters have the layers as their first axis
        self.norm = nnx.RMSNorm(size.width, rngs=rngs)
        self.logits = nnx.Linear(size.width, len(ALPHABET), rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        structure, parameters = nnx.split(self.blocks)

        def layer(x: jax.Array, own: nnx.State) -> tuple[jax.Array, None]:
            return nnx.merge(structure, own)(x), None

        x = self.characters(tokens) + self.places(jnp.arange(tokens.shape[-1]))
        x, _ = jax.lax.scan(jax.checkpoint(layer, policy=REMAT[self.remat]), x, parameters)
        return self.logits(self.norm(x))


# -- the text ----------------------------------------------------------------------------------------------------


def text() -> np.ndarray:
    """The standard library's modules one after the other, as places in the alphabet."""
    folder = Path(sysconfig.get_path("stdlib"))
    whole = "\n".join(p.read_text(encoding="utf-8", errors="replace") for p in sorted(folder.glob("*.py")))
    table = np.full(128, ALPHABET.index("?"), np.int32)
    table[[ord(c) for c in ALPHABET]] = np.arange(len(ALPHABET))
    return table[np.frombuffer(whole.encode("ascii", errors="replace"), np.uint8)]


def batch_of(corpus: np.ndarray, step: int, seed: int, rows: int, context: int) -> np.ndarray:
    """The characters of a step. They depend on nothing else, so a run that resumes sees the same ones."""
    starts = np.random.default_rng((seed, step)).integers(len(corpus) - context - 1, size=rows)
    return corpus[starts[:, None] + np.arange(context + 1)]


# -- what is split over which devices ----------------------------------------------------------------------------

SPLIT = {  # by the name of the layer; axis 0 is the layers'
    **dict.fromkeys(("query", "key", "value", "gate", "up"), P(None, None, "model")),
    **dict.fromkeys(("out", "down"), P(None, "model", None)),
}


def shardings_of(state: Any, mesh: Mesh) -> Any:
    """Where the parameters and what the optimiser keeps of each lie."""

    def place(path: tuple[Any, ...], _: Any) -> NamedSharding:
        names = {getattr(k, "key", None) for k in path}
        return NamedSharding(mesh, next((SPLIT[n] for n in names if n in SPLIT), P()))

    return jax.tree.map_with_path(place, state)


def spread(array: np.ndarray, mesh: Mesh, spec: P) -> jax.Array:
    """An array that every process has whole, on the devices of the mesh."""
    return jax.make_array_from_callback(array.shape, NamedSharding(mesh, spec), lambda index: array[index])


# -- training ----------------------------------------------------------------------------------------------------


class Trainer:
    """The compiled steps and the state that they carry."""

    def __init__(self, size: Size, mesh: Mesh, seed: int, rate: float):
        # the rate does not depend on the number of steps, so a run can be resumed with more of them
        self.optimizer = optax.chain(
            optax.clip_by_global_norm(1.0), optax.adamw(optax.warmup_constant_schedule(0.0, rate, 20))
        )
        self.size, self.mesh = size, mesh
        self.structure = nnx.split(nnx.eval_shape(lambda: Model(size, nnx.Rngs(seed))))[0]
        self.shardings = shardings_of(jax.eval_shape(lambda: self._first(seed)), mesh)
        self.state = jax.jit(lambda: self._first(seed), out_shardings=self.shardings)()
        same = (self.shardings, NamedSharding(mesh, P()))
        self._step = jax.jit(self._updated, donate_argnums=0, out_shardings=same)
        self._write = jax.jit(self._continued, static_argnums=3, out_shardings=NamedSharding(mesh, P()))

    def _first(self, seed: int) -> dict[str, Any]:
        parameters = nnx.state(Model(self.size, nnx.Rngs(seed)))
        return {"parameters": parameters, "optimizer": self.optimizer.init(parameters)}

    def _updated(self, state: dict[str, Any], tokens: jax.Array) -> tuple[dict[str, Any], jax.Array]:
        def loss_of(parameters: nnx.State) -> jax.Array:
            logits = nnx.merge(self.structure, parameters)(tokens[:, :-1])
            return optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:]).mean()

        loss, gradients = jax.value_and_grad(loss_of)(state["parameters"])
        updates, kept = self.optimizer.update(gradients, state["optimizer"], state["parameters"])
        return {"parameters": optax.apply_updates(state["parameters"], updates), "optimizer": kept}, loss

    def step(self, tokens: np.ndarray) -> float:
        self.state, loss = self._step(self.state, spread(tokens, self.mesh, P("data")))
        return float(loss)

    def _continued(self, parameters: nnx.State, window: jax.Array, key: jax.Array, length: int) -> jax.Array:
        model = nnx.merge(self.structure, parameters)

        def add(window: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
            drawn = jax.random.categorical(key, model(window[None])[0, -1] / 0.7).astype(window.dtype)
            return jnp.roll(window, -1).at[-1].set(drawn), drawn

        return jax.lax.scan(add, window, jax.random.split(key, length))[1]

    def sample(self, prompt: np.ndarray, length: int, seed: int) -> str:
        """The text after a prompt, drawn at temperature 0.7."""
        drawn = self._write(self.state["parameters"], prompt, jax.random.key(seed), length)
        return "".join(ALPHABET[i] for i in np.asarray(drawn))


class Checkpoints:
    """The last two states, each with its model's size and the losses up to it.

    Raises:
      OSError: The folder can't be written.
      ValueError: It holds another model, or something else.
    """

    def __init__(self, folder: Path, size: Size):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        self.size = {n: v for n, v in dataclasses.asdict(size).items() if n != "remat"}  # which changes no result
        options = ocp.CheckpointManagerOptions(max_to_keep=2)
        self.manager = ocp.CheckpointManager(folder.absolute(), options=options)
        if self.manager.latest_step() is not None and (found := self._size_found(folder)) != self.size:
            self.manager.close()
            raise ValueError(f"--checkpoint {folder} holds a model of {_shown(found)}, not of {_shown(self.size)}")

    def _size_found(self, folder: Path) -> dict[str, Any]:
        wanted = ocp.args.Composite(size=ocp.args.JsonRestore())
        try:
            found: dict[str, Any] = self.manager.restore(self.manager.latest_step(), args=wanted)["size"]
        except (OSError, KeyError, ValueError):
            self.manager.close()
            raise ValueError(f"--checkpoint {folder} holds something else than this model's checkpoints") from None
        return found

    def restore(self, trainer: Trainer) -> list[float]:
        """Put the newest state into the trainer, and return its losses."""
        step = self.manager.latest_step()
        if step is None:
            return []
        shapes = jax.tree.map(
            lambda a, where: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=where),
            trainer.state,
            trainer.shardings,
        )
        wanted = ocp.args.Composite(state=ocp.args.StandardRestore(shapes), losses=ocp.args.JsonRestore())
        found = self.manager.restore(step, args=wanted)
        trainer.state = found["state"]
        return list(found["losses"])

    def save(self, trainer: Trainer, losses: Sequence[float]) -> None:
        parts = {
            "size": ocp.args.JsonSave(self.size),
            "state": ocp.args.StandardSave(trainer.state),
            "losses": ocp.args.JsonSave(list(losses)),
        }
        self.manager.save(len(losses), args=ocp.args.Composite(**parts))

    def close(self) -> None:
        self.manager.wait_until_finished()
        self.manager.close()


def _shown(size: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in size.items())


def train(
    options: argparse.Namespace,
    trainer: Trainer,
    checkpoints: Checkpoints | None,
    corpus: np.ndarray,
    console: Console,
) -> list[float]:
    """Train up to the wanted number of steps, from the newest checkpoint on."""
    with contextlib.ExitStack() as stack:
        losses: list[float] = []
        if checkpoints:
            stack.enter_context(contextlib.closing(checkpoints))
            losses = checkpoints.restore(trainer)
        if losses:
            console.print(f"Resumed after step {len(losses)}")
        columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        progress = stack.enter_context(Progress(*columns, TextColumn("{task.fields[loss]}"), console=console))
        task = progress.add_task("", total=options.steps, completed=len(losses), loss="")
        for step in range(len(losses), options.steps):
            losses.append(trainer.step(batch_of(corpus, step, options.seed, options.batch, options.context)))
            progress.update(task, advance=1, loss=f"loss {losses[-1]:.3f}")
            if checkpoints and (len(losses) % options.save_every == 0 or len(losses) == options.steps):
                checkpoints.save(trainer, losses)
    return losses


def draw(losses: Sequence[float], path: Path) -> None:
    figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
    ax.plot(np.arange(1, len(losses) + 1), losses)
    ax.axhline(math.log(len(ALPHABET)), color="black", linestyle="--", linewidth=1, label="guessing")
    ax.set(title="Characters of the standard library", xlabel="step", ylabel="cross entropy, nats a character")
    ax.grid(alpha=0.3)
    ax.legend()
    figure.savefig(path, dpi=130)
    plt.close(figure)


# -- the command -------------------------------------------------------------------------------------------------


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    number = functools.partial(parser.add_argument, type=int)
    number("--steps", default=300, help="of training, those before a checkpoint included (300)")
    parser.add_argument("--out", type=Path, default=Path("lm.png"), help="the picture of the loss (lm.png)")
    parser.add_argument("--checkpoint", type=Path, help="a folder to resume from and to save to")
    number("--save-every", default=100, help="steps between checkpoints (100)")
    parser.add_argument("--mesh", help="sizes, such as data=4,model=2; by default all devices are data")
    parser.add_argument("--coordinator", help="host:port of process 0, for several processes")
    number("--num-processes", help="how many there are")
    number("--process-id", help="which of them this is")
    number("--patience", default=300, help="seconds to wait for the other processes (300)")
    for name, default in (("layers", 4), ("width", 128), ("heads", 4), ("context", 128), ("batch", 16)):
        number(f"--{name}", default=default, help=f"({default})")
    parser.add_argument("--activation", default="swiglu", help="of GatedMLP, such as swiglu_oai (swiglu)")
    parser.add_argument("--remat", choices=REMAT, default="dots", help=REMAT_HELP)
    parser.add_argument("--rate", type=float, default=3e-3, help="of learning (0.003)")
    number("--sample", default=200, help="characters to write in the end (200)")
    number("--seed", default=0, help="of weights and batches (0)")
    return parser.parse_args(argv)


def problems(options: argparse.Namespace) -> Iterator[str]:
    """What is wrong with the options, as far as they tell without devices."""
    for name in ("steps", "save_every", "layers", "width", "heads", "context", "batch", "patience"):
        if getattr(options, name) < 1:
            yield f"--{name.replace('_', '-')} must be at least 1, got {getattr(options, name)}"
    if options.heads > 0 and options.width % options.heads:
        yield f"--width {options.width} must be divisible by --heads {options.heads}"
    if not options.out.parent.is_dir():
        yield f"--out: there is no folder {str(options.out.parent)!r}"
    if options.out.suffix not in (".png", ".svg", ".pdf"):
        yield f"--out must end in .png, .svg or .pdf, got {str(options.out)!r}"
    together = (options.coordinator, options.num_processes, options.process_id)
    if None in together and together != (None, None, None):
        yield "--coordinator, --num-processes and --process-id belong together"
    elif options.coordinator:
        host, _, port = options.coordinator.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            yield f"--coordinator is host:port, got {options.coordinator!r}"
        if not 0 <= options.process_id < options.num_processes:
            yield f"--process-id must be below --num-processes {options.num_processes}, got {options.process_id}"


def mesh_of(text: str | None, options: argparse.Namespace) -> Mesh:
    """The mesh that an option describes.

    Raises:
      ValueError: It does not fit the devices or the model.
    """
    devices = jax.device_count()
    sizes = {"data": devices, "model": 1}
    if text is not None:
        pairs = [part.partition("=") for part in text.split(",")]
        if any(name not in sizes or not size.isdigit() for name, _, size in pairs):
            raise ValueError(f"--mesh is sizes such as data=4,model=2, got {text!r}")
        sizes = dict.fromkeys(sizes, 1) | {name: int(size) for name, _, size in pairs}
    needed = math.prod(sizes.values())
    if not 0 < needed <= devices or (jax.process_count() > 1 and needed != devices):
        raise ValueError(f"--mesh {text} needs {needed} devices, there are {devices}")
    for what, axis in (("batch", "data"), ("heads", "model")):
        if getattr(options, what) % sizes[axis]:
            raise ValueError(f"--{what} {getattr(options, what)} must be divisible by {axis}={sizes[axis]}")
    types = (AxisType.Auto,) * len(sizes)
    return jax.make_mesh(tuple(sizes.values()), tuple(sizes), axis_types=types, devices=jax.devices()[:needed])


def connect(options: argparse.Namespace) -> None:
    """Join the other processes, if there are any.

    Raises:
      ValueError: The coordinator can't be reached, for which JAX would abort the process.
    """
    if not options.coordinator:
        return
    host, _, port = options.coordinator.rpartition(":")
    if options.process_id == 0:
        listen(int(port))
    else:
        reach(host.strip("[]"), int(port), options.patience)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        options.coordinator,
        options.num_processes,
        options.process_id,
        initialization_timeout=options.patience,
    )


def listen(port: int) -> None:
    """Find out whether process 0 can be the coordinator."""
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise ValueError(f"--coordinator: port {port} can't be used: {error}") from None


def reach(host: str, port: int, patience: float) -> None:
    """Wait until somebody listens there."""
    end = time.monotonic() + patience
    while True:
        try:
            socket.create_connection((host, port), timeout=patience).close()
            return
        except OSError as error:
            if time.monotonic() >= end:
                raise ValueError(f"--coordinator: no answer from {host}:{port} in {patience} s: {error}") from None
        time.sleep(min(0.5, max(0.0, end - time.monotonic())))


def prepared(options: argparse.Namespace) -> tuple[Size, Mesh, Checkpoints | None]:
    """All that can be refused before anything is trained.

    Raises:
      OSError: The picture or the checkpoints can't be written.
      TypeError, ValueError: Something else is wrong with the options.
    """
    for problem in problems(options):
        raise ValueError(problem)
    with tempfile.TemporaryFile(dir=options.out.parent):
        pass
    connect(options)  # before anything is computed
    mesh = mesh_of(options.mesh, options)
    GatedMLP(1, 1, options.activation, rngs=nnx.Rngs(0))  # refuses an activation that has no gated form
    size = Size(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Size)})
    return size, mesh, Checkpoints(options.checkpoint, size) if options.checkpoint else None


def main(argv: Sequence[str] | None = None) -> int:
    options = parsed(argv)
    try:
        size, mesh, checkpoints = prepared(options)
    except (OSError, TypeError, ValueError) as error:
        print(f"lm.py: {error}", file=sys.stderr)
        return 2
    console = Console(quiet=jax.process_index() > 0)
    trainer = Trainer(size, mesh, options.seed, options.rate)
    corpus = text()
    losses = train(options, trainer, checkpoints, corpus, console)
    if options.sample > 0:
        sample = trainer.sample(corpus[: options.context], options.sample, options.seed)
        console.print(sample, markup=False, highlight=False, soft_wrap=True)
    if jax.process_index() == 0:
        draw(losses, options.out)
    console.print(f"Loss {losses[-1]:.4f} after {len(losses)} steps; wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
