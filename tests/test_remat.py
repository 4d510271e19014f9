"""Rematerialisation: the gradient is the same under every policy, and each policy saves what it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name
from support import BOTH, PROBES, close, exact, points, primitives, some, with_parameters

POLICIES = {
    "none": None,
    "nothing": jax.checkpoint_policies.nothing_saveable,
    "everything": jax.checkpoint_policies.everything_saveable,
    "dots": jax.checkpoint_policies.dots_saveable,
    "names": jax.checkpoint_policies.save_only_these_names("activated"),
    "all but names": jax.checkpoint_policies.save_anything_except_these_names("activated"),
}


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_gradients_under_every_policy(case):
    """y = f(x/2 + f(x)/4), differentiated by hand from the oracle."""
    x, ct = points(case), some()

    def twice(v):
        hidden = checkpoint_name(0.5 * v + 0.25 * case(v), "activated")
        return checkpoint_name(case(hidden), "activated")

    @jax.jit
    def pulled(x, ct):
        return [jax.vjp(jax.checkpoint(twice, policy=p), x)[1](ct)[0] for p in POLICIES.values()]

    hidden = 0.5 * np.asarray(x, np.float64) + 0.25 * exact(case, x)
    slope = exact(case, hidden, 1) * (0.5 + 0.25 * exact(case, x, 1))
    for grad in pulled(x, ct):
        close(grad, slope * ct, 128)


@pytest.mark.parametrize("case", with_parameters(BOTH), ids=str)
def test_parameters(case):
    x, ct = points(case), some()
    values = [jnp.float32(v) for v in case.values()]
    remat = jax.checkpoint(case.with_parameters)
    dx, *grads = jax.jit(lambda *a: jax.vjp(remat, *a)[1](ct))(x, *values)
    close(dx, exact(case, x, 1) * ct)
    for name, grad in zip(case.differentiable, grads):
        close(grad, np.sum(exact(case, x, wrt=name) * ct), 256)


@pytest.mark.parametrize("case", PROBES, ids=str)
@pytest.mark.parametrize(("policy", "recomputed"), [("nothing", True), ("everything", False), ("names", False)])
def test_what_is_recomputed(case, policy, recomputed):
    """The activation runs again in the backward only where its value was not saved."""
    x = points(case)

    def layer(v):
        return jnp.sin(checkpoint_name(case(v), "activated"))

    remat = jax.checkpoint(layer, policy=POLICIES[policy])
    count = primitives(lambda v: jax.vjp(remat, v)[1](v), x).count("activation")
    assert count == 1 + recomputed


@pytest.mark.parametrize("case", PROBES, ids=str)
def test_second_order_through_remat(case):
    x = points(case)
    inner = jax.grad(lambda v: jnp.sum(jax.checkpoint(case)(v)))
    outer = jax.jit(jax.grad(lambda v: jnp.sum(inner(v))))
    close(outer(x), exact(case, x, 2), 64)
    scanned = jax.grad(
        lambda v: jnp.sum(jax.lax.scan(jax.checkpoint(lambda c, _: (case(c), None)), v, length=2)[0])
    )
    close(jax.jit(scanned)(x), exact(case, exact(case, x), 1) * exact(case, x, 1), 64)
