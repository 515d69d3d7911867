"""Where reports go: whole, each to its own place, or told why not."""

from __future__ import annotations

import json
import re
import resource
import stat

import pytest

from jupyter_gpuctl.cli.validate_reports import targets_of, write_reports
from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.validation.model import Verdict
from jupyter_gpuctl.validation.reports import FORMATS, renderer
from tests.unit.validations import (
    notebook,
    of_all_verdicts,
    validation,
)


def rendered(name, what):
    return renderer(name)(what)


@pytest.mark.parametrize("text", ["pdf=x", "html=/no/such/folder/a.html", "=", ""])
def test_a_report_that_can_not_be_is_refused_by_name(text):
    with pytest.raises(InvalidInput, match=re.escape(repr(text))):
        targets_of([text])


def test_two_reports_want_places_of_their_own(tmp_path):
    with pytest.raises(InvalidInput, match="where the html report goes"):
        targets_of([f"html={tmp_path}/a", f"junit={tmp_path}/./a"])


def test_reports_are_written_whole_and_leave_nothing_beside(tmp_path):
    names = {f"{name}={tmp_path}/{name}" for name in FORMATS}
    write_reports(targets_of(sorted(names)), of_all_verdicts())
    assert {path.name for path in tmp_path.iterdir()} == set(FORMATS)
    for name in FORMATS:
        assert (tmp_path / name).read_text() == rendered(name, of_all_verdicts())


@pytest.fixture
def no_room():
    """No file of ours can grow beyond a kilobyte."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_report_for_which_there_is_no_room_leaves_the_old_one_and_the_others(tmp_path, no_room):
    (tmp_path / "old.html").write_text("old")
    wanted = [f"html={tmp_path}/old.html", f"github={tmp_path}/github"]
    with pytest.raises(
        InvalidInput, match=r"html report can't be written to '.*old\.html'"
    ) as told:
        write_reports(targets_of(wanted), validation(notebook("a", Verdict.FAILED, reason="r")))
    assert told.value.hint == "Free some room, or name another file."
    assert (tmp_path / "old.html").read_text() == "old"
    assert (tmp_path / "github").read_text().startswith("::error file=a,line=1,")
    assert {path.name for path in tmp_path.iterdir()} == {"old.html", "github"}


def test_a_full_device_is_told():
    with pytest.raises(InvalidInput, match="'/dev/full': No space left on device"):
        write_reports(targets_of(["json=/dev/full"]), validation())


def test_a_report_keeps_the_mode_and_the_link_of_the_file_before_it(tmp_path):
    real = tmp_path / "real"
    real.write_text("")
    real.chmod(0o604)
    (tmp_path / "link").symlink_to(real)
    write_reports(targets_of([f"json={tmp_path}/link"]), validation())
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o604
    assert json.loads(real.read_text())["notebooks"] == []


def test_the_summary_of_a_step_is_appended_to(tmp_path, monkeypatch):
    file = tmp_path / "summary"
    file.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    write_reports(targets_of([f"markdown={file}"]), validation())
    assert file.read_text().startswith("before\n## There was no notebook")
