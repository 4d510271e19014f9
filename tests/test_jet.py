"""Taylor mode: jet against the chain rule on the oracle's derivatives up to the third.

The inline form is left out: jet fails on every jax.custom_jvp function, jax.nn.relu among them.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.jet import jet
from support import PROBES, SOME, close, exact, points, some, third, with_parameters


@pytest.mark.parametrize("case", SOME, ids=str)
def test_three_orders(case):
    x, a, b, c = points(case), some(), some(seed=6), some(seed=7)
    y, terms = jax.jit(lambda *s: jet(case, s[:1], [list(s[1:])]))(x, a, b, c)
    f1, f2, f3 = exact(case, x, 1), exact(case, x, 2), third(case, x)
    a, b, c = (np.asarray(v, np.float64) for v in (a, b, c))
    close(y, exact(case, x))
    close(terms[0], f1 * a)
    close(terms[1], f2 * a**2 + f1 * b, 128)
    close(terms[2], f3 * a**3 + 3 * f2 * a * b + f1 * c, 4000)


@pytest.mark.parametrize("case", with_parameters(PROBES), ids=str)
def test_in_parameters(case):
    """Along a line in (x, depth, rate), against central differences of the oracle."""
    x = points(case)
    names, values = case.differentiable, case.values()
    u, t = (np.asarray(v, np.float64) for v in (x, some()))

    def along(s):
        return exact(case, u + s * t, **{n: v + s for n, v in zip(names, values)})

    ones = [jnp.float32(1.0), jnp.float32(0.0)]
    series = [[some(), jnp.zeros_like(x)], *(list(ones) for _ in values)]
    y, (first, second) = jet(case.with_parameters, (x, *map(jnp.float32, values)), series)
    h = 1e-4
    close(y, along(0))
    close(first, (along(h) - along(-h)) / (2 * h), 64)
    close(second, (along(h) - 2 * along(0) + along(-h)) / h**2, 500)


@pytest.mark.parametrize("case", PROBES, ids=str)
def test_of_a_gradient_and_of_nothing(case):
    x, t = points(case), some()
    gradient = jax.grad(lambda v: jnp.sum(case(v)))
    y, (first, second) = jet(gradient, (x,), [[t, jnp.zeros_like(x)]])
    close(y, exact(case, x, 1))
    close(first, exact(case, x, 2) * t, 64)
    close(second, third(case, x) * np.asarray(t, np.float64) ** 2, 2000)
    constant, terms = jet(lambda v: case(x) + 0 * v, (x,), [[t]])
    close(constant, exact(case, x))
    close(terms[0], np.zeros(x.shape))
