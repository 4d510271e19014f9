"""Activations over rows: values against the float64 solvers, masks, axes, the composed ones, and bad input."""

import functools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from cases import rowwise
from oracle import rows
from row_contract import EPS, ONCE, TABLE, bound, logits, rounding

import jaxact

DTYPES = [jnp.float32, jnp.bfloat16, jnp.float16]
NAMES = ("bf16", "f16")
IDS = ["-".join([n, *(f"{v:g}" for v in p.values())]) for n, p in TABLE]
once = pytest.mark.parametrize(("name", "params"), ONCE, ids=[IDS[TABLE.index(case)] for case in ONCE])
# 16-bit rows are computed in float32, so each function once tells what rounding does
values = pytest.mark.parametrize(
    ("name", "params", "dtype"),
    [(n, p, d) for d in DTYPES for n, p in (TABLE if d == jnp.float32 else ONCE)],
)
each = pytest.mark.parametrize(("name", "params"), TABLE, ids=IDS)


def test_the_table_and_the_oracle_have_every_one():
    assert {n for n, _ in TABLE} == set(rowwise()) == set(rows.VALUES)


# -- the contract ------------------------------------------------------------------------------------------------


def check(name, params, x, **options):
    """Raise unless the last axis of x gives rows within the contract; return the worst error over its bound."""
    x = -x if name == "softmin" else x  # so that -inf is excluded there too
    wide = np.asarray(x).astype(np.float64)
    y = getattr(jaxact, name)(x, **params, **options)
    assert y.dtype == x.dtype
    assert y.shape == x.shape
    y, wanted = np.asarray(y).astype(np.float64), rows.VALUES[name](wide, **params)
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(y[~finite], wanted[~finite])
    y, wanted, limit = y[finite], wanted[finite], bound(name, wide, wanted)[finite]
    error = np.maximum(np.abs(y - wanted) - rounding(wanted, x.dtype), 0.0)
    assert np.all(error <= limit), f"{np.max(error / limit)} of the contract"
    return np.max(error / np.maximum(limit, 1e-45), initial=0.0), y.size


@values
def test_values(name, params, dtype):
    """The contract of the design; 16-bit results are within half a unit of it."""
    found = [check(name, params, logits(n, dtype)) for n in (1, 1000)]
    worst, count = max(w for w, _ in found), sum(c for _, c in found)
    print(f"{name} {params} {np.dtype(dtype).name}: worst {worst:.2f} of the contract, {count} elements")


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16], ids=["f32", "f16"])
@once
def test_long_rows(name, params, dtype):
    worst, count = check(name, params, logits(2**17, dtype)[2:6:3] if params else logits(2**17, dtype))
    print(f"{name} {params} {np.dtype(dtype).name} 2^17: worst {worst:.2f} of the contract, {count} elements")


