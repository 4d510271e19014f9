"""What GitHub's workflows name exists here, and what they promise of versions and of publishing holds.

That they are valid is checked by `make lint`.
"""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TEXTS = {path.stem: path.read_text() for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
WORKFLOWS = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS = {f"{name}.{job}": own for name, flow in WORKFLOWS.items() for job, own in flow["jobs"].items()}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ON = True  # what `on` is in YAML 1.1


def commands() -> list[str]:
    return [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_every_target_of_make_exists():
    targets = {t for run in commands() for t in re.findall(r"^make (\S+)", run, flags=re.MULTILINE)}
    assert {"test", "lint", "docs", "wheel-test"} <= targets
    alone = {"PATH": os.environ["PATH"]}  # without the settings of a `make wheel-test` that runs these tests
    told = subprocess.run(
        ["make", "-n", *targets], cwd=ROOT, env=alone, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr


def test_every_file_exists():
    words = " ".join(commands()).replace("=", " ").split()
    files = {w for w in words if re.match(r"(tests|examples|benchmarks|docs|jaxact)(/|$)", w)}
    assert files
    assert [f for f in files if not (ROOT / f).exists()] == []


def test_oldest_and_newest_versions_are_tested():
    matrix = JOBS["tests.tests"]["strategy"]["matrix"]["include"]
    oldest = next(d for d in PROJECT["dependencies"] if d.startswith("jax>")).replace(">=", "==")
    assert {(row["python"], row["jax"]) for row in matrix} >= {
        (PROJECT["requires-python"].removeprefix(">="), oldest),
        *((python, "jax") for python in ("3.11", "3.12", "3.13")),
    }
    assert any("matrix.jax" in step.get("run", "") for step in JOBS["tests.tests"]["steps"])


def test_docs_and_the_wheel_are_tested_with_every_change():
    assert {"push", "pull_request", "schedule"} <= set(WORKFLOWS["tests"][ON])
    runs = [s.get("run") for name, job in JOBS.items() if name.startswith("tests.") for s in job["steps"]]
    assert {"make lint", "make docs", "make wheel-test"} <= set(runs)


def test_what_is_published_was_tested_and_needs_no_stored_secret():
    assert WORKFLOWS["publish"][ON]["push"] == {"tags": ["v*"]}
    build, publish = JOBS["publish.build"], JOBS["publish.publish"]
    runs = [s["run"].partition(" #")[0] for s in build["steps"] if "run" in s]
    assert runs[0].startswith("make wheel-test")
    assert any("tests/test_release.py" in run for run in runs), "tag, version and changelog agree"
    assert publish["needs"] == "build"
    assert publish["permissions"] == {"id-token": "write"}
    assert any("gh-action-pypi-publish" in s["uses"] for s in publish["steps"])
    assert not any("secrets." in text for text in TEXTS.values())


def test_every_action_has_a_version():
    used = [step["uses"] for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert used
    assert [u for u in used if not re.fullmatch(r"[\w-]+/[\w-]+@\S+", u)] == []
