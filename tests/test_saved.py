"""What was saved earlier or elsewhere: exported programs, configurations, pickles and checkpoints."""

import copy
import json
import math
import pickle
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from data.write import EXPORTED, HERE, PLATFORMS, SHAPE, configs, program
from flax import nnx
from support import close

import jaxact
import jaxact.linen
import jaxact.nnx
from jaxact._src import catalogue

ARTEFACTS = sorted(HERE.glob("exported-*.bin"))
CONFIGS = sorted(HERE.glob("configs-*.json"))
X = np.linspace(-3.1, 3.3, math.prod(SHAPE), dtype=np.float32).reshape(SHAPE)


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def made_with(path: Path) -> tuple[int, ...]:
    return version(path.stem.rpartition("jax")[2])


def test_there_are_files_of_an_older_and_a_newer_jax():
    assert len({made_with(path) for path in ARTEFACTS}) >= 2
    assert CONFIGS


@pytest.mark.parametrize("path", ARTEFACTS, ids=lambda path: path.stem)
def test_exported_programs(path):
    if made_with(path) > version(jax.__version__):
        pytest.skip(f"{path.name} is of a newer JAX than {jax.__version__}, which JAX does not promise to read")
    exported = jax.export.deserialize(path.read_bytes())
    assert exported.platforms == PLATFORMS
    then, now = exported.call(X), jax.jit(program)(X)
    assert set(then) == set(now) == set(EXPORTED)
    for name, (y, gradient) in now.items():
        close(then[name][0], y)
        close(then[name][1], gradient)
    pulled = jax.grad(lambda x: exported.call(x)["gelu"][0].sum())(X)
    close(pulled, now["gelu"][1])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configurations_of_a_release(path):
    """Each gives an activation, the one of the same name, with the same parameters."""
    saved = json.loads(path.read_text())
    for config in saved:
        found = jaxact.deserialize(config)
        name = config if isinstance(config, str) else config["name"]
        inner = found.activation if isinstance(found, jaxact.registry.Bound) else found
        assert inner is catalogue.find(name)
        if isinstance(config, dict):
            assert json.loads(json.dumps(jaxact.serialize(found))) == config
    if path == CONFIGS[-1]:
        assert json.loads(json.dumps(configs())) == saved, (
            "write the files again: cd tests && python -m data.write"
        )


# -- pickles and copies -------------------------------------------------------------------------------------------

COPIES = {"pickle": lambda v: pickle.loads(pickle.dumps(v)), "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)
def test_public_functions(again):
    for name in jaxact.__all__:
        public = getattr(jaxact, name)
        if callable(public) and name.islower():  # the others are annotations
            assert again(public) is public, name


LAYERS: dict[str, dict[str, Any]] = {
    "PReLU": {"num_parameters": 4},
    "Snake": {"alpha_init": 0.5},
    "Dice": {"num_parameters": 4, "use_running_average": True},
    "Softmax": {"axis": 0},
    "GELU": {"approximate": False},
    "Maxout": {"num_pieces": 2},
}


@pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("name", LAYERS)
def test_modules(name, again):
    x = X[:, :4]
    module = getattr(jaxact.nnx, name)(**LAYERS[name])
    layer = getattr(jaxact.linen, name)(**LAYERS[name])
    variables = jaxact.nnx.to_linen(module)
    np.testing.assert_array_equal(again(module)(x), module(x))
    np.testing.assert_array_equal(again(layer).apply(variables, x), layer.apply(variables, x))


# -- checkpoints, restored under another sharding -----------------------------------------------------------------


def _sharding(devices: int) -> jax.NamedSharding:
    automatic = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((devices,), ("c",), axis_types=automatic, devices=jax.devices()[:devices])
    return jax.NamedSharding(mesh, jax.P("c"))


def _restored(path: Path, tree: Any, sharding: Any) -> Any:
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(path, tree)
        checkpointer.wait_until_finished()
        abstract = jax.tree.map(lambda v: jax.ShapeDtypeStruct(v.shape, v.dtype, sharding=sharding), tree)
        return checkpointer.restore(path, abstract)


@pytest.mark.parametrize("framework", ["linen", "nnx"])
def test_checkpoints(framework, tmp_path):
    ocp = pytest.importorskip("orbax.checkpoint", reason="checkpoints need orbax-checkpoint")
    assert ocp
    slopes = jnp.linspace(0.1, 0.8, 8)
    x = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    module = jaxact.nnx.PReLU(num_parameters=8)
    module.negative_slope.set_value(jax.device_put(slopes, _sharding(2)))
    wanted = np.where(x > 0, x, slopes * x)
    if framework == "linen":
        restored = _restored(tmp_path / "saved", jaxact.nnx.to_linen(module), _sharding(4))
        (leaf,) = jax.tree.leaves(restored)
        close(jaxact.linen.PReLU(num_parameters=8).apply(restored, x), wanted)
    else:
        graph, state = nnx.split(module)
        restored = _restored(tmp_path / "saved", nnx.to_pure_dict(state), _sharding(4))
        (leaf,) = jax.tree.leaves(restored)
        nnx.replace_by_pure_dict(state, restored)
        close(nnx.merge(graph, state)(x), wanted)
    assert len(leaf.sharding.device_set) == 4
