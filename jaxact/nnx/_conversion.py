"""The same variables in a Linen and in an NNX module."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import linen, nnx, traverse_util

from jaxact._src.checks import shown

Path = tuple[Any, ...]
# metadata of every variable; numpy, because an import must not start JAX: jax.distributed comes first
_PLAIN = frozenset(nnx.Param(np.zeros(())).get_metadata())
_BOX = "linen_meta_type"  # where Flax's bridge, too, keeps the class of a box


def to_linen(module: nnx.Module) -> dict[str, Any]:
    """The variables of an NNX module as those of the Linen module of the same layout.

    A layer's variables have the same names in both, for every layer of jaxact and of Flax. Layers must be
    attributes of the names that they have in Linen; an element ``layers[0]`` of a list is Linen's ``layers_0``.
    (A module that is made inside a compact method is named there, unless it is given ``parent=None``.) Random
    state is left out.

    Args:
      module: The module.

    Returns:
      Its variables by collection: ``"params"``, ``"batch_stats"``, ... A variable with a sharding is in a
      `flax.linen.Partitioned`, or in the box that it came from; one with other metadata in a
      `flax.nnx.bridge.NNXMeta`, which keeps it.

    Raises:
      TypeError: `module` is no module of NNX.
      ValueError: A part of the module is no variable, so that it has no collection.

    >>> from jaxact import linen, nnx
    >>> nnx.to_linen(nnx.PReLU(0.25))
    {'params': {'negative_slope': Array(0.25, dtype=float32)}}
    """
    _check_module("to_linen", module)
    found = {path: _boxed(variable) for path, variable in _variables(module).items()}
    return traverse_util.unflatten_dict(found)


def from_linen(module: nnx.Module, variables: Mapping[str, Any]) -> None:
    """Give an NNX module the variables of the Linen module of the same layout, with their metadata.

    The inverse of `to_linen`, which tells what the same layout is.

    Args:
      module: The module, which is changed.
      variables: Variables by collection, as Linen's ``init`` gives them.

    Raises:
      TypeError: `module` is no module of NNX, `variables` no dictionary, or a variable no array.
      ValueError: A variable is missing, there is one that the module does not have, or a shape differs.

    >>> import jax, jax.numpy as jnp
    >>> from jaxact import linen, nnx
    >>> layer = nnx.PReLU()
    >>> nnx.from_linen(layer, linen.PReLU(negative_slope_init=0.5).init(jax.random.key(0), jnp.ones(3)))
    >>> float(layer.negative_slope[...])
    0.5
    """
    _check_module("from_linen", module)
    if not isinstance(variables, Mapping):
        raise TypeError(f"from_linen: variables must be a dictionary by collection, got {shown(variables)}")
    own = _variables(module)
    given = traverse_util.flatten_dict(dict(variables), is_leaf=lambda _, value: not isinstance(value, Mapping))
    for what, paths in (("lack", own.keys() - given.keys()), ("have in excess", given.keys() - own.keys())):
        if paths:
            names = ", ".join(sorted("/".join(p) for p in paths))
            raise ValueError(f"from_linen: the variables {what} {names}")
    for path, variable in own.items():
        value = linen.meta.unbox(given[path])
        name = "/".join(path)
        if not hasattr(value, "shape"):
            raise TypeError(f"from_linen: {name} must be an array, got {shown(value)}")
        if value.shape != variable.shape:
            raise ValueError(f"from_linen: {name} has shape {value.shape}, the module's {variable.shape}")
    for path, variable in own.items():
        value, metadata = _unboxed(given[path])
        variable.set_value(value)
        variable.set_metadata({**variable.get_metadata(), **metadata})


def _check_module(owner: str, module: Any) -> None:
    if not isinstance(module, nnx.Module):
        raise TypeError(f"{owner}: module must be a flax.nnx.Module, got {shown(module)}")


def _variables(module: nnx.Module) -> dict[Path, nnx.Variable[Any]]:
    """The variables by their path in Linen."""
    found = {}
    for path, variable in nnx.iter_graph(module):
        if isinstance(variable, nnx.Variable) and not isinstance(variable, nnx.RngState):
            collection = nnx.variable_name_from_type(type(variable))
            found[(collection, *_names(path))] = variable
    return found


def _names(path: Path) -> list[str]:
    """Attributes and indices of NNX as names of Linen."""
    names: list[str] = []
    for part in path:
        if isinstance(part, int) and names:
            names[-1] += f"_{part}"
        else:
            names.append(str(part))
    return names


def _boxed(variable: nnx.Variable[Any]) -> Any:
    value, metadata = variable[...], variable.get_metadata()
    own = {n: v for n, v in metadata.items() if n not in _PLAIN}
    box = own.pop(_BOX, linen.Partitioned if own.keys() == {"out_sharding"} else None)
    if box is not None:
        return box.from_nnx_metadata({"value": value, **own})
    return nnx.bridge.NNXMeta(type(variable), value, metadata) if own else value


def _unboxed(leaf: Any) -> tuple[Any, dict[str, Any]]:
    if isinstance(leaf, nnx.bridge.NNXMeta):
        return leaf.value, {n: v for n, v in leaf.metadata.items() if n not in _PLAIN}
    if not isinstance(leaf, linen.meta.AxisMetadata):
        return leaf, {}
    box: Any = leaf
    copy = box.replace_boxed(box.value)  # the method below takes a box apart in some versions of Flax
    metadata = copy.to_nnx_metadata()
    return metadata.pop("value"), metadata | {_BOX: type(leaf)}
