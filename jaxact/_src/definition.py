"""The record of an activation: value and derivatives side by side, with the facts that all else derives from.

A record is data. It holds bodies (plain ``jnp``, one argument an operand) and knows which of them was written
by hand; it binds no primitive and chooses no implementation.
"""

import dataclasses
import inspect
import itertools
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, get_args, get_origin

import jax
import jax.numpy as jnp
import numpy as np

from jaxact._src.checks import shown
from jaxact._src.elementary import Elementary

Body = Callable[..., jax.Array]


@dataclasses.dataclass(frozen=True)
class Domain:
    """What a parameter may be; the text completes "must be ..." in an error."""

    text: str
    admits: Callable[[float], bool]


FINITE = Domain("a finite number", math.isfinite)
_POSITIVE = Domain("a finite number above 0", lambda v: math.isfinite(v) and v > 0)
_NONNEGATIVE = Domain("a finite number, 0 or above", lambda v: math.isfinite(v) and v >= 0)
_ABOVE_ONE = Domain("a finite number above 1", lambda v: math.isfinite(v) and v > 1)
_LIMIT = Domain("a number (infinite for no limit)", lambda v: not math.isnan(v))

# What a definition writes in its signature: ``alpha: Positive = 1.0``.
Real = Annotated[float | jax.Array, FINITE]
Positive = Annotated[float | jax.Array, _POSITIVE]
Nonnegative = Annotated[float | jax.Array, _NONNEGATIVE]
AboveOne = Annotated[float | jax.Array, _ABOVE_ONE]
Limit = Annotated[float | jax.Array, _LIMIT]

REQUIRED: Final = inspect.Parameter.empty
X: Final = "x"


