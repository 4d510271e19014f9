"""Layers of other frameworks."""

# A call, the error, and words that must appear.
ROWS = [
    (
        "convert.from_config(3, 'keras')",
        TypeError,
        "convert: expected a name or a dictionary with 'class_name' and",
    ),
    (
        "convert.from_config(None, 'keras')",
        TypeError,
        "convert: expected a name or a dictionary with 'class_name' and",
    ),
    (
        "convert.from_config({'class_name': 3}, 'keras')",
        TypeError,
        "convert: expected a name or a dictionary with 'class_name' and",
    ),
    (
        "convert.from_config({'class_name': 'ReLU', 'x': 1}, 'keras')",
        TypeError,
        "convert: 'ReLU' has ['x'] beside 'class_name', 'config' and",
    ),
    (
        "convert.from_config({'class_name': 'ReLU', 'config': 3}, 'keras')",
        TypeError,
        "convert: 'config' must be a dictionary, got 3",
    ),
    (
        "convert.from_config({'class_name': 'ReLU', 'config': 'abc'}, 'keras')",
        TypeError,
        "convert: 'config' must be a dictionary, got 'abc'",
    ),
    (
        "convert.from_config({'class_name': 'ReLU', 'config': [('a', 1)]}, 'keras')",
        TypeError,
        "convert: 'config' must be a dictionary, got [('a', 1)]",
    ),
    (
        "convert.from_config({'class_name': 'ReLU', 'config': {'foo': 1}}, 'keras')",
        TypeError,
        "keras layer ReLU has no parameter 'foo'; it has ['max_value',",
    ),
    (
        "convert.from_config({'class_name': 'ReLU', 'config': {1: 1}}, 'keras')",
        TypeError,
        "keras layer ReLU has no parameter 1; it has ['max_value',",
    ),
    (
        "convert.from_config({'class_name': 'ReLU', 'weights': 3}, 'keras')",
        TypeError,
        "convert: 'weights' must be a dictionary, got 3",
    ),
    (
        "convert.from_config({'class_name': 'ReLU', 'weights': 'abc'}, 'keras')",
        TypeError,
        "convert: 'weights' must be a dictionary, got 'abc'",
    ),
    (
        "convert.from_config({'class_name': 'ReLU', 'weights': {'a': X}}, 'keras')",
        ValueError,
        "keras layer ReLU has the weights none, got ['a']",
    ),
    (
        "convert.from_config({'class_name': 'PReLU', 'config': {}, 'weights': {'alpha': 'x'}}, 'keras')",
        TypeError,
        "convert: weights must be arrays of numbers, got 'x'",
    ),
    (
        "convert.from_config({'class_name': 'PReLU', 'config': {}, 'weights': {'alpha': None}}, 'keras')",
        TypeError,
        "convert: weights must be arrays of numbers, got None",
    ),
    (
        "convert.from_config({'class_name': 'PReLU', 'config': {}, 'weights': {'alpha': LOOP}}, 'keras')",
        TypeError,
        "convert: weights must be arrays of numbers,",
    ),
    (
        "convert.from_config(prelu(weights={'alpha': X}, build_config=3), 'keras')",
        TypeError,
        "convert: 'build_config' must be a dictionary, got 3",
    ),
    (
        "convert.from_config(prelu(build_config={'input_shape': 3}), 'keras', 'nnx')",
        TypeError,
        "convert: 'input_shape' must be a sequence of sizes or None, got 3",
    ),
    (
        "convert.from_config(prelu(build_config={'input_shape': [None, 'a']}), 'keras', 'nnx')",
        TypeError,
        "convert: 'input_shape' must be a sequence of sizes or None, got [None, 'a']",
    ),
    (
        "convert.from_config({'class_name': 'PReLU', 'config': {'shared_axes': 'x'}}, 'keras', 'linen')",
        TypeError,
        "PReLU: shared_axes must be integers, got ('x',)",
    ),
    (
        "convert.from_config({'class_name': 'PReLU', 'config': {'alpha_initializer': LOOP}}, 'keras', 'linen')",
        ValueError,
        "keras layer PReLU: alpha_initializer must be Zeros, Ones or Constant,",
    ),
    (
        "convert.from_config({'class_name': 'PReLU', 'config': {'num_parameters': 'x'}}, 'torch', 'nnx')",
        TypeError,
        "torch layer PReLU: num_parameters must be an integer, got 'x'",
    ),
    (
        "convert.from_config({'class_name': 'Dense'}, 'keras')",
        ValueError,
        "convert: unknown keras activation layer 'Dense'; known: ReLU,",
    ),
    (
        "convert.from_config({'class_name': 'relu' * 100000}, 'keras')",
        ValueError,
        "convert: unknown keras activation layer",
    ),
    (
        "convert.from_config({'class_name': \"__import__('os')\"}, 'torch')",
        ValueError,
        "convert: unknown torch activation layer \"__import__('os')\"; known:",
    ),
    (
        "convert.from_config({'class_name': 'ReLU'}, 'puzzlelib')",
        ValueError,
        "convert: dialect 'puzzlelib' has no layers; those that have:",
    ),
    ("convert.from_config({'class_name': 'ReLU'}, 'x')", ValueError, "unknown dialect 'x'; did you mean 'jax'?"),
    (
        "convert.from_config({'class_name': 'ReLU'}, 3)",
        TypeError,
        "dialect must be one of ['jax', 'keras', 'tf_keras', 'torch', 'hf',",
    ),
    (
        "convert.from_config({'class_name': 'ReLU'}, 'torch', to='x')",
        ValueError,
        "convert: to must be one of ('function', 'linen', 'nnx'), got 'x'",
    ),
    (
        "convert.from_config({'class_name': 'ReLU'}, 'torch', to=3)",
        ValueError,
        "convert: to must be one of ('function', 'linen', 'nnx'), got 3",
    ),
    (
        "convert.from_config({'class_name': 'ReLU'}, 'torch', to=['nnx'])",
        ValueError,
        "convert: to must be one of ('function', 'linen', 'nnx'), got ['nnx']",
    ),
    (
        "convert.from_config('relux', 'torch')",
        ValueError,
        "unknown torch activation 'relux'; did you mean 'relu' or 'rrelu' or 'relu6'?",
    ),
    (
        "convert.from_config(LAYER_LOOP, 'keras')",
        ValueError,
        "keras layer Activation holds another Activation; give the inner one",
    ),
    (
        "convert.from_config(LAYERS_DEEP, 'keras')",
        ValueError,
        "keras layer Activation holds another Activation; give the inner one",
    ),
    (
        "convert.from_config(layer(OS_FUNCTION), 'keras')",
        ValueError,
        "keras layer Activation: the function 'os.system' of 'os' is not",
    ),
    (
        "convert.from_config(layer({'class_name': 'function', 'config': 3}), 'keras')",
        TypeError,
        "convert: 'config' must be a dictionary, got 3",
    ),
    (
        "convert.from_config({'class_name': 'Activation', 'config': {}}, 'keras')",
        TypeError,
        "keras layer Activation has one parameter, 'activation', got None",
    ),
    (
        "convert.from_config(layer(3), 'keras')",
        TypeError,
        "convert: expected a name or a dictionary with 'class_name' and",
    ),
    (
        "convert.from_config(layer({'class_name': 'Activation', 'config': 'abc'}), 'keras')",
        TypeError,
        "convert: 'config' must be a dictionary, got 'abc'",
    ),
    (
        "convert.from_config({'class_name': 'LeakyReLU', 'config': {'negative_slope': 'a'}}, 'torch')",
        TypeError,
        "leaky_relu: negative_slope must be a number or an array, got 'a'",
    ),
    (
        "convert.from_config({'class_name': 'LeakyReLU', 'config': {'negative_slope': NAN}}, 'torch')",
        ValueError,
        "leaky_relu: negative_slope must be a finite number, got nan",
    ),
    (
        "convert.from_config({'class_name': 'Softmax', 'config': {'dim': 'x'}}, 'torch')",
        TypeError,
        "softmax: axis must be an integer, a tuple of them or None, got 'x'",
    ),
    (
        "convert.from_config({'class_name': 'Softmax', 'config': {'dim': None}}, 'torch')",
        TypeError,
        "torch layer Softmax needs 'dim', which the framework would guess from",
    ),
    (
        "convert.from_config({'class_name': 'GELU', 'config': {'approximate': []}}, 'torch')",
        ValueError,
        "torch layer GELU: approximate must be one of ['none', 'tanh'], got []",
    ),
    (
        "convert.from_config({'class_name': 'GELU', 'config': {'approximate': 'x'}}, 'torch')",
        ValueError,
        "torch layer GELU: approximate must be one of ['none', 'tanh'], got 'x'",
    ),
    (
        "convert.from_config({'class_name': 'Hardtanh', 'config': {'min_val': 2.0, 'max_val': 1.0}}, 'torch')",
        ValueError,
        "hard_tanh: min_val must not exceed max_val, got min_val=2 and max_val=1",
    ),
    ("convert.from_module(3)", ValueError, "convert: builtins.int is no class of keras, tf_keras, torch,"),
    ("convert.from_module(None)", ValueError, "convert: builtins.NoneType is no class of keras, tf_keras, torch,"),
    ("convert.from_module('relu')", ValueError, "convert: builtins.str is no class of keras, tf_keras, torch,"),
    ("convert.from_module(Odd())", ValueError, "convert:"),
    ("convert.from_module(jnp.tanh)", ValueError, "convert:"),
    (
        "convert.from_module(linen.ReLU())",
        ValueError,
        "convert: jaxact.linen._layers.ReLU is no class of keras, tf_keras,",
    ),
    ("convert.from_module(Odd)", ValueError, "convert: builtins.type is no class of keras, tf_keras, torch,"),
    ("convert.from_module(3, to='x')", ValueError, "convert: builtins.int is no class of keras, tf_keras, torch,"),
    ("convert.to_config('relu', 'x')", ValueError, "unknown dialect 'x'; did you mean 'jax'?"),
    (
        "convert.to_config('rellu', 'keras')",
        ValueError,
        "unknown activation 'rellu'; did you mean 'relu' or 'srelu' or 'rrelu'?",
    ),
    ("convert.to_config(3, 'keras')", TypeError, "an activation is a name or a callable, got int"),
    ("convert.to_config(jnp.tanh, 'keras')", TypeError, "to_config:"),
    ("convert.to_config(lambda x: x, 'torch')", TypeError, "to_config:"),
    (
        "convert.to_config('snake', 'keras')",
        ValueError,
        "to_config: keras has no layer that computes snake with {'alpha':",
    ),
    (
        "convert.to_config('relu', 'puzzlelib')",
        ValueError,
        "convert: dialect 'puzzlelib' has no layers; those that have:",
    ),
    (
        "convert.to_config(linen.PReLU(), 'torch', variables=3)",
        TypeError,
        "to_config: variables must be a dictionary by collection, got 3",
    ),
    (
        "convert.to_config(nnx.PReLU(), 'keras', input_shape=3)",
        TypeError,
        "to_config: input_shape must be a sequence of sizes, got 3",
    ),
    (
        "convert.to_config(nnx.PReLU(), 'keras', input_shape='x')",
        ValueError,
        "PReLU: Keras has slopes of the input's shape, which is not known;",
    ),
    (
        "convert.to_config(jaxact.get('leaky_relu', negative_slope=X), 'torch')",
        ValueError,
        "to_config: parameter 'negative_slope' of leaky_relu is an array; a",
    ),
    (
        "convert.to_config(linen.Activation('relu', slc=slice(0, 1)), 'torch')",
        ValueError,
        "to_config: slc=(0, 1, None) acts on a part of the input, which no",
    ),
]
