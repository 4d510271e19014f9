"""Activations over rows: derivatives, what is saved, every transformation, and eight devices."""

import functools
import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify, jet
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from oracle import rows
from row_contract import ONCE
from support import bytes_of, collectives

import jaxact
from jaxact._src import elementary, engine

each = pytest.mark.parametrize(("name", "params"), ONCE, ids=[n for n, _ in ONCE])
both = pytest.mark.parametrize("implementation", [None, "inline"], ids=["engine", "inline"])
residuals = pytest.mark.parametrize("residual", ["input", "output"])
ROW = np.array([0.3, -0.9, 0.7, 0.45, -2.0, 0.55])  # no entry at a threshold


def act(name, params, **options):
    return functools.partial(getattr(jaxact, name), **params, **options)


@residuals
@each
def test_the_maximum_that_holds_rows_on_a_gpu_changes_nothing(name, params, residual):
    """Not for equal elements, infinities or NaN, nor for excluded entries."""
    x = np.float32([[0.3, -0.9, 0.7, 0.7, -np.inf, 0.55]] * 4)
    rows_of_t = np.float32(
        [[1, -2, 3, 3, 0, -1], [2, 2, 2, 2, 2, 2], [1, np.inf, 0, 1, 0, 1], [0, 1, 0, 0, np.nan, 0]]
    )

    def both(x, t):
        _, pull = jax.vjp(act(name, params, residual=residual), x)
        return jax.jvp(act(name, params, residual=residual), (x,), (t,))[1], pull(t)

    traced = jax.make_jaxpr(both)(x, rows_of_t)
    seen = set()
    for op, direction, mask, _ in engine.activations_in(traced.jaxpr):
        if direction == "value":
            continue
        seen.add(direction)
        kept = [act(name, params)(x) if op.saves_output else x]

        def derivative(el, op=op, direction=direction, mask=mask, kept=kept):
            if direction == "tangent":
                return op.linear(el, kept, [rows_of_t])
            return op.transpose(el, kept, rows_of_t, mask)

        chex.assert_trees_all_equal(derivative(elementary.GPU), derivative(elementary.CPU))
    assert seen == {"tangent", "backward"}


# -- derivatives -------------------------------------------------------------------------------------------------


@residuals
@both
@each
def test_jacobians_and_second_order_in_float64(name, params, implementation, residual):
    """Against the analytic ones and finite differences of them."""
    with jax.enable_x64(True):
        function = act(name, params, implementation=implementation, residual=residual)
        x, h = jnp.asarray(ROW), 1e-5
        wanted = rows.jacobian(name, ROW, **params)
        forward, reverse = jax.jacfwd(function), jax.jacrev(function)
        twice = (jax.jacfwd(reverse), jax.jacrev(forward), jax.jacrev(reverse))
        first, second = jax.jit(lambda v: ([f(v) for f in (forward, reverse)], [f(v) for f in twice]))(x)
        for got in first:
            np.testing.assert_allclose(got, wanted, atol=1e-13)
        moved = [
            (rows.jacobian(name, ROW + h * e, **params) - rows.jacobian(name, ROW - h * e, **params)) / (2 * h)
            for e in np.eye(len(ROW))
        ]
        for got in second:
            np.testing.assert_allclose(got, np.stack(moved, -1), atol=1e-8)


@residuals
@both
def test_derivative_in_alpha(implementation, residual):
    with jax.enable_x64(True):
        function = functools.partial(jaxact.entmax, implementation=implementation, residual=residual)
        x, h = jnp.asarray(ROW), 1e-5
        for alpha in (1.2, 1.5, 2.0, 2.6):
            wanted = rows.entmax_in_alpha(ROW, alpha)
            differences = (rows.entmax(ROW, alpha + h) - rows.entmax(ROW, alpha - h)) / (2 * h)
            np.testing.assert_allclose(wanted, differences, atol=1e-8)
            for jacobian in (jax.jacfwd, jax.jacrev):
                np.testing.assert_allclose(jacobian(function, 1)(x, jnp.asarray(alpha)), wanted, atol=1e-12)
        second = (rows.entmax_in_alpha(ROW, 1.3 + h) - rows.entmax_in_alpha(ROW, 1.3 - h)) / (2 * h)
        twice = jax.jacfwd(jax.jacrev(function, 1), 1)(x, jnp.asarray(1.3))
        np.testing.assert_allclose(twice, second, atol=1e-7)


