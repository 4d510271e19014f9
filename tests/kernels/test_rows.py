"""The softmax family's kernels in the interpreter, against rows solved in float64, to the accuracy contract."""

import functools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from oracle import rows as oracle
from ulp import errors

from kernels.support import double, interpreted, needs_kernels

needs_kernels()

from pallas_kernels import row_plan, rowwise

EPS = 2.0**-23
LENGTHS = (1, 2, 127, 128, 129, 1000, 1023, 1024, 1025, 4097)
# Held by four warpgroups, and read in a loop: with aligned rows, and with a rest for the last warpgroup.
LONG = (20007, 40004)
NAN_ROW = 3


def rows_of(n: int, dtype="float32", spread: float = 8.0) -> np.ndarray:
    """Four rows: of normal numbers, with excluded entries and a tie for the largest, of -inf only, with a NaN."""
    rng = np.random.default_rng(n)
    x = (rng.standard_normal((4, n)) * spread).astype(dtype)
    x[1, ::3] = -np.inf
    x[1, [1 % n, n - 1]] = 4.5 * spread
    x[2] = -np.inf
    x[NAN_ROW, n // 2] = np.nan
    return x


def check(actual, exact: np.ndarray, dtype, *, relative: bool = False) -> None:
    """4 eps in float32, relative or of max(1, |result|); 0.51 ULP in 16 bits. A row with a NaN is all NaN."""
    actual = np.asarray(actual)
    assert actual.dtype == np.dtype(dtype)
    assert actual.shape == exact.shape
    sound = np.arange(len(exact)) != NAN_ROW
    assert np.all(np.isnan(double(actual)[~sound]))
    found, exact = double(actual)[sound], exact[sound]
    if np.dtype(dtype) != np.float32:
        finite = np.isfinite(exact)
        np.testing.assert_array_equal(found[~finite], exact[~finite])
        assert errors(actual[sound][finite], exact[finite], dtype).max(initial=0.0) <= 0.51
        return
    infinite = np.isneginf(exact)
    np.testing.assert_array_equal(np.isneginf(found), infinite)
    size = np.abs(exact) if relative else np.maximum(1.0, np.abs(exact))
    # below the normal numbers a zero may stand
    ignored = infinite | (relative & (np.abs(exact) < float(np.finfo(np.float32).tiny)))
    error = np.abs(np.where(ignored, 0.0, found - np.where(infinite, 0.0, exact)))
    assert np.all(error <= 4 * EPS * np.where(infinite, 1.0, size)), (
        np.max(error / np.where(ignored, 1.0, size)) / EPS
    )


def run(kernel, *args, **options):
    return jax.jit(functools.partial(kernel, interpret=interpreted(), **options))(*args)


# -- values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", LENGTHS)
def test_softmax(n):
    x = rows_of(n)
    check(run(rowwise.softmax, x), oracle.softmax(x), "float32", relative=True)


@pytest.mark.parametrize("n", LONG)
def test_softmax_of_long_rows(n):
    x = rows_of(n)[1:2]
    check(run(rowwise.softmax, x), oracle.softmax(x), "float32", relative=True)


@pytest.mark.parametrize("n", [2, 129, 1024, LONG[-1]])
def test_log_softmax(n):
    x = rows_of(n)[: 1 if n in LONG else 4]
    check(run(rowwise.softmax, x, log=True), oracle.log_softmax(x), "float32")


ENTMAX = {2.0: oracle.sparsemax, 1.5: oracle.entmax15, 1.25: None, 1.3: None}


@pytest.mark.parametrize(
    ("alpha", "n"),
    [
        *((a, n) for a in ENTMAX for n in (127, 1024)),
        *((a, n) for a in (1.5, 2.0) for n in LONG),
        (1.5, 1),
        (1.05, 1000),
    ],
)
def test_entmax(alpha, n):
    x = rows_of(n, spread=2.0)[: 2 if n in LONG else 4]
    exact = (ENTMAX.get(alpha) or functools.partial(oracle.entmax, alpha=alpha))(x)
    y = run(rowwise.entmax, x, alpha=alpha)
    check(y, exact, "float32")
    support, margin = double(y)[:3] > 0, 4 * EPS
    assert np.all(support[exact[:3] > margin])


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16])
@pytest.mark.parametrize("kernel", ["softmax", "log_softmax", "sparsemax", "entmax15"])
def test_results_of_16_bits_are_rounded_once(kernel, dtype):
    x = rows_of(1003, dtype, spread=2.0)
    kernels = {
        "softmax": rowwise.softmax,
        "log_softmax": functools.partial(rowwise.softmax, log=True),
        "sparsemax": functools.partial(rowwise.entmax, alpha=2.0),
        "entmax15": rowwise.entmax,
    }
    check_16 = check if "max15" not in kernel and kernel != "sparsemax" else check_sparse_16
    check_16(run(kernels[kernel], x), oracle.VALUES[kernel](double(x)), dtype)


