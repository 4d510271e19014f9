"""transformers.activations: the keys of ACT2FN, and its classes."""

from jaxact._src.dialects.record import ANY, Dialect, Name
from jaxact._src.dialects.torch import TORCH

_ERF = Name("gelu", defaults={"approximate": False})
_TANH = Name("gelu", defaults={"approximate": True})
_XIELU = Name(
    "xielu",
    {
        "alpha_p_init": "alpha_p",
        "alpha_n_init": "alpha_n",
        "beta": "beta",
        "eps": "eps",
        "dtype": ANY,
        "with_vector_loads": ANY,
    },
    learned={"alpha_p": "alpha_p", "alpha_n": "alpha_n"},
)
_CLIPPED = Name("gelu_clipped", {"min": "min_val", "max": "max_val"})

_CLASSES = {
    "GELUActivation": Name("gelu", {"use_gelu_python": ANY}, {"approximate": False}),
    "GELUTanh": Name("gelu", {"use_gelu_tanh_python": ANY}, {"approximate": True}),
    "PytorchGELUTanh": _TANH,
    "NewGELUActivation": _TANH,
    "FastGELUActivation": _TANH,
    "AccurateGELUActivation": _TANH,
    "ClippedGELUActivation": _CLIPPED,
    "QuickGELUActivation": Name("quick_gelu"),
    "SiLUActivation": Name("silu"),
    "MishActivation": Name("mish"),
    "LinearActivation": Name("identity"),
    "LaplaceActivation": Name("laplace"),
    "ReLUSquaredActivation": Name("relu_squared"),
    "SqrtSoftplusActivation": Name("sqrt_softplus"),
    "XIELUActivation": _XIELU,
}

HUGGING_FACE = Dialect(
    names={
        "gelu": _ERF,
        "gelu_python": _ERF,
        "gelu_10": _CLIPPED,
        "gelu_new": _TANH,
        "gelu_fast": _TANH,
        "gelu_accurate": _TANH,
        "gelu_pytorch_tanh": _TANH,
        "gelu_python_tanh": _TANH,
        "quick_gelu": Name("quick_gelu"),
        "relu": Name("relu"),
        "relu2": Name("relu_squared"),
        "relu6": Name("relu6"),
        "leaky_relu": TORCH.layers["LeakyReLU"],
        "prelu": Name("prelu_channelwise", {"init": "negative_slope"}, {"negative_slope": 0.25}),
        "silu": Name("silu"),
        "swish": Name("silu"),
        "mish": Name("mish"),
        "sigmoid": Name("sigmoid"),
        "hardswish": Name("hard_silu"),
        "tanh": Name("tanh"),
        "laplace": Name("laplace", {"mu": "mu", "sigma": "sigma"}),
        "sqrtsoftplus": Name("sqrt_softplus"),
        "linear": Name("identity"),
        "xielu": _XIELU,
    },
    layers={**_CLASSES, **TORCH.layers},
    common=TORCH.common,
    module="transformers.activations",
)
