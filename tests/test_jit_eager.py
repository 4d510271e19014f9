"""Values: eagerly, jitted, inside another jit, for every shape, and compiled once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import DEFAULTS
from support import BOTH, EVERY, SOME, close, exact, points, with_parameters

from jaxact._src import function as front


@pytest.mark.parametrize("case", EVERY, ids=str)
def test_eager_and_jitted_agree_with_the_oracle(case):
    x = points(case)
    expected = exact(case, x)
    close(case(x), expected)
    close(jax.jit(lambda v: 2 * case(v + 0))(x), 2 * expected)


@pytest.mark.parametrize("case", SOME, ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (2, 1, 3, 1)], ids=str)
def test_any_shape(case, shape):
    x = points(case)[: int(np.prod(shape))].ravel()[: int(np.prod(shape))].reshape(shape)
    y = case(x)
    assert y.shape == shape
    close(y, exact(case, x))


@pytest.mark.parametrize("case", SOME, ids=str)
def test_numpy_and_scalar_input(case):
    x = np.asarray(points(case))
    close(case(x), exact(case, x))
    number = float(x.flat[3])
    close(case(number), exact(case, number))


@pytest.mark.parametrize("case", with_parameters(BOTH), ids=str)
def test_parameters_as_arrays_and_tracers(case):
    x = points(case)
    values = [jnp.float32(v) for v in case.values()]
    expected = exact(case, x)
    close(case.with_parameters(x, *values), expected)
    close(jax.jit(case.with_parameters)(x, *values), expected)
    rows = [jnp.full((8, 1), v) for v in values]
    close(case.with_parameters(x, *rows), expected)


@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_compiled_once_for_a_shape(case):
    x = points(case)
    case(x)
    before = front._jitted.cache_info().currsize
    call, _ = front._prepared(case.definition, None, None, False, **case.params)
    compiled = call.plain._cache_size()
    for _ in range(2):
        case(x + 1)
    assert front._jitted.cache_info().currsize == before
    assert call.plain._cache_size() == compiled


@pytest.mark.parametrize("case", SOME, ids=str)
def test_inplace_gives_the_same_value_and_consumes_x(case):
    x = points(case)
    expected = exact(case, x)
    mine = jnp.array(x, copy=True)
    close(case(mine, inplace=True), expected)
    assert mine.is_deleted()
    traced = jnp.array(x, copy=True)
    close(jax.jit(lambda v: case(v, inplace=True))(traced), expected)
    assert not traced.is_deleted(), "nothing is donated under a tracer"
