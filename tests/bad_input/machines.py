"""Requests of an implementation, and explain."""

# A call, the error, and words that must appear.
ROWS = [
    (
        "jaxact.relu(X, implementation='triton')",
        ValueError,
        "implementation must be None or one of ('pallas', 'prefer_pallas',",
    ),
    (
        "jaxact.relu(X, implementation=1)",
        ValueError,
        "implementation must be None or one of ('pallas', 'prefer_pallas',",
    ),
    (
        "jaxact.relu(X, implementation='pallas')",
        NotImplementedError,
        "implementation='pallas' was asked for, but relu (value) has no kernel",
    ),
    (
        "jaxact.use(implementation='cuda').__enter__()",
        ValueError,
        "implementation must be None or one of ('pallas', 'prefer_pallas',",
    ),
    ("jaxact.use('inline')", TypeError, "use() takes 0 positional arguments but 1 was given"),
    (
        "jaxact.softmax(X, implementation='x')",
        ValueError,
        "implementation must be None or one of ('pallas', 'prefer_pallas',",
    ),
    (
        "jaxact.leaky_relu(X, implementation=['x'])",
        ValueError,
        "implementation must be None or one of ('pallas', 'prefer_pallas',",
    ),
    (
        "jaxact.gated(P, 'relu', implementation='x')",
        ValueError,
        "implementation must be None or one of ('pallas', 'prefer_pallas',",
    ),
    (
        "jaxact.fused(X, 'gelu', implementation='x')",
        ValueError,
        "implementation must be None or one of ('pallas', 'prefer_pallas',",
    ),
    (
        "jaxact.act_quant(X, 'silu', implementation='x')",
        ValueError,
        "implementation must be None or one of ('pallas', 'prefer_pallas',",
    ),
    ("jaxact.explain(3, X)", TypeError, "explain: fn must be a function of arrays, got 3"),
    (
        "jaxact.explain(jaxact.relu)",
        TypeError,
        "Elementwise.__call__() missing 1 required positional argument: 'x'",
    ),
    (
        "jaxact.explain(jaxact.relu, X, gpu='rtx')",
        ValueError,
        "explain: gpu must be one of ['a10', 'a100', 'a30', 'a40', 'b200',",
    ),
    ("jaxact.explain(jaxact.relu, X, gpu=3)", TypeError, "explain: gpu must be a string or None, got 3"),
    (
        "jaxact.explain(jaxact.relu, X, gpu='h200', platform='cpu')",
        ValueError,
        "explain: gpu='h200' is of platform 'cuda', got platform='cpu'",
    ),
    ("jaxact.explain(jaxact.relu, X, platform=3)", TypeError, "explain: platform must be a string or None, got 3"),
    ("jaxact.explain('relu', X)", TypeError, "explain: fn must be a function of arrays, got 'relu'"),
    (
        "jaxact.use(implementation='x').__enter__()",
        ValueError,
        "implementation must be None or one of ('pallas', 'prefer_pallas',",
    ),
    (
        "jaxact.use(implementation=['x']).__enter__()",
        ValueError,
        "implementation must be None or one of ('pallas', 'prefer_pallas',",
    ),
    (
        "jaxact.use(implementation=3).__enter__()",
        ValueError,
        "implementation must be None or one of ('pallas', 'prefer_pallas',",
    ),
    ("jaxact.use()", TypeError, "use() missing 1 required keyword-only argument: 'implementation'"),
    (
        "jaxact.reference.relu(X, implementation='pallas')",
        NotImplementedError,
        "implementation='pallas' was asked for, but relu (value) has no kernel",
    ),
]