@both
def test_alpha_per_row(implementation):
    x = jnp.asarray(np.stack([ROW, -ROW, 2 * ROW]).astype(np.float32))
    alpha = jnp.array([[1.2], [1.5], [2.0]])
    ct = jnp.asarray(np.random.default_rng(0).normal(size=x.shape).astype(np.float32))
    function = functools.partial(jaxact.entmax, implementation=implementation)
    y, pull = jax.vjp(function, x, alpha)
    dx, dalpha = pull(ct)
    for i, a in enumerate(np.asarray(alpha).astype(np.float64)[:, 0]):
        row = np.asarray(x[i]).astype(np.float64)
        np.testing.assert_allclose(y[i], rows.entmax(row, a), atol=1e-6)
        np.testing.assert_allclose(dx[i], rows.jacobian("entmax", row, alpha=a).T @ ct[i], atol=1e-5)
        np.testing.assert_allclose(dalpha[i, 0], rows.entmax_in_alpha(row, a) @ ct[i], atol=3e-5)
    shared = jax.vjp(lambda a: function(x, a), jnp.float32(1.5))[1](ct)[0]
    wanted = sum(rows.entmax_in_alpha(np.asarray(v, np.float64), 1.5) @ c for v, c in zip(x, np.asarray(ct)))
    np.testing.assert_allclose(shared, wanted, atol=1e-5)
    batched = jax.vmap(jax.grad(lambda v, a, c: jnp.vdot(function(v, a), c), (0, 1)))(x, alpha[:, 0], ct)
    np.testing.assert_allclose(batched[0], dx, atol=1e-6)
    np.testing.assert_allclose(batched[1], dalpha[:, 0], atol=1e-6)


# -- what is saved -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=["f32", "bf16"])
@each
def test_one_array_is_saved(name, params, dtype):
    x = jnp.asarray(np.random.default_rng(1).normal(size=(4, 8)), dtype)
    y, pull = jax.vjp(act(name, params), x)
    kept = bytes_of(pull)
    assert kept == {(x if name == "log_softmax" else y).unsafe_buffer_pointer(): x.nbytes}
    for residual, saved in (("input", x), ("output", None)):
        y, pull = jax.vjp(act(name, params, residual=residual), x)
        assert bytes_of(pull) == {(y if saved is None else saved).unsafe_buffer_pointer(): x.nbytes}


# -- transformations ---------------------------------------------------------------------------------------------

X = np.random.default_rng(2).normal(size=(3, 4, 5)).astype(np.float32)


MAPPED = [*((n, p, None) for n, p in ONCE), ("softmax", {}, "inline"), ("entmax", {"alpha": 1.3}, "inline")]


@pytest.mark.parametrize(("name", "params", "implementation"), MAPPED, ids=[f"{n}-{i}" for n, _, i in MAPPED])
def test_vmap(name, params, implementation):
    function = act(name, params, implementation=implementation)
    x, mask = jnp.asarray(X), X > -0.5

    def gradient(v, **options):
        return jax.grad(lambda u: jnp.sum(jnp.sin(jnp.maximum(function(u, **options), -9))))(v)

    @jax.jit
    def mapped_and_whole(x, mask):
        """Each map beside the same function of the whole array, whose rows are those of every slice."""
        pairs = []
        for run in (function, gradient):
            for axis, dim, whole in ((-1, 1, -1), ((0, 1), 0, (1, 2)), ((0, 1), 2, (0, 1))):
                pairs.append((jax.vmap(functools.partial(run, axis=axis), dim, dim)(x), run(x, axis=whole)))
            for dims, v, m in (((0, 0), x, mask), ((None, 0), x[0], mask), ((0, None), x, mask[0])):
                mapped = jax.vmap(lambda v, m, run=run: run(v, where=m), dims)(v, m)
                whole = run(jnp.broadcast_to(v, x.shape), where=jnp.broadcast_to(m, x.shape))
                pairs.append((mapped, whole))
        return pairs

    for mapped, whole in mapped_and_whole(x, mask):
        np.testing.assert_allclose(mapped, whole, atol=2e-6)


