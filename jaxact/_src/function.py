"""The public functions: thin Python that checks, promotes and hands over to the engine."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

import jax
import jax.numpy as jnp
from jax import lax

from jaxact._src import catalogue, elementary, engine, inline
from jaxact._src.checks import flag, shown
from jaxact._src.definition import Body, ElementwiseDefinition, Facts, is_array
from jaxact._src.documentation import document_elementwise, signature_of
from jaxact._src.operation import ElementwiseOperation, Residual
from jaxact._src.select import IMPLEMENTATIONS, Implementation, check_implementation, requested

Array = jax.Array
B = TypeVar("B", bound=Body)
RESIDUALS: Sequence[str] = ("input", "output", "mask")
RESERVED = ("implementation", "residual", "inplace")


class Elementwise:
    """An elementwise activation: call it, or hang derivatives on it with its decorators.

    Instances are made by `elementwise`. They are compared by identity and pickle by their import path.
    """

    def __init__(self, definition: ElementwiseDefinition):
        clash = [name for name in definition.parameters if name in RESERVED]
        if clash:
            raise TypeError(f"{definition.name}: {clash[0]!r} is an argument of every activation, rename yours")
        self.definition = definition
        self.__name__ = self.__qualname__ = definition.name
        self.__module__ = definition.facts.module
        self.__signature__ = signature_of(definition.parameters, inplace=True)
        self.__doc__ = document_elementwise(definition)
        self._usual = functools.lru_cache(maxsize=len(IMPLEMENTATIONS) + 1)(self._without_options)

    def __call__(
        self,
        x: Any,
        *parameters: Any,
        implementation: Implementation | None = None,
        residual: Residual | None = None,
        inplace: bool = False,
        **named: Any,
    ) -> Array:
        request = requested() if implementation is None else implementation
        try:
            if not parameters and not named and residual is None and inplace is False:
                return self._usual(request)(x)
            numbers = _NUMBERS.issuperset(map(type, (*parameters, *named.values())))
            prepare = _prepared if numbers else _prepare  # one hash in C
            call, arrays = prepare(self.definition, request, residual, inplace, *parameters, **named)
            donate = inplace and isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)
            return (call.donating if donate else call.plain)(x, *arrays)
        except (TypeError, OverflowError):  # perhaps from what has no hash, or is no array: then say so
            _check_options(self.definition.name, request, residual, inplace)
            check_array(self.definition.name, x)
            raise

    def _without_options(self, request: Implementation | None) -> Callable[[Any], Array]:
        """The jitted callable of a call with x alone, which eager code makes most often."""
        call, _ = _prepare(self.definition, request, None, False)
        return call.plain

    def __reduce__(self) -> str:
        return self.__qualname__

    def __repr__(self) -> str:
        return f"<activation {self.__module__}.{self.__qualname__}{self.__signature__}>"

    # -- what definitions hang on it --------------------------------------------------------------------------

    @overload
    def derivative(self, body: B, /) -> B: ...

    @overload
    def derivative(self, body: str, /) -> Callable[[B], B]: ...

    def derivative(self, body: B | str, /) -> B | Callable[[B], B]:
        """Decorate f'(x); ``derivative("alpha")`` decorates the derivative in a parameter."""
        if isinstance(body, str):
            return functools.partial(self._define, (body,))
        return self._define(("x",), body)

    def second_derivative(self, body: B) -> B:
        """Decorate f''(x). Without it, f' is differentiated automatically."""
        return self._define(("x", "x"), body)

    def output_derivative(self, *, exact: Callable[..., bool] | bool = False) -> Callable[[B], B]:
        """Decorate f'(x) written in y = f(x), for ``residual="output"``.

        Args:
          exact: For which parameters (a predicate of them) y determines f'(x) exactly, so that saving y is the
            default: the next layer saves it anyway.
        """

        def define(body: B) -> B:
            self.definition.define_output_derivative(exact, body)
            self.__doc__ = document_elementwise(self.definition)
            return body

        return define

    def derive_like(self, other: "Elementwise") -> None:
        """Take the derivatives of an activation with the same value, whose parameters come in the same order."""
        if not isinstance(other, Elementwise):
            raise TypeError(f"{self.__name__}: derive_like takes an elementwise activation, got {shown(other)}")
        self.definition.derive_like(other.definition)
        self.__doc__ = document_elementwise(self.definition)

    def _define(self, names: Sequence[str], body: B) -> B:
        self.definition.define_derivative(names, body)
        return body

    @property
    def value(self) -> Body:
        """The body as it was written, for other definitions to build on: ``silu.value(el, x)``."""
        return self.definition.value


