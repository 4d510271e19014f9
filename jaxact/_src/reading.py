"""Layers of other frameworks as jaxact's: what is given, what it means, what is made of it."""

import importlib
import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np

from jaxact._src import catalogue, dialects, learned
from jaxact._src.checks import shown
from jaxact._src.definition import is_array
from jaxact._src.dialects import Name
from jaxact._src.learned import Learned, Values
from jaxact.registry import Activation, get

To = Literal["function", "linen", "nnx"]

# The package of a class -> the dialect that has it; Keras before version 3 had its layers elsewhere.
_PACKAGES = {"keras": "keras", "tf_keras": "tf_keras", "torch": "torch", "transformers": "hf"}
KERAS = ("keras", "tf_keras")
_OUTER = {"class_name", "config", "weights", "module", "registered_name", "build_config", "compile_config", "name"}


# -- what is given ------------------------------------------------------------------------------------------------


def check(dialect: str, to: str) -> None:
    dialects.check(dialect)
    with_layers = [n for n, d in dialects.DIALECTS.items() if d.layers]
    if dialect not in with_layers:
        raise ValueError(f"convert: dialect {dialect!r} has no layers; those that have: {with_layers}")
    if to not in get_args(To):
        raise ValueError(f"convert: to must be one of {get_args(To)}, got {shown(to)}")


def check_form(config: Any) -> None:
    if not isinstance(config, Mapping) or not isinstance(config.get("class_name"), str):
        raise TypeError(
            f"convert: expected a name or a dictionary with 'class_name' and 'config', got {shown(config)}"
        )
    if excess := set(config) - _OUTER:
        raise TypeError(
            f"convert: {shown(config['class_name'])} has {shown(sorted(map(str, excess)))} beside 'class_name', "
            "'config' and 'weights'; put attributes under 'config'"
        )
    function = config["class_name"] == "function"  # whose config is its name
    for key in ("config", "weights", "build_config"):
        kinds = Mapping | str if function and key == "config" else Mapping
        if not isinstance(config.get(key) or {}, kinds):
            raise TypeError(f"convert: {key!r} must be a dictionary, got {shown(config[key])}")
    shape = (config.get("build_config") or {}).get("input_shape")
    if shape is not None and not (
        isinstance(shape, Sequence) and all(n is None or isinstance(n, int) for n in shape)
    ):
        raise TypeError(f"convert: 'input_shape' must be a sequence of sizes or None, got {shown(shape)}")


def dialect_of(cls: type) -> str:
    package = cls.__module__.partition(".")[0]
    if package not in _PACKAGES:
        base = next((b for b in cls.__mro__ if b.__module__.partition(".")[0] in _PACKAGES), None)
        derived = f"; it derives from {base.__name__} but may compute anything" if base else ""
        raise ValueError(
            f"convert: {cls.__module__}.{cls.__qualname__} is no class of {', '.join(_PACKAGES)}{derived}; "
            "convert what it computes with jaxact.elementwise"
        )
    return "tf_keras" if package == "keras" and ".activations." not in cls.__module__ else _PACKAGES[package]


def entry_of(dialect: str, name: str, seen: Mapping[str, Any]) -> Name:
    """The class of layers of this name.

    Raises:
      ValueError: There is none; the message has what was seen and the nearest.
    """
    layers = dialects.DIALECTS[dialect].layers
    short = name.rpartition(".")[2]
    if short == "Activation" and dialect in KERAS:
        return Name("identity")
    if short not in layers:
        public = {k: v for k, v in seen.items() if not str(k).startswith("_")}
        known = catalogue.unknown(short, layers, f"{dialect} activation layer")
        raise ValueError(
            f"convert: {known} (seen: {shown(public)}). jaxact converts activation layers; for another layer "
            "use its activation, for a function of yours jaxact.elementwise"
        )
    return layers[short]


