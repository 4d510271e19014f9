"""The primitives of every activation, so that one saved array serves every order of derivative.

``activation``  ``y = op(x, *parameters)``. Its JVP is the other one.
``linear``      ``t -> op'(x)·t``, the linearised operation. It saves x (or y), evaluates the derivative only when
                it runs, transposes to itself, and its own JVP raises the order of `op`.
``quantised``   The value and its quantisation in one; it has no derivative.

What is decided when: the operation, its parameters and the requested implementation are part of the trace; the
platform, and with it the profile of the elementary layer and the kernel, is known when lowered.

Nothing public gives all of one residual, forward and reverse mode of any order, vmap, and an opaque kernel in the
backward: `jax.custom_jvp` saves f'(x) and evaluates it in the forward, `jax.custom_vjp` has no forward mode.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import jet
from jax.interpreters import ad, batching, mlir

from jaxact._src import bits, elementary, proof, sharding
from jaxact._src.kernels import OLDEST, Kernel
from jaxact._src.operation import DifferentiableOperation, Operation, unbroadcast
from jaxact._src.packed import PackedOperation
from jaxact._src.rule import Direction
from jaxact._src.select import Target, check_without_jit, select

if TYPE_CHECKING:
    from jax.extend.core import Primitive
else:  # the same class; importing jax.extend brings Pallas along, and half of the time that jaxact may take
    Primitive = type(lax.exp_p)

Array = jax.Array
Mask = tuple[bool, ...]

activation_p = Primitive("activation")
linear_p = Primitive("activation_linear")
linear_p.multiple_results = True
quantised_p = Primitive("activation_quantised")
quantised_p.multiple_results = True


# -- evaluation: what the primitives mean, on one platform ----------------------------------------------------


def _evaluate_activation(platform: str | None, *operands: Array, op: Operation) -> Any:
    el = elementary.profile(platform, operands[0].dtype)
    return op.evaluate(el, *operands)


def _evaluate_linear(
    platform: str | None, *operands: Array, op: DifferentiableOperation, mask: Mask, transpose: bool
) -> tuple[Array, ...]:
    residuals, rest = operands[: len(mask)], operands[len(mask) :]
    el = elementary.profile(platform, residuals[0].dtype)
    if not transpose:
        tangents = iter(rest)
        return (op.linear(el, residuals, [next(tangents) if m else None for m in mask]),)
    if platform == "cuda" and len(residuals) == 1:
        # Inside one jit XLA would keep the intermediates of the forward pass instead of this one residual (CSE).
        residuals = lax.optimization_barrier(residuals)
    return op.transpose(el, residuals, rest[0], mask)


_EVALUATE: dict[Primitive, Callable[..., Any]] = {
    activation_p: _evaluate_activation,
    linear_p: _evaluate_linear,
    quantised_p: _evaluate_activation,
}


@functools.lru_cache(maxsize=1024)
def _jitted(primitive: Primitive, parameters: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    return jax.jit(functools.partial(primitive.bind, **dict(parameters)))


def _implementation(primitive: Primitive, *operands: Array, **parameters: Any) -> Any:
    # there jit would come back here
    if jax.config.jax_disable_jit:  # type: ignore[attr-defined, unused-ignore]
        check_without_jit(parameters["op"])
        return _EVALUATE[primitive](jax.default_backend(), *map(jnp.asarray, operands), **parameters)
    return _jitted(primitive, tuple(parameters.items()))(*operands)


# -- abstract values ------------------------------------------------------------------------------------------


def _activation_aval(x: Any, *parameters: Any, op: DifferentiableOperation) -> Any:
    return op.aval(x)


def _linear_avals(*operands: Any, op: DifferentiableOperation, mask: Mask, transpose: bool) -> list[Any]:
    return [a for a, m in zip(operands, mask) if m] if transpose else [op.aval(operands[0])]


# -- differentiation ------------------------------------------------------------------------------------------


def _is_zero(tangent: Any) -> bool:
    return type(tangent) is ad.Zero


def _zero_of(primal: Any) -> Any:
    return ad.Zero(jax.typeof(primal).to_tangent_aval())


def _activation_jvp(
    operands: Sequence[Any], tangents: Sequence[Any], *, op: DifferentiableOperation
) -> tuple[Any, Any]:
    y = activation_p.bind(*operands, op=op)
    if op.added is None:
        return y, _tangent(y, operands, tangents, op)
    others = [i for i in range(len(operands)) if i != op.added]
    tangent = _tangent(y, [operands[i] for i in others], [tangents[i] for i in others], op.without_added())
    passed = tangents[op.added]
    if _is_zero(passed):
        return y, tangent
    passed = passed.astype(y.dtype)
    return y, passed if _is_zero(tangent) else tangent + passed


def _tangent(y: Any, operands: Sequence[Any], tangents: Sequence[Any], op: DifferentiableOperation) -> Any:
    mask = tuple(not _is_zero(t) for t in tangents)
    if not any(mask):
        return _zero_of(y)
    op.check_differentiable()
    if (found := op.two_slopes(operands[0])) is not None:
        return bits.linear(*found, tangents[0])
    residuals, mask = op.residuals(y, operands, mask)
    moving = (t for t in tangents if not _is_zero(t))
    return linear_p.bind(*residuals, *moving, op=op, mask=mask, transpose=False)[0]


def _quantised_jvp(operands: Sequence[Any], tangents: Sequence[Any], *, op: Operation) -> tuple[Any, Any]:
    if not all(map(_is_zero, tangents)):
        op.check_differentiable()
    outputs = quantised_p.bind(*operands, op=op)
    return outputs, [_zero_of(v) for v in outputs]


def _linear_jvp(
    operands: Sequence[Any], tangents: Sequence[Any], *, op: DifferentiableOperation, mask: Mask, transpose: bool
) -> tuple[Sequence[Any], Sequence[Any]]:
    n = len(mask)
    outputs = linear_p.bind(*operands, op=op, mask=mask, transpose=transpose)
    terms: list[Sequence[Any]] = []
    rest = [t for t in tangents[n:] if not _is_zero(t)]
    if rest:
        kept = mask if transpose else _among(mask, [not _is_zero(t) for t in tangents[n:]])
        terms.append(linear_p.bind(*operands[:n], *rest, op=op, mask=kept, transpose=transpose))
    moving = tuple(not _is_zero(t) for t in tangents[:n])
    if any(moving):
        change = _curvature_terms if op.is_product else _moved
        terms.append(
            change(
                operands,
                [t for t in tangents[:n] if not _is_zero(t)],
                moving,
                op=op,
                mask=mask,
                transpose=transpose,
            )
        )
    if not terms:
        return outputs, [_zero_of(o) for o in outputs]
    return outputs, [functools.reduce(jnp.add, column) for column in zip(*terms)]


def _among(mask: Mask, chosen: Sequence[bool]) -> Mask:
    """The operands in `mask` whose turn in `chosen` says so."""
    turns = iter(chosen)
    return tuple(m and next(turns) for m in mask)


def _curvature_terms(
    operands: Sequence[Any],
    velocities: Sequence[Any],
    moving: Mask,
    *,
    op: DifferentiableOperation,
    mask: Mask,
    transpose: bool,
) -> list[Any]:
    """How the linear map changes as its residuals move: sum over i, j of op_ij(x)·velocity_j·t_i."""
    n = len(mask)
    residuals, rest = operands[:n], operands[n:]
    moved = [
        linear_p.bind(*residuals, *velocities, op=op.differentiate(i), mask=moving, transpose=False)[0]
        for i, m in enumerate(mask)
        if m
    ]
    return _products(residuals, moved, rest, op=op, mask=mask, transpose=transpose)


def _moved(
    operands: Sequence[Any],
    velocities: Sequence[Any],
    moving: Mask,
    *,
    op: DifferentiableOperation,
    mask: Mask,
    transpose: bool,
) -> Sequence[Any]:
    """How the linear map changes as its residuals move: what it is made of is differentiated."""
    n = len(mask)
    places = [i for i, m in enumerate(moving) if m]

    def along(*moved: Any) -> Sequence[Any]:
        residuals = list(operands[:n])
        for i, value in zip(places, moved):
            residuals[i] = value
        return _spelled_out(linear_p, *residuals, *operands[n:], op=op, mask=mask, transpose=transpose)

    return jax.jvp(along, tuple(operands[i] for i in places), tuple(velocities))[1]


def _spelled_out(primitive: Primitive, *operands: Any, op: DifferentiableOperation, **parameters: Any) -> Any:
    """What an equation means, in terms of what has derivatives: the primitives on a pair, or jnp."""
    if not isinstance(op, PackedOperation):
        return _EVALUATE[primitive](None, *operands, op=op, **parameters)
    if "mask" in parameters:
        parameters["mask"] = (True, True)
    if not parameters.get("transpose"):
        return primitive.bind(*itertools.chain(*map(op.pick, operands)), op=op.pair, **parameters)
    x, cotangent = operands
    return (op.pack(*primitive.bind(*op.pick(x), cotangent, op=op.pair, **parameters)),)


def _products(
    residuals: Sequence[Any],
    slopes: Sequence[Any],
    rest: Sequence[Any],
    *,
    op: DifferentiableOperation,
    mask: Mask,
    transpose: bool,
) -> list[Any]:
    """What `linear` gives for known derivatives; computed like it in float32 or float64, and rounded once."""
    dtype = elementary.profile(None, residuals[0].dtype).dtype
    slopes, rest = ([v.astype(dtype) for v in values] for values in (slopes, rest))
    if transpose:
        kept = [r for r, m in zip(residuals, mask) if m]
        return [unbroadcast(s * rest[0], r).astype(r.dtype) for s, r in zip(slopes, kept)]
    total = functools.reduce(jnp.add, [s * t for s, t in zip(slopes, rest)])
    return [total.astype(residuals[0].dtype)]


def _linear_transpose(
    cotangents: Sequence[Any], *operands: Any, op: DifferentiableOperation, mask: Mask, transpose: bool
) -> list[Any]:
    n = len(mask)
    asked = [ad.is_undefined_primal(t) for t in operands[n:]]
    if all(map(_is_zero, cotangents)):
        return [None] * n + [ad.Zero(t.aval) if a else None for t, a in zip(operands[n:], asked)]
    kept = mask if transpose else _among(mask, asked)
    flipped = iter(
        linear_p.bind(
            *operands[:n], *map(ad.instantiate_zeros, cotangents), op=op, mask=kept, transpose=not transpose
        )
    )
    return [None] * n + [next(flipped) if a else None for a in asked]


# -- batching: operands broadcast against x from the right, so a batch dimension goes to the front ---------------


def _to_front(value: Any, dim: int | None, size: int, rank: int) -> Any:
    """`value` with its batch dimension first and ones up to `rank` (without the batch dimension)."""
    value = jnp.broadcast_to(value, (size, *value.shape)) if dim is None else jnp.moveaxis(value, dim, 0)
    return value.reshape((size,) + (1,) * (rank + 1 - value.ndim) + value.shape[1:])


def _batch(
    primitive: Primitive, operands: Sequence[Any], dims: Sequence[int | None], **parameters: Any
) -> tuple[Any, Any]:
    size = next(v.shape[d] for v, d in zip(operands, dims) if d is not None)
    rank = max(v.ndim - (d is not None) for v, d in zip(operands, dims))
    fronted = [_to_front(v, d, size, rank) for v, d in zip(operands, dims)]
    out = primitive.bind(*fronted, **parameters)
    if not primitive.multiple_results:
        return out, 0
    if not parameters.get("transpose"):
        return out, [0] * len(out)
    # a cotangent has its operand's own shape again: drop the ones that aligned it
    mask = parameters["mask"]
    shapes = [
        v.shape if d is None else v.shape[:d] + v.shape[d + 1 :] for v, d, m in zip(operands, dims, mask) if m
    ]
    return [o.reshape((size, *s)) for o, s in zip(out, shapes)], [0] * len(out)


# -- Taylor mode ----------------------------------------------------------------------------------------------


def _activation_jet(
    primals: Sequence[Any], series: Sequence[Sequence[Any]], *, op: DifferentiableOperation
) -> tuple[Any, Any]:
    """Coefficients of y from those of its operands: y' = sum of op_i(u)·u_i', order by order."""
    if not op.is_product:
        plain = functools.partial(_spelled_out, activation_p, op=op)
        return jet.jet(plain, primals, series, factorial_scaled=False)
    order = len(series[0])
    y = activation_p.bind(*primals, op=op)
    if not order:
        return y, []
    inputs = [(primal, *terms) for primal, terms in zip(primals, series)]
    lower = [terms[: order - 1] for terms in series]
    slopes = []
    for i in range(len(primals)):
        slope, terms = jet.jet(
            functools.partial(activation_p.bind, op=op.differentiate(i, of_input=True)),
            primals,
            lower,
            factorial_scaled=False,
        )
        slopes.append((slope, *terms))
    outputs = []
    for k in range(1, order + 1):
        terms = [j * c[k - j] * u[j] for c, u in zip(slopes, inputs) for j in range(1, k + 1)]
        outputs.append(functools.reduce(jnp.add, terms) / k)
    return y, outputs


def _linear_jet(primals: Sequence[Any], series: Sequence[Sequence[Any]], **parameters: Any) -> tuple[Any, Any]:
    """The linear map as a product of a derivative and its argument, each with a rule of its own."""

    if not parameters["op"].is_product:
        plain = functools.partial(_spelled_out, linear_p, **parameters)
        return jet.jet(plain, primals, series, factorial_scaled=False)

    def product(*operands: Any) -> Any:
        n = len(parameters["mask"])
        residuals, rest, op = operands[:n], operands[n:], parameters["op"]
        slopes = [activation_p.bind(*residuals, op=op.differentiate(i)) for i in range(n) if parameters["mask"][i]]
        return _products(residuals, slopes, rest, **parameters)

    return jet.jet(product, primals, series, factorial_scaled=False)


# -- inspection -----------------------------------------------------------------------------------------------


def activations_in(jaxpr: Any) -> Iterator[tuple[Operation, Direction, Mask, Sequence[Any]]]:
    """What a jaxpr and those within it do with activations: the operation, its map, and the abstract operands."""
    from jax.extend.core import jaxprs_in_params  # noqa: PLC0415  (brings Pallas along, see Primitive above)

    for equation in jaxpr.eqns:
        found = activation_of(equation)
        if found is not None:
            yield found
        for inner in jaxprs_in_params(equation.params):
            yield from activations_in(inner)


def activation_of(equation: Any) -> tuple[Operation, Direction, Mask, Sequence[Any]] | None:
    """The same of one equation; None where it is no activation."""
    if equation.primitive not in _EVALUATE:
        return None
    return *_asked(equation.params), [v.aval for v in equation.invars]


def only_operation_in(fn: Callable[[Any], Any], x: Any) -> DifferentiableOperation | None:
    """The operation that a function of one array consists of, if it is one activation and nothing else."""
    jaxpr = jax.make_jaxpr(fn)(jax.ShapeDtypeStruct(x.shape, x.dtype)).jaxpr
    while len(jaxpr.eqns) == 1 and not jaxpr.constvars:
        (equation,) = jaxpr.eqns
        if list(equation.invars) != list(jaxpr.invars) or list(equation.outvars) != list(jaxpr.outvars):
            return None
        if equation.primitive is activation_p:
            return equation.params["op"]
        inner = equation.params.get("jaxpr")
        if inner is None:
            return None
        jaxpr = inner.jaxpr
    return None


# -- lowering -------------------------------------------------------------------------------------------------


def _lowering(primitive: Primitive, platform: str | None) -> Callable[..., Any]:
    def rule(ctx: Any, *operands: Any, **parameters: Any) -> Any:
        op, direction, mask = _asked(parameters)
        target = _target(ctx, platform)
        choice = select(op, direction, mask, ctx.avals_in, target)
        if choice.kernel is not None:
            try:
                return _lower_kernel(ctx, choice.kernel, target.placement.kind, operands)
            except Exception as error:
                if op.request is not None:  # it was asked for
                    raise
                proof.failed_to_lower(
                    choice.kernel, op, direction, target.compute_capability, target.device, error
                )
        run = functools.partial(_EVALUATE[primitive], platform, **parameters)
        return mlir.lower_fun(run, multiple_results=primitive.multiple_results)(ctx, *operands)

    return rule


def _asked(parameters: dict[str, Any]) -> tuple[Operation, Direction, Mask]:
    """What an equation of either primitive computes."""
    if "mask" not in parameters:
        return parameters["op"], "value", ()
    return parameters["op"], "backward" if parameters["transpose"] else "tangent", parameters["mask"]


def _target(ctx: Any, platform: str | None) -> Target:
    module = ctx.module_context
    devices = getattr(module.axis_context, "num_devices", None)
    placement = sharding.placement(ctx.avals_in, devices, exported=module.lowering_parameters.for_export)
    target = _on(platform, module.backend.devices() if module.backend else (), placement)
    if target.device is None and target.compute_capability not in (None, OLDEST):
        # a limit of Mosaic GPU, which asks the default device and knows no other
        obstacle = f"for a GPU that is not attached kernels are compiled for compute capability {OLDEST} only"
        target = dataclasses.replace(target, obstacle=obstacle)
    return target


def here() -> Target:
    """The default backend of this process, for one device of it."""
    backend = jax.default_backend()
    return _on("cuda" if backend == "gpu" else backend, jax.devices(), sharding.ALONE)


def _on(platform: str | None, devices: Sequence[Any], placement: sharding.Placement) -> Target:
    capabilities = [d.compute_capability for d in devices if hasattr(d, "compute_capability")]
    return Target(
        platform=platform,
        compute_capability=min(capabilities, key=_version, default=None),
        placement=placement,
        device=next((d for d in devices if _is_attached(d)), None),
    )


def _version(capability: str) -> tuple[int, ...]:
    return tuple(int(part) for part in capability.split(".") if part.isdigit())


def _is_attached(device: Any) -> bool:
    """Whether a device is one of this process rather than of a topology that is only compiled for."""
    try:
        return device in jax.local_devices(backend=device.platform)
    except RuntimeError:  # no such platform here
        return False


def _lower_kernel(ctx: Any, kernel: Kernel, kind: str, operands: Sequence[Any]) -> Any:
    run = sharding.spread(kernel.run, ctx.avals_in, ctx.avals_out, kernel.rows, kind)
    lower = mlir.lower_fun(run, multiple_results=True)
    if kind == "explicit":
        return lower(ctx, *operands)
    module = ctx.module_context
    if kind == "automatic":
        # The partitioner counts devices by their places, so that any will do; JAX names them to those primitives
        # only that are registered as in need of them.
        context = dataclasses.replace(
            module.axis_context,
            device_assignment=tuple(module.backend.devices()[: module.axis_context.num_devices]),
            abstract_mesh=sharding.mesh_of(ctx.avals_in),
        )
        ctx = ctx.replace(module_context=module.replace(axis_context=context))
    with sharding.apart(ctx.avals_in):
        return lower(ctx.replace(avals_in=_bare(ctx.avals_in), avals_out=_bare(ctx.avals_out)), *operands)


def _bare(avals: Sequence[Any]) -> list[Any]:
    """Shapes and dtypes alone, without a mesh to be split over or vary along."""
    return [jax.core.ShapedArray(a.shape, a.dtype) for a in avals]


def _register(primitive: Primitive, avals: Any, jvp: Any, jet_rule: Any) -> None:
    primitive.def_impl(functools.partial(_implementation, primitive))
    primitive.def_abstract_eval(avals)
    ad.primitive_jvps[primitive] = jvp
    batching.primitive_batchers[primitive] = functools.partial(_batch, primitive)
    if jet_rule is not None:
        jet.jet_rules[primitive] = jet_rule
    mlir.register_lowering(primitive, _lowering(primitive, None))
    for platform in ("cpu", "cuda"):
        mlir.register_lowering(primitive, _lowering(primitive, platform), platform=platform)


_register(activation_p, _activation_aval, _activation_jvp, _activation_jet)
_register(quantised_p, lambda x, *, op: op.avals(x), _quantised_jvp, None)
_register(linear_p, _linear_avals, _linear_jvp, _linear_jet)
ad.primitive_transposes[linear_p] = _linear_transpose
