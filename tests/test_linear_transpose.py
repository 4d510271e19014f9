"""The linearised activation is linear: it transposes, twice to itself, in x and in each parameter alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import BOTH, SOME, close, exact, points, some, with_parameters


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_transpose_of_a_pushforward(case):
    x, t = points(case), some()

    def push(t):
        return jax.jvp(case, (x,), (t,))[1]

    expected = exact(case, x, 1) * t
    (pulled,) = jax.linear_transpose(push, x)(t)
    close(pulled, expected)
    back = jax.linear_transpose(lambda ct: jax.linear_transpose(push, x)(ct)[0], x)
    close(back(t)[0], expected)
    close(jax.jit(lambda t: jax.linear_transpose(push, t)(t)[0])(t), expected)
    close(jax.linear_transpose(jax.linearize(case, x)[1], x)(t)[0], expected)
    close(
        jax.vmap(lambda u: jax.linear_transpose(push, x)(u)[0])(jnp.stack([t, -t])),
        np.stack([expected, -expected]),
    )


@pytest.mark.parametrize("case", with_parameters(BOTH), ids=str)
def test_transpose_in_all_operands_and_in_each(case):
    x, ct = points(case), some()
    operands = (x, *(jnp.float32(v) for v in case.values()))
    expected = [exact(case, x, 1) * ct, *(np.sum(exact(case, x, wrt=n) * ct) for n in case.differentiable)]

    def push(*tangents):
        return jax.jvp(case.with_parameters, operands, tangents)[1]

    def alone(i):
        zeros = [jnp.zeros_like(v) for v in operands]  # known zeros, which the transposition meets as constants
        return lambda t: push(*zeros[:i], t, *zeros[i + 1 :])

    @jax.jit
    def transposed(ct):
        together = jax.linear_transpose(push, *operands)(ct)
        return together, [jax.linear_transpose(alone(i), v)(ct)[0] for i, v in enumerate(operands)]

    together, separate = transposed(ct)
    for each in (together, separate):
        for got, wanted in zip(each, expected):
            close(got, wanted, 256)


@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_only_one_tangent_moves(case):
    """Linearising a pushforward in the tangent of x keeps the other tangents as constants."""
    x, t = points(case), some()
    operands = (x, *(jnp.float32(v) for v in case.values()))
    others = [jnp.float32(1.0) for _ in case.values()]
    push = lambda u: jax.jvp(case.with_parameters, operands, (u, *others))[1]  # noqa: E731
    expected = exact(case, x, 1) * t
    close(jax.jvp(push, (t,), (t,))[1], expected)
    close(jax.vjp(push, t)[1](t)[0], expected)
    close(jax.jit(lambda u: jax.vjp(push, u)[1](u)[0])(t), expected)
