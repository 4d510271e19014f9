"""vmap against a Python loop over the oracle, batched in every operand, with every axis, and nested."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import BOTH, SOME, close, exact, points, some, with_parameters


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_axes_in_and_out(case):
    x = points(case, (4, 3, 5))
    expected = exact(case, x)
    axes = [(0, 0), (1, 1), (2, 2), (-1, 2), (1, 0), (2, -3), (0, -1)]

    @jax.jit
    def mapped(x):
        return [jax.vmap(case, in_axes=i, out_axes=o)(x) for i, o in axes]

    for (i, o), y in zip(axes, mapped(x)):
        close(y, np.moveaxis(expected, i, o))
    close(jax.vmap(case)(x), expected)


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_with_grad_and_itself(case):
    x, t = points(case, (4, 3, 5)), some((4, 3, 5))
    loss = lambda v: jnp.sum(case(v))  # noqa: E731

    @jax.jit
    def compositions(x, t):
        return [
            jax.vmap(jax.grad(loss))(x),
            jax.grad(lambda v: jnp.sum(jax.vmap(case, in_axes=1)(v)))(x),
            jax.vmap(jax.vmap(jax.vmap(jax.grad(case))))(x),
            jax.vmap(jax.vmap(jax.grad(loss), in_axes=1, out_axes=1), in_axes=2, out_axes=2)(x),
        ], [
            jax.vmap(lambda v, u: jax.jvp(case, (v,), (u,))[1], in_axes=1, out_axes=1)(x, t),
            jax.vmap(lambda v, u: jax.vjp(case, v)[1](u)[0])(x, t),
            jax.jvp(jax.vmap(case), (x,), (t,))[1],
            jax.vmap(jax.linearize(case, x)[1])(t[None])[0],
        ]

    slope = exact(case, x, 1)
    plain, directed = compositions(x, t)
    for got in plain:
        close(got, slope)
    for got in directed:
        close(got, slope * t)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_many_tangents_and_cotangents_at_one_point(case):
    """The linear map is batched, its residual is not."""
    x, t = points(case), some((7, 8, 6))
    push, pull = jax.linearize(case, x)[1], jax.vjp(case, x)[1]
    slope = exact(case, x, 1)
    close(jax.vmap(push)(t), slope * t)
    close(jax.vmap(pull)(t)[0], slope * t)
    close(jax.vmap(push, in_axes=2, out_axes=1)(jnp.moveaxis(t, 0, 2)), np.moveaxis(slope * t, 0, 1))


@pytest.mark.parametrize("case", SOME, ids=str)
def test_second_order(case):
    x = points(case, (4, 6))
    hessians = jax.jit(jax.vmap(jax.hessian(lambda v: jnp.sum(case(v)))))(x)
    close(hessians, np.stack([np.diag(row) for row in exact(case, x, 2)]), 64)


def _loop(case, x, values):
    """The oracle applied row by row: x (n, 6) or (6,), each parameter (n,) or a number."""
    n = next(np.shape(v)[0] for v in (*values, x) if np.ndim(v) and np.shape(v) != (6,))
    rows = []
    for i in range(n):
        row = x[i] if np.ndim(x) == 2 else x
        changed = {p: float(v[i] if np.ndim(v) else v) for p, v in zip(case.differentiable, values)}
        rows.append(
            (
                exact(case, row, **changed),
                exact(case, row, 1, **changed),
                [np.sum(exact(case, row, wrt=p, **changed)) for p in case.differentiable],
            )
        )
    values, slopes, grads = zip(*rows)
    return np.stack(values), np.stack(slopes), [np.stack(g) for g in zip(*grads)]


@pytest.mark.parametrize("case", with_parameters(BOTH), ids=str)
def test_batched_parameters(case):
    """Every choice of operands that are batched, with gradients in all of them."""
    x = points(case, (3, 6))
    spread = jnp.linspace(0.99, 1.01, 3)
    numbers = [jnp.float32(v) for v in case.values()]
    choices = [c for c in itertools.product((0, None), repeat=1 + len(numbers)) if 0 in c]

    def both(x, *values):
        y, pull = jax.vjp(case.with_parameters, x, *values)
        return y, pull(jnp.ones_like(y))

    arguments = {}
    for choice in choices:
        row = x if choice[0] == 0 else x[0]
        arguments[choice] = (row, *(v * spread if a == 0 else v for v, a in zip(numbers, choice[1:])))

    @jax.jit
    def mapped(arguments):
        return [jax.vmap(both, in_axes=c)(*a) for c, a in zip(choices, arguments)]

    for choice, (y, (dx, *grads)) in zip(choices, mapped(list(arguments.values()))):
        row, *values = arguments[choice]
        value, slope, sums = _loop(case, np.asarray(row), [np.asarray(v) for v in values])
        close(y, value, 64)
        close(dx, slope, 64)
        for grad, total in zip(grads, sums):
            close(grad, total, 512)


@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_channel_parameters_and_shared_gradients(case):
    """A row of parameters under a map over examples: its gradient sums over the examples."""
    x = points(case)
    rows = [jnp.full((6,), v, jnp.float32) for v in case.values()]

    def loss(*rows):
        return jnp.sum(jax.vmap(case.with_parameters, in_axes=(0,) + (None,) * len(rows))(x, *rows))

    grads = jax.jit(jax.grad(loss, argnums=tuple(range(len(rows)))))(*rows)
    for name, grad in zip(case.differentiable, grads):
        close(grad, exact(case, x, wrt=name).sum(axis=0), 256)


@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_batches_of_parameters_of_different_ranks(case):
    """An outer map over parameters, an inner one over x: batch dimensions are aligned, not broadcast."""
    x = points(case, (6, 6))  # as many rows as columns, so a mistaken axis would pass unseen only by value
    scale = jnp.linspace(0.98, 1.02, 4)
    values = [v * scale for v in map(jnp.float32, case.values())]
    inner = jax.vmap(case.with_parameters, in_axes=(1,) + (None,) * len(values), out_axes=1)
    y = jax.jit(jax.vmap(inner, in_axes=(None,) + (0,) * len(values)))(x, *values)
    for i in range(4):
        changed = {n: float(v[i]) for n, v in zip(case.differentiable, values)}
        close(y[i], exact(case, x, **changed), 64)


@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_batches_of_rows(case):
    """Parameters of one rank less than x, both batched: the batch dimension is no row of x's."""
    x, ct = points(case, (4, 4, 4)), some((4, 4, 4))
    scale = jnp.linspace(0.98, 1.02, 4)[:, None]
    rows = [jnp.full((4, 4), v, jnp.float32) * scale for v in case.values()]
    pulled = jax.jit(jax.vmap(lambda c, *v: jax.vjp(case.with_parameters, *v)[1](c)))
    dx, *grads = pulled(ct, x, *rows)
    for i in range(4):
        changed = {n: float(v[i, 0]) for n, v in zip(case.differentiable, rows)}
        close(dx[i], exact(case, x[i], 1, **changed) * ct[i], 64)
        for name, grad in zip(case.differentiable, grads):
            close(grad[i], (exact(case, x[i], wrt=name, **changed) * ct[i]).sum(axis=0), 512)


def test_axis_names_and_sizes():
    case = SOME[0]
    x = points(case)
    f = functools.partial(jax.vmap, axis_name="i")(lambda v: case(v) - jax.lax.pmean(case(v), "i"))
    expected = exact(case, x)
    close(f(x), expected - expected.mean(axis=0))
    close(jax.vmap(case, axis_size=8)(x), expected)
