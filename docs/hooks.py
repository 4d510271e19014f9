"""What the site derives when it is built: a page and a picture for every activation, a gallery, typeset formulas.

Formulas become MathML and pictures SVG, so that pages need neither a script nor the network to show them.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from jaxact._src import catalogue, curves, dialects, overview

sys.path.insert(0, str(Path(__file__).parent))
import pictures

TITLES = {
    "elementwise": "Elementwise",
    "trainable": "Trainable",
    "rows": "Over rows",
    "gated": "Gated",
}
GATED_EXAMPLE = """import jax, jax.numpy as jnp, jaxact
from jaxact.nnx import GatedMLP
from flax import nnx

halves = jnp.linspace(-4.0, 4.0, 16).reshape(2, 8)  # gate and up of two rows, in one array
y = jaxact.{name}(halves)
gradient = jax.grad(lambda v: jaxact.{name}(v).sum())(halves)
layer = GatedMLP(8, 32, "{name}", rngs=nnx.Rngs(0))"""
FACTS = ("range", "limits", "kinks", "memory", "source")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are derived."""
    entries = overview.entries()
    for entry in entries:
        files.append(File.generated(config, f"activations/{entry.name}.md", content=page_of(entry)))
    for name in pictures.drawn():
        for theme in curves.THEMES:
            content = pictures.picture(name, theme)
            files.append(File.generated(config, f"activations/{name}-{theme}.svg", content=content))
    files.append(File.generated(config, "gallery.md", content=_gallery(entries)))
    files.append(File.generated(config, "names.md", content=_all_names(entries)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Typeset ``$...$`` and ``$$...$$`` outside of code."""
    pieces = re.split(r"(```.*?```|`[^`\n]*`)", markdown, flags=re.DOTALL)
    return "".join(p if p.startswith("`") else _typeset(p) for p in pieces)


def _typeset(text: str) -> str:
    text = re.sub(r"\$\$(.+?)\$\$", lambda m: convert(m[1], display="block"), text, flags=re.DOTALL)
    return re.sub(r"(?<![\\\w])\$([^$\n]+?)\$(?!\d)", lambda m: convert(m[1]), text)


def _shown(name: str, text: str, folder: str = "") -> str:
    """The picture of an activation for either palette, of which the theme shows one."""
    return " ".join(f"![{text}]({folder}{name}-{theme}.svg#only-{theme})" for theme in curves.THEMES)


def _gallery(entries: list[overview.Entry]) -> str:
    lines = [
        "# Gallery",
        "",
        "Value, first and second derivative of every activation; click for its page. What is",
    ]
    lines += ["over rows is drawn as the first entry of the row (x, 0), what is gated in its gate beside a 1.", ""]
    drawn = pictures.drawn()
    for kind, title in TITLES.items():
        lines += [f"## {title}", "", '<div class="gallery" markdown>', ""]
        names = [entry.name for entry in entries if entry.kind == kind]
        for name in filter(drawn.__contains__, names):
            lines += [f"[{_shown(name, f'Curve of {name}', 'activations/')} {name}](activations/{name}.md)", ""]
        lines += ["</div>", ""]
        if others := [f"[{name}](activations/{name}.md)" for name in names if name not in drawn]:
            lines += [f"And, no functions of one number: {', '.join(others)}.", ""]
    return "\n".join(lines)


def page_of(entry: overview.Entry) -> str:
    """The Markdown of an activation's page."""
    if entry.name in catalogue.functions():
        name = entry.name
        curve = _shown(name, f"Curve of {name} with its derivatives") if name in pictures.drawn() else ""
        facts = overview.facts(catalogue.find(name))
        use = _use(GATED_EXAMPLE.format(name=name)) if entry.kind == "gated" else ""
        memory = f"**Memory:** {facts['memory']}.\n\n" if "memory" in facts else ""
        return f"# {name}\n\n{curve}\n\n::: jaxact.{name}\n\n{memory}{_names(facts)}{use}"
    return "\n".join(_sections(catalogue.find(entry.name)))


def _sections(activation: overview.Activation) -> Iterator[str]:
    facts = overview.facts(activation)
    name = facts["name"]
    yield f"# {name}\n"
    yield f"{_escaped(activation.definition.facts.doc)}\n"
    if facts["formula"]:
        yield f"$${facts['formula']}$$\n"
    yield _shown(name, f"Curve of {name} with its derivatives") + "\n"
    yield f"```python\njaxact.{name}{activation.__signature__}\n```\n"
    if facts["parameters"]:
        yield "| parameter | what it may be |\n|---|---|"
        yield from (f"| `{n}` | {_escaped(text)} |" for n, text in facts["parameters"].items())
        yield ""
    yield "| property | of the function |\n|---|---|"
    yield from (f"| {fact} | {_escaped(facts[fact])} |" for fact in FACTS if facts[fact])
    yield from (f"| accuracy in {dtype} | {text} |" for dtype, text in facts["accuracy"].items())
    yield f"\n{_names(facts)}{_use(_example(activation))}"


def _names(facts: dict) -> str:
    rows = [f"| {d} | {', '.join(f'`{n}`' for n in names)} |\n" for d, names in facts["names"].items()]
    return "## Names\n\n| dialect | name |\n|---|---|\n" + "".join(rows)


def _all_names(entries: list[overview.Entry]) -> str:
    """The page that tells what each activation is called elsewhere."""
    columns = ["jax", *dialects.DIALECTS]
    lines = [
        "# Names in other frameworks",
        "",
        "What `jaxact.get(name, dialect=...)` takes. A name may mean other",
    ]
    lines += ["parameters there: [From other frameworks](guides/migration.md).", ""]
    lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for entry in entries:
        names = overview.facts(catalogue.find(entry.name))["names"]
        if names.keys() == {"jax"}:
            continue
        own = f"[{entry.name}](activations/{entry.name}.md)"
        cells = [", ".join([own, *(f"`{n}`" for n in names["jax"] if n != entry.name)])]
        cells += [", ".join(f"`{n}`" for n in names.get(dialect, ())) for dialect in dialects.DIALECTS]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _use(code: str) -> str:
    return f"\n## Use\n\n```python\n{code}\n```\n"


def _example(activation: overview.Activation) -> str:
    name = activation.__name__
    given = "".join(f", {n}={v:g}" for n, v in overview.required(activation).items())
    lines = [
        "import jax, jax.numpy as jnp, jaxact",
        "from jaxact.nnx import Activation",
        "",
        "x = jnp.linspace(-4.0, 4.0, 9)",
        f"y = jaxact.{name}(x{given})",
        f"gradient = jax.grad(lambda v: jaxact.{name}(v{given}).sum())(x)",
        f'layer = Activation("{name}"{given})',
    ]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text of a docstring in Markdown: bars would end a cell, double backticks are code."""
    return text.replace("``", "`").replace("|", "\\|").replace("*", "\\*")
