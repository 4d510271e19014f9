"""The pictures of the activations: one of each for its page, and all of them in one for the README.

``make gallery`` draws the latter, ``docs/images/gallery-light.svg`` and ``gallery-dark.svg``.
"""

import functools
import io
import math
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from jaxact._src import catalogue, curves, overview

mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "jaxact", "font.family": "sans-serif"})

IMAGES = Path(__file__).parent / "images"
COLUMNS = 9


@functools.cache
def sampled(name: str) -> curves.Curve:
    """The curve of an activation."""
    function = curves.function_of(catalogue.find(name))
    if function is None:
        raise ValueError(f"{name} is no function of one number")
    return curves.sample(name, function, -4.0, 4.0)


def drawn() -> list[str]:
    """The names of all that have a curve, in alphabetical order."""
    return [e.name for e in overview.entries() if curves.function_of(catalogue.find(e.name)) is not None]


def picture(name: str, theme: str) -> str:
    """The SVG of one activation for light or for dark pages."""
    return _svg(curves.figure([sampled(name)], curves.THEMES[theme]))


def gallery(theme: str) -> str:
    """The SVG of all activations, in alphabetical order."""
    names = drawn()
    rows = math.ceil(len(names) / COLUMNS)
    colours = curves.THEMES[theme]
    figure = Figure(figsize=(1.35 * COLUMNS, 1.2 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS).ravel()
    for name, panel in zip(names, panels):
        curves.draw(panel, curves.lines([sampled(name)]), colours, 1.1)
        panel.set(xlim=(-4.0, 4.0), ylim=(-2.0, 3.0), xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
        panel.set_title(name, color=colours.ink, fontsize=8)
    for panel in panels[len(names) :]:
        panel.remove()
    figure.patch.set_alpha(0.0)
    return _svg(figure)


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


if __name__ == "__main__":
    for theme in curves.THEMES:
        (IMAGES / f"gallery-{theme}.svg").write_text(gallery(theme))
