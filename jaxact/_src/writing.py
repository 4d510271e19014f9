"""jaxact's activations as the configurations of other frameworks' layers."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxact._src import catalogue, dialects, learned
from jaxact._src.checks import shown
from jaxact._src.definition import is_array
from jaxact._src.dialects import Name
from jaxact._src.reading import KERAS
from jaxact._src.trainable import Trainable
from jaxact.registry import Bound, get

Config = dict[str, Any]
_OF_A_CALL = frozenset(
    {"implementation", "residual", "inplace", "where", "options"}
)  # they do not change the layer


def written(
    activation: Any, dialect: str, variables: Mapping[str, Any], input_shape: Sequence[int | None] | None
) -> Config:
    """The configuration of an activation, see `jaxact.convert.to_config`."""
    if type(activation).__module__.startswith("jaxact.") and type(activation).__name__ == "Activation":
        activation = _held(activation)
    if isinstance(activation, Trainable):
        return _trained(activation, _values(activation, variables), dialect, input_shape)
    function, params = _function_of(activation)
    name = function.__name__
    if name in ("prelu", "prelu_channelwise"):
        slope = np.asarray(params["negative_slope"])
        return _prelu(
            name, dialect, _aligned(name, slope, params.get("axis", -1), None, input_shape), None, input_shape
        )
    if name == "xielu":
        return _xielu(dialect, params, params)
    if arrays := [n for n, v in params.items() if is_array(v)]:
        raise ValueError(
            f"to_config: parameter {arrays[0]!r} of {name} is an array; a configuration holds numbers"
        )
    return _plain(function, params, dialect, type(activation).__name__)


def _held(module: Any) -> Any:
    """What a module `Activation` holds."""
    if module.slc is not None:
        raise ValueError(f"to_config: slc={module.slc} acts on a part of the input, which no other framework has")
    if hasattr(module, "params"):  # Linen keeps what it was given
        return get(module.activation, *module.args, dialect=module.dialect, **dict(module.params))
    held, arrays = module.activation, dict(module.arrays)
    if isinstance(held, Bound):
        return get(held.activation, **dict(held.parameters), **arrays)
    return get(held, **arrays) if arrays else held


def _function_of(activation: Any) -> tuple[Any, dict[str, Any]]:
    """The function of a layer without weights, or of what `get` takes, and all of its parameters."""
    if hasattr(activation, "arguments") and hasattr(activation, "evaluate"):
        function, given = activation.function, {n: getattr(activation, n) for n in activation.arguments}
    else:
        found = get(activation)
        function, given = (found.activation, dict(found.parameters)) if isinstance(found, Bound) else (found, {})
    name = getattr(function, "__name__", "")
    if function not in (catalogue.activations().get(name), catalogue.functions().get(name)):
        raise TypeError(
            f"to_config: it is unknown which layer computes {shown(activation)}; give an activation of jaxact"
        )
    if hasattr(function, "definition"):
        return function, function.definition.bind((), {n: v for n, v in given.items() if n not in _OF_A_CALL})
    signature = list(inspect.signature(function).parameters.values())[1:]
    defaults = {p.name: p.default for p in signature if p.default is not p.empty}
    return function, {n: v for n, v in {**defaults, **given}.items() if n not in _OF_A_CALL}


# -- without weights ----------------------------------------------------------------------------------------------


def _plain(function: Any, params: Mapping[str, Any], dialect: str, own: str) -> Config:
    """The class that has all of the parameters, that of the same name first; else Keras's Activation."""
    table = dialects.DIALECTS[dialect]
    wanted = (catalogue.fold(own), catalogue.fold(function.__name__))
    fitting = [(n, e) for n, e in table.layers.items() if e.activation == function.__name__ and not e.learned]
    fitting.sort(key=lambda item: [catalogue.fold(item[0]) != w for w in wanted])
    lacks = []
    for name, entry in fitting:
        config, lacking = _expressed(function, entry, params)
        if not lacking:
            return _finished(dialect, name, entry, config)
        lacks.append(f"{name} has no {lacking}")
    if dialect in KERAS:
        for name, entry in table.names.items():
            fixed = Name(entry.activation, defaults=entry.defaults)  # a string takes no parameters
            if entry.activation == function.__name__ and not _expressed(function, fixed, params)[1]:
                return _finished(dialect, "Activation", None, {"activation": name})
    has = ", ".join(table.layers)
    why = f" ({'; '.join(lacks)})" if lacks else ""
    raise ValueError(
        f"to_config: {dialect} has no layer that computes {function.__name__} with {shown(dict(params))}{why}; "
        f"it has {has}. Change the parameters, or write such a layer there"
    )


