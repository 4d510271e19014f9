"""The same activations in other libraries: found by name in what is installed, evaluated in any float type."""

import contextlib
import functools
import importlib.metadata
import importlib.util
import inspect
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from jaxact._src import catalogue, elementary, kernels
from jaxact._src.operation import ElementwiseOperation
from pallas_kernels import capability

Function = Callable[[Any], Any]
Triple = list[np.ndarray | None]  # value, first and second derivative; None where the library has none


class Library:
    """A library of activations written in JAX; `version` is None where it is not installed.

    Attributes:
      margin: How far above the smallest normal number, relative to it, a result may still be flushed to zero.
    """

    margin = 0.0

    def __init__(self, name: str, package: str):
        self.name = name
        found = importlib.util.find_spec(package) is not None
        self.version = importlib.metadata.version(package) if found else None

    def find(self, activation: str, parameters: Mapping[str, Any]) -> Function | None:
        """The library's function with these parameters, or None."""
        function = self._lookup(activation)
        if function is None:
            return None
        given = {**self._defaults(activation), **parameters}
        names = _parameters(function)
        if names is not None and set(given) <= set(names):
            return functools.partial(function, **given)
        first = list(catalogue.activations()[activation].definition.parameters)[: len(given)]
        if first != list(given) or (names is not None and len(names) < len(given)):
            return None  # it has not these parameters
        return lambda x: function(x, *given.values())

    def evaluate(self, function: Function, points: np.ndarray) -> Triple:
        """Value and derivatives at points, all in their float type, in one jitted program."""

        def first(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            return jax.jvp(function, (x,), (jnp.ones_like(x),))

        def both(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            (value, slope), (_, curvature) = jax.jvp(first, (x,), (jnp.ones_like(x),))
            return value, slope, curvature

        with jax.numpy_dtype_promotion("standard"):
            return [np.asarray(v) for v in jax.jit(both)(points)]

    def value(self, function: Function, x: np.ndarray) -> np.ndarray | None:
        """The value alone, of an array of any shape in its float type."""
        with jax.numpy_dtype_promotion("standard"):
            return np.asarray(jax.jit(function)(x))

    def _lookup(self, activation: str) -> Function | None:
        return self._named(jax.nn, activation)

    def _defaults(self, activation: str) -> Mapping[str, Any]:
        """jaxact's defaults that are other ones here."""
        return {}

    @staticmethod
    def _named(module: ModuleType, activation: str) -> Function | None:
        """A function of the module that is called like the activation or one of its aliases."""
        names = [n for n in vars(module) if not n.startswith("_") and not n.endswith("_")]  # relu_ works in place
        theirs = {catalogue.fold(n): n for n in names}
        own = map(catalogue.fold, catalogue.names_of(catalogue.activations()[activation]))
        return next((getattr(module, theirs[n]) for n in own if n in theirs), None)


class _Jaxact(Library):
    def _lookup(self, activation: str) -> Function | None:
        return catalogue.activations()[activation]


class Kernels(Library):
    """jaxact's bodies in the profile of a GPU, run by a kernel: in the interpreter where there is no GPU."""

    def __init__(self) -> None:
        super().__init__("kernels", "jaxact")
        if capability.why_not("elementwise", platform="cuda", compute_capability=(9, 0)):
            self.version = None
        if jax.default_backend() != "gpu":
            self.margin = 2.0**-20  # its exp2 of a whole number is not exact, as a GPU's is

    def find(self, activation: str, parameters: Mapping[str, Any]) -> ElementwiseOperation | None:
        """The operation, where a kernel computes it and its derivatives."""
        definition = catalogue.activations()[activation].definition
        operation = ElementwiseOperation(definition, tuple(definition.bind((), dict(parameters)).items()))
        block = jax.ShapeDtypeStruct((128,), jnp.float32)
        found = kernels.find(operation, "value", (True,), (block,)) if self.version else ""
        return None if isinstance(found, str) else operation

    def evaluate(self, function: Function, points: np.ndarray) -> Triple:
        from jax.experimental.pallas import mosaic_gpu as plgpu  # noqa: PLC0415  (not on every JAX)

        from pallas_kernels.elementwise import elementwise  # noqa: PLC0415

        orders = [function, function.differentiate(0), function.differentiate(0).differentiate(0)]
        el = elementary.profile("cuda", points.dtype)
        interpret = None if jax.default_backend() == "gpu" else plgpu.InterpretGPUParams()
        results = elementwise(
            lambda x: tuple(op.evaluate(el, x) for op in orders),
            [jnp.asarray(points)],
            [points.dtype] * len(orders),
            interpret=interpret,
        )
        return [np.asarray(v) for v in results]


class _Keras(Library):
    """Keras with its JAX backend."""

    def _lookup(self, activation: str) -> Function | None:
        if self.version is None:
            return None
        return self._named(_imported("keras.activations", {"KERAS_BACKEND": "jax"}), activation)

    def _defaults(self, activation: str) -> Mapping[str, Any]:
        return {"leaky_relu": {"negative_slope": 0.01}, "gelu": {"approximate": True}}.get(activation, {})


class _Torch(Library):
    """torch.nn.functional, differentiated by autograd."""

    def _lookup(self, activation: str) -> Function | None:
        if self.version is None:
            return None
        torch = _imported("torch")
        if activation == "exponential":
            return torch.exp
        # its functional `linear` is a layer, and its prelu wants a tensor of slopes
        return None if activation in ("identity", "prelu") else self._named(torch.nn.functional, activation)

    def find(self, activation: str, parameters: Mapping[str, Any]) -> Function | None:
        if activation == "gelu" and self.version is not None:
            form = "tanh" if parameters.get("approximate", True) else "none"
            return functools.partial(_imported("torch").nn.functional.gelu, approximate=form)
        function = super().find(activation, parameters)
        over_rows = function is not None and "dim" in (_parameters(function) or ())
        return functools.partial(function, dim=-1) if function is not None and over_rows else function

    def value(self, function: Function, x: np.ndarray) -> np.ndarray | None:
        return self.evaluate(function, x)[0]

    def evaluate(self, function: Function, points: np.ndarray) -> Triple:
        torch = _imported("torch")
        device = "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"
        bfloat16 = points.dtype == ml_dtypes.bfloat16
        x = torch.from_numpy((points.view(np.int16) if bfloat16 else points).copy())
        x = (x.view(torch.bfloat16) if bfloat16 else x).to(device).requires_grad_()

        def derivative(y: Any) -> Any:
            if y is None or y.grad_fn is None:  # a constant
                return None
            (slope,) = torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True, allow_unused=True)
            return slope

        def array(y: Any, order: int) -> np.ndarray | None:
            if y is None:
                return np.zeros_like(points) if order else None
            y = y.detach().cpu()
            return y.view(torch.int16).numpy().view(points.dtype) if bfloat16 else y.numpy()

        value = function(x)
        try:
            first = derivative(value)
            second = derivative(first)
        except (RuntimeError, NotImplementedError):  # no second derivative in torch
            return [array(value, 0), array(first, 1), None]
        return [array(value, 0), array(first, 1), array(second, 2)]


def _parameters(function: Function) -> list[str] | None:
    """What it takes after x; None for one that does not tell."""
    try:
        names = list(inspect.signature(function).parameters)[1:]
    except ValueError:
        return None
    return [n for n in names if n != "inplace"]


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {k: os.environ.get(k) for k in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key)
            else:
                os.environ[key] = value


@functools.cache
def _import(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def _imported(name: str, variables: Mapping[str, str] | None = None) -> Any:
    with _environment(variables or {}):
        return _import(name)


def libraries() -> list[Library]:
    """jaxact first, then its peers, installed or not."""
    return [
        _Jaxact("jaxact", "jaxact"),
        Library("jax.nn", "jax"),
        _Keras("keras", "keras"),
        _Torch("torch", "torch"),
    ]
