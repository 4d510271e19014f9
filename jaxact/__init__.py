"""jaxact: the activation layer for JAX."""

from jaxact import reference
from jaxact._src.definition import Limit, Nonnegative, Positive, Real
from jaxact._src.select import use
from jaxact.elementwise import identity, leaky_relu, relu, relu6
from jaxact.registry import deserialize, get, names, serialize

# isort: split
from jaxact._src.function import elementwise  # last: importing the package of this name has set the attribute

__version__ = "0.1.0.dev0"

__all__ = [
    "Limit",
    "Nonnegative",
    "Positive",
    "Real",
    "deserialize",
    "elementwise",
    "get",
    "identity",
    "leaky_relu",
    "names",
    "reference",
    "relu",
    "relu6",
    "serialize",
    "use",
]