def is_array(value: object) -> bool:
    """Whether a parameter's value is an operand (with a gradient) rather than a static number."""
    return isinstance(value, jax.Array | np.ndarray)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of an activation, read from the signature of its body."""

    name: str
    default: Any
    domain: Domain | None  # None: a flag, True or False

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def check(self, owner: str, value: Any) -> Any:
        """Return the value as it is stored: None, bool, float or array.

        Raises:
          TypeError: It is not of a kind that the parameter takes.
          ValueError: It is a number outside the parameter's domain.
        """
        if is_array(value) and self.domain is not None:
            if not jnp.issubdtype(value.dtype, jnp.floating) and not jnp.issubdtype(value.dtype, jnp.integer):
                raise TypeError(f"{owner}: {self.name} must be a real array, got dtype {value.dtype}")
            # JAX would cut what exceeds 32 bits off integers of numpy; it rounds floats
            wide = isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.dtype.itemsize > 4
            return value.astype(np.float64) if wide else value
        if value is None and self.default is None:
            return None
        if self.domain is None:
            if not isinstance(value, bool | np.bool_):
                raise TypeError(f"{owner}: {self.name} must be True or False, got {shown(value)}")
            return bool(value)
        if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
            raise TypeError(f"{owner}: {self.name} must be a number or an array, got {shown(value)}")
        number = _as_float(value)
        if not self.domain.admits(number):
            raise ValueError(f"{owner}: {self.name} must be {self.domain.text}, got {shown(value)}")
        return number


def _as_float(value: Any) -> float:
    """The nearest float; what is larger than any is not a number."""
    try:
        return float(value)
    except OverflowError:
        return math.nan


def read_parameter(parameter: inspect.Parameter) -> Parameter:
    """A parameter as a body's signature declares it.

    Raises:
      TypeError: Its default is neither a number, a flag, None nor missing.
    """
    annotation, default = parameter.annotation, parameter.default
    members = (annotation, *get_args(annotation))  # `Limit | None` has the annotated type as a member
    domains = [a for m in members if get_origin(m) is Annotated for a in get_args(m) if isinstance(a, Domain)]
    if annotation is bool or isinstance(default, bool):
        return Parameter(parameter.name, default, None)
    if isinstance(default, int | float):
        default = float(default)
    elif default is not None and default is not REQUIRED:
        raise TypeError(
            f"parameter {parameter.name!r} must have a number, True, False or None for a default, got "
            f"{shown(default)}"
        )
    return Parameter(parameter.name, default, domains[0] if domains else FINITE)


def _takes_elementary(body: Body) -> bool:
    return next(iter(inspect.signature(body).parameters), None) == "el"


def _with_elementary(body: Body) -> Body:
    """The body as one that is handed the elementary layer, whether it asks for it or not."""
    if _takes_elementary(body):
        return body
    return lambda el, *args, **kwargs: body(*args, **kwargs)


Key = tuple[str, ...]  # the operands a derivative is taken in, x first: () is the value, ("x", "x") is f''


def key_of(names: Sequence[str]) -> Key:
    return tuple(sorted(names, key=lambda name: (name != X, name)))


@dataclasses.dataclass(frozen=True, eq=False)
class Facts:
    """What readers, docs, tests and tables are told of an activation."""

    name: str
    doc: str
    module: str
    aliases: tuple[str, ...] = ()
    formula: str = ""
    source: str = ""
    range: str = ""  # of the value, as an interval
    kinks: str = "none"  # where a derivative jumps, and what it is there
    limits: str = ""  # at -inf and +inf
    settings: tuple[Mapping[str, Any], ...] = ()  # parameters that tests and tables cover beside the defaults
    ordered: tuple[str, ...] = ()  # parameters that must not decrease in this order
    keeps_integers: bool = False  # integer in, same integer dtype out, as jax.nn has it
    passes: bool = False  # the value is x itself, with derivative 1: nothing to compute, to keep or to launch
    selects: bool = False  # while all parameters are 0 or None the value is x or 0: exact in every dtype
    slopes: Callable[..., tuple[float, float] | None] | None = None  # of the parameters: the only two, if so
    reach: Callable[..., float] | None = None  # of the parameters: |x| up to which derivatives keep their accuracy

    @classmethod
    def of(cls, body: Callable[..., Any], *, name: str | None = None, **told: Any) -> "Facts":
        """Those of a body, whose name, docstring and module it has, and what its author tells beside."""
        told = {k: tuple(v) if k in ("aliases", "settings", "ordered") else v for k, v in told.items()}
        doc = inspect.cleandoc(body.__doc__ or "")
        return cls(name=name or body.__name__, doc=doc, module=body.__module__, **told)


class ElementwiseDefinition:
    """``y = f(x; parameters)``, one output element an input element."""

    family = "elementwise"  # what the rule of selection knows it by
    packed_family = "elementwise"  # the same, where its operands are the halves of one array
    added: str | None = None  # a parameter that is added to the value of the rest

    def __init__(self, value: Body, facts: Facts):
        self.value = value
        self.facts = facts
        self.name = facts.name
        self.parameters = self._read_signature(value)
        if unknown := [n for n in facts.ordered if n not in self.parameters]:
            raise TypeError(
                f"{self.name} has no parameter {unknown[0]!r} to order; it has {list(self.parameters)}"
            )
        for setting in facts.settings:
            if not isinstance(setting, Mapping):
                raise TypeError(f"{self.name}: settings must be dictionaries of parameters, got {shown(setting)}")
            self.bind((), setting)
        # XLA's CPU backend needs help with bodies made of the elementary layer, see `evaluate`.
        self.uses_elementary = _takes_elementary(value)
        self._bodies: dict[Key, Body] = {(): _with_elementary(value)}
        self._output_derivative: Body | None = None
        self._output_is_exact: Callable[..., bool] = lambda **_: False

    def _read_signature(self, value: Body) -> dict[str, Parameter]:
        parameters = list(inspect.signature(value).parameters.values())[self._skip(value) :]
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        if not parameters or parameters[0].name != X:
            raise TypeError(f"{self.name}: the body's operand must be called {X!r}, as in `def {self.name}(x):`")
        for p in parameters:
            if p.kind not in kinds:
                raise TypeError(f"{self.name}: a body takes named parameters only, got {p}")
        return {p.name: read_parameter(p) for p in parameters[1:]}

    @staticmethod
    def _skip(value: Body) -> int:
        return 1 if _takes_elementary(value) else 0

    # -- what is written by hand --------------------------------------------------------------------------

    def define_derivative(self, names: Sequence[str], body: Body) -> None:
        for name in names:
            if name != X and name not in self.parameters:
                raise TypeError(f"{self.name} has no parameter {name!r} to differentiate in")
        self._bodies[key_of(names)] = _with_elementary(body)

    def define_output_derivative(self, exact: Callable[..., bool] | bool, body: Body) -> None:
        self._output_derivative = _with_elementary(body)
        self._output_is_exact = exact if callable(exact) else lambda **_: exact

    def derive_like(self, other: "ElementwiseDefinition") -> None:
        """Take the derivatives of a definition with the same value, whose parameters come in the same order."""
        renamed = dict(zip(other.parameters, self.parameters))

        def mine(body: Body) -> Body:
            return lambda el, x, **own: body(el, x, **{theirs: own[n] for theirs, n in renamed.items()})

        for key, body in other._bodies.items():
            if key:
                self._bodies[key_of([renamed.get(name, name) for name in key])] = mine(body)
        if other._output_derivative is not None:
            exact = other._output_is_exact
            self._output_derivative = mine(other._output_derivative)
            self._output_is_exact = lambda **own: exact(**{theirs: own[n] for theirs, n in renamed.items()})

    # -- what is derived ----------------------------------------------------------------------------------

    def handwritten(self) -> frozenset[Key]:
        """The derivatives (and the value) that have a body of their own."""
        return frozenset(self._bodies)

    @property
    def has_output_derivative(self) -> bool:
        return self._output_derivative is not None

    def slopes(self, parameters: Mapping[str, Any]) -> tuple[float, float] | None:
        """The two slopes of a function that has no other with these numbers as parameters."""
        return None if self.facts.slopes is None else self.facts.slopes(**parameters)

    def output_determines_derivative(self, parameters: Mapping[str, Any]) -> bool:
        """Whether f'(x) is a function of y for these parameters, exactly."""
        arrays = any(is_array(v) for v in parameters.values())
        return self.has_output_derivative and not arrays and self._output_is_exact(**parameters)

    def body(self, names: Sequence[str]) -> Body:
        """The derivative in these operands: the one written by hand, else autodiff of the nearest one."""
        key = key_of(names)
        if key in self._bodies:
            return self._bodies[key]
        shorter = [key_of(key[:i] + key[i + 1 :]) for i in reversed(range(len(key)))]
        base = next((k for k in shorter if k in self._bodies), shorter[0])
        (name,) = _difference(key, base)
        return _differentiated(self.body(base), name)

    def output_body(self, order: int) -> Body:
        """f'(x) as a function of y, differentiated `order - 1` times in y."""
        assert self._output_derivative is not None, f"{self.name} has no derivative in terms of its output"
        body = self._output_derivative
        for _ in range(order - 1):
            body = _differentiated(body, X)
        return body

    def bind(self, positional: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """Check parameters and complete them with their defaults.

        Raises:
          TypeError: A parameter is unknown, missing, given twice or of the wrong kind.
          ValueError: A parameter is a number outside its domain.
        """
        names = list(self.parameters)
        if len(positional) > len(names):
            raise TypeError(
                f"{self.name} takes {len(names)} parameter(s) {names} after x, got {len(positional)} positional"
            )
        given = dict(zip(names, positional))
        for name, value in named.items():
            if name not in self.parameters:
                raise TypeError(f"{self.name} has no parameter {shown(name)}; it has {names or 'none'}")
            if name in given:
                raise TypeError(f"{self.name}: {name} is given twice")
            given[name] = value
        for name, parameter in self.parameters.items():
            if name not in given and parameter.required:
                raise TypeError(f"{self.name} needs its parameter {name!r}")
        bound = {n: p.check(self.name, given.get(n, p.default)) for n, p in self.parameters.items()}
        self._check_order(bound)
        return bound

    def _check_order(self, bound: Mapping[str, Any]) -> None:
        for low, high in itertools.pairwise(self.facts.ordered):
            a, b = bound[low], bound[high]
            if not is_array(a) and not is_array(b) and a > b:
                raise ValueError(f"{self.name}: {low} must not exceed {high}, got {low}={a:g} and {high}={b:g}")


def _difference(key: Key, base: Key) -> list[str]:
    rest = list(key)
    for name in base:
        rest.remove(name)
    return rest


def _differentiated(body: Body, name: str) -> Body:
    """The derivative of an elementwise body in one operand, by forward mode with a tangent of ones."""

    def derivative(el: Elementary, x: jax.Array, **parameters: Any) -> jax.Array:
        operands = {X: x, **parameters}
        at, _ = jnp.broadcast_arrays(jnp.asarray(operands[name], dtype=x.dtype), x)

        def along(v: jax.Array) -> jax.Array:
            rest = {**operands, name: v}
            return body(el, rest.pop(X), **rest)

        return jax.jvp(along, (at,), (jnp.ones_like(at),))[1]

    return derivative
