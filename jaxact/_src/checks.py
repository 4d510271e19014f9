"""What errors say of a value that they were given, and the checks that several rooms share.

A value from outside may be huge, deep or recursive: what is said of it is short, and takes no time.
"""

import operator
import reprlib
from typing import Any, Final

import jax
import jax.numpy as jnp

_LONGEST: Final = 200

_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxother, _repr.maxstring, _repr.maxlong = 3, _LONGEST, 120, 60


def shown(value: object) -> str:
    """A value as an error shows it: the beginning of its repr."""
    try:
        text = _repr.repr(value)
    except (ValueError, RecursionError):  # integers of thousands of digits have no repr
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def integer(owner: str, what: str, value: Any) -> int:
    """The integer that `value` is.

    Raises:
      TypeError: It is none; True and False are none either.
    """
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError(f"{owner}: {what} must be an integer, got {shown(value)}")


def flag(owner: str, what: str, value: Any) -> bool:
    """Raise TypeError unless `value` is True or False; else return it."""
    if not isinstance(value, bool):
        raise TypeError(f"{owner}: {what} must be True or False, got {shown(value)}")
    return value


def random_key(owner: str, key: Any) -> Any:
    """Raise TypeError unless `key` is a random key, typed or of the old kind; else return it."""
    dtype = getattr(key, "dtype", None)
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) and key.ndim == 0
    if not typed and not (dtype == jnp.uint32 and key.ndim == 1):
        raise TypeError(f"{owner}: key must be one random key, such as jax.random.key(0), got {shown(key)}")
    return key
