"""Activations by name: `get`, `serialize`, `deserialize`, `names`."""

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from jaxact._src import catalogue, dialects
from jaxact._src.definition import is_array
from jaxact._src.function import Elementwise
from jaxact._src.rowwise import Rowwise

Config = str | dict[str, Any]
Named = Elementwise | Rowwise  # what has a record, and so parameters that are known


@dataclasses.dataclass(frozen=True)
class Bound:
    """An activation with parameters of its own, compared by value; what `get` returns when given parameters.

    Attributes:
      activation: The activation.
      parameters: Its parameters, checked, as sorted items.
    """

    activation: Named
    parameters: tuple[tuple[str, Any], ...]

    @property
    def __name__(self) -> str:
        return self.activation.__name__

    def __call__(self, x: Any, **options: Any) -> jax.Array:
        return self.activation(x, **dict(self.parameters), **options)


Activation = Named | Bound | Callable[..., Any]


def names() -> list[str]:
    """Every name that `get` takes in the dialect ``"jax"``, aliases included, in alphabetical order."""
    return sorted(n for a in catalogue.activations().values() for n in catalogue.names_of(a))


def get(activation: str | Activation | None, *args: Any, dialect: str = dialects.JAX, **params: Any) -> Activation:
    """An activation by name; a callable is returned as it is.

    Args:
      activation: A name or alias (case, ``_``, ``-`` and spaces do not count), a callable, or None (identity).
      *args: Parameters by position, as PuzzleLib gives them.
      dialect: Whose name, parameters and defaults these are: ``"jax"``, ``"keras"`` (Keras 3) or ``"puzzlelib"``.
        A callable and its parameters are taken as they are.
      **params: Parameters by name.

    Returns:
      The activation itself, or with its parameters bound. It takes one array.

    Raises:
      ValueError: The name or the dialect is unknown (the nearest are suggested), or a parameter is outside its
        domain.
      TypeError: A parameter is unknown, missing or of the wrong kind, or given for a callable that takes none.

    >>> import jaxact
    >>> jaxact.get("Leaky-ReLU", negative_slope=0.2).parameters
    (('negative_slope', 0.2),)
    >>> jaxact.get("relu", dialect="keras", alpha=0.5).parameters
    (('negative_slope', 0.5),)
    >>> jaxact.get("entmax", alpha=1.3, axis=0).parameters
    (('alpha', 1.3), ('axis', 0))
    """
    dialects.check(dialect)
    if isinstance(activation, str) and dialect != dialects.JAX:
        activation, params = dialects.translate(activation, args, params, dialect)
        args = ()
    found = catalogue.find(activation) if isinstance(activation, str) else activation
    if found is None:
        found = catalogue.find("identity")
    if not callable(found):
        raise TypeError(f"an activation is a name or a callable, got {type(activation).__name__}")
    if isinstance(found, Named):
        return _bound(found, args, params)
    if args or params:
        raise TypeError(f"parameters can't be given to a callable that is no jaxact activation, got {found!r}")
    return found


def _bound(activation: Named, args: Sequence[Any], params: Mapping[str, Any]) -> Named | Bound:
    definition = activation.definition
    parameters = definition.bind(args, params)
    given = {**dict(zip(definition.parameters, args)), **params}
    return Bound(activation, tuple((n, parameters[n]) for n in sorted(given))) if given else activation


def serialize(activation: str | Activation) -> Config:
    """An activation as plain data, which `deserialize` takes and JSON holds.

    Args:
      activation: A name, an activation, what `get` returned, or a function of a module.

    Returns:
      Its name, a dictionary with its parameters, or the import path of a callable.

    Raises:
      ValueError: It is a lambda or a local function, which nothing could find again, or a parameter is an array.
    """
    found = get(activation)
    if isinstance(found, Bound):
        arrays = [n for n, v in found.parameters if is_array(v)]
        if arrays:
            raise ValueError(f"{found.__name__}: parameter {arrays[0]!r} is an array; a checkpoint holds arrays")
        return {"name": _path(found.activation), "params": dict(found.parameters)}
    return _path(found)


def _path(found: Activation) -> str:
    if isinstance(found, Named) and catalogue.activations().get(found.__name__) is found:
        return found.__name__
    module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    if not module or not name or "<" in name:
        raise ValueError(f"{found!r} can't be serialized: it has no import path (a lambda, a partial, or local)")
    return f"{module}:{name}"


def deserialize(config: Config, *, allow: Sequence[str] = ()) -> Activation:
    """The activation of what `serialize` gave. Runs no code but imports of allowed modules.

    Args:
      config: A name, ``{"name": ..., "params": {...}}``, or an import path ``"module:name"``.
      allow: The modules that may be imported for an import path.

    Raises:
      ValueError: The name is unknown, or the module is not allowed.
      TypeError: `config` is of another form.
    """
    if isinstance(config, str):
        return get(_imported(config, allow) if ":" in config else config)
    if (
        not isinstance(config, Mapping)
        or set(config) - {"name", "params"}
        or not isinstance(config.get("name"), str)
    ):
        raise TypeError(f"expected a name or a dictionary of 'name' and 'params', got {config!r:.200}")
    params = config.get("params", {})
    if not isinstance(params, Mapping) or not all(isinstance(k, str) for k in params):
        raise TypeError(f"'params' must be a dictionary of names, got {params!r:.200}")
    return get(deserialize(config["name"], allow=allow), **params)


def _imported(path: str, allow: Sequence[str]) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    if module not in allow:
        raise ValueError(f"{path!r} needs module {module!r}; pass allow=({module!r},) if you trust it")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ValueError(f"module {module!r} has no callable {name!r}")
    return found
