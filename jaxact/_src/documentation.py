"""Signatures and docstrings of public functions, derived from their records."""

import inspect
import textwrap
from collections.abc import Collection, Mapping, Sequence

from jaxact._src.definition import ElementwiseDefinition, Facts, Parameter
from jaxact._src.select import IMPLEMENTATIONS

WIDTH = 110


def signature_of(parameters: Mapping[str, Parameter], *, inplace: bool) -> inspect.Signature:
    """The signature of an elementwise activation."""
    kind = inspect.Parameter
    given = [kind("x", kind.POSITIONAL_OR_KEYWORD)]
    given += [kind(p.name, kind.POSITIONAL_OR_KEYWORD, default=p.default) for p in parameters.values()]
    own = {"implementation": None, "residual": None} | ({"inplace": False} if inplace else {})
    return inspect.Signature([*given, *(kind(n, kind.KEYWORD_ONLY, default=d) for n, d in own.items())])


def document_elementwise(definition: ElementwiseDefinition) -> str:
    """The docstring of an elementwise activation."""
    facts = definition.facts
    residuals = "input, or output" if definition.has_output_derivative else "input"
    residuals += ", or one bit an element" if definition.facts.slopes else ""
    return document(
        facts,
        shapes="any; the result has the shape of `x` (broadcast with parameters that are arrays)",
        dtypes="integers are kept" if facts.keeps_integers else "integers are promoted as by ``jnp.tanh``",
        saved=f"one array, the {residuals}",
        arguments=[
            *((p.name, describe(p)) for p in definition.parameters.values()),
            (
                "residual",
                "What the backward keeps: ``'input'``, ``'output'``, or ``'mask'``, one bit an element of a "
                "function of two slopes. None keeps the output where it determines the derivative exactly.",
            ),
            ("inplace", "Let the result overwrite `x`, which must not be used again."),
        ],
        domain="A parameter is outside its domain or does not broadcast against `x`.",
        reach=_reach(definition),
    )


def _reach(definition: ElementwiseDefinition) -> str:
    reach = definition.facts.reach
    if reach is None:
        return ""
    end = reach(**{n: p.default for n, p in definition.parameters.items()})
    return f"derivatives keep their accuracy up to an absolute x of {end:g} (at the defaults)"


def document_rowwise(facts: Facts, parameter: Parameter | None, residual: str) -> str:
    """The docstring of an activation over rows."""
    own = [] if parameter is None else [parameter]
    return document(
        facts,
        shapes="any with at least the row's axes; the result has the shape of `x`; rows of no entries give none",
        dtypes="integers are promoted as by ``jnp.tanh``",
        saved=f"one array, the {residual} by default",
        arguments=[
            *((p.name, f"{describe(p)} An array has one value a row and gets its gradient.") for p in own),
            ("axis", "The axis of a row, several, or None for all."),
            (
                "where",
                "A mask of the entries to include; the others, and rows with none, give 0 and get no gradient.",
            ),
            ("scale", "A number or an array that multiplies `x` in float32, such as 1 / temperature."),
            ("residual", "What the backward keeps, ``'input'`` or ``'output'``; None is the default."),
        ],
        domain="An axis is out of range or repeated, or `where` or a parameter does not fit `x`.",
    )


def document(
    facts: Facts,
    *,
    shapes: str,
    dtypes: str,
    saved: str,
    arguments: Sequence[tuple[str, str]],
    domain: str,
    reach: str = "",
) -> str:
    """The docstring: the author's lines, then what every activation states."""
    lines = [facts.doc, ""]
    if facts.formula:
        lines += [f"Formula: ``{facts.formula}``", ""]
    lines += [
        f"Shapes: {shapes}.",
        f"Dtypes: that of `x`; narrower floats are computed in float32 and rounded once; {dtypes}.",
    ]
    lines += [
        f"{n}: {t}" for n, t in (("Range", facts.range), ("Limits", facts.limits), ("Kinks", facts.kinks)) if t
    ]
    lines += [f"Reach: {reach}."] if reach else []
    lines += [f"Saved for the backward: {saved}.", "", "Args:"]
    lines += _item("x", "A real array or number.")
    for name, text in arguments:
        lines += _item(name, text)
    lines += _item("implementation", f"None (the rule) or one of {', '.join(map(repr, IMPLEMENTATIONS))}.")
    lines += ["", "Raises:"]
    lines += _item("TypeError", "`x` is complex or no array, or a parameter is unknown or of the wrong kind.")
    lines += _item("ValueError", domain)
    lines += _item("NotImplementedError", "``implementation='pallas'`` and no kernel can run.")
    if facts.source:
        lines += ["", f"Source: {facts.source}"]
    return "\n".join(lines).strip()


def _item(name: str, text: str) -> list[str]:
    line = f"  {name}: {text}"
    if len(line) <= WIDTH:  # textwrap is slow, and this runs at import
        return [line]
    return textwrap.wrap(f"{name}: {text}", WIDTH, initial_indent="  ", subsequent_indent="    ")


def of_layer(own: str, doc: str, fields: Collection[str], more: Mapping[str, str]) -> str:
    """The docstring of a layer: its own, and what its function's says.

    Args:
      own: What its class has.
      doc: The function's docstring, with a section ``Args:``.
      fields: The arguments of the function that are the layer's too.
      more: The layer's other arguments, with what they are.
    """
    head, _, rest = inspect.cleandoc(doc).partition("\nArgs:\n")
    section, _, tail = rest.partition("\n\n")
    if tail.startswith("Returns:"):
        tail = tail.partition("\n\n")[2]
    entries: dict[str, list[str]] = {}
    for line in section.splitlines():
        if not line.startswith("    "):
            entries[line.partition(":")[0].strip().lstrip("*")] = []
        list(entries.values())[-1].append(line)
    arguments = [line for n, lines in entries.items() if n in fields and n not in more for line in lines]
    more = {**{n: "As for every activation." for n in fields if n not in entries}, **more}
    arguments += [line for n, text in more.items() for line in _item(n, text)]
    args = "\n".join(["Args:", *arguments, ""]) if arguments else ""
    return "\n".join(filter(None, (f"{inspect.cleandoc(own)}\n", head, args, tail)))


def describe(parameter: Parameter) -> str:
    """What a parameter may be, and its default."""
    if parameter.domain is None:
        return f"True or False, by default {parameter.default}."
    text = f"{parameter.domain.text[0].upper()}{parameter.domain.text[1:]}, or an array"
    if parameter.required:
        return f"{text}; required."
    if parameter.default is None:
        return f"{text}; None for none, by default."
    return f"{text}, by default {parameter.default:g}."
