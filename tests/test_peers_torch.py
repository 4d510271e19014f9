"""The real PyTorch on CPU: every activation of torch.nn.functional and every class of torch.nn."""

import inspect

import numpy as np
import peers
import pytest
from peers import Setting

import jaxact
from jaxact._src import dialects
from jaxact._src.catalogue import fold

torch = peers.require("torch")
F = torch.nn.functional


def takes_one_array(cls) -> bool:
    """Not MultiheadAttention, whose forward takes queries, keys and values."""
    required = [p for p in inspect.signature(cls.forward).parameters.values() if p.default is p.empty]
    return len(required) == 2


MODULES = torch.nn.modules.activation
CLASSES = {n: getattr(torch.nn, n) for n in MODULES.__all__ if takes_one_array(getattr(MODULES, n))}
# torch.nn.functional has no list of its activations: they are what is named as a class is, or ends so.
FUNCTIONS = {
    n: f
    for n, f in vars(F).items()
    if callable(f) and not n.startswith("_") and any(fold(n).endswith(fold(c)) for c in CLASSES)
}

PARAMETERS = {
    "relu": [{"inplace": False}],
    "threshold": [{"threshold": 0.75, "value": 20.0}],
    "rrelu": [{"lower": 0.25, "upper": 0.75}],
    "hardtanh": [{}, {"min_val": -2.0, "max_val": 0.5}],
    "elu": [{}, {"alpha": 0.3}],
    "celu": [{}, {"alpha": 2.5}],
    "glu": [{}, {"dim": 0}],
    "gelu": [{}, {"approximate": "tanh"}, {"approximate": "none"}],
    "hardshrink": [{}, {"lambd": 1.5}],
    "softshrink": [{}, {"lambd": 1.5}],
    "leaky_relu": [{}, {"negative_slope": 0.25}],
    "softplus": [{}, {"beta": 0.4}, {"beta": 3.0, "threshold": 30.0}],
    "softmin": [{"dim": -1}, {"dim": 0}],
    "softmax": [{"dim": -1}, {"dim": 0}],
    "log_softmax": [{"dim": -1}, {"dim": 0}],
    "prelu": [{"weight": np.array([0.25], np.float32)}, {"weight": np.linspace(-0.3, 0.9, 8, dtype=np.float32)}],
}