@overload
def elementwise(value: Body, /) -> Elementwise: ...


@overload
def elementwise(
    *,
    name: str | None = ...,
    aliases: Sequence[str] = ...,
    formula: str = ...,
    source: str = ...,
    range: str = ...,
    kinks: str = ...,
    limits: str = ...,
    settings: Sequence[Mapping[str, Any]] = ...,
    ordered: Sequence[str] = ...,
    keeps_integers: bool = ...,
    passes: bool = ...,
    selects: bool = ...,
    slopes: Callable[..., tuple[float, float] | None] | None = ...,
    reach: Callable[..., float] | None = ...,
) -> Callable[[Body], Elementwise]: ...


def elementwise(
    value: Body | None = None,
    /,
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    formula: str = "",
    source: str = "",
    range: str = "",
    kinks: str = "none",
    limits: str = "",
    settings: Sequence[Mapping[str, Any]] = (),
    ordered: Sequence[str] = (),
    keeps_integers: bool = False,
    passes: bool = False,
    selects: bool = False,
    slopes: Callable[..., tuple[float, float] | None] | None = None,
    reach: Callable[..., float] | None = None,
) -> Elementwise | Callable[[Body], Elementwise]:
    r"""Make an activation of a function of one array, written in plain ``jnp``.

    The result works under every JAX transformation, saves one array for the backward, and is registered: modules
    and `jaxact.get` find it by name.

    Args:
      value: The body ``f(x, **parameters)``, elementwise in x. If its first argument is called ``el`` it is handed
        the elementary layer. Parameters with numbers as defaults become parameters of the activation.
      name: Its name, where it differs from the body's.
      aliases: Other names.
      formula: The textbook form, in TeX.
      source: Where it comes from.
      range: The interval of its values.
      kinks: Where a derivative jumps, and what it is there.
      limits: Its limits at both infinities.
      settings: Parameters that tests and tables cover beside the defaults.
      ordered: Parameters that must not decrease in this order, such as limits.
      keeps_integers: Integer input gives the same integer dtype while the parameters are whole numbers (else it
        is promoted as by ``jnp.tanh``).
      passes: The value is x itself and its derivative 1, so that the call hands x on.
      selects: While all parameters are 0 or None the value is x or 0, and 16-bit input is not widened to compute
        it.
      slopes: For a function of two slopes and no other, a function of the parameters that gives both: then
        ``residual="mask"`` keeps one bit an element. It gives None where these parameters make more slopes.
      reach: For periodic functions, a function of the parameters: the absolute x up to which the derivatives keep
        their accuracy. Beyond it they are those of an x nearby.

    Returns:
      The activation, a callable with ``derivative``, ``second_derivative`` and ``output_derivative`` decorators.

    Raises:
      TypeError: The body's signature is not that of an elementwise function.

    >>> import jax, jax.numpy as jnp, jaxact
    >>> @jaxact.elementwise
    ... def ripple(x, depth=0.1):
    ...     return x + depth * jnp.sin(x)
    >>> float(jax.grad(ripple)(0.0))
    1.100000023841858
    """

    def make(body: Body) -> Elementwise:
        if not callable(body):
            raise TypeError(f"elementwise takes a function of one array, got {shown(body)}")
        if reach is not None and not callable(reach):
            raise TypeError(f"elementwise: reach must be a function of the parameters or None, got {shown(reach)}")
        if slopes is not None and not callable(slopes):
            raise TypeError(
                f"elementwise: slopes must be a function of the parameters or None, got {shown(slopes)}"
            )
        facts = Facts.of(
            body,
            name=name,
            aliases=_sequence("aliases", "names", aliases),
            **_texts(formula=formula, source=source, range=range, kinks=kinks, limits=limits),
            settings=_sequence("settings", "dictionaries of parameters", settings),
            ordered=_sequence("ordered", "names of parameters", ordered),
            keeps_integers=flag("elementwise", "keeps_integers", keeps_integers),
            passes=flag("elementwise", "passes", passes),
            selects=flag("elementwise", "selects", selects),
            slopes=slopes,
            reach=reach,
        )
        activation = Elementwise(ElementwiseDefinition(body, facts))
        activation.__qualname__ = body.__qualname__
        catalogue.add(activation, (facts.name, *facts.aliases))
        return activation

    return make if value is None else make(value)


