"""The names of activations: one table, filled by the definitions themselves."""

import difflib
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from jaxact._src.checks import shown

_LONGEST: Final = 100  # characters of a name that others are compared with

_by_name: dict[str, Any] = {}  # folded name or alias -> activation
_activations: dict[str, Any] = {}  # canonical name -> activation, in the order of definition
_functions: dict[str, Callable[..., Any]] = {}  # those without a record, such as glu
_checks: dict[str, Mapping[str, "Check"]] = {}  # of their arguments

Check = Callable[[str, str, Any], Any]  # (owner, argument, value): raises unless the value is one


def fold(name: str) -> str:
    """A name as it is looked up: case, ``_``, ``-`` and spaces do not count."""
    return name.lower().translate({ord(c): None for c in "_- "})


def add(activation: Any, names: Iterable[str]) -> None:
    """Enter an activation; an existing name is replaced, with a warning (cells of a notebook are run again)."""
    canonical, *aliases = names
    for name in (canonical, *aliases):
        if not isinstance(name, str) or not fold(name):
            raise TypeError(f"an activation's names must be strings that are not empty, got {shown(name)}")
    for name in (canonical, *aliases):
        previous = _by_name.get(fold(name))
        if previous is not None:
            warnings.warn(f"activation {name!r} replaces {previous!r}", stacklevel=4)
            _activations.pop(previous.__name__, None)
        _by_name[fold(name)] = activation
    _activations[canonical] = activation


def add_function(
    function: Callable[..., Any], options: Callable[..., Any] | None, checks: Mapping[str, Check]
) -> None:
    """Enter a function of one array that has no record; its ``**options``, if any, are those of another."""
    own = [n for n, p in _behind_x(function).items() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    others = [] if options is None else [n for n in _behind_x(options) if n not in ("gate", "up")]
    _checks[function.__name__] = {n: checks.get(n, _anything) for n in dict.fromkeys((*own, *others))}
    _by_name[fold(function.__name__)] = _functions[function.__name__] = function


def _behind_x(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    (_, *behind) = inspect.signature(function).parameters.items()
    return dict(behind)


def _anything(owner: str, argument: str, value: Any) -> None:
    """An argument that only the input can tell wrong."""


def checks_of(function: Callable[..., Any]) -> Mapping[str, Check]:
    """The arguments of a function without a record, and what each must be."""
    return _checks[function.__name__]


def activations() -> dict[str, Any]:
    """Every activation that has a record, by its canonical name."""
    return dict(_activations)


def functions() -> dict[str, Callable[..., Any]]:
    """Every activation that has none."""
    return dict(_functions)


def names() -> list[str]:
    """Every name and alias."""
    return [*(n for a in _activations.values() for n in names_of(a)), *_functions]


def find(name: str) -> Any:
    """The activation of a name or alias.

    Raises:
      ValueError: No activation has it; the message suggests the nearest.
    """
    try:
        return _by_name[fold(name)]
    except KeyError:
        raise ValueError(unknown(name, names())) from None


def names_of(activation: Any) -> tuple[str, ...]:
    facts = activation.definition.facts
    return (facts.name, *facts.aliases)


def unknown(name: str, known: Iterable[str], kind: str = "activation") -> str:
    """The message for a name that nobody has, with the nearest of the known ones."""
    known = list(known)
    by_folded = {fold(k): k for k in known if len(name) <= _LONGEST}
    near = [by_folded[f] for f in difflib.get_close_matches(fold(name), by_folded, n=3, cutoff=0.5)]
    every = "jaxact.names() lists all" if kind == "activation" else f"known: {', '.join(known)}"
    return f"unknown {kind} {shown(name)}; " + (f"did you mean {' or '.join(map(repr, near))}?" if near else every)
