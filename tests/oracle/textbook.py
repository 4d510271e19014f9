"""Every activation from its definition, on mpmath jets; branches carry the conventions at kinks."""

from __future__ import annotations

import functools
import inspect

from mpmath import mp, mpf

from .jets import Jet, erf, exp, expm1, lift, normal_cdf, sigmoid, sin, softplus, sqrt, tanh

DIGITS = 60


def identity(x):
    return x


def relu(x, negative_slope=0, max_value=None, threshold=0):
    u = x if x > threshold else negative_slope * (x - threshold)
    return u if max_value is None or u < max_value else max_value


def relu6(x):
    return clip(x, 0, 6)


def leaky_relu(x, negative_slope=0.01):
    return x if x > 0 else negative_slope * x


def elu(x, alpha=1):
    return x if x > 0 else alpha * expm1(x)


def celu(x, alpha=1):
    return x if x > 0 else alpha * expm1(x / alpha)


def selu(x):
    scale, alpha = lift("1.0507009873554804934193349852946"), lift("1.6732632423543772848170429916717")
    return scale * (x if x > 0 else alpha * expm1(x))


def gelu(x, approximate=True):
    if not approximate:
        return x * normal_cdf(x)
    inner = mp.sqrt(2 / mp.pi) * (x + lift("0.044715") * x * x * x)
    return x * sigmoid(2 * inner)  # = x/2 (1 + tanh(inner)), without the cancellation


def quick_gelu(x):
    return x * sigmoid(lift("1.702") * x)


def gelu_clipped(x, min_val=-10, max_val=10):
    return clip(gelu(x, approximate=False), min_val, max_val)


def silu(x):
    return x * sigmoid(x)


def mish(x):
    return x * tanh(softplus(x))


def soft_plus(x, beta=1):
    u = beta * x  # for u > 0 the x is taken out: it does not depend on beta
    return softplus(u) / beta if u < 0 else x + softplus(-u) / beta


def log_sigmoid(x):
    return -softplus(-x)


def soft_sign(x):
    return x / (1 + abs(x))


def hard_sigmoid(x):
    return clip(x + 3, 0, 6) / 6


def hard_sigmoid_keras2(x):
    return clip((2 * x + 5) / 10, 0, 1)


def hard_silu(x):
    if x >= 3:
        return x
    return x * (x + 3) / 6 if x > -3 else lift(0)


def hard_mish(x):
    if x >= 0:
        return x
    return x * (x + 2) / 2 if x > -2 else lift(0)


def squareplus(x, b=4):
    """(x + r)/2 with r = sqrt(x^2 + b), in the form that is exact for b = 0."""
    r = sqrt(x * x + b)
    if r <= 0:  # x = b = 0, where the slope is the mean of both sides
        return x / 2
    return b / (2 * (r - x)) if x < 0 else x + b / (2 * (r + x))


def sparse_plus(x):
    if x >= 1:
        return x
    return (x + 1) * (x + 1) / 4 if x > -1 else lift(0)


def sparse_sigmoid(x):
    return clip((x + 1) / 2, 0, 1)


def hard_shrink(x, threshold=0.5):
    return x if abs(x) > threshold else lift(0)


def soft_shrink(x, threshold=0.5):
    if x > threshold:
        return x - threshold
    return x + threshold if x < -threshold else lift(0)


def tanh_shrink(x):
    return x - tanh(x)


def threshold(x, threshold, value):
    return x if x > threshold else value


def thresholded_relu(x, theta=1):
    return x if x > theta else lift(0)


def fat_relu(x, threshold=0.01):
    return x if x > threshold else lift(0)


def relu_squared(x):
    return x * x if x > 0 else lift(0)


def laplace(x, mu=0.707107, sigma=0.282095):
    return normal_cdf((x - mu) / sigma)  # = (1 + erf((x - mu) / (sigma sqrt 2))) / 2


def clip(x, min_val=0, max_val=6):
    if x >= max_val:
        return lift(max_val)
    return x if x > min_val else lift(min_val)


def hard_tanh(x, min_val=-1, max_val=1):
    return clip(x, min_val, max_val)


def softcap(x, cap):
    return cap * tanh(x / cap)


def lisht(x):
    return x * tanh(x)


def telu(x):
    return x * tanh(exp(x))


def serf(x):
    return x * erf(softplus(x))


def sqrt_softplus(x):
    return sqrt(softplus(x))


def bent_identity(x):
    return (sqrt(x * x + 1) - 1) / 2 + x


def prelu(x, negative_slope):
    return leaky_relu(x, negative_slope)


def srelu(x, t_left=0, a_left=0.2, t_right=1, a_right=1):
    if x <= t_left:
        return t_left + a_left * (x - t_left)
    return t_right + a_right * (x - t_right) if x >= t_right else x


def star_relu(x, scale=0.8944, bias=-0.4472):
    return scale * x * x + bias if x > 0 else bias


