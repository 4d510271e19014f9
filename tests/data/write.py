"""Write the files of this version: ``python -m data.write`` in tests/, with the oldest and with the newest JAX.

``exported-<release>-jax<version>.bin`` is a program for CPU and CUDA with value and gradient of the activations in
``EXPORTED``, and its derivative; ``configs-<release>.json`` is what `serialize` gives of everything with a name.
Files of earlier releases stay as they are.
"""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

import jaxact
from jaxact._src import catalogue

HERE = Path(__file__).parent
PLATFORMS = ("cpu", "cuda")
EXPORTED = (
    "relu",
    "gelu",
    "silu",
    "elu",
    "softplus",
    "mish",
    "snake",
    "hard_sigmoid",
    "softmax",
    "entmax15",
    "swiglu",
)
SHAPE = (2, 6)


def program(x: Any) -> dict[str, tuple[Any, Any]]:
    """Value and gradient of each activation."""
    found = {}
    for name in EXPORTED:
        y, pull = jax.vjp(getattr(jaxact, name), x)
        found[name] = (y, pull(jnp.ones_like(y))[0])
    return found


def release() -> str:
    return jaxact.__version__.partition(".dev")[0]


def _needs_more(name: str) -> bool:
    """Whether an activation has a parameter without a default."""
    definition = getattr(catalogue.find(name), "definition", None)
    return definition is not None and any(p.required for p in definition.parameters.values())


def configs() -> list[Any]:
    """What `serialize` gives: each name, and each activation with the settings of its record."""
    found: list[Any] = [n for n in jaxact.names() if not _needs_more(n)]
    for name, activation in catalogue.activations().items():
        if activation.__module__.startswith("jaxact."):
            for setting in activation.definition.facts.settings:
                found.append(jaxact.serialize(jaxact.get(name, **setting)))
    found += [
        jaxact.serialize(jaxact.get("softmax", axis=0, scale=2.0)),
        jaxact.serialize(jaxact.get("maxout", 2)),
    ]
    return found


def main() -> None:
    jax.config.update("jax_hlo_source_file_canonicalization_regex", ".*/")  # no folders of this machine
    exported = export.export(jax.jit(program), platforms=PLATFORMS)(jax.ShapeDtypeStruct(SHAPE, jnp.float32))
    path = HERE / f"exported-{release()}-jax{jax.__version__}.bin"
    path.write_bytes(exported.serialize(vjp_order=1))
    (HERE / f"configs-{release()}.json").write_text(json.dumps(configs(), indent=1, sort_keys=True) + "\n")
    print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
