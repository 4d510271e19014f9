"""Eight CPU devices: automatic, explicit, manual sharding. Gradients of shared parameters are one all-reduce."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from support import ALL, BOTH, PROBES, SOME, close, collectives, exact, forgetting, points, some, with_parameters

import jaxact


def mesh(kind: AxisType) -> jax.sharding.Mesh:
    return jax.make_mesh((4, 2), ("rows", "columns"), axis_types=(kind, kind))


def value_and_cotangent(case):
    def run(x, ct):
        y, pull = jax.vjp(case, x)
        return y, pull(ct)[0], jax.jvp(case, (x,), (ct,))[1]

    return run


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_automatic(case):
    x, ct = points(case), some()
    sharding = NamedSharding(mesh(AxisType.Auto), P("rows", "columns"))
    xs, cts = jax.device_put((x, ct), sharding)
    compiled = jax.jit(value_and_cotangent(case)).lower(xs, cts).compile()
    assert collectives(compiled) == {}
    y, back, forward = compiled(xs, cts)
    for got, wanted in ((y, exact(case, x)), (back, exact(case, x, 1) * ct), (forward, exact(case, x, 1) * ct)):
        assert got.sharding.is_equivalent_to(sharding, 2)
        close(got, wanted)
    assert case(xs).sharding.is_equivalent_to(sharding, 2)  # eagerly too


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_explicit(case):
    """Under an explicit mesh the sharding is part of the type."""
    x, ct = points(case), some()
    with jax.set_mesh(mesh(AxisType.Explicit)):
        xs, cts = jax.device_put((x, ct), P("rows", "columns"))
        types = jax.eval_shape(value_and_cotangent(case), xs, cts)
        assert {t.sharding.spec for t in types} == {P("rows", "columns")}
        compiled = jax.jit(value_and_cotangent(case)).lower(xs, cts).compile()
        assert collectives(compiled) == {}
        y, back, forward = compiled(xs, cts)
        close(case(xs), exact(case, x))
        mapped = jax.jit(jax.vmap(jax.grad(lambda v: jnp.sum(case(v)))))(xs)
    close(y, exact(case, x))
    close(back, exact(case, x, 1) * ct)
    close(forward, exact(case, x, 1) * ct)
    close(mapped, exact(case, x, 1))


@pytest.mark.parametrize("case", ALL, ids=str)
def test_every_body_keeps_an_explicit_sharding(case):
    """Bodies are traced when the primitives are lowered: of the value, the linear map, the second derivative."""

    def everything(x, *rows):
        first = jax.grad(lambda x: jnp.sum(case(x)))
        y, pull = jax.vjp(case.with_parameters, x, *rows) if rows else jax.vjp(case, x)
        return y, pull(y), jax.grad(lambda x: jnp.sum(first(x)))(x)

    x = jax.ShapeDtypeStruct((8, 6), jnp.float32)
    placed = mesh(AxisType.Explicit)
    with jax.set_mesh(placed):
        split = jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=NamedSharding(placed, P("rows", "columns")))
        row = jax.ShapeDtypeStruct((6,), x.dtype, sharding=NamedSharding(placed, P("columns")))
        for rows in {(), (row,) * len(case.differentiable)}:
            y, (dx, *_), second = jax.jit(everything).lower(split, *rows).out_info
            assert {v.sharding.spec for v in (y, dx, second)} == {P("rows", "columns")}


def test_a_constant_derivative_keeps_an_explicit_sharding():
    with forgetting():

        @jaxact.elementwise
        def triple(x, factor=3.0):
            return factor * x

        @triple.derivative
        def _(x, factor=3.0):
            return factor

        with jax.set_mesh(mesh(AxisType.Explicit)):
            x = jax.device_put(some(), P("rows", "columns"))
            dx = jax.jit(jax.grad(lambda x: jnp.sum(triple(x))))(x)
        assert jax.typeof(dx).sharding.spec == P("rows", "columns")
        np.testing.assert_array_equal(dx, 3.0)


def pulled(case):
    """The gradients of x and of all parameters."""
    return lambda ct, *operands: jax.vjp(case.with_parameters, *operands)[1](ct)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_gradient_of_a_replicated_parameter(case, kind):
    """Each parameter's gradient is one all-reduce (which XLA may combine), that of x none."""
    x, ct = points(case), some()
    rows = [jnp.full((6,), v, jnp.float32) for v in case.values()]
    placed = mesh(kind)
    with jax.set_mesh(placed):
        xs, cts = jax.device_put((x, ct), NamedSharding(placed, P("rows", None)))
        shared = jax.device_put(rows, NamedSharding(placed, P(None)))
        compiled = jax.jit(pulled(case)).lower(cts, xs, *shared).compile()
        counts = collectives(compiled)
        dx, *grads = compiled(cts, xs, *shared)
    assert set(counts) == {"all-reduce"}, counts
    assert counts["all-reduce"] <= len(rows)
    close(dx, exact(case, x, 1) * ct)
    for name, grad in zip(case.differentiable, grads):
        assert grad.sharding.is_fully_replicated
        close(grad, np.sum(exact(case, x, wrt=name) * ct, axis=0), 256)