@pytest.mark.parametrize("axis", [0, (0, 2)])
@once
def test_values_along_other_axes(name, params, axis):
    x = np.random.default_rng(1).normal(size=(33, 20, 50)).astype(np.float32) * 3
    axes = tuple(range(3)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    last = tuple(range(3 - len(axes), 3))
    moved = np.moveaxis(x, axes, last)
    flat = moved.reshape(*moved.shape[: 3 - len(axes)], -1)
    y = np.moveaxis(np.asarray(getattr(jaxact, name)(x, axis=axis, **params)), axes, last).reshape(flat.shape)
    wanted = rows.VALUES[name](flat, **params)
    assert np.all(np.abs(y - wanted) <= bound(name, flat.astype(np.float64), wanted) + 1.2e-38)


@once
def test_inline_has_the_same_values(name, params):
    for dtype in DTYPES:
        check(name, params, logits(1000, dtype), implementation="inline")


@values
def test_rows_sum_to_one(name, params, dtype):
    for n in (1, 1000):
        x = -logits(n, dtype) if name == "softmin" else logits(n, dtype)
        y = np.asarray(getattr(jaxact, name)(x, **params)).astype(np.float64)
        y = np.exp(y) if name == "log_softmax" else y
        units = n * float(ml_dtypes.finfo(dtype).eps) / 4
        logs = (
            0.0 if name != "log_softmax" else 12 * float(ml_dtypes.finfo(dtype).eps)
        )  # of a result as low as -12
        assert np.all(np.abs(y.sum(-1) - 1) <= max(units, logs))


@each
def test_a_constant_added_to_a_row_changes_nothing(name, params):
    act = jax.jit(functools.partial(getattr(jaxact, name), **params))
    x = np.round(np.random.default_rng(8).normal(size=(4, 1000)) * 512) / 256  # so that sums are exact
    wanted = np.asarray(act(x.astype(np.float32)))
    for constant in (1000.0, -1000.0, 2.0**14):
        np.testing.assert_array_equal(act((x + constant).astype(np.float32)), wanted)


@pytest.mark.parametrize("alpha", [2.5, 3.0])
@pytest.mark.parametrize("implementation", [None, "inline"])
def test_entries_at_the_threshold_where_the_slope_is_infinite(alpha, implementation):
    """An entry that is 2**-30 above the threshold of its row gives 2**(-30/(alpha - 1)), hundreds of eps."""
    x = beside_the_threshold(alpha, 400)
    check("entmax", {"alpha": alpha}, jnp.asarray(x), implementation=implementation)


@pytest.mark.parametrize("alpha", [4.0, 6.0, 10.0])
def test_entries_at_the_threshold_beyond_what_two_words_can_tell(alpha):
    """At the threshold p is a power of at most 1/3 of what is above it, of which 2**-48 can be told."""
    x = beside_the_threshold(alpha, 12)
    wanted = np.array([rows.entmax_precise(row, alpha) for row in x])
    error = np.abs(np.asarray(jaxact.entmax(x, alpha=alpha)).astype(np.float64) - wanted)
    print(f"alpha {alpha}: worst {error.max():.2g} of {error.size} elements")
    assert np.all(error <= max(4 * EPS, 2.0 ** (-48 / (alpha - 1))))


def beside_the_threshold(alpha, count):
    """Float32 rows whose last entry is beside the threshold that the others have."""
    rate = alpha - 1
    rng = np.random.default_rng(6)
    rows_ = rng.uniform(-0.9, 0.0, (count, 40)) / rate
    rows_[:, 0] = 0.0
    x = rows_.astype(np.float32)
    for _ in range(2):
        p = rows.entmax(x[:, :-1], alpha)
        i = p.argmax(-1)[:, None]
        z = rate * (x[:, :-1].astype(np.float64) - x[:, :-1].max(-1, keepdims=True))
        t = np.take_along_axis(z, i, -1) - np.take_along_axis(p, i, -1) ** rate
        x[:, -1] = ((t[:, 0] + 2.0**-30) / rate).astype(np.float32)
    return x


@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
def test_the_support_is_exact_outside_the_margin(name):
    for n in (7, 1000, 2**17):
        x = logits(n, jnp.float32)
        y, wanted = np.asarray(getattr(jaxact, name)(x)), rows.VALUES[name](np.asarray(x))
        assert np.all(wanted[y == 0] <= 4 * EPS)
        assert np.all(y[wanted == 0] <= 4 * EPS)


@pytest.mark.parametrize("implementation", [None, "inline"])
def test_many_equal_logits_in_16_bits(implementation):
    n = 2**17
    for value in (0.0, 3.0, -60000.0):
        x = jnp.full((n,), value, jnp.float16)
        for act in (jaxact.softmax, jaxact.softmin, jaxact.sparsemax, jaxact.entmax15, jaxact.entmax):
            np.testing.assert_array_equal(act(x, implementation=implementation), np.float16(2.0**-17))
        logs = jaxact.log_softmax(x, implementation=implementation)
        np.testing.assert_array_equal(logs, np.float16(-17 * np.log(2)))


def test_rows_of_long_f16_have_finite_gradients():
    for scale in (1e-3, 1.0, 1e4):
        x = logits(4096, jnp.float16)[2:3] * jnp.float16(scale)
        x = jnp.clip(x, -60000, 60000)
        for act in (jaxact.log_softmax, jaxact.softmax, jaxact.sparsemax, jaxact.entmax15):
            _, pull = jax.vjp(act, x)
            assert np.all(np.isfinite(pull(jnp.ones_like(x))[0]))


# -- masks -------------------------------------------------------------------------------------------------------

MASK = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], bool)


