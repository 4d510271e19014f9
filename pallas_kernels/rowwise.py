"""The softmax family over the rows of a matrix: one read and one write where a row fits registers.

Arithmetic is float32, whatever the operands are; results are rounded once. Rows are the last axis of 2-D arrays,
of any length up to that of `row_plan`. A NaN makes its row NaN; a row of nothing but -inf, or wholly masked, is 0
(-inf for the logarithm).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from pallas_kernels.launch import check_shape
from pallas_kernels.row_plan import plan
from pallas_kernels.rows import Row, Tiles, launch_rows, widened

Array = jax.Array

LOG2E = 1.4426950408889634
LN2_HEAD, LN2_TAIL = 0.693359375, -2.12194440054690583e-4  # times an integer of 8 bits the head is exact
SMALLEST = float(jnp.finfo(jnp.float32).min)
# Newton's method needs 6 steps for alpha = 1.5 and 10 for 2, and stops by itself.
NEWTON_STEPS = 32


# -- exponentials -----------------------------------------------------------------------------------------------


def _exp_difference(v: Array, top: Array) -> Array:
    """exp(v - top) for v <= top; its relative error grows as (top - v) eps, which 16-bit results do not see."""
    return jnp.exp2((v - top) * LOG2E)


def _exp_difference_precise(v: Array, top: Array) -> Array:
    """exp(v - top) for v <= top to 2 eps, with the rounding error of the difference; 0 where it is subnormal."""
    difference = v - top
    d = jnp.maximum(difference, -90.0)  # so that XLA, which interprets kernels, does not fold (v - top) - v
    back = d - v
    error = (v - (d - back)) - (top + back)
    k = lax.round(d * LOG2E, lax.RoundingMethod.TO_NEAREST_EVEN)
    rest = (d - k * LN2_HEAD) - (k * LN2_TAIL - error)
    power = lax.bitcast_convert_type((k.astype(jnp.int32) + 127) << 23, jnp.float32)
    return jnp.where(difference < -87.336, 0.0, jnp.exp2(rest * LOG2E) * power)


def _finite(top: Array) -> Array:
    """The maximum of a row, and 0 where it has no entry."""
    return jnp.where(top == -jnp.inf, 0.0, top)


def _nonzero(total: Array) -> Array:
    return jnp.where(total == 0.0, 1.0, total)


# -- what operands are ------------------------------------------------------------------------------------------


def _as_mask(where: Array | None) -> list[Array]:
    """A mask as the kernel reads it: bool arrays would be read as packed bits."""
    return [] if where is None else [where.astype(jnp.int8)]


def _logits(scale: float, x: Array, *mask: Array) -> Array:
    """scale * x, -inf where masked."""
    z = x.astype(jnp.float32)
    z = z if scale == 1.0 else z * scale
    return jnp.where(mask[0] != 0, z, -jnp.inf) if mask else z


def _on_rows(
    kernel: str, body: Callable[..., None], operands: Sequence[Array], fills: Sequence[float], interpret: Any
) -> Array:
    """An array like the first operand, of whose rows `body` writes each."""
    x = operands[0]
    if x.ndim != 2:
        raise ValueError(f"{kernel} takes (rows, n), got the shape {x.shape}")
    for operand in operands[1:]:
        check_shape(f"an operand of {kernel} beside {tuple(x.shape)}", operand, x.shape)
    if x.size == 0:
        return x
    n = x.shape[1]
    arrays = widened(operands, fills)
    out = launch_rows(
        body,
        arrays,
        jax.ShapeDtypeStruct(arrays[0].shape, x.dtype),
        plan=plan(kernel, n, x.dtype.itemsize),
        interpret=interpret,
        name=kernel,
    )
    return out[:, :n]


# -- softmax and its logarithm ----------------------------------------------------------------------------------


def _exponentials(row: Row, logits: Callable[..., Array], refs: Sequence[Any], precise: bool) -> Any:
    """The maximum of a row, the exponentials of what is held of it less that, and the sum of all of them."""
    exp = _exp_difference_precise if precise else _exp_difference
    add = row.accurate_total if precise else row.total
    held = [logits(*tiles) for tiles in row.load_each(*refs)]

    def observe(carry: Any, *tiles: Tiles) -> Any:
        """A maximum and a sum (in two words) for every place in a tile: the loop has no barrier."""
        top, total, low = carry
        zs = [logits(*v) for v in zip(*tiles)]
        higher = functools.reduce(jnp.maximum, zs, top)
        smaller = exp(top, higher)
        total, low = total * smaller, low * smaller
        more = functools.reduce(jnp.add, [exp(z, higher) for z in zs])
        if not precise:
            return higher, total + more, low
        sum_ = jnp.maximum(total + more, 0.0)  # the maximum as in `accurate_total`
        added = sum_ - total
        return higher, sum_, low + ((total - (sum_ - added)) + (more - added))

    if not row.loop.steps:
        top = _finite(row.maximum(held))
        es = [exp(z, top) for z in held]
        return top, es, _nonzero(add(es))
    # A finite start keeps -inf - -inf out of the exponential.
    tops, totals, lows = row.fold(observe, (SMALLEST, 0.0, 0.0), refs)
    top = row.maximum(held, tops)
    es = [exp(z, top) for z in held]
    total = add(es, totals * exp(tops, top))
    return top, es, _nonzero(total + row.total([], lows * exp(tops, top)) if precise else total)


def softmax(
    x: Array, *, log: bool = False, scale: float = 1.0, where: Array | None = None, interpret: Any = None
) -> Array:
    """softmax(scale * x) of each row of a (rows, n) array, or its logarithm.

    Args:
      where: A mask of the shape of x, best of int8: bool costs a pass over memory to convert. Entries where it is
        0 are excluded.
      interpret: A `plgpu.InterpretGPUParams` runs the kernel on the CPU.
    """
    mask = _as_mask(where)
    logits = functools.partial(_logits, scale)
    precise = x.dtype == jnp.float32
    exp = _exp_difference_precise if precise else _exp_difference

    def body(row: Row, *refs: Any) -> None:
        *ins, out = refs
        top, es, total = _exponentials(row, logits, ins, precise)
        if log:
            shift = jnp.log(total)
            held = [(logits(*tiles) - top) - shift for tiles in row.load_each(*ins)]
            row.stream(lambda *tiles: (logits(*tiles) - top) - shift, ins, out)
        else:
            held = [e / total for e in es]
            row.stream(lambda *tiles: exp(logits(*tiles), top) / total, ins, out)
        row.store(out, held)

    return _on_rows("softmax", body, [x, *mask], [-jnp.inf, 0], interpret)


def softmax_backward(y: Array, ct: Array, *, scale: float = 1.0, interpret: Any = None) -> Array:
    """The cotangent of x from that of ``y = softmax(scale * x)``: scale * y (ct - sum(y ct))."""

    def product(y: Array, ct: Array) -> Array:
        return y.astype(jnp.float32) * ct.astype(jnp.float32)

    def slope(y: Array, ct: Array, total: Array) -> Array:
        dx = y.astype(jnp.float32) * (ct.astype(jnp.float32) - total)
        return dx if scale == 1.0 else scale * dx

    def body(row: Row, y_ref: Any, ct_ref: Any, out: Any) -> None:
        refs = (y_ref, ct_ref)
        ys, products, again = row.load(y_ref), [], []
        for held, (first, take) in zip(ys, row.load_twice(ct_ref)):
            products.append(product(held, first))
            again.append(take)
        total = row.total(products, *row.fold(_summing(lambda *v: (product(*v),)), (0.0,), refs))
        row.stream(lambda y, ct: slope(y, ct, total), refs, out)
        row.store(out, (slope(held, take(), total) for held, take in zip(ys, again)))

    return _on_rows("softmax_backward", body, [y, ct], [0.0, 0.0], interpret)


def _summing(function: Callable[..., tuple[Array, ...]]) -> Callable[..., Any]:
    """A step of `Row.fold` that adds up each result of a function of a tile of each ref."""
    return _combining(jnp.add, function)


def _largest(function: Callable[..., Array]) -> Callable[..., Any]:
    """A step of `Row.fold` that keeps the largest result."""
    return _combining(jnp.maximum, lambda *tiles: (function(*tiles),))


def _combining(combine: Callable[..., Array], function: Callable[..., tuple[Array, ...]]) -> Callable[..., Any]:
    def step(carry: Any, *tiles: Tiles) -> Any:
        results = [function(*v) for v in zip(*tiles)]
        return tuple(functools.reduce(combine, more, kept) for kept, more in zip(carry, zip(*results)))

    return step


def log_softmax_backward(
    x: Array, ct: Array, *, scale: float = 1.0, where: Array | None = None, interpret: Any = None
) -> Array:
    """The cotangent of x from that of ``log_softmax(scale * x)``: scale * (ct - softmax(scale * x) sum(ct)).

    Excluded entries, those of -inf among them, count for nothing and get 0.
    """
    mask = _as_mask(where)
    logits = functools.partial(_logits, scale)
    precise = x.dtype == jnp.float32
    exp = _exp_difference_precise if precise else _exp_difference

    def included(ct: Array, x: Array, *mask: Array) -> Array:
        return jnp.where(logits(x, *mask) == -jnp.inf, 0.0, ct.astype(jnp.float32))

    def body(row: Row, *refs: Any) -> None:
        *ins, ct_ref, out = refs
        top, es, total = _exponentials(row, logits, ins, precise)
        cts = [included(*tiles) for tiles in row.load_each(ct_ref, *ins)]
        share = row.total(cts, *row.fold(_summing(lambda *v: (included(*v),)), (0.0,), (ct_ref, *ins))) / total

        def slope(ct: Array, e: Array) -> Array:
            dx = ct - e * share
            return dx if scale == 1.0 else scale * dx

        row.stream(lambda ct, *tiles: slope(included(ct, *tiles), exp(logits(*tiles), top)), (ct_ref, *ins), out)
        row.store(out, [slope(*v) for v in zip(cts, es)])

    return _on_rows("log_softmax_backward", body, [x, *mask, ct], [-jnp.inf, *(0 for _ in mask), 0.0], interpret)


# -- entmax: p_i = max(z_i - t, 0)^q, z = (alpha - 1) x, q = 1/(alpha - 1), t such that the row sums to 1 --------
#
# With the maximum of z at 0, t lies in [-1, 0). Newton's method on the q-norm (sum p)^(1/q), convex in t for
# alpha <= 2, rises monotonically from t = -1.


def _log_power(u: Array, exponent: float) -> Array:
    """u**exponent for u >= 0 and exponent > 0."""
    return jnp.exp2(jnp.log2(u) * exponent)


def _power(u: Array, exponent: int) -> Array:
    """u**exponent by products, for a positive integer."""
    result = u
    for bit in f"{exponent:b}"[1:]:
        result = result * result
        result = result * u if bit == "1" else result
    return result


def _powers(z: Array, t: Array, alpha: float) -> tuple[Array, Array]:
    """u^(q-1) and u^q of u = max(z - t, 0), where 0^0 counts as 0."""
    q = 1.0 / (alpha - 1.0)
    u = jnp.maximum(z, t) - t
    if alpha == 2.0:
        return jnp.where(z > t, 1.0, 0.0), u  # the comparison of u would keep more in registers
    by_products = abs(q - round(q)) < 1e-6 and q < 8.5  # alpha = 1.5, 4/3, 1.25, ...
    slope = _power(u, round(q) - 1) if by_products else _log_power(u, q - 1.0)
    return slope, slope * u


def _check_alpha(alpha: float) -> None:
    if not 1.0 < alpha <= 2.0:
        raise ValueError(f"the entmax kernel takes alpha in (1, 2], got {alpha}")


def entmax(
    x: Array, *, alpha: float = 1.5, scale: float = 1.0, where: Array | None = None, interpret: Any = None
) -> Array:
    """alpha-entmax of scale * x of each row of a (rows, n) array; alpha = 2 is sparsemax.

    Args:
      alpha: A number in (1, 2].
      where: As for `softmax`.
      interpret: A `plgpu.InterpretGPUParams` runs the kernel on the CPU.

    Raises:
      ValueError: `alpha` is outside (1, 2].
    """
    _check_alpha(alpha)
    mask = _as_mask(where)

    def body(row: Row, *refs: Any) -> None:
        *ins, out = refs
        logits = [_logits(scale, *tiles) for tiles in row.load_each(*ins)]
        tops = row.fold(_largest(functools.partial(_logits, scale)), (-jnp.inf,), ins)
        top = _finite(row.maximum(logits, *tops))

        def below_top(logit: Array) -> Array:
            return (logit - top) if alpha == 2.0 else (logit - top) * (alpha - 1.0)

        zs = [below_top(logit) for logit in logits]

        def powers_of(t: Array, *tiles: Array) -> tuple[Array, Array]:
            return _powers(below_top(_logits(scale, *tiles)), t, alpha)

        def improve(state: Any) -> Any:
            step, t, _ = state
            slopes, values = zip(*(_powers(z, t, alpha) for z in zs)) if zs else ((), ())
            carried = row.fold(_summing(functools.partial(powers_of, t)), (0.0, 0.0), ins)
            slope, total = row.totals(list(slopes), list(values), carried=carried, turn=step)
            norm = 1.0 if alpha == 2.0 else jnp.sqrt(total) if alpha == 1.5 else _log_power(total, 2.0 - alpha)
            return step + 1, t + (total - norm) / _nonzero(slope), t

        def rising(state: Any) -> Any:
            step, t, before = state
            return (step < NEWTON_STEPS) & (t > before)

        start = (jnp.int32(0), jnp.float32(-1.0), jnp.float32(-2.0))
        _, t, _ = lax.while_loop(rising, improve, start)
        values = [_powers(z, t, alpha)[1] for z in zs]
        total = _nonzero(row.total(values, *row.fold(_summing(lambda *v: powers_of(t, *v)[1:]), (0.0,), ins)))
        row.stream(lambda *tiles: powers_of(t, *tiles)[1] / total, ins, out)
        row.store(out, [v / total for v in values])

    return _on_rows("entmax", body, [x, *mask], [-jnp.inf, 0], interpret)


def entmax_backward(
    y: Array, ct: Array, *, alpha: float = 1.5, scale: float = 1.0, interpret: Any = None
) -> Array:
    """The cotangent of x from that of ``y = entmax(scale * x)``: scale * s (ct - sum(s ct) / sum(s)).

    The weights are s = y^(2-alpha); outside the support, y = 0, it is 0.

    Raises:
      ValueError: `alpha` is outside (1, 2].
    """
    _check_alpha(alpha)

    def weight(y: Array) -> Array:
        if alpha == 2.0:
            return jnp.where(jnp.isnan(y), y, jnp.where(y > 0.0, 1.0, 0.0))
        y = jnp.maximum(y, 0.0)
        return jnp.sqrt(y) if alpha == 1.5 else _log_power(y, 2.0 - alpha)

    def weighted(y: Array, ct: Array) -> tuple[Array, Array]:
        own = weight(y.astype(jnp.float32))
        return own, own * ct.astype(jnp.float32)

    def slope(y: Array, ct: Array, mean: Array) -> Array:
        return scale * (weight(y.astype(jnp.float32)) * (ct.astype(jnp.float32) - mean))

    def body(row: Row, y_ref: Any, ct_ref: Any, out: Any) -> None:
        refs = (y_ref, ct_ref)
        ys, sums, again = row.load(y_ref), [], []
        for held, (first, take) in zip(ys, row.load_twice(ct_ref)):
            sums.append(weighted(held, first))
            again.append(take)
        weights, products = zip(*sums) if sums else ((), ())
        carried = row.fold(_summing(weighted), (0.0, 0.0), refs)
        total, product = row.totals(list(weights), list(products), carried=carried)
        mean = product / jnp.maximum(total, 1e-30)
        row.stream(lambda y, ct: slope(y, ct, mean), refs, out)
        row.store(out, (slope(held, take(), mean) for held, take in zip(ys, again)))

    return _on_rows("entmax_backward", body, [y, ct], [0.0, 0.0], interpret)
