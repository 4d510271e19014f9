"""The random keys that a module is given."""

from typing import Any, TypeVar

from flax import nnx

from jaxact._src.checks import shown

R = TypeVar("R", nnx.Rngs, nnx.Rngs | None)


def streams(owner: str, rngs: R, *, optional: bool = False) -> R:
    """Return `rngs`.

    Raises:
      TypeError: They are no `flax.nnx.Rngs`, nor None where they are `optional`.
    """
    if not isinstance(rngs, nnx.Rngs) and not (optional and rngs is None):
        raise TypeError(f"{owner}: rngs must be a flax.nnx.Rngs, such as nnx.Rngs(0), got {shown(rngs)}")
    return rngs


def stream(owner: str, rngs: nnx.Rngs, name: str) -> Any:
    """The stream of a name.

    Raises:
      TypeError: They are no `flax.nnx.Rngs`.
      ValueError: They have no such stream and no default one.
    """
    try:
        return streams(owner, rngs)[name]
    except (AttributeError, KeyError):
        raise ValueError(
            f"{owner}: rngs must have a stream {name!r} or a default one, such as nnx.Rngs(0), got {list(rngs)}"
        ) from None
