"""scan, fori_loop, while_loop, map, cond and switch around an activation, with derivatives through them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import DEFAULTS
from jax import lax
from support import BOTH, PROBES, close, exact, points, some, with_parameters

STEPS = 3


def chain(case, x, steps=STEPS):
    """steps times v -> v/2 + f(v)/4 and its derivative, in float64."""
    value, slope = np.asarray(x, np.float64), np.ones(np.shape(x))
    for _ in range(steps):
        slope = slope * (0.5 + 0.05 * exact(case, value, 1))
        value = 0.5 * value + 0.05 * exact(case, value)
    return value, slope


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_loops(case):
    x, t = points(case), some()

    def step(v):
        return 0.5 * v + 0.05 * case(v)  # settles for every activation, exponential too

    def scanned(v):
        return lax.scan(lambda c, _: (step(c), None), v, length=STEPS)[0]

    def counted(v):
        return lax.fori_loop(0, STEPS, lambda _, c: step(c), v)

    def awaited(v):
        return lax.while_loop(lambda s: s[0] < STEPS, lambda s: (s[0] + 1, step(s[1])), (0, v))[1]

    @jax.jit
    def run(x, t):
        forward = [jax.jvp(f, (x,), (t,)) for f in (scanned, awaited)]
        values, pulls = zip(*(jax.vjp(f, x) for f in (scanned, counted)))
        return [*zip(*forward)], values, [pull(t)[0] for pull in pulls]

    value, slope = chain(case, x)
    (ahead, forward), values, backward = run(x, t)
    for got in (*ahead, *values):
        close(got, value, 64)
    for got in (*forward, *backward):
        close(got, slope * t, 256)


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_map_and_cond(case):
    x, t = points(case), some()

    def either(v, taken):
        return lax.cond(taken, case, lambda u: -u, v)

    @jax.jit
    def run(x, t, taken):
        mapped = jax.vjp(lambda v: lax.map(case, v), x)
        conditional = jax.vjp(lambda v: either(v, taken), x)
        batched = jax.vmap(either)(x, jnp.arange(8) % 2 == 0)
        return mapped[0], mapped[1](t)[0], conditional[0], conditional[1](t)[0], batched

    value, slope = exact(case, x), exact(case, x, 1)
    mapped, mapped_grad, taken, taken_grad, batched = run(x, t, True)
    for got in (mapped, taken):
        close(got, value)
    for got in (mapped_grad, taken_grad):
        close(got, slope * t)
    close(batched, np.where(np.arange(8)[:, None] % 2 == 0, value, -np.asarray(x)))
    close(run(x, t, False)[3], -np.asarray(t))


def test_switch_over_every_activation():
    cases = [*DEFAULTS, *PROBES]
    x = {str(c): points(c) for c in cases}

    @jax.jit
    def run(index, x):
        return jax.value_and_grad(lambda v: jnp.sum(lax.switch(index, cases, v)))(x)

    for i, case in enumerate(cases):
        value, grad = run(i, x[str(case)])
        close(value, np.sum(exact(case, x[str(case)])), 512)
        close(grad, exact(case, x[str(case)], 1))


@pytest.mark.parametrize("case", with_parameters(BOTH), ids=str)
def test_scan_over_parameters(case):
    """Parameters as scanned inputs: each step's gradient is its own."""
    x = points(case)
    scale = jnp.linspace(0.98, 1.02, STEPS)
    stacked = [v * scale for v in map(jnp.float32, case.values())]

    def total(stacked):
        return lax.scan(lambda c, p: (c + jnp.sum(case.with_parameters(x, *p)), None), 0.0, stacked)[0]

    value, grads = jax.jit(jax.value_and_grad(total))(stacked)
    expected = 0.0
    for i in range(STEPS):
        changed = {n: float(v[i]) for n, v in zip(case.differentiable, stacked)}
        expected += np.sum(exact(case, x, **changed))
        for name, grad in zip(case.differentiable, grads):
            close(grad[i], np.sum(exact(case, x, wrt=name, **changed)), 512)
    close(value, expected, 512)


@pytest.mark.parametrize("case", PROBES, ids=str)
def test_second_order_through_a_scan(case):
    x = points(case)[0]

    def scanned(v):
        return lax.scan(lambda c, _: (case(c), None), v, length=2)[0]

    second = jax.jit(jax.vmap(jax.grad(jax.grad(scanned))))(x)
    y, slope, bend = exact(case, x), exact(case, x, 1), exact(case, x, 2)
    close(second, exact(case, y, 2) * slope**2 + exact(case, y, 1) * bend, 128)
