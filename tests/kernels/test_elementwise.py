"""The elementwise kernel in the interpreter, against float64; and that it lowers for CUDA."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kernels.support import FLOAT8, FLOATS, SIZES, close, double, interpreted, lowered, needs_kernels, values

needs_kernels()

from pallas_kernels.elementwise import elementwise


def scaled(x):
    return x * 0.75 if isinstance(x, np.ndarray) else x * jnp.float32(0.75)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [*FLOATS, *FLOAT8])
def test_any_size(size, dtype):
    x = values(size, shape=(size,), dtype=dtype)
    (y,) = elementwise(scaled, [x], [dtype], interpret=interpreted())
    close(y, scaled(double(x)), dtype)


@pytest.mark.parametrize("unroll", [1, 2, 4])
@pytest.mark.parametrize("size", [1023, 2048, 4099])
def test_any_number_of_accesses(size, unroll):
    x = values(size, shape=(size,), dtype="bfloat16")
    (y,) = elementwise(scaled, [x], ["bfloat16"], unroll=unroll, interpret=interpreted())
    close(y, scaled(double(x)), "bfloat16")


@pytest.mark.parametrize("shape", [(), (7,), (3, 5, 17), (2, 0, 4), (1, 1, 130)])
def test_any_shape(shape):
    x = values(shape, shape=shape, dtype="float32")
    (y,) = elementwise(scaled, [x], ["float32"], interpret=interpreted())
    close(y, scaled(double(x)), "float32")


@pytest.mark.parametrize(
    "view",
    [lambda v: v.T, lambda v: v[:, ::2], lambda v: v[3:, 5:], lambda v: v[::-1]],
    ids=["T", "::2", "5:", "::-1"],
)
def test_any_strides(view):
    """Operands that XLA may hold otherwise than row by row, in one program with the kernel."""
    x, t = (values(i, "strides", shape=(40, 67), dtype="bfloat16") for i in range(2))

    @jax.jit
    def run(x, t):
        return elementwise(lambda x, t: x * t, [view(x), view(t)], ["bfloat16"], interpret=interpreted())[0]

    close(run(x, t), view(double(x)) * view(double(t)), "bfloat16")


@pytest.mark.parametrize(
    ("dtype", "out"),
    [(a, b) for a, b in itertools.product((*FLOATS, *FLOAT8, "int8"), (*FLOATS, *FLOAT8)) if a != b],
)
def test_from_every_dtype_to_every_other(dtype, out):
    x = values(dtype, shape=(3, 437), dtype=dtype)
    (y,) = elementwise(scaled, [x], [out], interpret=interpreted())
    close(y, scaled(double(x)), out)


@pytest.mark.parametrize("size", [1, 129, 2051])
@pytest.mark.parametrize("dtype", FLOATS)
def test_several_operands_and_results(size, dtype):
    x, t = (values(i, size, shape=(size,), dtype=dtype) for i in range(2))
    results = elementwise(
        lambda x, t: (x * t, jnp.maximum(x, 0.0), jnp.where(x > t, 1.0, 0.0)),
        [x, t],
        [dtype, "float32", "int8"],
        interpret=interpreted(),
    )
    close(results[0], double(x) * double(t), dtype)
    close(results[1], np.maximum(double(x), 0), "float32")
    np.testing.assert_array_equal(results[2], double(x) > double(t))


@pytest.mark.parametrize(
    ("rows", "channels"),
    [(1, 1), (300, 1), (5, 3), (64, 40), (129, 127), (17, 128), (9, 129), (3, 1024), (3, 1025), (1, 5)],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rows_repeat(rows, channels, dtype):
    x = values(rows, channels, shape=(rows, channels), dtype=dtype)
    bias = values("bias", channels, shape=(channels,), dtype=dtype)
    slope = values("slope", channels, shape=(channels,), dtype="float32")
    (y,) = elementwise(lambda x, b, s: (x + b) * s, [x], ["float32"], rows=[bias, slope], interpret=interpreted())
    total = double(x) + double(bias)
    close(y, total * double(slope), "float32", size=(np.abs(double(x)) + np.abs(double(bias))) * double(slope))


@pytest.mark.parametrize("size", [1, 100, 128, 1025])
def test_a_row_of_rank_0_is_a_number(size):
    x = values(size, shape=(size,), dtype="bfloat16")
    (y,) = elementwise(lambda x, s: x * s, [x], ["bfloat16"], rows=[jnp.float32(1.5)], interpret=interpreted())
    close(y, double(x) * 1.5, "bfloat16")


@pytest.mark.parametrize("size", [0, 1, 127, 700, 1024, 2049])
@pytest.mark.parametrize("dtype", FLOATS)
def test_in_place(size, dtype):
    x, t = (values(i, size, shape=(size,), dtype=dtype) for i in range(2))

    @jax.jit
    def run(x, t):
        return elementwise(
            lambda x, t: (x * t, x * 2.0), [x, t], [dtype, "float32"], in_place=True, interpret=interpreted()
        )

    first, second = run(x, t)
    close(first, double(x) * double(t), dtype)
    close(second, double(x) * 2, "float32")


def test_in_place_lowers_to_an_alias():
    x = jax.ShapeDtypeStruct((4096,), "float32")
    how = {"out_dtypes": ["float32"], "in_place": True}
    assert "output_operand_alias<" in lowered(lambda x: elementwise(scaled, [x], **how), x)
    assert "output_operand_alias<" not in lowered(lambda x: elementwise(scaled, [x], ["float32"]), x)


def test_special_numbers_pass_through():
    x = jnp.asarray([np.nan, np.inf, -np.inf, -0.0] * 40, jnp.bfloat16)
    (y,) = elementwise(lambda x: -x, [x], ["bfloat16"], interpret=interpreted())
    np.testing.assert_array_equal(np.asarray(y, np.float32), -np.asarray(x, np.float32))
    assert np.array_equal(np.signbit(double(y)), ~np.signbit(double(x))) or np.isnan(double(y)).any()


@pytest.mark.parametrize("dtype", [*FLOATS, *FLOAT8, "int8"])
@pytest.mark.parametrize("out", [*FLOATS, *FLOAT8, "int8"])
def test_every_pair_of_dtypes_lowers_for_cuda(dtype, out):
    """Full blocks, narrow ones, what each warp holds and what each thread holds, in one program."""
    x = jax.ShapeDtypeStruct((16, 2048 + 3 * 128 + 61), dtype)
    row = jax.ShapeDtypeStruct((x.shape[-1],), "float32")
    text = lowered(lambda x, r: elementwise(lambda v, r: v * r, [x], [out], rows=[r]), x, row)
    assert text.count("mosaic_gpu") >= 1