def check_sparse_16(actual, exact: np.ndarray, dtype) -> None:
    """Half a unit of the result and 4 eps, its absolute error before it is rounded."""
    unit = np.maximum(np.abs(exact), float(ml_dtypes.finfo(dtype).tiny)) * float(ml_dtypes.finfo(dtype).eps)
    assert np.all(np.abs(double(actual)[:3] - exact[:3]) <= (0.51 * unit + 4 * EPS)[:3])
    assert np.all(np.isnan(np.asarray(actual)[3].astype(np.float32)))


def test_entmax_of_a_long_row_without_an_entry_or_with_a_nan():
    x = rows_of(LONG[1])[2:]
    y = run(rowwise.entmax, x)
    assert np.all(double(y)[0] == 0.0)
    assert np.all(np.isnan(double(y)[1]))


@pytest.mark.parametrize("mask_dtype", ["bool", "int8"])
@pytest.mark.parametrize("kernel", ["softmax", "log_softmax", "entmax15"])
def test_masks(kernel, mask_dtype):
    x = rows_of(1001)
    where = np.random.default_rng(0).random(x.shape) < 0.6
    where[0, np.argmax(x[0])] = False
    where[1, :] = False
    where[3, x.shape[1] // 2] = True
    kernels = {
        "softmax": rowwise.softmax,
        "log_softmax": functools.partial(rowwise.softmax, log=True),
        "entmax15": rowwise.entmax,
    }
    y = run(functools.partial(kernels[kernel], scale=0.5), x, where=where.astype(mask_dtype))
    exact = oracle.VALUES[kernel](np.where(where, 0.5 * x, -np.inf))
    check(y, exact, "float32", relative=kernel == "softmax")
    assert np.all(double(y)[1] == (-np.inf if kernel == "log_softmax" else 0.0))


def test_a_masked_nan_does_not_count():
    x = rows_of(130)
    where = ~np.isnan(x)
    y = run(rowwise.softmax, x, where=where)
    assert not np.any(np.isnan(y))


@pytest.mark.parametrize("kernel", [rowwise.softmax, rowwise.entmax])
def test_an_infinite_entry_makes_its_row_nan_as_in_the_reference(kernel):
    x = np.zeros((1, 200), np.float32)
    x[0, 7] = np.inf
    assert np.all(np.isnan(run(kernel, x)))


def test_no_rows_and_no_columns():
    for shape in ((0, 5), (5, 0)):
        x = jnp.zeros(shape)
        assert rowwise.softmax(x, interpret=interpreted()).shape == shape
        assert rowwise.entmax(x, interpret=interpreted()).shape == shape


# -- backward passes --------------------------------------------------------------------------------------------


def vjp(y: np.ndarray, s: np.ndarray, ct: np.ndarray) -> np.ndarray:
    """Weights s on ct less its weighted mean."""
    return s * (ct - np.sum(s * ct, -1, keepdims=True) / np.maximum(np.sum(s, -1, keepdims=True), 1e-300))


def close(actual, exact: np.ndarray, dtype, size: np.ndarray) -> None:
    """Within half a unit of a 16-bit result, and 8 eps of the terms that cancel."""
    assert actual.dtype == np.dtype(dtype)
    unit = float(ml_dtypes.finfo(dtype).eps) * np.abs(exact) / 2 if np.dtype(dtype) != np.float32 else 0.0
    tiny = float(ml_dtypes.finfo(dtype).tiny)
    assert np.all(np.abs(double(actual) - exact) <= unit + 8 * EPS * size + tiny)


def cotangent(n: int, dtype) -> np.ndarray:
    return np.random.default_rng(n + 1).standard_normal((3, n)).astype(dtype)


BACKWARD = [(np.float32, 1), (np.float32, 129), (np.float32, 1024), (ml_dtypes.bfloat16, 1003), (np.float16, 1003)]
LONG_BACKWARD = [(np.float32, 10001), (ml_dtypes.bfloat16, 25000), (np.float32, 37000)]


@pytest.mark.parametrize(("dtype", "n"), [*BACKWARD, *LONG_BACKWARD])
def test_softmax_backward(dtype, n):
    y, ct = oracle.softmax(rows_of(n)[:3]).astype(dtype), cotangent(n, dtype)
    dx = run(functools.partial(rowwise.softmax_backward, scale=2.0), y, ct)
    Y, C = double(y), double(ct)
    total = np.sum(np.abs(Y * C), -1, keepdims=True)
    close(dx, 2 * Y * (C - np.sum(Y * C, -1, keepdims=True)), dtype, 2 * Y * (np.abs(C) + total))


@pytest.mark.parametrize(("dtype", "n"), [*BACKWARD, (np.float32, 20004)])
def test_log_softmax_backward(dtype, n):
    x, ct = rows_of(n, dtype)[:3], cotangent(n, dtype)
    where = np.random.default_rng(n).random(x.shape) < 0.7
    dx = run(functools.partial(rowwise.log_softmax_backward, scale=0.25), x, ct, where=where)
    z = np.where(where, 0.25 * double(x), -np.inf)
    p, C = oracle.softmax(z), np.where(np.isneginf(z), 0.0, double(ct))
    size = 0.25 * (np.abs(C) + p * np.sum(np.abs(C), -1, keepdims=True))
    # the exponent of a 16-bit result is not carried in two words
    lost = 0.0 if dtype == np.float32 else 40.0
    close(dx, 0.25 * (C - p * np.sum(C, -1, keepdims=True)), dtype, size * (1 + lost))
    assert np.all(double(dx)[2] == 0.0)


ENTMAX_BACKWARD = [(np.float32, 129), (ml_dtypes.bfloat16, 1003), (np.float32, 10001)]


@pytest.mark.parametrize(
    ("alpha", "dtype", "n"),
    [
        *((a, *how) for a in (2.0, 1.5, 1.3) for how in ENTMAX_BACKWARD),
        *((1.5, ml_dtypes.bfloat16, n) for n in (25000, 41003)),
    ],
)
def test_entmax_backward(alpha, dtype, n):
    y, ct = oracle.entmax(rows_of(n, spread=1.0)[:3], alpha).astype(dtype), cotangent(n, dtype)
    dx = run(functools.partial(rowwise.entmax_backward, alpha=alpha, scale=0.5), y, ct)
    Y, C = double(y), double(ct)
    s = np.where(Y > 0, np.where(Y > 0, Y, 1.0) ** (2 - alpha), 0.0)
    size = (
        s * (np.abs(C) + np.max(np.abs(C))) * 8
    )  # of a logarithm's and an exponential's error, which is a bit more
    close(dx, 0.5 * vjp(Y, s, C), dtype, size)


@pytest.mark.parametrize("kernel", [rowwise.softmax_backward, rowwise.entmax_backward])
def test_a_nan_of_y_makes_its_row_nan(kernel):
    y = np.full((1, 140), 1 / 140, np.float32)
    y[0, 3] = np.nan
    assert np.all(np.isnan(run(kernel, y, np.ones_like(y))))


# -- plans ------------------------------------------------------------------------------------------------------


def test_rows_too_long_are_refused():
    n = row_plan.longest("entmax") + 1
    assert "longer" in row_plan.why_not("entmax", n)
    with pytest.raises(ValueError, match=f"rows of {n} elements are longer than the {n - 1}"):
        rowwise.entmax(jax.ShapeDtypeStruct((1, n), "float32"))
    assert row_plan.why_not("softmax", n - 1) is None


@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_alpha_outside_the_solver_is_refused(alpha):
    with pytest.raises(ValueError, match=r"alpha in \(1, 2\]"):
        rowwise.entmax(jnp.zeros((1, 128)), alpha=alpha)
    with pytest.raises(ValueError, match=r"alpha in \(1, 2\]"):
        rowwise.entmax_backward(jnp.zeros((1, 128)), jnp.zeros((1, 128)), alpha=alpha)
