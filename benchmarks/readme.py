"""The tables of README.md: what was measured, from the results beside this file, and what other libraries have.

``python -m benchmarks page`` writes them between their marks; the site's home page includes them.
"""

import dataclasses
import json
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.accuracy_page import number
from benchmarks.report import Report, geometric_mean

RESULTS = pathlib.Path(__file__).parent / "results"
PEERS = {"jax.nn": "jax.nn", "keras": "Keras", "torch": "PyTorch"}
MARGIN = 0.95  # of jaxact's time: who needs less is ahead


def update(path: pathlib.Path, results: pathlib.Path = RESULTS) -> None:
    """Write the tables anew, where the file has marks for them."""
    path.write_text(renewed(path.read_text(), results))


def renewed(text: str, results: pathlib.Path = RESULTS) -> str:
    """A text with its tables written anew."""
    for name, block in {"figures": figures(results), "features": features()}.items():
        start, end = (f"<!-- --8<-- [{edge}:{name}] -->" for edge in ("start", "end"))
        pattern = re.compile(f"({re.escape(start)}\n).*?({re.escape(end)})", re.DOTALL)
        text, count = pattern.subn(lambda m, block=block: f"{m[1]}{block}\n{m[2]}", text)
        if count != 1:
            raise ValueError(f"{start} ... {end} must be there once, found {count} times")
    return text


# -- what was measured --------------------------------------------------------------------------------------------


def figures(results: pathlib.Path = RESULTS) -> str:
    """Accuracy, memory and speed beside other libraries, each row from one run."""
    accuracy = json.loads((results / "accuracy.json").read_text())
    speed, memory = (Report.load(results / f"{name}.json") for name in ("cpu", "memory"))
    machine = speed.machine
    lines = [
        f"| on a CPU, {machine['date']} | jaxact | {' | '.join(PEERS.values())} |",
        f"|---|---|{'---|' * len(PEERS)}",
    ]
    for dtype, limits in accuracy["limits"].items():
        bounds = ", ".join(dict.fromkeys(f"{limit:g}" for limit in limits))
        label = f"{dtype}: activations whose value, f′ and f″ are within {bounds} ULP"
        lines.append(_row(label, lambda library, dtype=dtype: _within(accuracy, dtype, library)))
    lines.append(_row("kept for the backward under `jit`, in arrays like x: mean", lambda p: _kept(memory, p)[0]))
    lines.append(_row("the most", lambda p: _kept(memory, p)[1]))
    for dtype in dict.fromkeys(r["dtype"] for r in speed.where()):
        label = f"{dtype}: time for value and gradient over jaxact's, geometric mean"
        lines.append(_row(label, lambda p, dtype=dtype: _time(speed, p, dtype)))
    lines.append(
        _row("of all cells timed, those where it is over 5 % faster than jaxact", lambda p: _ahead(speed, p))
    )
    versions = ", ".join(f"{library} {version}" for library, version in accuracy["libraries"].items())
    cores = "one core" if machine["cores"] == 1 else f"{machine['cores']} cores"
    lines += [
        "",
        f"{versions}; {cores}, {machine['processor']}. ULP are counted at every 16-bit number",
    ]
    lines += [f"and at {accuracy['points']:,} of float32, but for kinks and, in float32, for 8 % around roots."]
    return "\n".join(lines)


def _row(label: str, cell: Callable[[str], str]) -> str:
    return f"| {label} | {' | '.join(cell(library) for library in ('jaxact', *PEERS))} |"


def _within(accuracy: Mapping[str, Any], dtype: str, library: str) -> str:
    """How many of a library's activations keep jaxact's bounds, of all that it has."""
    cases: dict[str, bool] = {}
    for row in accuracy["rows"]:
        if (row["dtype"], row["library"]) == (dtype, library):
            good = number(row["worst"]) <= accuracy["limits"][dtype][row["order"]]
            cases[row["case"]] = cases.get(row["case"], True) and good
    return f"{sum(cases.values())} of {len(cases)}"


