"""Activations of the user's own, and their check."""

# A call, the error, and words that must appear.
ROWS = [
    (
        "jaxact.elementwise(lambda y: y)",
        TypeError,
        "<lambda>: the body's operand must be called 'x', as in `def <lambda>(x):`",
    ),
    (
        "jaxact.elementwise(lambda: 0)",
        TypeError,
        "<lambda>: the body's operand must be called 'x', as in `def <lambda>(x):`",
    ),
    (
        "jaxact.elementwise(lambda x, *args: x)",
        TypeError,
        "<lambda>: a body takes named parameters only, got *args",
    ),
    (
        "jaxact.elementwise(lambda x, inplace=1.0: x)",
        TypeError,
        "<lambda>: 'inplace' is an argument of every activation, rename yours",
    ),
    ("jaxact.relu.derivative('beta')(local)", TypeError, "relu has no parameter 'beta' to differentiate in"),
    ("jaxact.elementwise(3)", TypeError, "elementwise takes a function of one array, got 3"),
    ("jaxact.elementwise('relu')", TypeError, "elementwise takes a function of one array, got 'relu'"),
    (
        "jaxact.elementwise(lambda x, a='b': x)",
        TypeError,
        "parameter 'a' must have a number, True, False or None for a default, got 'b'",
    ),
    ("jaxact.elementwise(lambda x, **k: x)", TypeError, "<lambda>: a body takes named parameters only, got **k"),
    (
        "jaxact.elementwise(lambda x, a=[]: x)",
        TypeError,
        "parameter 'a' must have a number, True, False or None for a default, got []",
    ),
    (
        "jaxact.elementwise(name=3)(lambda x: x)",
        TypeError,
        "an activation's names must be strings that are not empty, got 3",
    ),
    (
        "jaxact.elementwise(name='', aliases='ab')(lambda x: x)",
        TypeError,
        "elementwise: aliases must be a sequence of names, got 'ab'",
    ),
    ("jaxact.elementwise(foo=3)", TypeError, "elementwise() got an unexpected keyword argument 'foo'"),
    (
        "jaxact.elementwise(ordered=('a', 'b'))(lambda x: x)",
        TypeError,
        "<lambda> has no parameter 'a' to order; it has []",
    ),
    ("jaxact.relu.derivative('beta')(lambda x: x)", TypeError, "relu has no parameter 'beta' to differentiate in"),
    ("jaxact.relu.derive_like(3)", TypeError, "relu: derive_like takes an elementwise activation, got 3"),
    ("check_activation('x')", ValueError, "unknown activation 'x'; did you mean 'exp'?"),
    ("check_activation(3)", TypeError, "check_activation: fn must be a name or a callable of one array, got 3"),
    (
        "check_activation('relu', dtypes=['int32'])",
        TypeError,
        "check_activation: dtypes must be floating-point ones, got 'int32'",
    ),
    (
        "check_activation('relu', params={'foo': 1})",
        TypeError,
        "relu has no parameter 'foo'; it has ['negative_slope', 'max_value',",
    ),
]
