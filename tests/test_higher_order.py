"""Second and third derivatives in every nesting of forward and reverse mode, and mixed ones with parameters.

Expected: the oracle's f'', and central differences of its f'' and of its derivatives in parameters.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import BOTH, KINDS, PROBES, SOME, close, exact, points, some, third, with_parameters

STEP = 1e-4


def along(function):
    """The derivative of an elementwise function by forward mode."""
    return lambda x: jax.jvp(function, (x,), (jnp.ones_like(x),))[1]


def summed(function):
    """The derivative of an elementwise function by reverse mode."""
    return jax.grad(lambda x: jnp.sum(function(x)))


@pytest.mark.parametrize("case", KINDS, ids=str)
def test_second_order_in_every_nesting(case):
    x = points(case)
    nestings = [(a, b) for a in (along, summed) for b in (along, summed)]
    expected = exact(case, x, 2)
    for second in jax.jit(lambda x: [a(b(case))(x) for a, b in nestings])(x):
        close(second, expected, 64)


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_jacobians_and_hessian(case):
    x = points(case)[0]

    @jax.jit
    def matrices(x):
        return jax.jacfwd(case)(x), jax.jacrev(case)(x), jax.hessian(lambda v: jnp.sum(case(v)))(x)

    forward, reverse, hessian = matrices(x)
    close(forward, np.diag(exact(case, x, 1)))
    close(reverse, np.diag(exact(case, x, 1)))
    close(hessian, np.diag(exact(case, x, 2)), 64)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_third_order(case):
    x = points(case)
    nestings = [(along, along, along), (along, summed, summed)]
    expected = third(case, x)
    for value in jax.jit(lambda x: [a(b(c(case)))(x) for a, b, c in nestings])(x):
        close(value, expected, 2000)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_scalar_grad_of_grad_eagerly(case):
    x = points(case)[1, 2]
    close(jax.grad(jax.grad(case))(x), exact(case, x, 2), 64)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_grad_of_a_gradient_norm(case):
    """As in gradient penalties: the gradient of sum(f'(x)**2) is 2 f' f''."""
    x = points(case)
    penalty = jax.jit(jax.grad(lambda v: jnp.sum(summed(case)(v) ** 2)))
    close(penalty(x), 2 * exact(case, x, 1) * exact(case, x, 2), 64)


def differenced(case, x, wrt, of):
    """d/d(of) of the oracle's derivative in parameter `wrt`."""
    if of == "x":
        x = np.asarray(x, np.float64)
        high, low = exact(case, x + STEP, wrt=wrt), exact(case, x - STEP, wrt=wrt)
    else:
        value = dict(zip(case.differentiable, case.values()))[of]
        high, low = (exact(case, x, wrt=wrt, **{of: value + h}) for h in (STEP, -STEP))
    return (high - low) / (2 * STEP)


def admissible(case, name, value):
    """Whether central differences stay in the parameter's domain."""
    domain = case.definition.parameters[name].domain
    return domain.admits(value - STEP) and domain.admits(value + STEP)


@pytest.mark.parametrize("case", with_parameters(BOTH), ids=str)
def test_mixed_derivatives(case):
    """Each parameter's derivative, differentiated in x and in each parameter, in three nestings."""
    x, names, values = points(case), case.differentiable, case.values()
    operands = [x, *(jnp.full(x.shape, v, jnp.float32) for v in values)]  # an element each, so nothing is summed

    def reverse(function, i):
        return jax.grad(lambda *v: jnp.sum(function(*v)), argnums=i)

    def forward(function, i):
        def derivative(*v):
            return jax.jvp(lambda u: function(*v[:i], u, *v[i + 1 :]), (v[i],), (jnp.ones_like(v[i]),))[1]

        return derivative

    pairs = [(i, j) for i in range(1, len(operands)) for j in range(len(operands))]

    @jax.jit
    def second(*operands):
        return [[outer(inner(case.with_parameters, i), j)(*operands) for outer, inner in modes] for i, j in pairs]

    modes = [(reverse, reverse), (forward, reverse), (reverse, forward)]
    for (i, j), results in zip(pairs, second(*operands)):
        wrt, of = names[i - 1], ("x", *names)[j]
        if of != "x" and not admissible(case, of, values[j - 1]):
            continue
        expected = differenced(case, x, wrt, of)
        for result in results:
            close(result, expected, 500)


@pytest.mark.parametrize("case", PROBES, ids=str)
def test_second_order_with_shared_parameters_of_another_dtype(case):
    """bfloat16 x, float32 scalar parameters: Hessian-vector products keep each operand's shape and dtype."""
    x = points(case).astype(jnp.bfloat16)
    operands = (x, *(jnp.float32(v) for v in case.values()))
    directions = (some().astype(jnp.bfloat16), *(jnp.float32(1.0) for _ in case.values()))

    def loss(*operands):
        return jnp.sum(case.with_parameters(*operands).astype(jnp.float32))

    gradient = jax.grad(loss, argnums=tuple(range(len(operands))))
    forward = jax.jvp(gradient, operands, directions)[1]
    reverse = jax.vjp(gradient, *operands)[1](directions)
    for a, b, v in zip(forward, reverse, operands):
        assert a.dtype == b.dtype == v.dtype
        assert a.shape == b.shape == v.shape
        # the Hessian is symmetric; sums of terms rounded to bfloat16
        scale = 1.0 + float(jnp.max(jnp.abs(a.astype(jnp.float32)))) + x.size
        np.testing.assert_allclose(a.astype(jnp.float32), b.astype(jnp.float32), atol=0.02 * scale)


def test_third_order_mixed_of_the_probe():
    """d/drate d/dx d/dx of x + depth sin(rate x), in closed form."""
    case = PROBES[0]
    x, depth, rate = points(case), 0.5, 1.25

    def second(x, rate):
        return along(along(functools.partial(case.activation, rate=rate)))(x)

    got = jax.jit(lambda x, r: jax.vjp(second, x, r)[1](jnp.ones_like(x))[1])(x, jnp.full(x.shape, rate))
    u = np.asarray(x, np.float64)
    close(got, -depth * (2 * rate * np.sin(rate * u) + rate**2 * u * np.cos(rate * u)), 64)
