"""Forward mode against the oracle's derivatives."""

import functools

import jax
import jax.numpy as jnp
import pytest
from support import BOTH, EVERY, SOME, close, exact, points, primitives, some, with_parameters


@pytest.mark.parametrize("case", EVERY, ids=str)
def test_jvp(case):
    x, t = points(case), some()
    run = functools.partial(jax.jvp, case)
    for jvp in (run, jax.jit(run)):
        y, dy = jvp((x,), (t,))
        close(y, exact(case, x))
        close(dy, exact(case, x, 1) * t)


@pytest.mark.parametrize("case", with_parameters(BOTH), ids=str)
def test_jvp_in_parameters(case):
    x = points(case)
    values = [jnp.float32(v) for v in case.values()]
    tangents = [jnp.float32(0.5 + i) for i in range(len(values))]

    @jax.jit
    def directions(x, *values):
        alone = [
            jax.jvp(lambda v, i=i: case.with_parameters(x, *values[:i], v, *values[i + 1 :]), (values[i],), (t,))
            for i, t in enumerate(tangents)
        ]
        together = jax.jvp(case.with_parameters, (x, *values), (some(), *tangents))
        return alone, together

    alone, (y, dy) = directions(x, *values)
    terms = [exact(case, x, wrt=n) * float(t) for n, t in zip(case.differentiable, tangents)]
    for (_, each), term in zip(alone, terms):
        close(each, term)
    close(y, exact(case, x))
    close(dy, exact(case, x, 1) * some() + sum(terms), 64)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_a_zero_tangent_costs_nothing(case):
    x = points(case)
    names = primitives(lambda v: jax.jvp(lambda w: case(jax.lax.stop_gradient(w)), (v,), (v,)), x)
    assert "activation_linear" not in names


@pytest.mark.parametrize("case", SOME, ids=str)
def test_jvp_of_a_scalar(case):
    x = points(case)[0, 0]
    y, dy = jax.jvp(case, (float(x),), (2.0,))
    close(y, exact(case, x))
    close(dy, 2 * exact(case, x, 1))
