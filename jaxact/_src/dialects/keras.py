"""keras.activations and the activation layers, of Keras 3 and of Keras before it (tf_keras)."""

from jaxact._src.dialects.record import ANY, Dialect, Name

# What every layer's configuration has: how it is built, saved and trained.
_COMMON = frozenset({"name", "trainable", "dtype", "batch_input_shape", "batch_shape", "input_shape", "autocast"})
_PRELU = {"alpha_initializer": ANY, "alpha_regularizer": ANY, "alpha_constraint": ANY, "shared_axes": ANY}
_PRELU_LAYER = Name("prelu", _PRELU, {"negative_slope": 0.0}, learned={"alpha": "negative_slope"})

# `alpha` of relu is what Keras 2 called its negative slope; so it is for the layers.
KERAS = Dialect(
    names={
        "relu": Name(
            "relu",
            {
                "negative_slope": "negative_slope",
                "max_value": "max_value",
                "threshold": "threshold",
                "alpha": "negative_slope",
            },
        ),
        "leaky_relu": Name("leaky_relu", {"negative_slope": "negative_slope"}, {"negative_slope": 0.2}),
        "relu6": Name("relu6"),
        "softmax": Name("softmax", {"axis": "axis", "mask": "where"}),
        "log_softmax": Name("log_softmax", {"axis": "axis"}),
        "sparsemax": Name("sparsemax", {"axis": "axis"}),
        "elu": Name("elu", {"alpha": "alpha"}),
        "celu": Name("celu", {"alpha": "alpha"}),
        "selu": Name("selu"),
        "gelu": Name("gelu", {"approximate": "approximate"}, {"approximate": False}),
        "glu": Name("glu", {"axis": "axis"}),
        "silu": Name("silu"),
        "swish": Name("silu"),
        "mish": Name("mish"),
        "sigmoid": Name("sigmoid"),
        "hard_sigmoid": Name("hard_sigmoid"),
        "sparse_sigmoid": Name("sparse_sigmoid"),
        "hard_silu": Name("hard_silu"),
        "hard_swish": Name("hard_silu"),
        "log_sigmoid": Name("log_sigmoid"),
        "tanh": Name("tanh"),
        "hard_tanh": Name("hard_tanh"),
        "tanh_shrink": Name("tanh_shrink"),
        "hard_shrink": Name("hard_shrink", {"threshold": "threshold"}),
        "soft_shrink": Name("soft_shrink", {"threshold": "threshold"}),
        "threshold": Name("threshold", {"threshold": "threshold", "default_value": "value"}),
        "softplus": Name("softplus"),
        "softsign": Name("soft_sign"),
        "sparse_plus": Name("sparse_plus"),
        "squareplus": Name("squareplus", {"b": "b"}),
        "exponential": Name("exponential"),
        "linear": Name("identity"),
    },
    layers={
        "ReLU": Name(
            "relu", {"max_value": "max_value", "negative_slope": "negative_slope", "threshold": "threshold"}
        ),
        "LeakyReLU": Name(
            "leaky_relu",
            {"negative_slope": "negative_slope", "alpha": "negative_slope"},
            {"negative_slope": 0.3},
        ),
        "ELU": Name("elu", {"alpha": "alpha"}),
        "PReLU": _PRELU_LAYER,
        "Softmax": Name("softmax", {"axis": "axis", "mask": "where"}),
    },
    common=_COMMON,
    module="keras.layers",
)

# Beside its own, tf_keras.activations.get finds the four of TensorFlow's that the module binds, and the layers.
TF_KERAS = Dialect(
    names={
        "relu": Name("relu", {"alpha": "negative_slope", "max_value": "max_value", "threshold": "threshold"}),
        "leaky_relu": Name("leaky_relu", {"alpha": "negative_slope"}, {"negative_slope": 0.2}),
        "relu6": Name("relu6"),
        "softmax": Name("softmax_keras2", {"axis": "axis", "mask": "where"}),
        "softmax_v2": Name("softmax_keras2", {"axis": "axis", "mask": "where"}),
        "log_softmax": Name("log_softmax", {"axis": "axis"}),
        "elu": Name("elu", {"alpha": "alpha"}),
        "selu": Name("selu"),
        "gelu": Name("gelu", {"approximate": "approximate"}, {"approximate": False}),
        "silu": Name("silu"),
        "swish": Name("silu"),
        "mish": Name("mish"),
        "sigmoid": Name("sigmoid"),
        "hard_sigmoid": Name("hard_sigmoid_keras2"),
        "tanh": Name("tanh"),
        "softplus": Name("softplus"),
        "softsign": Name("soft_sign"),
        "exponential": Name("exponential"),
        "linear": Name("identity"),
    },
    layers={
        "ReLU": KERAS.layers["ReLU"],
        "LeakyReLU": Name("leaky_relu", {"alpha": "negative_slope"}, {"negative_slope": 0.3}),
        "ELU": KERAS.layers["ELU"],
        "PReLU": _PRELU_LAYER,
        "Softmax": Name("softmax_keras2", {"axis": "axis", "robust_masking": ANY, "mask": "where"}),
        "ThresholdedReLU": Name("thresholded_relu", {"theta": "theta"}),
    },
    common=_COMMON,
    module="keras.layers",
)
