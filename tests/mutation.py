"""Breaks each formula, rule and kernel in turn, in memory, and lists what no test notices.

``python tests/mutation.py [--only gelu] [--limit 20] [--new] [--list]``. Each mutant is a process of pytest, which
loads this file as a plugin, breaks one thing, and runs the tests that should see it until the first fails. What
came of each is kept in ``tests/data/mutation.json``, which ``--report`` makes docs/reliability.md of; nothing
else writes to either.
"""

import argparse
import dataclasses
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax

from jaxact._src import catalogue, engine, kernels, sharding
from pallas_kernels import capability

ROOT = Path(__file__).parent.parent
CHOSEN = "JAXACT_MUTANT"
KEPT = ROOT / "tests" / "data" / "mutation.json"
PAGE = ROOT / "docs" / "reliability.md"

FORMULAS = ("test_accuracy.py", "test_vjp.py", "test_higher_order.py")
ROWS = ("test_rowwise.py", "test_rowwise_derivatives.py")
RULES = (
    "test_vmap.py",
    "test_jvp.py",
    "test_vjp.py",
    "test_linear_transpose.py",
    "test_jet.py",
    "test_act_quant.py",
)
PLACED = ("test_kernel_sharding.py",)
CHOICE = ("test_select.py", "test_kernel_sharding.py", "test_faults.py")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One thing that is broken.

    Attributes:
      name: What.
      apply: Breaks it.
      tests: The files that should notice.
      words: Which of their tests, as pytest's ``-k``.
    """

    name: str
    apply: Callable[[], None]
    tests: tuple[str, ...]
    words: str = ""


def off(value: Any) -> Any:
    """A result that is wrong by a hundredth, in all that are floating; 0 becomes a hundredth."""

    def wrong(v: Any) -> Any:
        if not (hasattr(v, "dtype") and jax.numpy.issubdtype(v.dtype, jax.numpy.floating)):
            return v
        return jax.numpy.where(v == 0, 0.01, v * 1.01).astype(v.dtype)

    return jax.tree.map(wrong, value)


def wrapped(function: Callable[..., Any], change: Callable[[Any], Any] = off) -> Callable[..., Any]:
    @functools.wraps(function)
    def mutant(*args: Any, **options: Any) -> Any:
        return change(function(*args, **options))

    return mutant


def replaced(owner: Any, name: Any, change: Callable[[Any], Any] = off) -> Callable[[], None]:
    """What replaces an attribute, or an item of a dictionary, by its mutant."""

    def apply() -> None:
        if hasattr(owner, "__setitem__"):
            owner[name] = wrapped(owner[name], change)
        else:
            setattr(owner, name, wrapped(getattr(owner, name), change))

    return apply


# -- what can be broken -----------------------------------------------------------------------------------------


def formulas() -> list[Mutant]:
    """The value and each derivative of every record."""
    found = []
    for name, activation in catalogue.activations().items():
        definition = activation.definition
        if not hasattr(definition, "handwritten"):
            for part in ("value", "linear", "transpose", "parameter_derivative"):
                if getattr(definition, part) is not None:
                    words = definition.parameter.name if part == "parameter_derivative" else name
                    found.append(Mutant(f"{part} of {name}", replaced(definition, part), ROWS, words))
            continue
        alone = _only(name)
        for key in sorted(definition.handwritten()):
            what = f"derivative {'.'.join(key)}" if key else "value"
            found.append(Mutant(f"{what} of {name}", replaced(definition._bodies, key), FORMULAS, alone))
        if definition.has_output_derivative:
            what = f"output derivative of {name}"
            tests = (*FORMULAS, "test_residuals.py")
            found.append(Mutant(what, replaced(definition, "_output_derivative"), tests, alone))
    return found


def _only(name: str) -> str:
    """For pytest's ``-k``, which looks for parts of names: this activation, no other that contains it."""
    return " and not ".join((name, *(n for n in catalogue.activations() if name in n and n != name)))


def _backwards(result: Any) -> Any:
    """The batch of a batching rule in the wrong order."""
    out, dims = result
    return jax.tree.map(lambda v: v[::-1], out), dims


def _batch_backwards(primitive: Any) -> None:
    rule = functools.partial(engine._batch, primitive)
    engine.batching.primitive_batchers[primitive] = wrapped(rule, _backwards)  # JAX reads no rule back