def test_vmap_of_alpha():
    alpha = jnp.array([1.2, 1.5, 2.0])
    for axis in (-1, 0):
        mapped = jax.vmap(lambda a: jaxact.entmax(jnp.asarray(X[0]), a, axis=axis))(alpha)  # noqa: B023
        np.testing.assert_allclose(mapped, [jaxact.entmax(X[0], float(a), axis=axis) for a in alpha], atol=1e-6)


@each
def test_jit_scan_remat_disable_jit_and_checkify(name, params):
    function = act(name, params)
    x = jnp.asarray(X[0])
    y, grad = function(x), jax.jacrev(function)(x)
    np.testing.assert_allclose(jax.jit(function)(x), y, rtol=1e-6, atol=2 * 2.0**-23)
    np.testing.assert_allclose(jax.jacrev(jax.checkpoint(function))(x), grad, atol=1e-6)
    with jax.disable_jit():
        np.testing.assert_allclose(function(x), y, rtol=1e-6, atol=2 * 2.0**-23)
        np.testing.assert_allclose(jax.vjp(function, x)[1](x)[0], jnp.tensordot(x, grad), atol=2e-6)
    scanned = jax.grad(lambda v: jnp.sum(jax.lax.scan(lambda c, _: (function(c), None), v, length=3)[0] * x))
    looped = jax.grad(lambda v: jnp.sum(function(function(function(v))) * x))
    np.testing.assert_allclose(scanned(x), looped(x), atol=1e-6)
    error, checked = checkify.checkify(function, errors=checkify.float_checks)(x)
    assert error.get() is None
    np.testing.assert_allclose(checked, y, rtol=1e-6, atol=2 * 2.0**-23)
    assert pickle.loads(pickle.dumps(getattr(jaxact, name))) is getattr(jaxact, name)
    assert [r.name for r in jaxact.explain(jax.grad(lambda v: function(v)[0, 0]), x)] == [name, name]


@pytest.mark.parametrize("name", ["softmax", "softmin"])
def test_jet(name):
    with jax.enable_x64(True):
        x, v = jnp.asarray(ROW), jnp.asarray(ROW[::-1].copy())
        function = getattr(jaxact, name)
        y, (first, second) = jet.jet(function, (x,), ((v, jnp.zeros_like(v)),))
        along = functools.partial(jax.jvp, lambda u: jax.jvp(function, (u,), (v,))[1])
        np.testing.assert_allclose(y, rows.VALUES[name](ROW), rtol=1e-12)
        np.testing.assert_allclose(first, jax.jvp(function, (x,), (v,))[1], atol=1e-12)
        np.testing.assert_allclose(second, along((x,), (v,))[1], atol=1e-12)


# -- eight devices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
@each
def test_sharding(name, params, kind):
    """Rows apart need no collective; a row over several devices small reductions, and is never gathered.

    The solvers' loops are left when no row of any device moves: one all-reduce of a flag.
    """
    solved = {} if name.removeprefix("log_") in ("softmax", "softmin") else {"all-reduce": 1}
    mesh = jax.make_mesh((4, 2), ("rows", "columns"), axis_types=(kind, kind))
    x = jnp.asarray(np.random.default_rng(3).normal(size=(8, 16)).astype(np.float32))
    function = act(name, params)

    def run(x, ct):
        y, pull = jax.vjp(function, x)
        return y, pull(ct)[0]

    wanted = run(x, x)
    with jax.set_mesh(mesh):
        for spec, apart in ((P("rows", None), True), (P("rows", "columns"), False)):
            xs = jax.device_put(x, NamedSharding(mesh, spec))
            compiled = jax.jit(run).lower(xs, xs).compile()
            counts = collectives(compiled)
            assert counts == solved if apart else set(counts) == {"all-reduce"}, counts
            print(f"{name} {kind.name} {spec}: {counts}")
            for got, value in zip(compiled(xs, xs), wanted):
                assert got.sharding.is_equivalent_to(xs.sharding, 2)
                np.testing.assert_allclose(got, value, atol=2e-6)
