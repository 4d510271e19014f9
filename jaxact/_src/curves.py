"""The curve of an activation and of its first two derivatives: sampled, drawn in a terminal, drawn into a file."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxact._src import overview
from jaxact._src.rowwise import Rowwise
from jaxact.registry import get

ORDERS = ("f", "f'", "f''")
OF_ONE_NUMBER = ("rational", "rrelu")  # functions without a record that are elementwise all the same


@dataclasses.dataclass(frozen=True)
class Curve:
    """What one activation looks like.

    Attributes:
      name: What the legend says.
      x: The points.
      orders: Value, first and second derivative there, by name.
    """

    name: str
    x: np.ndarray
    orders: Mapping[str, np.ndarray]


def function_of(activation: Any) -> Callable[..., Any] | None:
    """An activation as it is drawn: a function of one number or, over rows, of a row; None where it is neither.

    Parameters without a default have the values of the record's first setting. A gated activation is drawn in its
    gate, with 1 for the other half.
    """
    if overview.has_record(activation):
        bound: Callable[..., Any] = get(activation, **overview.required(activation))
        return bound
    if overview.kind_of(activation) == "gated":
        return lambda gate: activation((gate, jnp.ones_like(gate)), gate_first=True)
    return activation if activation.__name__ in OF_ONE_NUMBER else None


def sample(name: str, activation: Callable[..., Any], low: float, high: float, points: int = 401) -> Curve:
    """Evaluate an activation and two derivatives between two numbers.

    One over rows is drawn as the first entry of the row (x, 0), its smallest case.
    """
    function = _first_of_pair(activation) if _is_rowwise(activation) else activation
    first = jax.grad(lambda v: jnp.sum(function(v)))
    x = jnp.linspace(low, high, points, dtype=jnp.float32)
    values = jax.jit(lambda v: (function(v), jax.vmap(first)(v), jax.vmap(jax.grad(first))(v)))(x)
    return Curve(name, np.asarray(x), dict(zip(ORDERS, map(np.asarray, values))))


def _is_rowwise(activation: Any) -> bool:
    return isinstance(getattr(activation, "activation", activation), Rowwise)


def _first_of_pair(activation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda v: activation(jnp.stack([v, jnp.zeros_like(v)], -1))[..., 0]


def lines(curves: Sequence[Curve]) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """What is drawn: all orders of a single activation, the values alone of several."""
    if len(curves) == 1:
        return [(order, curves[0].x, y) for order, y in curves[0].orders.items()]
    return [(curve.name, curve.x, curve.orders["f"]) for curve in curves]


COLOURS = ("cyan", "yellow", "magenta", "green", "red", "blue")


def in_terminal(curves: Sequence[Curve], *, width: int = 60, height: int = 16) -> str:
    """The curves as text with ANSI colours.

    Raises:
      ImportError: plotille is not installed.
    """
    import plotille  # type: ignore[import-untyped, unused-ignore]  # noqa: PLC0415  (an extra)

    figure = plotille.Figure()
    figure.width, figure.height = width, height
    figure.register_label_formatter(float, lambda value, *_, **__: f"{value:10.3g}")
    figure.set_x_limits(float(curves[0].x[0]), float(curves[0].x[-1]))
    for colour, (label, x, y) in zip(itertools.cycle(COLOURS), lines(curves)):
        drawn = np.isfinite(y)
        figure.plot(x[drawn].tolist(), y[drawn].tolist(), label=label, lc=colour)
    return str(figure.show(legend=True))


@dataclasses.dataclass(frozen=True)
class Theme:
    """Colours of a figure.

    Attributes:
      ink: Of axes and text.
      lines: Of the curves, in turn; None for matplotlib's own.
    """

    ink: str
    lines: Sequence[str] | None = None


# By the page that a figure is for, each colour at least 4.5 times as light or as dark as its background.
THEMES = {
    "light": Theme("#424242", ("#0065A3", "#B94700", "#00735C", "#8A3F78")),
    "dark": Theme("#C8CCD6", ("#6CB6FF", "#FFA657", "#5FD7B0", "#E39BCF")),
}
NEUTRAL = Theme("#777777")  # where the page is not known: can be read on white and on black


def draw(axes: Any, drawn: Sequence[tuple[str, np.ndarray, np.ndarray]], theme: Theme, width: float) -> None:
    """Curves, with the axes through 0, on axes of matplotlib without a background."""
    if theme.lines is not None:
        axes.set_prop_cycle(color=theme.lines)
    axes.axhline(0.0, color=theme.ink, linewidth=0.5)
    axes.axvline(0.0, color=theme.ink, linewidth=0.5)
    for label, x, y in drawn:
        axes.plot(x, np.where(np.isfinite(y), y, np.nan), label=label, linewidth=width)
    axes.tick_params(colors=theme.ink)
    axes.spines[:].set_color(theme.ink)
    axes.patch.set_alpha(0.0)


def figure(curves: Sequence[Curve], theme: Theme = NEUTRAL) -> Any:
    """The curves as a matplotlib figure without a background.

    Raises:
      ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  (an extra)

    drawing = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = drawing.subplots()
    draw(axes, lines(curves), theme, 1.5)
    axes.set_xlabel("x", color=theme.ink)
    axes.set_title(", ".join(curve.name for curve in curves), color=theme.ink)
    axes.legend(labelcolor=theme.ink, framealpha=0.0)
    drawing.patch.set_alpha(0.0)
    return drawing


def to_file(curves: Sequence[Curve], path: Path) -> None:
    """The curves as a picture.

    Args:
      curves: What is drawn.
      path: Where it goes, its format that of the ending.

    Raises:
      ImportError: matplotlib is not installed.
      ValueError: The ending is no format that matplotlib writes.
      OSError: The path can't be written.
    """
    figure(curves).savefig(path)
