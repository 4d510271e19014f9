"""The benchmarks run, and the page says what they found; nobody asserts times here."""

import pytest

from benchmarks.__main__ import APART, PROGRAMS, main
from benchmarks.report import Report


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    assert main(["all", "--quick", "--out", str(folder), "--docs", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("table", [t for program in PROGRAMS.values() for t in program])
def test_every_table_is_whole(written, table):
    report = Report.load(written / f"{table}.json")
    assert report.rows
    assert all(len(row) == len(report.columns) for row in report.rows)
    assert report.findings
    assert {"date", "processor", "Python", "JAX"} <= set(report.machine)
    page = (written / "performance.md").read_text()
    assert f"## {report.title}" in page
    assert all(finding in page for finding in report.findings)


def test_what_memory_says(written):
    report = Report.load(written / "memory.json")
    assert all(r["jit"] <= 1 and r["eager"] <= 1 and r["scan"] <= 1 for r in report.where())
    assert any(r["jax.nn jit"] > 1 for r in report.where(activation="gelu")), (
        "the measure sees more than one array"
    )


def test_no_program_on_several_devices_has_a_collective_without_need(written):
    report = Report.load(written / "scaling_devices.json")
    solved = {"sparsemax"}  # its loop ends when no row of any device moves: one all-reduce of a flag
    for row in report.where():
        assert row["collectives"] == (row["activation"] in solved and row["devices"] > 1), row


def test_a_table_without_results_says_so(tmp_path):
    assert main(["page", "--out", str(tmp_path), "--docs", str(tmp_path)]) == 0
    assert (tmp_path / "performance.md").read_text().count("Not measured yet.") == sum(
        map(len, [*PROGRAMS.values(), *APART.values()])
    )
