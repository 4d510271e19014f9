"""Activation layers of other frameworks as jaxact's, and back: `from_config`, `from_module`, `to_config`.

Neither Keras nor PyTorch is imported: layers are known by the names of their classes and attributes. No code of a
configuration is run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxact._src import reading, writing
from jaxact._src.checks import shown
from jaxact._src.reading import To
from jaxact.registry import get

__all__ = ["from_config", "from_module", "to_config"]


def from_config(config: str | Mapping[str, Any], dialect: str, to: To = "function") -> Any:
    """The activation of a layer's configuration.

    Args:
      config: What ``keras.layers.serialize`` gives, or such a dictionary of a class of ``torch.nn`` or of
        ``transformers.activations``: ``{"class_name": "ELU", "config": {"alpha": 0.5}}``. Under ``"config"`` are
        the layer's attributes; it may be left out. Under ``"weights"`` are the arrays of a trained layer by their
        names (``"alpha"`` in Keras, ``"weight"`` in torch). A string is the name of a function.
      dialect: Whose it is: ``"keras"``, ``"tf_keras"``, ``"torch"`` or ``"hf"``.
      to: What to make of it: a ``"function"`` (learned parameters are bound, as arrays), or a module of
        ``"linen"`` (they are its initialisers' values) or ``"nnx"`` (they are its variables').

    Returns:
      What was asked for. What does not bear on the values is dropped: names, dtypes, ``inplace``.

    Raises:
      ValueError: The dialect or the class is unknown or no activation, a parameter is outside its domain, or the
        weights do not fit.
      TypeError: The configuration is of another form, or has a parameter that is unknown or missing.

    >>> from jaxact import convert
    >>> convert.from_config({"class_name": "LeakyReLU", "config": {"negative_slope": 0.2}}, "torch").parameters
    (('negative_slope', 0.2),)
    >>> convert.from_config({"class_name": "LeakyReLU", "config": {}}, "keras").parameters
    (('negative_slope', 0.3),)
    """
    reading.check(dialect, to)
    if isinstance(config, str):
        return reading.as_module(get(config, dialect=dialect), to)
    reading.check_form(config)
    name, given = config["class_name"], dict(config.get("config") or {})
    build = config.get("build_config") or {}
    return reading.make(dialect, name, given, config.get("weights") or {}, build.get("input_shape"), to)


def from_module(module: Any, to: To = "function") -> Any:
    """The activation of a live layer of Keras, or module of torch.nn or transformers.activations.

    Args:
      module: The layer, whose class must be the framework's own: a class derived from it may compute anything.
      to: As in `from_config`.

    Returns:
      As `from_config`; learned parameters are copied.

    Raises:
      ValueError: Its class is unknown, or no activation.
      TypeError: A parameter is of a kind that jaxact does not have.
    """
    name, dialect = type(module).__name__, reading.dialect_of(type(module))
    reading.check(dialect, to)
    return reading.make(dialect, name, *reading.attributes(module, dialect), None, to)


def to_config(
    activation: Any,
    dialect: str,
    *,
    variables: Mapping[str, Any] | None = None,
    input_shape: Sequence[int | None] | None = None,
) -> dict[str, Any]:
    """The configuration of the layer that computes an activation, in another framework.

    Args:
      activation: A name, an activation, what `jaxact.get` returned, or a module of `jaxact.linen` or `jaxact.nnx`.
      dialect: Whose layer it is to be: ``"keras"``, ``"tf_keras"``, ``"torch"`` or ``"hf"``.
      variables: Those of a Linen module, which has none itself; without them its first values are taken.
      input_shape: The input's shape with its batch axis, which a PReLU of Keras depends on.

    Returns:
      ``{"module": ..., "class_name": ..., "config": {...}}``, as `from_config` takes it. Keras's is what
      ``keras.layers.deserialize`` takes; torch's has the arguments of the class. The arrays of a trained layer are
      under ``"weights"``.

    Raises:
      ValueError: The dialect is unknown or has no layer that computes it, a parameter is an array that is no
        weight, or a shape is needed.
      TypeError: It is no activation, or `variables` or `input_shape` is of another form.

    >>> import jaxact
    >>> from jaxact import convert
    >>> convert.to_config(jaxact.get("hard_shrink", threshold=0.25), "torch")
    {'module': 'torch.nn', 'class_name': 'Hardshrink', 'config': {'lambd': 0.25}}
    """
    reading.check(dialect, "function")
    if not isinstance(variables or {}, Mapping):
        raise TypeError(f"to_config: variables must be a dictionary by collection, got {shown(variables)}")
    if input_shape is not None and not isinstance(input_shape, Sequence):
        raise TypeError(f"to_config: input_shape must be a sequence of sizes, got {shown(input_shape)}")
    return writing.written(activation, dialect, variables or {}, input_shape)
