"""JAX's own checks: checkify, debug_nans, disable_jit, tracer leaks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify
from support import BOTH, SOME, close, exact, points, some, with_parameters

import jaxact


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_checkify(case):
    x, t = points(case), some()
    checks = checkify.float_checks | checkify.user_checks

    def checked(v, t):
        y, pull = jax.vjp(case, v)
        checkify.check(jnp.all(jnp.isfinite(y)), "the activation of {v} is not finite", v=v[0, 0])
        return y, pull(t)[0]

    run = jax.jit(checkify.checkify(checked, errors=checks))
    error, (y, grad) = run(x, t)
    assert error.get() is None
    close(y, exact(case, x))
    close(grad, exact(case, x, 1) * t)
    message = run(jnp.full_like(x, jnp.nan), t)[0].get()
    assert "not finite" in message or "nan generated" in message  # the second where it looks into the formula


@pytest.mark.parametrize("case", SOME, ids=str)
def test_debug_nans(case):
    x = points(case)
    far = jnp.asarray([-np.inf, -1e30, -200.0, 0.0, 200.0, 1e30, np.inf], jnp.float32)
    with jax.debug_nans(True):
        close(case(x), exact(case, x))
        jax.grad(lambda v: jnp.sum(case(v)))(x)
        case(far[1:-1])  # no NaN on the way to a finite value
        jax.vjp(case, far[1:-1])[1](jnp.ones(5))
        with pytest.raises(FloatingPointError, match="nan"):
            case(jnp.asarray([1.0, np.nan]))
        with pytest.raises(FloatingPointError, match="nan"):
            jax.jit(case)(jnp.asarray([1.0, np.nan]))


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_disable_jit(case):
    x, t = points(case), some()
    with jax.disable_jit():
        close(case(x), exact(case, x))
        close(case(np.asarray(x)), exact(case, x))
        close(jax.jit(case)(x), exact(case, x))
        close(case(float(x[0, 0])), exact(case, x[0, 0]))
        close(jax.jvp(case, (x,), (t,))[1], exact(case, x, 1) * t)
        close(jax.vjp(case, x)[1](t)[0], exact(case, x, 1) * t)
        close(jax.vmap(jax.grad(lambda v: jnp.sum(case(v))))(x), exact(case, x, 1))
        close(jax.grad(jax.grad(case))(x[0, 0]), exact(case, x[0, 0], 2), 64)
        close(jax.lax.scan(lambda c, _: (case(c), None), x, length=1)[0], exact(case, x))


@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_disable_jit_with_parameters(case):
    x, ct = points(case), some()
    with jax.disable_jit():
        for make in (jnp.float32, np.float32, lambda v: np.asarray(v, np.float32)):
            close(case.with_parameters(x, *map(make, case.values())), exact(case, x))
        grads = jax.vjp(case.with_parameters, x, *map(jnp.float32, case.values()))[1](ct)[1:]
    for name, grad in zip(case.differentiable, grads):
        close(grad, np.sum(exact(case, x, wrt=name) * ct), 256)


@pytest.mark.parametrize("implementation", [None, "inline"])
def test_disable_jit_with_numpy_float64(implementation):
    """64-bit numpy arrays become float32 where x64 is off, jitted or not."""
    case = SOME[0]
    with jax.disable_jit():
        y = case.activation(np.linspace(-1.0, 1.0, 4), implementation=implementation)
    assert y.dtype == jnp.float32


def test_disable_jit_refuses_a_demanded_kernel():
    """Nothing is compiled there; a preference falls back."""
    x = jnp.linspace(-1.0, 1.0, 8)
    with jax.disable_jit():
        with pytest.raises(NotImplementedError, match=r"gelu has no kernel under jax.disable_jit\(\)"):
            jaxact.gelu(x, implementation="pallas")
        with pytest.raises(NotImplementedError, match="act_quant"):
            jaxact.act_quant(x, "silu", implementation="pallas")
        np.testing.assert_array_equal(jaxact.relu(x, implementation="prefer_pallas"), jnp.maximum(x, 0.0))


@pytest.mark.parametrize("case", SOME, ids=str)
def test_no_tracer_leaks(case):
    x = points(case)
    with jax.checking_leaks():
        close(jax.jit(jax.grad(lambda v: jnp.sum(case(v))))(x), exact(case, x, 1))
        if case.differentiable:
            values = [jnp.float32(v) for v in case.values()]
            jax.jit(lambda *a: jax.vjp(case.with_parameters, *a)[1](x))(x, *values)
