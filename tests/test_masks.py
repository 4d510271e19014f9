"""residual="mask": one bit an element for the backward, and the gradients of residual="input"."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from cases import CASES
from jax.experimental import jet
from ulp import patterns

import jaxact

MASKED = [c for c in CASES if c.definition.slopes({**c.definition.bind((), dict(c.params))}) is not None]
X = jnp.linspace(-4.0, 8.0, 36).reshape(3, 12)


def test_what_has_two_slopes():
    flat_or_steep = {"clip", "hard_tanh", "relu", "relu6", "leaky_relu", "hard_shrink", "soft_shrink", "threshold"}
    assert flat_or_steep <= {c.name for c in MASKED}


@pytest.mark.parametrize("case", MASKED, ids=str)
def test_gradients_of_every_bfloat16_number(case):
    x = patterns(ml_dtypes.bfloat16)

    @jax.jit
    def both(x):
        ones = jnp.ones_like(x)
        y, pull = jax.vjp(lambda v: case(v, residual="mask"), x)
        wanted, exact = jax.vjp(lambda v: case(v, residual="input"), x)
        return (y, wanted), (*pull(ones), *exact(ones)), pull

    values, gradients, pull = both(x)
    np.testing.assert_array_equal(*values)
    np.testing.assert_array_equal(*gradients)
    assert sum(v.nbytes for v in jax.tree.leaves(pull) if isinstance(v, jax.Array)) == -(-x.size // 8)


def loss(x, residual="mask"):
    return jnp.sum(jnp.sin(jaxact.leaky_relu(x, 0.25, residual=residual)))


@pytest.mark.parametrize(
    "transformed",
    [
        jax.grad,
        lambda f: jax.jit(jax.grad(f)),
        lambda f: jax.vmap(jax.grad(f)),
        lambda f: jax.vmap(jax.grad(f), in_axes=1),
        lambda f: jax.vmap(jax.vmap(jax.grad(f))),
        jax.hessian,
        lambda f: jax.jacfwd(jax.jacrev(f)),
        lambda f: lambda x: jax.jvp(jax.grad(f), (x,), (x,)),
        lambda f: lambda x: jet.jet(f, (x,), ((x, x * 0),))[1][1],
        lambda f: jax.grad(jax.checkpoint(f)),
        lambda f: jax.grad(lambda x: jax.lax.scan(lambda c, _: (c + f(x), None), 0.0, None, length=3)[0]),
    ],
)
def test_transformations(transformed):
    masked, whole = (transformed(lambda x, r=r: loss(x, r))(X) for r in ("mask", "input"))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), masked, whole)


def test_under_jit_and_in_a_scan_the_bits_stay_packed():
    x = jnp.ones((32, 64), jnp.bfloat16)

    def layers(v):
        return jax.lax.scan(lambda c, _: (jaxact.relu6(c, residual="mask"), None), v, length=12)[0]

    _, pull = jax.eval_shape(jax.jit(lambda v: jax.vjp(layers, v)), x)
    assert sum(v.size * v.dtype.itemsize for v in jax.tree.leaves(pull)) == 12 * x.nbytes // 16


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jaxact.gelu(X, residual="mask"), ("gelu", "two slopes", "residual='input'")),
        (lambda: jaxact.relu(X, 0.1, 2.0, residual="mask"), ("relu", "these parameters", "residual='input'")),
        (lambda: jaxact.leaky_relu(X, jnp.ones(12), residual="mask"), ("leaky_relu", "numbers", "array")),
        (lambda: jaxact.softmax(X, residual="mask"), ("softmax", "'input', 'output'", "'mask'")),
    ],
)
def test_where_there_is_no_mask(call, words):
    with pytest.raises(ValueError, match=words[0]) as error:
        call()
    assert all(w in str(error.value) for w in words), error.value
