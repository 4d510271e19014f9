"""Activations over rows (the softmax family): their record, their operation, and their public function."""

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxact._src import catalogue, engine, inline
from jaxact._src.checks import integer, shown
from jaxact._src.definition import Facts, Parameter, is_array, read_parameter
from jaxact._src.documentation import document_rowwise
from jaxact._src.elementary import Elementary, profile
from jaxact._src.function import check_array, check_residual, promoted, real_array, varying_alike
from jaxact._src.operation import DifferentiableOperation, Residual, unbroadcast
from jaxact._src.select import Implementation, check_implementation, requested

Array = jax.Array
Body = Callable[..., Array]
Axes = tuple[int, ...]


@dataclasses.dataclass(eq=False)
class RowwiseDefinition:
    """``y = f(x)`` over rows, with its linear maps written in terms of y.

    Attributes:
      facts: What readers and tables are told.
      value: ``(x, axes, **parameters) -> y``; excluded entries of x are -inf.
      residual: What the backward saves by default.
      parameter: Its one parameter, constant along a row, or None.
      linear: ``(y, t, axes, **parameters)``, the derivative applied to a tangent of x.
      transpose: ``(x, ct, axes)``, applied to a cotangent; x may be y, of which y is the value too. None where the
        derivative is symmetric.
      parameter_derivative: ``(y, axes, **parameters)``, the derivative in the parameter, of the shape of y.
      sign: What x is multiplied with beside `scale`, 1 or -1.
    """

    facts: Facts
    value: Body
    residual: Residual
    parameter: Parameter | None = None
    linear: Body | None = None
    transpose: Body | None = None
    parameter_derivative: Body | None = None
    sign: float = 1.0

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """What `bind` takes, in order."""
        own = {} if self.parameter is None else {self.parameter.name: self.parameter}
        return {**own, "axis": _AXIS, "scale": _SCALE}

    def bind(self, positional: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """Check what may be the same in every call, and complete it with its defaults; a mask where there is one.

        Raises:
          TypeError: A parameter is unknown, given twice or of the wrong kind.
          ValueError: A parameter is a number outside its domain.
        """
        given = _given(self.name, list(self.parameters), positional, named, ("where",))
        bound = {n: given.get(n, p.default) for n, p in self.parameters.items()}
        axis = bound["axis"]
        checked = {n: p.check(self.name, bound[n]) for n, p in self.parameters.items() if n != "axis"}
        masks = {} if given.get("where") is None else {"where": _mask(self.name, given["where"])}
        return {**checked, "axis": None if axis is None else _hashable(self.name, axis), **masks}


LONGEST_ON_CHIP = 16384  # elements of a row, for XLA's GPU backend


@dataclasses.dataclass(frozen=True, repr=False)
class RowwiseOperation(DifferentiableOperation):
    """A rowwise definition along given axes: operands are x (or y) and, by name, `where` and the parameter.

    Attributes:
      definition: The record.
      axes: The axes of a row, counted from the right, so that a batch dimension leaves them alone.
      arrays: The names of the further operands.
      static: The parameter, where it is a number, as items.
      scale: What x is multiplied with.
      residual: What the linear map saves.
      request: The implementation asked for.
    """

    definition: RowwiseDefinition
    axes: Axes
    arrays: tuple[str, ...] = ()
    static: tuple[tuple[str, float], ...] = ()
    scale: float = 1.0
    residual: Residual = "input"
    request: Implementation | None = None

    wrt = ()  # it is the value; its derivatives are differentiated as the jnp that they are
    added = None

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.definition.name

    @property
    def family(self) -> str:
        # of alpha 2, where its power is a comparison, XLA makes what it makes of sparsemax
        return "sparsemax" if dict(self.static).get("alpha") == 2 else self.name

    def row_length(self, x: Any) -> int:
        shape = [n for n in (x.shape[a] for a in self.axes) if isinstance(n, int)]
        return math.prod(shape) if len(shape) == len(self.axes) else 0

    @property
    def saves_output(self) -> bool:
        return self.residual == "output"

    @property
    def is_product(self) -> bool:
        return False

    def __repr__(self) -> str:
        parts = [self.name, f"axes={self.axes}", *self.arrays, *(f"{n}={v:g}" for n, v in self.static)]
        parts += [f"residual={self.residual}"] + ([self.request] if self.request else [])
        return f"<{' '.join(parts)}>"

    def check_differentiable(self) -> None:
        """Every rowwise activation is."""

    def residuals(self, y: Array, operands: Sequence[Array], mask: Sequence[bool]) -> Any:
        if not self.saves_output:
            return tuple(operands), tuple(mask)
        # a mask of excluded entries has done its work: y is 0 there
        kept = [i for i, n in enumerate(self.arrays, start=1) if n != "where"]
        return (y, *(operands[i] for i in kept)), (mask[0], *(mask[i] for i in kept))

    def without_added(self) -> DifferentiableOperation:
        return self

    def evaluate(self, el: Elementary, *operands: Array) -> Array:
        return self._value(el, operands).astype(operands[0].dtype)

    def linear(self, el: Elementary, residuals: Sequence[Array], tangents: Sequence[Array | None]) -> Array:
        y, parameters = self._output(el, residuals)
        terms = []
        if tangents[0] is not None:
            along = self._held(el, tangents[0].astype(el.dtype))
            terms.append(self._along_x(self.definition.linear, y, along, parameters))
        for t in tangents[1:]:
            if t is not None:
                terms.append(self._parameter_derivative(y, parameters) * t.astype(el.dtype))
        return functools.reduce(jnp.add, terms).astype(residuals[0].dtype)

    def transpose(
        self, el: Elementary, residuals: Sequence[Array], cotangent: Array, mask: Sequence[bool]
    ) -> tuple[Array, ...]:
        ct = cotangent.astype(el.dtype)
        if self.definition.transpose:
            x = residuals[0].astype(el.dtype) if self.saves_output else self._entries(el, residuals)
            return (self._along_x(self.definition.transpose, x, ct, {}).astype(residuals[0].dtype),)
        y, parameters = self._output(el, residuals)
        out = []
        for i, asked in enumerate(mask):
            if asked and i == 0:
                out.append(self._along_x(self.definition.linear, y, self._held(el, ct), parameters))
            elif asked:
                out.append(unbroadcast(self._parameter_derivative(y, parameters) * ct, residuals[i]))
        return tuple(v.astype(r.dtype) for v, r in zip(out, (r for r, m in zip(residuals, mask) if m)))

    def differentiate(self, operand: int, *, of_input: bool = False) -> DifferentiableOperation:
        raise NotImplementedError(f"{self.name} has no elementwise derivatives")

    def _held(self, el: Elementary, v: Array) -> Array:
        """v itself: no element is above the largest of its row.

        XLA's GPU backend holds last axes on the chip from a reduction on that meets what it reduced, with what
        follows: a gradient is one pass then, for two or three (docs/gpu_static.md). A NaN takes its row along, as
        in the sums that follow.
        """
        gpu = el.native and not el.double
        if not gpu or self.axes != (-1,) or not 0 < self.row_length(v) <= LONGEST_ON_CHIP:
            return v
        return jnp.minimum(v, jnp.max(v, axis=self.axes, keepdims=True))

    def _along_x(self, body: Body | None, y: Array, t: Array, parameters: dict[str, Any]) -> Array:
        assert body is not None, f"{self.name} has no derivative"
        v = body(y, t, self.axes, **parameters)
        return v if self.scale == 1.0 else self.scale * v

    def _parameter_derivative(self, y: Array, parameters: dict[str, Any]) -> Array:
        assert self.definition.parameter_derivative is not None
        return self.definition.parameter_derivative(y, self.axes, **parameters)

    def _value(self, el: Elementary, operands: Sequence[Array]) -> Array:
        return self.definition.value(self._entries(el, operands), self.axes, **self._parameters(el, operands))

    def _entries(self, el: Elementary, operands: Sequence[Array]) -> Array:
        """x as definitions take it, scaled, and -inf where it is excluded."""
        x = operands[0].astype(el.dtype)
        where = dict(zip(self.arrays, operands[1:])).get("where")
        z = x if self.scale == 1.0 else self.scale * x
        return z if where is None else jnp.where(where, z, -jnp.inf)

    def _output(self, el: Elementary, residuals: Sequence[Array]) -> tuple[Array, dict[str, Any]]:
        """y in the profile's dtype, saved or computed again (unrounded), and the parameters."""
        if not self.saves_output:
            run = inline.rowwise(self)
            return run(residuals[0].astype(el.dtype), *residuals[1:]), self._parameters(el, residuals)
        names = [n for n in self.arrays if n != "where"]
        named = {n: v.astype(el.dtype) for n, v in zip(names, residuals[1:])}
        return residuals[0].astype(el.dtype), {**dict(self.static), **named}

    def _parameters(self, el: Elementary, operands: Sequence[Array]) -> dict[str, Any]:
        named = {n: v.astype(el.dtype) for n, v in zip(self.arrays, operands[1:]) if n != "where"}
        return {**dict(self.static), **named}


# -- the public function ----------------------------------------------------------------------------------------


class Rowwise:
    """A rowwise activation: call it. Instances are made by `rowwise` and pickle by their import path."""

    def __init__(self, definition: RowwiseDefinition):
        self.definition = definition
        self.__name__ = self.__qualname__ = definition.name
        self.__module__ = definition.facts.module
        self.__signature__ = _signature(definition)
        self.__doc__ = document_rowwise(definition.facts, definition.parameter, definition.residual)

    def __call__(self, x: Any, *args: Any, **named: Any) -> Array:
        arrays, static = _bound(self.definition, args, named)
        try:
            return _jitted(self.definition, static)(x, arrays)
        except (TypeError, OverflowError):  # perhaps from what is no array: then say so
            check_array(self.definition.name, x)
            raise

    def __reduce__(self) -> str:
        return self.__qualname__

    def __repr__(self) -> str:
        return f"<activation {self.__module__}.{self.__qualname__}{self.__signature__}>"

    # -- what definitions hang on it --------------------------------------------------------------------------

    def linear(self, body: Body) -> Body:
        """Decorate ``(y, t, axes)``, the derivative applied to t (or a cotangent, without `transpose`)."""
        self.definition.linear = body
        return body

    def transpose(self, body: Body) -> Body:
        """Decorate ``(x, ct, axes)``, the transposed derivative, where it is not symmetric; x may be y."""
        self.definition.transpose = body
        return body

    def parameter_derivative(self, body: Body) -> Body:
        """Decorate ``(y, axes, parameter)``, the derivative in the parameter."""
        self.definition.parameter_derivative = body
        return body

    @property
    def value(self) -> Body:
        """The body as it was written, for other definitions to build on."""
        return self.definition.value


def rowwise(
    *,
    residual: Residual,
    sign: float = 1.0,
    aliases: Sequence[str] = (),
    formula: str = "",
    source: str = "",
    range: str = "",
    kinks: str = "none",
    limits: str = "",
) -> Callable[[Body], Rowwise]:
    """Make an activation of a function ``(x, axes)`` or ``(x, axes, parameter)`` over rows."""

    def make(body: Body) -> Rowwise:
        facts = Facts.of(
            body, aliases=aliases, formula=formula, source=source, range=range, kinks=kinks, limits=limits
        )
        own = [read_parameter(p) for n, p in inspect.signature(body).parameters.items() if n not in ("x", "axes")]
        definition = RowwiseDefinition(facts, body, residual, own[0] if own else None, sign=sign)
        activation = Rowwise(definition)
        catalogue.add(activation, (facts.name, *facts.aliases))
        return activation

    return make


# -- from arguments to a jitted callable -------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Static:
    """The arguments of a call that are fixed when it is traced."""

    axis: int | Axes | None
    scale: float
    parameter: float | None
    residual: Residual
    request: Implementation | None


def _defaults(definition: RowwiseDefinition) -> dict[str, Any]:
    """The arguments after x with their defaults, in order."""
    own = {} if definition.parameter is None else {definition.parameter.name: definition.parameter.default}
    return {**own, "axis": -1, "where": None, "scale": 1.0, "implementation": None, "residual": None}


_AXIS = Parameter("axis", -1, None)
_SCALE = read_parameter(inspect.Parameter("scale", inspect.Parameter.KEYWORD_ONLY, default=1.0))
_KEYWORD_ONLY = ("scale", "implementation", "residual")


def _bound(
    definition: RowwiseDefinition, args: Sequence[Any], named: Mapping[str, Any]
) -> tuple[dict[str, Any], _Static]:
    """The arguments of a call: those that are arrays, and the rest."""
    name, call = definition.name, _defaults(definition)
    positional = [n for n in call if n not in _KEYWORD_ONLY]
    given = _given(name, positional, args, named, _KEYWORD_ONLY)
    call.update(given)
    request = requested() if call["implementation"] is None else call["implementation"]
    check_implementation(request)
    check_residual(name, call["residual"], ("input", "output"))
    own = definition.parameter
    parameter = None if own is None else own.check(name, call[own.name])
    scale = _SCALE.check(name, call["scale"])
    static = _Static(
        axis=call["axis"] if call["axis"] is None else _hashable(name, call["axis"]),
        scale=1.0 if is_array(scale) else scale * definition.sign,
        parameter=None if is_array(parameter) else parameter,
        residual=call["residual"] or definition.residual,
        request=request,
    )
    arrays = {n: v for n, v in call.items() if n != "where" and is_array(v)}
    if call["where"] is not None:
        arrays["where"] = _mask(name, call["where"])
    return arrays, static


def _mask(name: str, where: Any) -> Any:
    found = where
    if isinstance(where, bool | list):
        try:
            found = np.asarray(where)
        except ValueError:  # rows of different lengths
            found = None
    dtype = getattr(found, "dtype", None)
    if dtype is None or not any(jnp.issubdtype(dtype, kind) for kind in (jnp.bool_, jnp.integer, jnp.floating)):
        raise TypeError(f"{name}: where must be an array of booleans, got {shown(where)}")
    return found


def _given(
    owner: str,
    names: Sequence[str],
    positional: Sequence[Any],
    named: Mapping[str, Any],
    keyword_only: Sequence[str] = (),
) -> dict[str, Any]:
    """Arguments by name."""
    if len(positional) > len(names):
        raise TypeError(f"{owner} takes at most {names} by position after x, got {len(positional)} arguments")
    given = dict(zip(names, positional))
    for key, value in named.items():
        if key not in names and key not in keyword_only:
            raise TypeError(f"{owner} has no argument {shown(key)}; it has {[*names, *keyword_only]}")
        if key in given:
            raise TypeError(f"{owner}: {key} is given twice")
        given[key] = value
    return given


def _hashable(name: str, axis: Any) -> int | Axes:
    several = isinstance(axis, Sequence) and not isinstance(axis, str)
    try:
        found = tuple(integer(name, "axis", a) for a in (axis if several else (axis,)))
    except TypeError:
        raise TypeError(f"{name}: axis must be an integer, a tuple of them or None, got {shown(axis)}") from None
    return found if several else found[0]


@functools.lru_cache(maxsize=1024)
def _jitted(definition: RowwiseDefinition, static: _Static) -> Callable[..., Array]:
    def run(x: Any, arrays: Mapping[str, Array]) -> Array:
        return _run(definition, static, x, arrays)

    run.__name__ = run.__qualname__ = definition.name
    return jax.jit(run)


# -- inside jit: once a shape and dtype ----------------------------------------------------------------------


def _run(definition: RowwiseDefinition, static: _Static, x: Any, arrays: Mapping[str, Array]) -> Array:
    name = definition.name
    x = promoted(real_array(name, x))
    axes = _axes(name, static.axis, x.ndim)
    if x.size == 0:
        return x
    wide = profile(None, x.dtype).dtype
    z = x
    if "scale" in arrays:
        _check_shape(name, "scale", jnp.shape(arrays["scale"]), x.shape, ())
        z = x.astype(wide) * (definition.sign * arrays["scale"].astype(wide))
    names = [n for n in arrays if n != "scale"]
    for n in names:
        _check_shape(name, n, jnp.shape(arrays[n]), z.shape, () if n == "where" else axes)
    operation = RowwiseOperation(
        definition=definition,
        axes=axes,
        arrays=tuple(names),
        static=_static_parameter(definition, static),
        scale=static.scale,
        residual=static.residual,
        request=static.request,
    )
    operands = varying_alike((z, *(_operand(n, arrays[n], wide) for n in names)))
    if static.request == "inline":
        return inline.rowwise(operation)(*operands).astype(x.dtype)
    return engine.activation_p.bind(*operands, op=operation).astype(x.dtype)


def _static_parameter(definition: RowwiseDefinition, static: _Static) -> tuple[tuple[str, float], ...]:
    if definition.parameter is None or static.parameter is None:
        return ()
    return ((definition.parameter.name, static.parameter),)


def _operand(name: str, value: Any, dtype: Any) -> Array:
    value = jnp.asarray(value)
    if name == "where":
        return value.astype(bool)
    return value if jnp.issubdtype(value.dtype, jnp.floating) else value.astype(dtype)


def _axes(name: str, axis: int | Axes | None, ndim: int) -> Axes:
    """The axes counted from the right, -1 the last.

    Raises:
      ValueError: An axis is out of range or named twice.
    """
    asked = tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if ndim == 0 and asked in ((-1,), (0,)):
        return ()  # a number is a row of one, as in jax.nn
    for a in asked:
        if not -ndim <= a < ndim:
            raise ValueError(f"{name}: axis {a} is out of range for an array of {ndim} dimensions")
    axes = tuple(a % ndim - ndim for a in asked)
    if len(set(axes)) < len(axes):
        raise ValueError(f"{name}: an axis is named twice in {asked}")
    return axes


def _check_shape(name: str, what: str, shape: tuple[int, ...], x: tuple[int, ...], row: Axes) -> None:
    try:
        fits = jnp.broadcast_shapes(shape, x) == x
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: {what} must broadcast to the shape of x {x}, got {shape}")
    along = [a for a in row if -a <= len(shape) and shape[a] != 1]
    if along:
        raise ValueError(f"{name}: {what} must be constant along a row (axes {row}), got shape {shape}")


# -- signature and documentation, derived --------------------------------------------------------------------


def _signature(definition: RowwiseDefinition) -> inspect.Signature:
    kind = inspect.Parameter
    given = [
        kind(n, kind.KEYWORD_ONLY if n in _KEYWORD_ONLY else kind.POSITIONAL_OR_KEYWORD, default=d)
        for n, d in _defaults(definition).items()
    ]
    return inspect.Signature([kind("x", kind.POSITIONAL_OR_KEYWORD), *given])
