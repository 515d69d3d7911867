"""Reports of the real command on real notebooks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jupyter_gpuctl.validation.reports import FORMATS

from .validating import validate, write_notebook

# Put together in the notebook: its code is in reports, what it prints is not.
SECRET = "battery staple"
TELLS = """
import sys
secret = "battery" + " " + "staple"
print(secret)
print(secret, file=sys.stderr)
display({"text/html": secret, "text/plain": secret}, raw=True)
secret
"""


def test_what_a_notebook_prints_is_in_no_report(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", [TELLS, "print(secret)\n1 / 0"])
    wanted = [f"--report={name}={name}" for name in FORMATS]
    run = validate(tmp_path, "n.ipynb", *wanted)
    assert run.status == 1, run.stderr
    for name in FORMATS:
        report = (tmp_path / name).read_text()
        assert "ZeroDivisionError" in report
        assert SECRET not in report, name
    assert "1 / 0" in (tmp_path / "html").read_text()
    assert 'name="cell 1: import sys"' in (tmp_path / "junit").read_text()


def test_one_report_goes_to_standard_output_and_the_others_to_files(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", ["x = 1"])
    run = validate(tmp_path, "n.ipynb", "--json", "--report", "html=page.html")
    assert run.status == 0, run.stderr
    assert run.report["notebooks"][0]["verdict"] == "passed"
    assert "The notebook passed." in (tmp_path / "page.html").read_text()


def test_two_reports_for_standard_output_are_refused_before_anything_runs(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", ["open('ran', 'w')"])
    run = validate(tmp_path, "n.ipynb", "--json", "--report", "github")
    assert run.status == 2
    assert "standard output is where the github report goes" in run.stderr
    assert not (tmp_path / "ran").exists()


def test_who_reads_no_more_does_not_lose_the_other_reports(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", ["x = 1"])
    reads, writes = os.pipe()
    os.close(reads)
    arguments = ["n.ipynb", "--json", "--report", "junit=junit.xml"]
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_gpuctl", "validate", *arguments],
        cwd=tmp_path,
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writes)
    assert done.returncode == 2
    assert "The json report can't be written to standard output: Broken pipe." in done.stderr
    assert "1 passed" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert (tmp_path / "junit.xml").exists()