def _sequence(argument: str, of: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        raise TypeError(f"elementwise: {argument} must be a sequence of {of}, such as a tuple, got {shown(value)}")
    return tuple(value)


def _texts(**facts: Any) -> dict[str, str]:
    for name, value in facts.items():
        if not isinstance(value, str):
            raise TypeError(f"elementwise: {name} must be a string, got {shown(value)}")
    return facts


F = TypeVar("F", bound=Callable[..., Any])


@overload
def named(function: F, /) -> F: ...


@overload
def named(*, options: Callable[..., Any] | None = ..., **checks: catalogue.Check) -> Callable[[F], F]: ...


def named(
    function: F | None = None, /, *, options: Callable[..., Any] | None = None, **checks: catalogue.Check
) -> F | Callable[[F], F]:
    """Decorate a function of one array that has no record, so that it is found by name.

    Args:
      function: The function.
      options: The function whose arguments its ``**options`` are.
      **checks: Checks of its arguments, for those who bind them before there is an array.
    """

    def enter(function: F) -> F:
        catalogue.add_function(function, options, _EVERYWHERE | checks)
        return function

    return enter if function is None else enter(function)


_EVERYWHERE: dict[str, catalogue.Check] = {
    "implementation": lambda _owner, _argument, value: check_implementation(value),
    "residual": lambda owner, _argument, value: check_residual(owner, value),
    "inplace": flag,
}


def like(activation: Elementwise, parameter: str) -> catalogue.Check:
    """The check of an argument that becomes the parameter of an activation, as a number."""

    def check(owner: str, argument: str, value: Any) -> Any:
        if is_array(value):
            raise TypeError(f"{owner}: {argument} must be a number, got an array of shape {value.shape}")
        return dataclasses.replace(activation.definition.parameters[parameter], name=argument).check(owner, value)

    return check


# -- from checked parameters to a jitted callable ---------------------------------------------------------------


_NUMBERS = frozenset({float, int, bool, type(None)})


class _Call:
    """One operation, jitted with and without donation of x."""

    def __init__(self, operation: ElementwiseOperation):
        def run(x: Any, *arrays: Any) -> Array:
            return _run(operation, x, *arrays)

        run.__name__ = run.__qualname__ = operation.name
        self.plain = jax.jit(run)
        self.donating = jax.jit(run, donate_argnums=0) if operation.inplace else self.plain


@functools.lru_cache(maxsize=1024)
def _jitted(operation: ElementwiseOperation) -> _Call:
    return _Call(operation)


def _prepare(
    definition: ElementwiseDefinition,
    request: Implementation | None,
    residual: Residual | None,
    inplace: bool,
    /,
    *positional: Any,
    **named: Any,
) -> tuple[_Call, tuple[Array, ...]]:
    """The jitted callable of these parameters, and those of them that are its operands."""
    _check_options(definition.name, request, residual, inplace)
    parameters = definition.bind(positional, named)
    arrays = {n: v for n, v in parameters.items() if is_array(v)}
    operation = ElementwiseOperation(
        definition=definition,
        static=tuple((n, v) for n, v in parameters.items() if n not in arrays),
        arrays=tuple(arrays),
        residual=_residual(definition, parameters, residual),
        request=request,
        inplace=inplace,
    )
    return _jitted(operation), tuple(arrays.values())


_prepared = functools.lru_cache(maxsize=1024, typed=True)(_prepare)


def _check_options(name: str, request: object, residual: object, inplace: object) -> None:
    check_implementation(request)
    check_residual(name, residual)
    flag(name, "inplace", inplace)


def check_residual(name: str, residual: object, known: Sequence[str] = RESIDUALS) -> None:
    """Raise ValueError unless `residual` is None or says what may be kept."""
    if residual is not None and residual not in known:
        raise ValueError(f"{name}: residual must be None or one of {known}, got {shown(residual)}")


def _residual(
    definition: ElementwiseDefinition, parameters: Mapping[str, Any], residual: Residual | None
) -> Residual:
    if residual is None:
        return "output" if definition.output_determines_derivative(parameters) else "input"
    if residual == "output" and not definition.has_output_derivative:
        raise ValueError(f"{definition.name} has no derivative in terms of its output; use residual='input'")
    if residual in ("output", "mask") and any(is_array(v) for v in parameters.values()):
        raise ValueError(
            f"{definition.name}: residual={residual!r} needs parameters that are numbers, got an array"
        )
    if residual == "mask" and definition.slopes(parameters) is None:
        raise ValueError(
            f"{definition.name} has not two slopes with these parameters, and no more, of which a mask could keep "
            "one; use residual='input'"
        )
    return residual


# -- inside jit: once a shape and dtype ----------------------------------------------------------------------


def _run(operation: ElementwiseOperation, x: Any, *arrays: Any) -> Array:
    definition = operation.definition
    x = real_array(definition.name, x)
    if not jnp.issubdtype(x.dtype, jnp.floating) and _keeps_integers(operation):
        return _on_integers(operation, x)
    x = promoted(x)
    if definition.facts.passes and operation.request not in ("pallas", "prefer_pallas"):
        return x
    operands = _aligned(definition.name, operation.arrays, x, arrays)
    if operation.request == "inline":
        return inline.function(operation)(*operands)
    return engine.activation_p.bind(*operands, op=operation)


def real_array(name: str, x: Any) -> Array:
    """x as an array.

    Raises:
      TypeError: It is complex, a random key, or neither an array nor a number.
    """
    check_array(name, x)
    return jnp.asarray(x)


_REAL = (jnp.floating, jnp.integer, jnp.bool_)


def check_array(name: str, x: Any) -> None:
    """Raise TypeError unless x is a real array or number."""
    if isinstance(x, bool | int | float):
        _check_fits(name, x)
        return
    dtype = getattr(x, "dtype", None)
    if dtype is None:
        fix = "; use jnp.asarray" if isinstance(x, list | tuple) else ""
        raise TypeError(f"{name} takes an array or a number, got {type(x).__name__}{fix}")
    if not any(jnp.issubdtype(dtype, kind) for kind in _REAL):
        raise TypeError(f"{name} takes real input, got dtype {dtype}")


def _check_fits(name: str, x: float) -> None:
    """Raise OverflowError, as JAX does, if an integer needs more bits than JAX's integers have."""
    integers = jnp.iinfo(jax.dtypes.canonicalize_dtype(int))
    if isinstance(x, int) and not integers.min <= x <= integers.max:
        raise OverflowError(
            f"{name}: x must fit into {integers.dtype} or be a float, got {shown(x)}; or enable jax_enable_x64"
        )


def promoted(x: Array) -> Array:
    """x as floating point: integers as ``jnp.tanh`` promotes them."""
    if jnp.issubdtype(x.dtype, jnp.floating):
        return x
    return x.astype(jax.eval_shape(jnp.tanh, x).dtype)


def _keeps_integers(operation: ElementwiseOperation) -> bool:
    whole = all(v is None or float(v).is_integer() for _, v in operation.static)
    return operation.definition.facts.keeps_integers and not operation.arrays and whole


def _on_integers(operation: ElementwiseOperation, x: Array) -> Array:
    """As jax.nn has it: bool counts as int32, except where the result is x itself."""
    counted = x.astype(jnp.int32) if x.dtype == jnp.bool_ else x
    info = jnp.iinfo(counted.dtype)
    static = {
        n: None if v is None else min(max(int(v), int(info.min)), int(info.max)) for n, v in operation.static
    }
    y = operation.definition.body(())(elementary.PORTABLE, counted, **static)
    return x if y is counted else y


def _aligned(name: str, names: Sequence[str], x: Array, arrays: Sequence[Array]) -> tuple[Array, ...]:
    """Operands that broadcast against x from the right and vary over the same manual mesh axes."""
    floats = [a if jnp.issubdtype(a.dtype, jnp.floating) else a.astype(x.dtype) for a in arrays]
    try:
        shape = jnp.broadcast_shapes(x.shape, *(a.shape for a in floats))
    except ValueError:
        shapes = ", ".join(f"{n} {a.shape}" for n, a in zip(names, floats))
        raise ValueError(f"{name}: parameters must broadcast against x {x.shape}, got {shapes}") from None
    operands = (x if x.shape == shape else jnp.broadcast_arrays(x, *floats)[0], *floats)
    return operands if len(operands) == 1 else varying_alike(operands)


def varying_alike(operands: Sequence[Array]) -> tuple[Array, ...]:
    """Operands that vary over the same axes of a manual mesh, as a primitive wants them."""
    varying = [frozenset(jax.typeof(v).mat.varying) for v in operands]
    every = frozenset().union(*varying)
    return tuple(
        lax.pcast(v, tuple(every - own), to="varying") if every - own else v for v, own in zip(operands, varying)
    )