def _expressed(function: Any, entry: Name, params: Mapping[str, Any]) -> tuple[Config, str]:
    """The parameters in the dialect's names, and the first that can't be said there."""
    signature = inspect.signature(function).parameters
    config: Config = {}
    for ours, value in params.items():
        theirs = next((k for k, o in entry.parameters.items() if o == ours), None)
        if theirs is None:
            if value != entry.defaults.get(ours, signature[ours].default):
                return {}, f"{ours}={value!r}"
            continue
        if theirs in ("axis", "dim") and (value is None or (theirs == "dim" and not isinstance(value, int))):
            return {}, f"{theirs}={value!r}"
        back = {o: t for t, o in entry.values.get(theirs, {}).items()}
        config[theirs] = back[value] if back else list(value) if isinstance(value, tuple) else value
    return config, ""


def _finished(
    dialect: str,
    name: str,
    entry: Name | None,
    config: Mapping[str, Any],
    weights: Mapping[str, Any] | None = None,
) -> Config:
    """With the module that has the class, which transformers may have from torch."""
    tables = dialects.DIALECTS.values()
    module = next((d.module for d in tables if d.layers.get(name) is entry), dialects.DIALECTS[dialect].module)
    found: Config = {"module": module, "class_name": name, "config": dict(config)}
    return found | ({"weights": dict(weights)} if weights else {})


# -- with weights -------------------------------------------------------------------------------------------------


def _values(module: Trainable, variables: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Each trained parameter as the function takes it."""
    values = {}
    for weight in module.weights:
        stored = getattr(module, weight.name, None)
        if stored is not None:
            stored = stored[...]
        elif weight.name in variables.get("params", {}):
            stored = variables["params"][weight.name]
            stored = stored.unbox() if hasattr(stored, "unbox") else stored  # with metadata, such as a sharding
        value = _first(module, weight) if stored is None else module.effective(weight, jnp.asarray(stored))
        values[weight.name] = np.asarray(value)
    return values


def _first(module: Trainable, weight: Any) -> Any:
    """The value that a Linen module starts from, where that is known."""
    init = getattr(module, f"{weight.name}_init")
    if isinstance(init, learned.Values):
        return module.initialiser(weight)(None, init.array.shape, np.float32)
    if callable(init):
        raise ValueError(
            f"to_config: the weights of a Linen module are not in the module; pass variables=, "
            f"got none and {shown(init)}"
        )
    return module.initialiser(weight)(None, (), np.float32)


def _trained(
    module: Trainable,
    values: Mapping[str, np.ndarray[Any, Any]],
    dialect: str,
    input_shape: Sequence[int | None] | None,
) -> Config:
    name = module.function.__name__
    if name == "prelu":
        sharing = module.sharing()
        slope = _aligned("PReLU", values["negative_slope"], sharing.axis, sharing.shared_axes, input_shape)
        return _prelu("PReLU", dialect, slope, sharing.shared_axes, input_shape)
    if name == "xielu":
        return _xielu(dialect, values, {n: getattr(module, n) for n in module.arguments})
    raise _no_layer(dialect, name)


def _no_layer(dialect: str, name: str) -> ValueError:
    trained = [n for n, e in dialects.DIALECTS[dialect].layers.items() if e.learned]
    return ValueError(
        f"to_config: {dialect} has no layer that computes {name} with trained parameters; it has {trained}"
    )


def _xielu(dialect: str, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Config:
    entry = dialects.DIALECTS[dialect].layers.get("XIELUActivation")
    if entry is None:
        raise _no_layer(dialect, "xielu")
    return _finished(dialect, "XIELUActivation", entry, *learned.write_xielu("xielu", values, settings))


def _aligned(
    owner: str,
    slope: np.ndarray[Any, Any],
    axis: int,
    shared: Sequence[int] | None,
    input_shape: Sequence[int | None] | None,
) -> np.ndarray[Any, Any]:
    """Slopes with an axis for each of the input's; of an unknown rank, one slope or a vector along axis 1."""
    rank = None if input_shape is None else len(input_shape)
    if slope.size == 1 and shared is None:
        return slope.reshape((1,) * (rank or 1))
    if shared is not None:
        return slope[None]
    if rank is not None and slope.ndim > 1:
        return slope.reshape((1,) * (rank - slope.ndim) + slope.shape)
    if rank is not None:
        return slope.reshape(*(1,) * (axis % rank), -1, *(1,) * (rank - axis % rank - 1))
    if axis == 1 and slope.ndim == 1:
        return slope
    raise ValueError(
        f"to_config: {owner} has slopes along axis {axis} of an input whose rank is not known; pass input_shape"
    )


def _prelu(
    owner: str,
    dialect: str,
    slope: np.ndarray[Any, Any],
    shared: Sequence[int] | None,
    input_shape: Sequence[int | None] | None,
) -> Config:
    entry = dialects.DIALECTS[dialect].layers["PReLU"]
    if dialect not in KERAS:
        return _finished(dialect, "PReLU", entry, *learned.write_torch(owner, slope))
    rank = slope.ndim if slope.ndim > 1 else None
    axes = None if shared is None or rank is None else tuple(a % rank for a in shared)
    found = _finished(dialect, "PReLU", entry, *learned.write_keras(owner, slope, rank, axes))
    return found if input_shape is None else found | {"build_config": {"input_shape": list(input_shape)}}