def _negated(cotangents: Any) -> Any:
    return [v if v is None or type(v) is engine.ad.Zero else -v for v in cotangents]


def _twice(result: Any) -> Any:
    y, tangent = result
    return y, jax.tree.map(lambda t: t if type(t) is engine.ad.Zero else t * 2, tangent, is_leaf=_is_zero)


def _is_zero(value: Any) -> bool:
    return type(value) is engine.ad.Zero


def rules() -> list[Mutant]:
    """Each rule of each primitive."""
    found = []
    for primitive in (engine.activation_p, engine.linear_p, engine.quantised_p):
        named = primitive.name
        tests = ("test_act_quant.py",) if primitive is engine.quantised_p else RULES
        found.append(Mutant(f"batching of {named}", functools.partial(_batch_backwards, primitive), tests))
        if primitive is not engine.quantised_p:  # which has no derivative
            found.append(Mutant(f"JVP of {named}", replaced(engine.ad.primitive_jvps, primitive, _twice), RULES))
            jets = replaced(engine.jet.jet_rules, primitive, _twice)
            found.append(Mutant(f"Taylor mode of {named}", jets, ("test_jet.py",)))
    transpose = replaced(engine.ad.primitive_transposes, engine.linear_p, _negated)
    return [*found, Mutant("transpose of activation_linear", transpose, RULES)]


def _wrong_kernel(found: Any) -> Any:
    return dataclasses.replace(found, run=wrapped(found.run)) if isinstance(found, kernels.Kernel) else found


def placements() -> list[Mutant]:
    """Each way in which a kernel is spread over devices, and what is summed over them."""
    ways = (("explicit", "_mapped"), ("automatic", "_partitioned"))
    found = [Mutant(f"{name} mesh", replaced(sharding, attribute, wrapped), PLACED) for name, attribute in ways]

    def forget_the_sum() -> None:
        jax.lax.psum = lambda v, *_, **__: v

    return [*found, Mutant("sum over devices", forget_the_sum, PLACED)]


# The kernels themselves, which run on a newer JAX only, and their tests.
KERNELS = {
    ("elementwise", "elementwise"): "test_elementwise.py",
    ("reduce", "backward"): "test_reduce.py",
    ("gated", "forward"): "test_gated.py",
    ("gated", "backward"): "test_gated.py",
    ("quantize", "act_quant"): "test_act_quant.py",
    ("rowwise", "softmax"): "test_rows.py",
    ("rowwise", "softmax_backward"): "test_rows.py",
    ("rowwise", "log_softmax_backward"): "test_rows.py",
    ("rowwise", "entmax"): "test_rows.py",
    ("rowwise", "entmax_backward"): "test_rows.py",
}


def kernels_of_gpus() -> list[Mutant]:
    choices = [
        Mutant(f"kernel for {name[1:]}", replaced(kernels, name, _wrong_kernel), CHOICE)
        for name in ("_elementwise", "_packed", "_rowwise")
    ]
    if capability._version(jax.__version__) < capability.MINIMUM_JAX:
        print(f"the kernels themselves need JAX {capability.MINIMUM_JAX}, this is {jax.__version__}: left out")
        return choices
    import importlib

    for (module, name), file in KERNELS.items():
        room = importlib.import_module(f"pallas_kernels.{module}")
        choices.append(Mutant(f"{module}.{name}", replaced(room, name), (f"kernels/{file}",)))
    return choices


def mutants() -> dict[str, Mutant]:
    return {m.name: m for m in (*formulas(), *rules(), *placements(), *kernels_of_gpus())}


# -- a mutant's process, and the list -----------------------------------------------------------------------------


def pytest_configure(config: Any) -> None:
    """As a plugin: break what was chosen."""
    chosen = os.environ.get(CHOSEN)
    if chosen:
        mutants()[chosen].apply()


def killed(mutant: Mutant) -> bool:
    """Whether a test fails."""
    files = [str(ROOT / "tests" / name) for name in mutant.tests]
    words = ["-k", mutant.words] if mutant.words else []
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "mutation",
        "-q",
        "-x",
        "--no-header",
        "--tb=no",
        *words,
        *files,
    ]
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    own = os.environ | {CHOSEN: mutant.name, "PYTHONPATH": path}
    code = subprocess.run(command, env=own, cwd=ROOT, capture_output=True, text=True, check=False).returncode
    if code not in (0, 1):
        raise RuntimeError(f"{mutant.name}: pytest ended with {code}; {' '.join(command)}")
    return code == 1