def pelu(x, a=1, b=1):
    return a / b * x if x > 0 else a * expm1(x / b)


def swish_beta(x, beta=1):
    return x * sigmoid(beta * x)


def dyt(x, alpha=0.5, weight=1, bias=0):
    return weight * tanh(alpha * x) + bias


def swish_limited(x, limit=7, beta=1.702):
    m = x if x < limit else lift(limit)
    return m * sigmoid(beta * m)


def silu_capped(x, limit=7):
    y = silu(x)
    return limit if x > 0 and y >= limit else y


def clip_offset(x, limit=7, offset=1):
    return clip(x, -limit, limit) + offset


def acon_c(x, p1=1, p2=0, beta=1):
    z = beta * (p1 - p2) * x  # = (p1 - p2) x sigmoid(z) + p2 x, without the cancellation
    return x * (p1 * sigmoid(z) + p2 * sigmoid(-z))


def xielu(x, alpha_p=0.8, alpha_n=0.8, beta=0.5, eps=-1e-6):
    if x > 0:
        return alpha_p * x * x + beta * x
    # not by expm1, whose -1 would hide the tail of the slope where beta is alpha_n
    return alpha_n * exp(x if x <= eps else lift(eps)) + ((beta - alpha_n) * x - alpha_n)


def pade(
    x, a0=0.029792778657264946, a1=0.6183735264987601, a2=2.323309062531321, a3=3.051936237265109,
    a4=1.4854203263828845, a5=0.2510244961111299, b1=-1.1419548357285474, b2=4.393159974992486,
    b3=0.8714712309957245, b4=0.34719662339598834,
):  # fmt: skip
    p = a0 + x * (a1 + x * (a2 + x * (a3 + x * (a4 + x * a5))))
    return p / (1 + (abs(b1) + abs(b3) * x * x) * abs(x) + (abs(b2) + abs(b4) * x * x) * x * x)


def snake(x, alpha=1):
    return snake_beta(x, alpha, alpha)


def snake_beta(x, alpha=1, beta=1):
    return x + sin(alpha * x) * sin(alpha * x) / beta


def situ(x, cap=4):
    return cap * tanh(x / cap) * sigmoid(x)


def dice(x, alpha=0, mean=0, var=1, eps=1e-8):
    z = (x - mean) / sqrt(var + eps)
    return x * (sigmoid(z) + alpha * sigmoid(-z))


FUNCTIONS = {f.__name__: f for f in (
    identity, relu, relu6, leaky_relu, elu, celu, selu, gelu, quick_gelu, gelu_clipped, silu, mish,
    log_sigmoid, soft_sign, hard_sigmoid, hard_sigmoid_keras2, hard_silu, hard_tanh, hard_mish, squareplus,
    sparse_plus, sparse_sigmoid, hard_shrink, soft_shrink, tanh_shrink, threshold, thresholded_relu, fat_relu,
    relu_squared, laplace, clip, softcap, lisht, telu, serf, sqrt_softplus, bent_identity,
    prelu, srelu, star_relu, pelu, swish_beta, dyt, swish_limited, silu_capped, clip_offset,
    acon_c, dice, xielu, pade, snake, snake_beta, situ,
)} | {"softplus": soft_plus, "sigmoid": sigmoid, "tanh": tanh, "exponential": exp}  # fmt: skip


def _digits(numbers) -> int:
    """DIGITS beyond what is lost where a definition cancels by the square of an argument."""
    lost = max((abs(mp.mag(v)) for v in numbers if v), default=0)
    return int(DIGITS + 2 * lost / 3.3) + 2


@functools.cache
def _defaults(name: str) -> dict:
    parameters = list(inspect.signature(FUNCTIONS[name]).parameters.items())[1:]
    return {k: p.default for k, p in parameters if p.default is not p.empty}


def exact(name: str, x, order: int = 0, wrt: str | None = None, **params) -> mpf:
    """Derivative of `order` in x at finite x, or the first derivative in the parameter `wrt`."""
    params = _defaults(name) | params
    if wrt is not None and (order or params.get(wrt) is None):
        raise ValueError(f"no derivative of order {order} of {name} in {wrt}")
    result = _jet(name, x, wrt, tuple(params.items()), mp.dps)
    return result.first if wrt is not None else (result.value, result.first, result.second)[order]


@functools.lru_cache(maxsize=4096)  # all orders at one point are asked for one after the other
def _jet(name: str, x, wrt: str | None, params: tuple, digits: int) -> Jet:
    fixed = {k: v for k, v in params if v is None or isinstance(v, bool)}
    numbers = {k: mpf(v) for k, v in params if k not in fixed}
    x = mpf(x)
    with mp.workdps(max(digits, _digits([x, *numbers.values()]))):
        seeded = {k: Jet(v, mpf(int(k == wrt))) for k, v in numbers.items()}
        return lift(FUNCTIONS[name](Jet(x, mpf(int(wrt is None))), **seeded, **fixed))
