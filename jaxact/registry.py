"""Activations by name: `get`, `serialize`, `deserialize`, `names`."""

import dataclasses
import importlib
import inspect
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax

from jaxact._src import catalogue, dialects
from jaxact._src.checks import shown
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

    activation: Named | Callable[..., Any]
    parameters: tuple[tuple[str, Any], ...]

    @property
    def __name__(self) -> str:
        return self.activation.__name__

    def __call__(self, x: Any, **options: Any) -> jax.Array:
        return self.activation(x, **dict(self.parameters), **options)


Activation = Named | Bound | Callable[..., Any]


def names() -> list[str]:
    """Every name that `get` takes in the dialect ``"jax"``, aliases included, in alphabetical order."""
    return sorted(catalogue.names())


def get(activation: str | Activation | None, *args: Any, dialect: str = dialects.JAX, **params: Any) -> Activation:
    """An activation by name; a callable is returned as it is.

    Args:
      activation: A name or alias (case, ``_``, ``-`` and spaces do not count), a callable, or None (identity).
      *args: Parameters by position, as PuzzleLib gives them.
      dialect: Whose name, parameters and defaults these are: ``"jax"``, ``"keras"`` (Keras 3), ``"tf_keras"``
        (Keras before it), ``"torch"`` (the functions of torch.nn.functional and the modules of torch.nn), ``"hf"``
        (the keys of transformers' ACT2FN) or ``"puzzlelib"``. A callable and its parameters are taken as they are.
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
        raise TypeError(f"an activation is a name or a callable, got {shown(activation)}")
    return _with(found, args, params)


def _with(found: Activation, args: Sequence[Any], params: Mapping[str, Any]) -> Activation:
    """An activation with its parameters."""
    if isinstance(found, Named):
        return _bound(found, args, params)
    if _has_name(found):
        return _partial(found, args, params)
    if args or params:
        raise TypeError(
            f"parameters can't be given to a callable that is no jaxact activation, got {shown(found)}; "
            "use functools.partial"
        )
    return found


def _bound(activation: Named, args: Sequence[Any], params: Mapping[str, Any]) -> Named | Bound:
    definition = activation.definition
    parameters = definition.bind(args, params)
    given = {**dict(zip(definition.parameters, args)), **params}
    return Bound(activation, tuple((n, parameters[n]) for n in sorted(given))) if given else activation


def _has_name(found: Callable[..., Any]) -> bool:
    """Whether it is one of jaxact's functions without a record."""
    return catalogue.functions().get(getattr(found, "__name__", "")) is found


def _partial(function: Callable[..., Any], args: Sequence[Any], params: Mapping[str, Any]) -> Activation:
    """The function with its parameters; what it needs beside may be given when it is called."""
    if not args and not params:
        return function
    signature = inspect.signature(function)
    try:
        bound = signature.bind_partial(None, *args, **params)
    except TypeError as error:
        has = list(catalogue.checks_of(function))
        raise TypeError(f"{function.__name__}: {error}; its parameters are {has}") from None
    _, *given = bound.arguments.items()
    named = {k: v for n, value in given for k, v in (value.items() if n == "options" else ((n, value),))}
    hashable = {n: tuple(v) if isinstance(v, list) else v for n, v in named.items()}
    checks = catalogue.checks_of(function)
    for name, value in hashable.items():
        if name not in checks:
            raise TypeError(f"{function.__name__} has no parameter {shown(name)}; it has {list(checks)}")
        if not is_array(value) and not _is_plain(value):
            raise TypeError(
                f"{function.__name__}: {name} must be a number, a name, an array or a sequence of numbers, got "
                f"{shown(value)}"
            )
        checks[name](function.__name__, name, value)
    return Bound(function, tuple(sorted(hashable.items())))


def _is_plain(value: Any) -> bool:
    """Whether a parameter can be hashed, so that what has it can be an argument that jit knows by value."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


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


def _path(found: Any) -> str:
    """Its name, or the import path that leads to it."""
    if catalogue.activations().get(getattr(found, "__name__", "")) is found or _has_name(found):
        return str(found.__name__)
    module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    why = None
    if name and name.endswith("<lambda>"):
        why = "it is a lambda, which has no name"
    elif not module or not name:
        why = f"a {type(found).__name__} has no name of its own"
    elif "<locals>" in name:
        why = "it is defined inside a function, where no import finds it"
    elif _at(sys.modules.get(module), name) is not found:
        why = f"{module}:{name} is something else"
    if why:
        raise ValueError(f"{shown(found)} can't be serialized: {why}; give it a name at the top of a module")
    return f"{module}:{name}"


def _at(module: Any, name: str) -> Any:
    """What a dotted name of a module leads to, None if nothing."""
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def deserialize(config: Config, *, allow: Sequence[str] = ()) -> Activation:
    """The activation of what `serialize` gave. Runs no code but imports of allowed modules.

    A path leads to what its module has or defines: not through another module to what that one has, and not
    through names that begin with an underscore.

    Args:
      config: A name, ``{"name": ..., "params": {...}}``, or an import path ``"module:name"``.
      allow: The modules that may be imported for an import path, as a sequence of their names.

    Raises:
      ValueError: The name is unknown, or the module is not allowed or has no such callable.
      TypeError: `config` is of another form, or a parameter is unknown or of the wrong kind.
      ImportError: An allowed module can't be imported.
    """
    if isinstance(allow, str) or not isinstance(allow, Collection):
        raise TypeError(f"allow must be a sequence of names of modules, got {shown(allow)}; did you mean a tuple?")
    if isinstance(config, str):
        return get(_named(config, allow))
    if (
        not isinstance(config, Mapping)
        or set(config) - {"name", "params"}
        or not isinstance(config.get("name"), str)
    ):
        raise TypeError(f"expected a name or a dictionary of 'name' and 'params', got {shown(config)}")
    params = config.get("params", {})
    if not isinstance(params, Mapping) or not all(isinstance(k, str) for k in params):
        raise TypeError(f"'params' must be a dictionary of names, got {shown(params)}")
    return _with(_named(config["name"], allow), (), params)


def _named(name: str, allow: Collection[str]) -> Activation:
    """The activation of a name or of an import path, without parameters, which it may need."""
    return _imported(name, allow) if ":" in name else catalogue.find(name)


def _imported(path: str, allow: Collection[str]) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    said = shown(module)
    if not module or module.startswith("."):
        raise ValueError(f"{shown(path)} is no import path; it has the form 'module:name'")
    if module not in allow:
        raise ValueError(f"{shown(path)} needs module {said}; pass allow=({said},) if you trust it")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        if part.startswith("_") or (inspect.ismodule(found) and found.__name__ != module):
            raise ValueError(f"{shown(path)} leads out of module {said}; give the module that defines it")
        found = getattr(found, part, None)
    if not callable(found):
        raise ValueError(f"module {said} has no callable {shown(name)}")
    return found