def _kept(memory: Report, library: str) -> tuple[str, str]:
    column = {"jaxact": "jit", "jax.nn": "jax.nn jit"}.get(library, library)
    if column not in memory.columns:
        return "–", "–"
    values = [r[column] for r in memory.where() if r[column] is not None]
    return f"{sum(values) / len(values):.2f}", f"{max(values):.2f}"


def _time(speed: Report, library: str, dtype: str) -> str:
    if library == "jaxact":
        return "1"
    values = [r[library] for r in speed.where(dtype=dtype, form="both") if r[library]]
    return f"{geometric_mean(values):.2f}"


def _ahead(speed: Report, library: str) -> str:
    if library == "jaxact":
        return "–"
    values = [r[library] for r in speed.where() if r[library]]
    return f"{sum(v < MARGIN for v in values)} of {len(values)}"


# -- what there is ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Feature:
    """A row of the table of features.

    Attributes:
      text: What it is.
      names: By library, the name that has it; words where no name says it; a library that is left out has none.
      search: What its name would look like in a library that is left out.
    """

    text: str
    names: Mapping[str, str]
    search: str = ""


LIBRARIES = ("jaxact", "jax.nn", "keras", "torch", "tokamax")
TOKAMAX = "0.0.12"  # the one that was read
FEATURES = (
    Feature(
        "the usual functions",
        {"jaxact": "gelu", "jax.nn": "gelu", "keras": "activations.gelu", "torch": "nn.functional.gelu"},
        r"^gelu$",
    ),
    Feature(
        "modules",
        {"jaxact": "nnx.Activation", "keras": "layers.Activation", "torch": "nn.GELU"},
        r"^(Activation|GELU|Module)$",
    ),
    Feature(
        "a trained slope a channel",
        {"jaxact": "nnx.PReLU", "keras": "layers.PReLU", "torch": "nn.PReLU"},
        r"(?i)^prelu$",
    ),
    Feature("Snake, DyT, xIELU, rational functions", {"jaxact": "snake"}, r"(?i)^(snake|dyt|xielu|rational)"),
    Feature(
        "gated units",
        {
            "jaxact": "glu",
            "jax.nn": "glu",
            "keras": "activations.glu",
            "torch": "nn.functional.glu",
            "tokamax": "gated_linear_unit",
        },
    ),
    Feature("gated units with limits (gpt-oss)", {"jaxact": "swiglu_oai"}, r"(?i)(swiglu|_oai)"),
    Feature(
        "a gated unit and its matrix products in one kernel",
        {"tokamax": "gated_linear_unit"},
        r"^gated_linear_unit$",
    ),
    Feature("sparsemax", {"jaxact": "sparsemax", "keras": "activations.sparsemax"}, r"(?i)sparsemax"),
    Feature("entmax, with a gradient in alpha", {"jaxact": "entmax"}, r"(?i)entmax"),
    Feature(
        "layers of the others taken over, weights included", {"jaxact": "convert.from_module"}, r"^from_module$"
    ),
    Feature(
        "kernels of its own",
        {
            "jaxact": "written, and run on no GPU yet",
            "jax.nn": "none, XLA's fusion",
            "keras": "those of its backend",
            "torch": "CUDA, in use everywhere",
            "tokamax": "Mosaic and Triton, tuned",
        },
    ),
    Feature(
        "released",
        {
            "jaxact": "not yet",
            "jax.nn": "for years",
            "keras": "for years",
            "torch": "for years",
            "tokamax": "in 0.0 versions",
        },
    ),
)


def features() -> str:
    """What each library has, by the name that it has there."""
    titles = {**PEERS, "tokamax": f"tokamax {TOKAMAX}"}
    lines = [f"| | {' | '.join(titles.get(n, n) for n in LIBRARIES)} |", f"|---|{'---|' * len(LIBRARIES)}"]
    for feature in FEATURES:
        cells = [_shown(feature.names.get(library, "–")) for library in LIBRARIES]
        lines.append(f"| {feature.text} | {' | '.join(cells)} |")
    return "\n".join(lines)


def is_name(text: str) -> bool:
    return re.fullmatch(r"[\w.]+", text) is not None


def _shown(text: str) -> str:
    return f"`{text}`" if is_name(text) else text