def attributes(module: Any, dialect: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the weights of a live layer."""
    if dialect in KERAS:
        given = dict(module.get_config())
        entry = entry_of(dialect, type(module).__name__, given)
    else:
        entry = entry_of(dialect, type(module).__name__, vars(module))
        given = {k: getattr(module, k) for k in entry.parameters if hasattr(module, k)}
    weights = {n: getattr(module, n) for n in entry.learned if getattr(module, n, None) is not None}
    return given, weights


def number(value: Any) -> Any:
    """An attribute; one that is an array of no axes is a number."""
    if hasattr(value, "detach") or (isinstance(value, np.ndarray | np.generic) and value.ndim == 0):
        return float(array(value))
    return value


def array(value: Any) -> np.ndarray[Any, Any]:
    """A weight of any framework as an array of float32, or float64."""
    if hasattr(value, "shape") and hasattr(value, "value"):  # a variable of Keras, of whichever backend
        return array(value.value)
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.numpy() if "float64" in str(value.dtype) else value.float().numpy()
    try:
        found = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except ValueError:  # rows of different lengths
        found = np.asarray(None)
    if not any(jnp.issubdtype(found.dtype, kind) for kind in (jnp.bool_, jnp.integer, jnp.floating)):
        raise TypeError(f"convert: weights must be arrays of numbers, got {shown(value)}")
    return found if found.dtype == np.float64 else found.astype(np.float32)


# -- from theirs to ours ------------------------------------------------------------------------------------------


def make(
    dialect: str, name: str, given: dict[str, Any], weights: Mapping[str, Any], shape: Sequence[int] | None, to: To
) -> Any:
    """What is asked for, of a class with a configuration, weights and perhaps the shape of its input."""
    entry = entry_of(dialect, name, given)
    name = name.rpartition(".")[2]
    owner = f"{dialect} layer {name}"
    given = {k: number(v) for k, v in given.items() if k not in dialects.DIALECTS[dialect].common}
    if name == "Activation" and dialect in KERAS:
        return _nested(owner, dialect, given, to)
    params = dialects.arguments(owner, entry, given)
    weights = {n: array(v) for n, v in weights.items()}
    if unknown := set(weights) - set(entry.learned):
        has = f"the weights {list(entry.learned)}" if entry.learned else "no weights"
        raise ValueError(f"{owner} has {has}, got {sorted(unknown)}")
    if not entry.learned:
        return _plain(name, entry, params, to)
    if missing := set(entry.learned) - set(weights) if weights else ():
        raise ValueError(
            f"{owner} needs the weights {list(entry.learned)}, got {list(weights)} without {list(missing)}"
        )
    for key in ("alpha_regularizer", "alpha_constraint"):
        if given.get(key) is not None:
            warnings.warn(f"{owner}: {key} is dropped; add it to your loss or your optimiser", stacklevel=4)
    return _trained(owner, entry, learned.READERS[entry.activation](owner, given, weights), shape, to)


def _nested(owner: str, dialect: str, given: dict[str, Any], to: To) -> Any:
    """What Keras's Activation holds: the name of a function, or the configuration of one or of a layer.

    Raises:
      TypeError: It is neither.
      ValueError: It is a function of the user's own, or another Activation.
    """
    inner = given.pop("activation", None)
    if given or inner is None:
        raise TypeError(f"{owner} has one parameter, 'activation', got {shown(given or inner)}")
    if isinstance(inner, str):
        return as_module(get(inner, dialect=dialect), to)
    check_form(inner)
    if inner.get("class_name") == "function":
        name = inner.get("config")
        own = inner.get("module") in (None, "builtins", "keras.activations") and isinstance(name, str)
        if not own or catalogue.fold(name) not in map(catalogue.fold, dialects.DIALECTS[dialect].names):
            raise ValueError(
                f"{owner}: the function {shown(name)} of {shown(inner.get('module'))} is not "
                "Keras's own; give jaxact your function instead, as any callable of one array"
            )
        return as_module(get(name, dialect=dialect), to)
    if inner["class_name"].rpartition(".")[2] == "Activation":  # so that no configuration nests without end
        raise ValueError(f"{owner} holds another Activation; give the inner one")
    return make(dialect, inner["class_name"], dict(inner.get("config") or {}), {}, None, to)


def _without_defaults(activation: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are not the activation's own defaults, so that equal activations are equal."""
    signature = inspect.signature(activation).parameters
    return {n: v for n, v in params.items() if is_array(v) or v != signature[n].default}


def _plain(name: str, entry: Name, params: dict[str, Any], to: To) -> Any:
    activation = catalogue.find(entry.activation)
    params = {n: tuple(v) if isinstance(v, list) else v for n, v in params.items()}
    found = get(activation, **_without_defaults(activation, params))
    if to == "function":
        return found
    cls = _class(to, name, activation)
    if cls is not None and set(params) <= set(cls.arguments):
        return cls(**params)
    return _shell(to).Activation(found)


def _shell(to: str) -> Any:
    """The room of modules of a kind; `check` has seen that it is one."""
    return importlib.import_module(f"jaxact.{to}")


def _class(to: str, name: str, activation: Any) -> Any:
    """The module's class of an activation: the one of their name, else of its own, else None."""
    classes = {n: c for n, c in vars(_shell(to)).items() if inspect.isclass(c) and _computes(c, activation)}
    for wanted in (name, activation.__name__):
        for n, cls in classes.items():
            if catalogue.fold(n) == catalogue.fold(wanted):
                return cls
    return None


def _computes(cls: type, activation: Any) -> bool:
    return getattr(cls, "function", None) is activation


def as_module(found: Activation, to: To) -> Any:
    return found if to == "function" else _shell(to).Activation(found)


def _trained(owner: str, entry: Name, found: Learned, shape: Sequence[int] | None, to: To) -> Any:
    """The function with its learned parameters, or the module that trains on."""
    values, settings = dict(found.values), dict(found.settings)
    channels = entry.activation == "prelu_channelwise"
    if to == "function":
        arrays: dict[str, Any] = {n: jnp.asarray(v) if isinstance(v, np.ndarray) else v for n, v in values.items()}
        single = channels and np.size(arrays["negative_slope"]) == 1
        if single and is_array(arrays["negative_slope"]):
            arrays = {"negative_slope": arrays["negative_slope"].reshape(())}
        activation = catalogue.find("prelu" if single else entry.activation)
        more = {n: v for n, v in settings.items() if n in inspect.signature(activation).parameters}
        return get(activation, **arrays, **_without_defaults(activation, more))
    activation = catalogue.find("prelu" if channels else entry.activation)
    cls = _class(to, activation.__name__, activation)
    if "num_parameters" in settings and settings["num_parameters"] is None and shape is not None:
        axes = range(1, len(shape))
        settings["num_parameters"] = tuple(1 if a in settings["shared_axes"] else shape[a] for a in axes)
    if to == "nnx" and settings.get("num_parameters", 1) is None:
        raise ValueError(
            f"{owner}: the number of slopes is not in the configuration, and NNX makes them at once; add "
            "'weights' or 'build_config' with 'input_shape'"
        )
    if to == "linen":
        inits = {f"{n}_init": Values(v) if isinstance(v, np.ndarray) else v for n, v in values.items()}
        return cls(**settings, **inits)
    module = cls(**settings, **{f"{n}_init": v for n, v in values.items() if not isinstance(v, np.ndarray)})
    for weight in module.weights:
        if isinstance(values[weight.name], np.ndarray):
            variable = getattr(module, weight.name)
            variable[...] = module.stored(weight, jnp.asarray(values[weight.name])).reshape(variable.shape)
    return module