@pytest.mark.parametrize("implementation", [None, "inline"])
@pytest.mark.parametrize("residual", ["input", "output"])
@once
def test_masks(name, params, residual, implementation):
    x = jnp.asarray(np.random.default_rng(2).normal(size=MASK.shape).astype(np.float32))
    act = functools.partial(getattr(jaxact, name), residual=residual, implementation=implementation, **params)
    excluded = np.inf if name == "softmin" else -np.inf
    wanted = rows.VALUES[name](np.where(MASK, x, excluded), **params)
    for fill in (0.0, np.nan, np.inf, 3e38):  # what stands at an excluded entry does not matter
        filled = jnp.where(MASK, x, fill)
        y, pull = jax.vjp(lambda v: act(v, where=MASK), filled)
        np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-7)
        (grad,) = pull(jnp.full_like(x, 2.0) + x)
        assert np.all(np.isfinite(grad))
        assert not np.any(np.where(MASK, 0, grad))
        tangent = jax.jvp(lambda v: act(v, where=MASK), (filled,), (x,))[1]
        assert np.all(np.isfinite(tangent))
        assert not np.any(np.where(MASK, 0, tangent))
    np.testing.assert_array_equal(y[2], -np.inf if name == "log_softmax" else 0.0)


@once
def test_a_mask_that_broadcasts(name, params):
    act = functools.partial(getattr(jaxact, name), **params)
    x = jnp.asarray(np.random.default_rng(3).normal(size=(3, 4)).astype(np.float32))
    for mask in (np.array([True, False, True, True]), np.array([[True], [False], [True]]), True, [True] * 4):
        wide = np.broadcast_to(np.asarray(mask), x.shape)
        np.testing.assert_array_equal(act(x, where=mask), act(x, where=wide))
    np.testing.assert_array_equal(jax.jit(lambda v, m: act(v, where=m))(x, MASK), act(x, where=MASK))


# -- axes, scale, dtypes -----------------------------------------------------------------------------------------


@once
def test_axis_forms(name, params):
    act = functools.partial(getattr(jaxact, name), **params)
    x = jnp.asarray(np.random.default_rng(4).normal(size=(2, 3, 4)).astype(np.float32))
    np.testing.assert_array_equal(act(x), act(x, axis=2))
    np.testing.assert_array_equal(act(x, axis=-2), act(x, axis=1))
    np.testing.assert_array_equal(act(x, axis=(0, -1)), act(x, axis=[0, 2]))
    np.testing.assert_array_equal(act(x, axis=None), act(x, axis=(0, 1, 2)))
    np.testing.assert_array_equal(act(x, axis=np.int64(1)), act(x, axis=1))
    for axis in (-1, 0, None, ()):
        np.testing.assert_array_equal(act(2.5, axis=axis), 0.0 if name == "log_softmax" else 1.0)


@once
def test_scale(name, params):
    act = functools.partial(getattr(jaxact, name), **params)
    x = jnp.asarray(np.random.default_rng(5).normal(size=(3, 4)).astype(np.float32))
    for scale in (0.5, 3, -2.0):
        wanted = rows.VALUES[name](scale * np.asarray(x, np.float64), **params)
        np.testing.assert_allclose(act(x, scale=scale), wanted, atol=1e-6)
        np.testing.assert_allclose(act(x, scale=jnp.float32(scale)), wanted, atol=1e-6)
    each_row = jnp.array([[0.5], [1.0], [2.0]])
    np.testing.assert_allclose(act(x, scale=each_row), act(x * each_row), atol=1e-6)
    half = act(x.astype(jnp.bfloat16), scale=each_row)
    assert half.dtype == jnp.bfloat16


@once
def test_integers_and_empty_rows(name, params):
    act = functools.partial(getattr(jaxact, name), **params)
    np.testing.assert_array_equal(act(jnp.arange(4)), act(jnp.arange(4.0)))
    for shape, axis in (((0,), -1), ((3, 0), -1), ((0, 3), -1), ((3, 0), 0), ((0, 2), None)):
        x = jnp.zeros(shape)
        y, pull = jax.vjp(functools.partial(act, axis=axis), x)
        assert y.shape == pull(y)[0].shape == shape


@each
def test_not_a_number_spoils_its_row_only(name, params):
    x = jnp.array([[1.0, jnp.nan, 2.0], [1.0, 2.0, 3.0]])
    y = getattr(jaxact, name)(x, **params)
    assert np.all(np.isnan(y[0]))
    assert np.all(np.isfinite(y[1]))
    (grad,) = jax.vjp(lambda v: getattr(jaxact, name)(v, **params), x)[1](x)
    assert np.all(np.isnan(grad[0]))
    assert not np.any(
        np.isnan(jax.vjp(lambda v: getattr(jaxact, name)(v, **params), x)[1](jnp.ones_like(x))[0][1])
    )


