"""Trainable activations beyond one element: against float64 formulas in numpy, with gradients and their memory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import bytes_of, close, primitives, some

import jaxact

RNG = np.random.default_rng(11)
X = RNG.normal(size=(3, 4, 5)) * 1.7
WEIGHT, BIAS = np.array([0.4, -0.7, 1.2]), 0.3
NUMERATOR = np.array([0.03, 0.6, 2.3, 3.0, 1.5, 0.25]) + 0.05 * RNG.normal(size=(5, 6))
DENOMINATOR = np.array([-1.1, 4.4, 0.9, 0.35]) + 0.05 * RNG.normal(size=(5, 4))
LAYERS = [RNG.normal(size=s) for s in ((5, 2), (2,), (2, 5), (5,))]
SLOPES = [RNG.normal(size=5), RNG.normal(size=5)]

# -- the formulas, in numpy ---------------------------------------------------------------------------------------


def poly_norm(x, weight, bias, eps=1e-6):
    powers = [x**k for k in (3, 2, 1)]
    return sum(w * p / np.sqrt(np.mean(p**2, -1, keepdims=True) + eps) for w, p in zip(weight, powers)) + bias


def rational(x, numerator, denominator):
    upper = sum(numerator[..., k] * x**k for k in range(6))
    return upper / (1 + sum(np.abs(denominator[..., k] * x ** (k + 1)) for k in range(4)))


def meta_acon(x, w1, b1, w2, b2, p1, p2):
    beta = 1 / (1 + np.exp(-((x.mean(axis=1) @ w1 + b1) @ w2 + b2)))[:, None]
    d = (p1 - p2) * x
    return d / (1 + np.exp(-beta * d)) + p2 * x


FORMULAS = {  # by name: the numpy formula, and its arguments
    "poly_norm": (poly_norm, (X, WEIGHT, np.asarray(BIAS))),
    "rational": (rational, (X, NUMERATOR, DENOMINATOR)),
    "meta_acon": (meta_acon, (X, *LAYERS, *SLOPES)),
}
NAMES = list(FORMULAS)


def arrays(name, dtype=jnp.float32):
    x, *parameters = FORMULAS[name][1]
    return jnp.asarray(x, dtype), *(jnp.asarray(p, jnp.float32) for p in parameters)


def gradients(name, ct):
    """Central differences of sum(ct * y) in every argument, from the numpy formula."""
    formula, given = FORMULAS[name]
    found = []
    for i, value in enumerate(given):
        slope = np.zeros(value.shape)
        for place in np.ndindex(value.shape):
            step = np.zeros(value.shape)
            step[place] = 1e-6
            up, down = (formula(*given[:i], value + s, *given[i + 1 :]) for s in (step, -step))
            slope[place] = np.sum(ct * (up - down)) / 2e-6
        found.append(slope)
    return found


CT = np.asarray(some(X.shape), np.float64)


@functools.cache
def computed(name, implementation=None):
    """Value and pullback of CT, in one program."""

    def function(*given):
        return getattr(jaxact, name)(*given, implementation=implementation)

    @jax.jit
    def both(*given):
        y, pull = jax.vjp(function, *given)
        return y, pull(jnp.asarray(CT, y.dtype))

    return both(*arrays(name))


# -- values and gradients -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", [None, "inline"])
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradients(name, implementation):
    y, slopes = computed(name, implementation)
    formula, given = FORMULAS[name]
    close(y, formula(*given), 64)
    for actual, expected, like in zip(slopes, gradients(name, CT), given, strict=True):
        assert actual.shape == like.shape
        close(actual, expected, 512)


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_is_computed_in_float32_and_rounded_once(name):
    x, *parameters = arrays(name, jnp.bfloat16)
    y = getattr(jaxact, name)(x, *parameters)
    wide = FORMULAS[name][0](np.asarray(x, np.float64), *FORMULAS[name][1][1:])
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(y, np.float64), wide, rtol=2.0**-8, atol=2.0**-9 * 1e-3)
    slopes = jax.grad(lambda *a: jnp.sum(getattr(jaxact, name)(*a).astype(jnp.float32)), tuple(range(2)))(
        x, *parameters
    )
    assert [s.dtype for s in slopes] == [jnp.bfloat16, jnp.float32]


@pytest.mark.parametrize("name", NAMES)
def test_forward_mode_is_the_transpose_of_reverse_mode_to_second_order(name):
    moving = 1 if name == "rational" else None  # its 121 second derivatives would take a minute to compile
    every = arrays(name)
    given, fixed = every[:moving], every[len(every[:moving]) :]
    tangents = [some(a.shape, seed=i) for i, a in enumerate(given)]

    def loss(*a):
        return jnp.sum(jnp.asarray(CT, jnp.float32) * getattr(jaxact, name)(*a, *fixed))

    @jax.jit
    def products(given, tangents):
        slopes, bends = jax.jvp(jax.grad(loss, tuple(range(len(given)))), given, tangents)
        forward, forward_bend = jax.jvp(lambda *a: jax.jvp(loss, a, tangents)[1], given, tangents)
        return slopes, bends, forward, forward_bend

    slopes, bends, forward, forward_bend = products(given, tuple(tangents))
    close(sum(jnp.vdot(s, t) for s, t in zip(slopes, tangents)), forward, 1024)
    close(sum(jnp.vdot(b, t) for b, t in zip(bends, tangents)), forward_bend, 8192)


@pytest.mark.parametrize("name", NAMES)
def test_vmap_over_everything(name):
    given = [jnp.stack([a, 0.5 * a]) for a in arrays(name)]
    function = getattr(jaxact, name)

    def slopes(*a):
        return jax.grad(lambda *b: jnp.sum(function(*b)), tuple(range(len(a))))(*a)

    mapped = jax.jit(jax.vmap(lambda *a: (function(*a), slopes(*a))))(*given)
    each = [jax.jit(lambda *a: (function(*a), slopes(*a)))(*(a[i] for a in given)) for i in range(2)]
    for actual, *expected in zip(*map(jax.tree.leaves, (mapped, *each)), strict=True):
        close(actual, np.stack(expected), 64)


@pytest.mark.parametrize(("name", "beside"), [("poly_norm", 4), ("rational", 50), ("meta_acon", 80)])
def test_what_is_kept(name, beside):
    """The input, and a few numbers: the parameters, and for meta_acon those that its small layers make."""
    given = arrays(name)
    pull = jax.vjp(getattr(jaxact, name), *given)[1]
    assert sum(bytes_of(pull).values()) <= given[0].nbytes + 4 * beside


def test_poly_norm_is_one_operation():
    assert primitives(lambda v: jax.vjp(jaxact.poly_norm, v)[1](v), arrays("poly_norm")[0]) == [
        "activation",
        "activation_linear",
    ]


# -- each in particular -------------------------------------------------------------------------------------------


def test_poly_norm_does_not_overflow():
    x = np.array([[1e30, -2e30, 5e29], [3e-3, 1e-3, -2e-3]])
    wide = poly_norm(x, WEIGHT, BIAS)
    close(jaxact.poly_norm(jnp.asarray(x, jnp.float32), jnp.asarray(WEIGHT, jnp.float32), BIAS), wide, 64)


def test_rational_starts_as_leaky_relu():
    x = jnp.linspace(-3, 3, 61)
    assert jnp.max(jnp.abs(jaxact.rational(x) - jaxact.leaky_relu(x))) < 0.04
    close(jaxact.rational(x), jaxact.pade(x))
    close(jaxact.rational(x, (0, 1, 0, 0, 0, 0), (0, 0, 0, 0)), x)
    np.testing.assert_array_equal(jaxact.rational(jnp.float32(1e30), (0, 1, 0, 0, 0, 0), (0, 0, 0, 0)), 2.0**24)


def test_meta_acon_with_channels_first():
    x, w1, b1, w2, b2, p1, p2 = arrays("meta_acon")
    first = jaxact.meta_acon(jnp.moveaxis(x, -1, 1), w1, b1, w2, b2, p1, p2, axis=1)
    close(jnp.moveaxis(first, 1, -1), jaxact.meta_acon(x, w1, b1, w2, b2, p1, p2))


# -- rrelu --------------------------------------------------------------------------------------------------------

KEY = jax.random.key(3)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_rrelu_draws_slopes_below_zero(dtype):
    x = -jnp.ones((400, 5), dtype)
    slopes = -np.asarray(jaxact.rrelu(x, KEY, lower=0.1, upper=0.3), np.float64)
    assert 0.1 <= slopes.min() < 0.12
    assert 0.28 < slopes.max() <= 0.3 + 2.0**-9
    assert slopes.mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(jaxact.rrelu(-x, KEY), -x)
    close(jaxact.rrelu(x), np.full(x.shape, -(1 / 8 + 1 / 3) / 2))


def test_rrelu_draws_the_same_slopes_in_the_backward():
    x = jnp.asarray(X, jnp.float32)
    function = functools.partial(jaxact.rrelu, key=KEY)
    expected = np.where(X > 0, 1, np.asarray(function(x)) / np.asarray(x))
    _, pull = jax.vjp(function, x)
    (slopes,) = pull(jnp.ones_like(x))
    close(slopes, expected)
    close(jax.jit(jax.jvp, static_argnums=0)(function, (x,), (jnp.ones_like(x),))[1], expected)
    large = [n for n in bytes_of(pull).values() if n >= x.nbytes]
    assert large == [x.nbytes], "the input, and no slopes"


def test_rrelu_over_keys():
    x = -jnp.ones((2, 3))
    each = jax.vmap(lambda k: jaxact.rrelu(x, k))(jax.random.split(KEY, 4))
    assert len(np.unique(np.asarray(each))) == each.size


# -- bad input ----------------------------------------------------------------------------------------------------

W1, B1, W2, B2 = (jnp.asarray(v, jnp.float32) for v in LAYERS)
BAD = [
    (lambda: jaxact.poly_norm(1.0), ValueError, "at least one axis"),
    (lambda: jaxact.poly_norm(jnp.ones(3), jnp.ones(4)), ValueError, r"weight must have shape \(3,\)"),
    (lambda: jaxact.poly_norm(jnp.ones(3), eps=0.0), ValueError, "eps must be a finite number above 0"),
    (lambda: jaxact.poly_norm(jnp.ones(3), bias=jnp.ones((2, 3))), ValueError, "bias must broadcast"),
    (lambda: jaxact.rational(1.0, jnp.ones(5)), ValueError, "numerator must have 6 entries"),
    (lambda: jaxact.rational(jnp.ones(3), None, jnp.ones((2, 4))), ValueError, "must broadcast against x"),
    (lambda: jaxact.rrelu(1.0, lower=0.5, upper=0.2), ValueError, "lower must not exceed upper"),
    (lambda: jaxact.rrelu(1.0, lower=jnp.ones(2)), TypeError, "lower must be a number"),
    (lambda: jaxact.meta_acon(jnp.ones(5), W1, B1, W2, B2), ValueError, "behind the batch"),
    (lambda: jaxact.meta_acon(jnp.ones((2, 4)), W1, B1, W2, B2), ValueError, r"w1 must have shape \(4, 2\)"),
    (lambda: jaxact.meta_acon(jnp.ones((2, 5)), W1, B1, W2, B2, jnp.ones(3)), ValueError, "p1 must be a number"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD, ids=[m for *_, m in BAD])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