@pytest.mark.parametrize("case", with_parameters(PROBES), ids=str)
def test_a_parameter_sharded_like_its_columns(case):
    """Explicit mesh, channels split as x's columns: the gradient stays split."""
    x, ct = points(case), some()
    rows = [jnp.full((6,), v, jnp.float32) for v in case.values()]
    with jax.set_mesh(mesh(AxisType.Explicit)):
        xs, cts = jax.device_put((x, ct), P("rows", "columns"))
        split = jax.device_put(rows, P("columns"))
        dx, *grads = jax.jit(pulled(case))(cts, xs, *split)
        assert {jax.typeof(g).sharding.spec for g in grads} == {P("columns")}
    close(dx, exact(case, x, 1) * ct)
    for name, grad in zip(case.differentiable, grads):
        close(grad, np.sum(exact(case, x, wrt=name) * ct, axis=0), 256)


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_manual(case):
    x, ct = points(case), some()
    spec = P("rows", "columns")
    run = jax.shard_map(value_and_cotangent(case), mesh=mesh(AxisType.Auto), in_specs=spec, out_specs=spec)
    compiled = jax.jit(run).lower(x, ct).compile()
    assert collectives(compiled) == {}
    y, back, forward = compiled(x, ct)
    close(y, exact(case, x))
    close(back, exact(case, x, 1) * ct)
    close(forward, exact(case, x, 1) * ct)


@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_manual_with_a_replicated_parameter(case):
    """x varies over the mesh, the parameters do not: their gradient is summed over it, inside and outside."""
    x, ct = points(case), some()
    values = [jnp.float32(v) for v in case.values()]
    spec = P("rows", "columns")
    replicated = (P(),) * len(values)

    def forward(x, *values):
        return case.with_parameters(x, *values)

    outside = jax.shard_map(forward, mesh=mesh(AxisType.Auto), in_specs=(spec, *replicated), out_specs=spec)
    inside = jax.shard_map(
        pulled(case), mesh=mesh(AxisType.Auto), in_specs=(spec, spec, *replicated), out_specs=(spec, *replicated)
    )
    compiled = jax.jit(inside).lower(ct, x, *values).compile()
    counts = collectives(compiled)
    assert set(counts) == {"all-reduce"}, counts
    assert counts["all-reduce"] <= len(values)
    for dx, *grads in (compiled(ct, x, *values), jax.jit(jax.vjp(outside, x, *values)[1])(ct)):
        close(dx, exact(case, x, 1) * ct)
        for name, grad in zip(case.differentiable, grads):
            close(grad, np.sum(exact(case, x, wrt=name) * ct), 256)