# -- the composed ones -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 0, (0, 1), None])
def test_gumbel_softmax(axis):
    key = jax.random.key(0)
    x = jnp.asarray(np.random.default_rng(6).normal(size=(3, 4)).astype(np.float32))
    noisy = x + jax.random.gumbel(key, x.shape, jnp.float32)
    for temperature in (0.5, jnp.float32(0.5)):
        call = functools.partial(jaxact.gumbel_softmax, key=key, temperature=temperature, axis=axis)
        soft = call(x)
        np.testing.assert_allclose(soft, jaxact.softmax(noisy / 0.5, axis=axis), rtol=2e-6)
        hard = call(x, hard=True)
        largest = jnp.max(soft, axis=axis, keepdims=True) == soft
        np.testing.assert_array_equal(hard, largest.astype(jnp.float32))
        ct = jnp.arange(12.0).reshape(3, 4)
        soft_grad, hard_grad = (jax.vjp(functools.partial(call, hard=hard), x)[1](ct)[0] for hard in (False, True))
        np.testing.assert_array_equal(soft_grad, hard_grad)
    assert float(jaxact.gumbel_softmax(1.0, key, hard=True)) == 1.0
    assert jaxact.gumbel_softmax(x.astype(jnp.bfloat16), key, hard=True).dtype == jnp.bfloat16
    assert jaxact.gumbel_softmax(jnp.zeros((2, 0)), key, hard=True).shape == (2, 0)
    slope = jax.grad(lambda t: jaxact.gumbel_softmax(x, key, temperature=t)[0, 0])(jnp.float32(0.7))
    h = 1e-3
    low, high = (jaxact.gumbel_softmax(x, key, temperature=0.7 + d)[0, 0] for d in (-h, h))
    np.testing.assert_allclose(slope, (high - low) / (2 * h), rtol=1e-2, atol=1e-4)


def test_gumbel_softmax_follows_its_distribution():
    p = np.array([0.1, 0.2, 0.7], np.float32)
    x = jnp.broadcast_to(jnp.log(p), (20000, 3))
    drawn = jaxact.gumbel_softmax(x, jax.random.key(3), hard=True)
    np.testing.assert_allclose(drawn.mean(0), p, atol=0.015)


def test_crelu():
    x = jnp.array([[-1.0, 0.0, 2.0], [3.0, -4.0, -0.0]])
    for axis in (-1, 0, 1, -2):
        y = jaxact.crelu(x, axis)
        np.testing.assert_array_equal(y, np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], axis))
        grad = jax.grad(lambda v, a=axis: jnp.sum(jaxact.crelu(v, a)))(x)
        np.testing.assert_array_equal(grad, np.sign(x))
    assert jaxact.crelu(jnp.arange(3)).dtype == jnp.float32


def test_maxout():
    x = jnp.asarray(np.random.default_rng(7).normal(size=(4, 6)).astype(np.float32))
    np.testing.assert_array_equal(jaxact.maxout(x, 3), np.asarray(x).reshape(4, 2, 3).max(-1))
    np.testing.assert_array_equal(jaxact.maxout(x, 2, axis=0), np.asarray(x).reshape(2, 2, 6).max(1))
    grad = jax.grad(lambda v: jnp.sum(jaxact.maxout(v, 3)))(x)
    np.testing.assert_array_equal(grad, np.repeat(jaxact.maxout(x, 3), 3, -1) == x)
    np.testing.assert_array_equal(jax.grad(lambda v: jaxact.maxout(v, 4)[0])(jnp.ones(4)), np.full(4, 0.25))


# -- bad input ---------------------------------------------------------------------------------------------------