def timed(mutant: Mutant) -> tuple[bool, float]:
    """Whether a test fails, and after how many seconds."""
    start = time.monotonic()
    return killed(mutant), time.monotonic() - start


# -- the page ---------------------------------------------------------------------------------------------------

GROUPS = {
    "batching": "batching rules",
    "JVP": "derivative rules",
    "Taylor": "Taylor mode",
    "transpose of activation_linear": "transposition",
    "explicit mesh": "placement on an explicit mesh",
    "automatic mesh": "placement on an automatic mesh",
    "sum over devices": "sums over devices",
    "kernel for": "choice of kernels",
    "value": "values of activations",
    "output derivative": "derivatives in terms of the output",
    "derivative": "derivatives of activations",
    "linear": "derivatives of rows",
    "transpose": "transposed derivatives of rows",
    "parameter_derivative": "derivatives of rows in a parameter",
}


def group(name: str) -> str:
    return next((title for start, title in GROUPS.items() if name.startswith(start)), "kernels")


def report(kept: dict[str, str]) -> str:
    """docs/reliability.md, of what came of each mutant that was run."""
    every = set(mutants()) | set(kept)
    rows = []
    for title in dict.fromkeys((*GROUPS.values(), "kernels")):
        named = [n for n in every if group(n) == title]
        came = [kept[n] for n in named if n in kept]
        rows.append(f"| {title} | {len(named)} | {len(came)} | {came.count('killed')} |")
    survivors = sorted(n for n, what in kept.items() if what != "killed")
    listed = [f"* {n}: no test notices it yet." for n in survivors]
    listed = ["Survivors:", "", *listed] if listed else ["None survived."]
    return PAGE_TEXT.format(table="\n".join(rows), survivors="\n".join(listed))


PAGE_TEXT = """# Reliability

Written by `python tests/mutation.py --report`. A mutant is jaxact with one thing broken: a value or a derivative
wrong by a hundredth, a batch in the wrong order, a tangent doubled, a cotangent negated, a sum over devices left
out, the result of a kernel off; a 0 becomes a hundredth. It is killed if one of the tests that should see it
fails. Kernels run in the interpreter, on a JAX that has them. `make mutation` runs them all.

| broken | mutants | run | killed |
|---|---|---|---|
{table}

{survivors}

## Memory

`make soak` first fills every cache of jaxact with what its rounds put there, then for 20 minutes compiles programs
that it has never seen, first those of jax.nn, then jaxact's, and drops them. It fails where a cache has no bound,
or where a program of jaxact leaves 4 KiB more behind than one of jax.nn. The legend has what was left in the last
run, which passed.

![resident memory while programs come and go](images/soak.png)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="mutants whose name has this")
    parser.add_argument("--limit", type=int, default=None, help="so many, evenly spread")
    parser.add_argument("--new", action="store_true", help="those that have not been run")
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time")
    parser.add_argument("--list", action="store_true", help="name them, run nothing")
    parser.add_argument("--report", action="store_true", help="write docs/reliability.md, run nothing")
    options = parser.parse_args()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if options.report:
        PAGE.write_text(report(kept))
        return
    chosen = [m for m in mutants().values() if options.only in m.name]
    if options.limit and len(chosen) > options.limit:
        chosen = [chosen[i * len(chosen) // options.limit] for i in range(options.limit)]
    if options.list:
        print(*(m.name for m in chosen), sep="\n")
        return
    if options.new:
        chosen = [m for m in chosen if m.name not in kept]
    survivors = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, (died, seconds) in zip(chosen, pool.map(timed, chosen), strict=True):
            kept[mutant.name] = "killed" if died else "survived"
            if not died:
                survivors.append(mutant.name)
            print(f"{mutant.name}  {kept[mutant.name]} after {seconds:.0f} s", flush=True)
            KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} killed")
    sys.exit(f"survivors: {', '.join(survivors)}" if survivors else 0)


if __name__ == "__main__":
    main()
