"""PuzzleLib.Modules.Activation: the names it lists, `args` as its kernels take them."""

from jaxact._src.dialects.record import Dialect, Name

PUZZLELIB = Dialect(
    all_or_none=True,
    names={
        "sigmoid": Name("sigmoid"),
        "tanh": Name("tanh"),
        "relu": Name("relu"),
        "leakyRelu": Name("leaky_relu", {"a": "negative_slope"}, {"negative_slope": 0.01}),
        "elu": Name("elu", {"a": "alpha"}),
        "softPlus": Name("softplus"),
        "clip": Name("clip", {"a": "min_val", "b": "max_val"}, {"min_val": 0.0, "max_val": 6.0}),
    },
)