X = np.ones((3, 4), np.float32)
KEY = np.array([0, 1], np.uint32)
BAD = [
    ("softmax", {"axis": 2}, ValueError, "axis 2 is out of range for an array of 2 dimensions"),
    ("softmax", {"axis": -3}, ValueError, "axis -3 is out of range"),
    ("softmax", {"axis": (0, -2)}, ValueError, r"an axis is named twice in \(0, -2\)"),
    ("softmax", {"axis": 1.5}, TypeError, r"axis must be an integer, a tuple of them or None, got 1\.5"),
    ("softmax", {"axis": "x"}, TypeError, "axis must be an integer"),
    ("softmax", {"where": np.ones((3, 5), bool)}, ValueError, r"where must broadcast .*\(3, 4\), got \(3, 5\)"),
    ("softmax", {"where": np.ones((2, 3, 4), bool)}, ValueError, r"where must broadcast .*got \(2, 3, 4\)"),
    ("softmax", {"scale": np.ones((5,), np.float32)}, ValueError, r"scale must broadcast .*got \(5,\)"),
    ("softmax", {"scale": np.ones((2, 3, 4), np.float32)}, ValueError, "scale must broadcast"),
    ("softmax", {"scale": float("inf")}, ValueError, "scale must be a finite number, got inf"),
    ("softmax", {"scale": "1"}, TypeError, "scale must be a number or an array"),
    ("softmax", {"dim": 1}, TypeError, "softmax has no argument 'dim'; it has .*'axis'"),
    ("softmax", {"residual": "mask"}, ValueError, "residual must be None or one of"),
    ("softmax", {"implementation": "fast"}, ValueError, "fast"),
    ("softmax", {"implementation": "pallas"}, NotImplementedError, "softmax"),
    ("entmax", {"alpha": 1.0}, ValueError, "alpha must be a finite number above 1, got 1.0"),
    ("entmax", {"alpha": -2}, ValueError, "got -2"),
    ("entmax", {"alpha": float("nan")}, ValueError, "got nan"),
    ("entmax", {"alpha": True}, TypeError, "alpha must be a number or an array, got True"),
    ("entmax", {"alpha": np.full((4,), 1.5, np.float32)}, ValueError, r"constant along a row \(axes \(-1,\)\)"),
    ("entmax", {"alpha": np.full((5, 1), 1.5, np.float32)}, ValueError, r"alpha must broadcast .*\(5, 1\)"),
    ("maxout", {"num_pieces": 3}, ValueError, "num_pieces must divide the 4 entries of axis 1, got 3"),
    ("maxout", {"num_pieces": 0}, ValueError, "got 0"),
    ("maxout", {"num_pieces": 2.0}, TypeError, r"num_pieces must be an integer, got 2\.0"),
    ("maxout", {"num_pieces": 2, "axis": 2}, ValueError, r"axis 2 is out of range for x of shape \(3, 4\)"),
    ("crelu", {"axis": -3}, ValueError, "axis -3 is out of range"),
    ("crelu", {"axis": None}, TypeError, "axis must be an integer, got None"),
    (
        "gumbel_softmax",
        {"key": KEY, "temperature": 0.0},
        ValueError,
        "temperature must be a finite number above 0",
    ),
    ("gumbel_softmax", {"key": KEY, "temperature": "1"}, TypeError, "temperature must be a number or an array"),
    ("gumbel_softmax", {"key": KEY, "axis": 5}, ValueError, "axis 5 is out of range"),
]


@pytest.mark.parametrize(("name", "arguments", "error", "message"), BAD)
def test_bad_input(name, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(jaxact, name)(X, **arguments)


@pytest.mark.parametrize("name", [*rowwise(), "crelu"])
def test_bad_operands(name):
    for x in (np.ones(3, np.complex64), "x", [1.0, 2.0], None, jax.random.key(0)):
        with pytest.raises(TypeError):
            getattr(jaxact, name)(x)


def test_too_many_and_twice():
    with pytest.raises(TypeError, match="takes at most"):
        jaxact.softmax(X, -1, None, 2.0)
    with pytest.raises(TypeError, match="axis is given twice"):
        jaxact.softmax(X, -1, axis=0)
    with pytest.raises(TypeError, match="has no argument 'inplace'"):
        jaxact.softmax(X, inplace=True)


# -- by name -----------------------------------------------------------------------------------------------------


def test_by_name():
    x = jnp.asarray(X)
    assert jaxact.get("Soft-Max") is jaxact.softmax
    bound = jaxact.get("entmax", alpha=1.3, axis=0)
    assert bound == jaxact.get("entmax", 1.3, 0)
    assert hash(bound) == hash(jaxact.get("entmax", 1.3, axis=0))
    np.testing.assert_array_equal(bound(x), jaxact.entmax(x, alpha=1.3, axis=0))
    np.testing.assert_array_equal(bound(x, where=MASK), jaxact.entmax(x, alpha=1.3, axis=0, where=MASK))
    for made in (bound, jaxact.get("softmax", axis=(0, 1), scale=0.5), jaxact.log_softmax, jaxact.get("softmin")):
        assert jaxact.deserialize(jaxact.serialize(made)) == made
    with pytest.raises(ValueError, match="alpha must be"):
        jaxact.get("entmax", alpha=0.5)
    masked = jaxact.get("softmax", where=MASK)
    np.testing.assert_array_equal(masked(x), jaxact.softmax(x, where=MASK))
    with pytest.raises(ValueError, match="parameter 'where' is an array"):
        jaxact.serialize(masked)
    with pytest.raises(TypeError, match="axis must be an integer"):
        jaxact.get("softmax", axis="channels")
