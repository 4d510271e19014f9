"""torch.nn.functional and torch.nn: the activations, of PyTorch 2."""

from jaxact._src.dialects.record import ANY, ONLY_FALSE, ONLY_NONE, Dialect, Name, Unused

_INPLACE: dict[str, str | Unused] = {"inplace": ANY}  # a question of memory; under jit XLA decides it
_ROWS: dict[str, str | Unused] = {"dim": "axis", "_stacklevel": ANY, "dtype": ONLY_NONE}
# Above it torch takes x itself for softplus, which differs by less than a rounding error of float32 from here on.
_LINEAR_ABOVE = Unused("14 or more, where softplus is its input in float32", lambda value: value >= 14)


def _rows(activation: str) -> Name:
    return Name(activation, _ROWS, required=("dim",))


_NAMES = {
    "threshold": Name("threshold", {"threshold": "threshold", "value": "value", **_INPLACE}),
    "relu": Name("relu", _INPLACE),
    "rrelu": Name("rrelu", {"lower": "lower", "upper": "upper", "training": ONLY_FALSE, **_INPLACE}),
    "hardtanh": Name("hard_tanh", {"min_val": "min_val", "max_val": "max_val", **_INPLACE}),
    "relu6": Name("relu6", _INPLACE),
    "sigmoid": Name("sigmoid"),
    "hardsigmoid": Name("hard_sigmoid", _INPLACE),
    "tanh": Name("tanh"),
    "silu": Name("silu", _INPLACE),
    "mish": Name("mish", _INPLACE),
    "hardswish": Name("hard_silu", _INPLACE),
    "elu": Name("elu", {"alpha": "alpha", **_INPLACE}),
    "celu": Name("celu", {"alpha": "alpha", **_INPLACE}),
    "selu": Name("selu", _INPLACE),
    "glu": Name("glu", {"dim": "axis"}),
    "gelu": Name(
        "gelu",
        {"approximate": "approximate"},
        {"approximate": False},
        values={"approximate": {"none": False, "tanh": True}},
    ),
    "hardshrink": Name("hard_shrink", {"lambd": "threshold"}),
    "leaky_relu": Name("leaky_relu", {"negative_slope": "negative_slope", **_INPLACE}),
    "logsigmoid": Name("log_sigmoid"),
    "softplus": Name("softplus", {"beta": "beta", "threshold": _LINEAR_ABOVE}),
    "softshrink": Name("soft_shrink", {"lambd": "threshold"}),
    "prelu": Name("prelu_channelwise", {"weight": "negative_slope"}),
    "softsign": Name("soft_sign"),
    "tanhshrink": Name("tanh_shrink"),
    "softmin": _rows("softmin"),
    "softmax": _rows("softmax"),
    "log_softmax": _rows("log_softmax"),
    "gumbel_softmax": Name(
        "gumbel_softmax", {"tau": "temperature", "hard": "hard", "eps": ANY, "dim": "axis"}, {"axis": -1}
    ),
}

# A class computes its function, and its attributes are the function's parameters.
_CLASSES = {
    "Threshold": "threshold",
    "ReLU": "relu",
    "Hardtanh": "hardtanh",
    "ReLU6": "relu6",
    "Sigmoid": "sigmoid",
    "Hardsigmoid": "hardsigmoid",
    "Tanh": "tanh",
    "SiLU": "silu",
    "Mish": "mish",
    "Hardswish": "hardswish",
    "ELU": "elu",
    "CELU": "celu",
    "SELU": "selu",
    "GLU": "glu",
    "GELU": "gelu",
    "Hardshrink": "hardshrink",
    "LeakyReLU": "leaky_relu",
    "LogSigmoid": "logsigmoid",
    "Softplus": "softplus",
    "Softshrink": "softshrink",
    "Softsign": "softsign",
    "Tanhshrink": "tanhshrink",
    "Softmin": "softmin",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
}

TORCH = Dialect(
    names=_NAMES,
    layers={
        **{cls: _NAMES[function] for cls, function in _CLASSES.items()},
        "Identity": Name("identity"),
        "RReLU": Name("rrelu", {"lower": "lower", "upper": "upper", **_INPLACE}),
        "Softmax2d": Name("softmax", defaults={"axis": -3}),
        "PReLU": Name(
            "prelu_channelwise", {"num_parameters": ANY, "init": ANY}, {}, learned={"weight": "negative_slope"}
        ),
    },
    common=frozenset({"training"}),
    module="torch.nn",
)
