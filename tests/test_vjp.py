"""Reverse mode against the oracle's derivatives; cotangents of parameters sum over what they broadcast to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import BOTH, EVERY, SOME, close, exact, points, some, with_parameters


@pytest.mark.parametrize("case", EVERY, ids=str)
def test_vjp(case):
    x, ct = points(case), some()
    y, pull = jax.vjp(case, x)
    close(y, exact(case, x))
    for _ in range(2):  # a pullback can be called again
        close(pull(ct)[0], exact(case, x, 1) * ct)
    close(jax.jit(lambda v, c: jax.vjp(case, v)[1](c)[0])(x, ct), exact(case, x, 1) * ct)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_grad_value_and_grad_linearize(case):
    x, t = points(case), some()

    @jax.jit
    def all_of_them(x):
        value, grad = jax.value_and_grad(lambda v: jnp.sum(case(v) * t))(x)
        with_aux, aux = jax.grad(lambda v: (jnp.sum(case(v)), v), has_aux=True)(x)
        y, push = jax.linearize(case, x)
        return value, grad, with_aux, aux, y, push(t), push(2 * t)

    value, grad, with_aux, aux, y, pushed, twice = all_of_them(x)
    slope = exact(case, x, 1)
    close(value, np.sum(exact(case, x) * t), 256)
    close(grad, slope * t)
    close(with_aux, slope)
    close(aux, x)
    close(y, exact(case, x))
    close(pushed, slope * t)
    close(twice, 2 * slope * t)
    close(jax.linearize(case, x)[1](t), slope * t)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_scalar_grad(case):
    x = float(points(case)[2, 1])
    close(jax.grad(case)(x), exact(case, x, 1))


@pytest.mark.parametrize("case", with_parameters(BOTH), ids=str)
def test_vjp_in_parameters(case):
    """Each parameter in one of the shapes that broadcast against (8, 6)."""
    x, ct = points(case), some()
    shapes = [(), (6,), (8, 1), (1, 6), (1, 1), (8, 6)]

    @jax.jit
    def pull(x, ct):
        grads = []
        for i in range(len(shapes)):
            chosen = [shapes[(i + j) % len(shapes)] for j in range(len(case.values()))]
            values = [jnp.full(s, v, jnp.float32) for s, v in zip(chosen, case.values())]
            grads.append(jax.vjp(case.with_parameters, x, *values)[1](ct))
        return grads

    for i, (dx, *grads) in enumerate(pull(x, ct)):
        close(dx, exact(case, x, 1) * ct)
        for j, (name, grad) in enumerate(zip(case.differentiable, grads)):
            terms = exact(case, x, wrt=name) * ct
            close(grad, _summed_to(shapes[(i + j) % len(shapes)], terms), 256)


def _summed_to(shape, terms):
    kept = (1,) * (terms.ndim - len(shape)) + shape
    axes = tuple(i for i, n in enumerate(kept) if n == 1)
    return terms.sum(axis=axes, keepdims=True).reshape(shape)


@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_x_broadcasts_against_parameters_too(case):
    """A parameter larger than x makes the result larger, and x's cotangent is summed."""
    x = points(case)[0]
    values = [jnp.full((8, 6), v, jnp.float32) for v in case.values()]
    ct = some()
    y, pull = jax.vjp(case.with_parameters, x, *values)
    close(y, np.broadcast_to(exact(case, x), (8, 6)))
    dx, *grads = pull(ct)
    close(dx, np.sum(exact(case, x, 1) * ct, axis=0), 256)
    for name, grad in zip(case.differentiable, grads):
        close(grad, exact(case, x, wrt=name) * ct)


@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_grad_in_chosen_arguments(case):
    x = points(case)
    values = [jnp.float32(v) for v in case.values()]
    chosen = tuple(range(1, 1 + len(values)))
    grads = jax.grad(lambda *a: jnp.sum(case.with_parameters(*a)), argnums=chosen)(x, *values)
    for name, grad in zip(case.differentiable, grads):
        close(grad, np.sum(exact(case, x, wrt=name)), 256)
