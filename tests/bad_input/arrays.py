"""What is no real array."""

# A call, the error, and words that must appear.
ROWS = [
    ("jaxact.relu(COMPLEX)", TypeError, "relu takes real input, got dtype complex64"),
    ("jaxact.relu(np.ones(2, np.complex64))", TypeError, "relu takes real input, got dtype complex64"),
    ("jaxact.relu(1j)", TypeError, "relu takes an array or a number, got complex"),
    ("jaxact.relu([1.0, 2.0])", TypeError, "relu takes an array or a number, got list"),
    ("jaxact.relu((1.0,))", TypeError, "relu takes an array or a number, got tuple"),
    ("jaxact.relu({'x': X})", TypeError, "relu takes an array or a number, got dict"),
    ("jaxact.relu(None)", TypeError, "relu takes an array or a number, got NoneType"),
    ("jaxact.relu('1')", TypeError, "relu takes an array or a number, got str"),
    ("jaxact.relu(np.array([1.0, None]))", TypeError, "relu takes real input, got dtype object"),
    ("jaxact.relu(np.array(['a']))", TypeError, "relu takes real input, got dtype <U1"),
    ("jaxact.relu(KEY)", TypeError, "relu takes real input, got dtype"),
    ("jaxact.relu()", TypeError, "Elementwise.__call__() missing 1 required positional argument: 'x'"),
    (
        "jaxact.relu(X, max_value=-1.0)",
        ValueError,
        "relu: max_value must be a finite number, 0 or above, got -1.0",
    ),
    ("jaxact.relu(X, max_value=NAN)", ValueError, "relu: max_value must be a finite number, 0 or above, got nan"),
    (
        "jaxact.relu(X, threshold=-0.5)",
        ValueError,
        "relu: threshold must be a finite number, 0 or above, got -0.5",
    ),
    (
        "jaxact.relu(X, slope=0.1)",
        TypeError,
        "relu has no parameter 'slope'; it has ['negative_slope', 'max_value',",
    ),
    (
        "jaxact.relu(X, residual='mask!')",
        ValueError,
        "relu: residual must be None or one of ('input', 'output'), got 'mask!'",
    ),
    ("jaxact.relu(DATES)", TypeError, "relu takes real input, got dtype datetime64[s]"),
    (
        "jaxact.relu(np.zeros(2, dtype=[('a', 'f4')]))",
        TypeError,
        "relu takes real input, got dtype [('a', '<f4')]",
    ),
    ("jaxact.relu(Odd())", TypeError, "relu takes an array or a number, got Odd"),
    ("jaxact.relu(Ellipsis)", TypeError, "relu takes an array or a number, got ellipsis"),
    ("jaxact.relu(b'abc')", TypeError, "relu takes an array or a number, got bytes"),
    (
        "jaxact.relu(np.ma.array([1.0]))",
        ValueError,
        "numpy masked arrays are not supported as direct inputs to JAX",
    ),
    ("jaxact.relu(X, inplace={})", TypeError, "relu: inplace must be True or False, got {}"),
    ("jaxact.relu(X, x=1)", TypeError, "Elementwise.__call__() got multiple values for argument 'x'"),
]
