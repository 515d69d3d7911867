"""What may be asked of ``POST validations``, and which files it means."""

from typing import get_args

import pytest

from jupyter_gpuctl.core.errors import InvalidInput, NotFound, Refused
from jupyter_gpuctl.validation.bodies import parse_format, parse_wanted
from jupyter_gpuctl.validation.model import Verdict
from jupyter_gpuctl.validation.places import Places
from jupyter_gpuctl.validation.wire import VerdictName


def test_what_is_asked_for_is_said_to_the_command_line():
    wanted = parse_wanted(
        {
            "paths": ["lectures/", "lectures", "./labs//1.ipynb"],
            "time_limit": "1h30m",
            "cell_time_limit": 2.5,
            "memory_limit": "2GiB",
            "kernel": " ir ",
            "cold": True,
            "cache": False,
        }
    )
    assert wanted.paths == ("lectures", "labs/1.ipynb")
    assert wanted.options == (
        "--time-limit=5400.0",
        "--cell-time-limit=2.5",
        f"--memory-limit={2 * 1024**3}",
        "--kernel=ir",
        "--cold",
        "--no-cache",
    )


def test_what_is_left_out_is_left_to_the_settings():
    body = {"paths": [""], "time_limit": None, "cold": False, "cache": True, "kernel": None}
    assert parse_wanted(body).options == ()


def test_no_limit_can_be_asked_for():
    assert parse_wanted({"paths": ["a"], "time_limit": "None"}).options == ("--time-limit=none",)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"path": ["a"]}, "'path' is not a field"),
        ({"paths": None}, "paths is missing"),
        ({"paths": []}, "paths=[] is not a list"),
        ({"paths": "a.ipynb"}, "paths='a.ipynb' is not a list"),
        ({"paths": [1]}, "1 in paths is not a path"),
        ({"paths": ["a\0"]}, "is not a path"),
        ({"paths": ["/etc"]}, "begins with a slash"),
        ({"paths": ["a/../../etc"]}, "leads upwards"),
        ({"paths": ["a"] * 101}, "101 paths"),
        ({"time_limit": "soon"}, "time_limit='soon' is not a duration"),
        ({"time_limit": 0}, "time_limit=0 leaves nothing"),
        ({"time_limit": True}, "time_limit=True is not a quantity"),
        ({"cell_time_limit": -1}, "cell_time_limit=-1 is negative"),
        ({"memory_limit": "1MiB"}, "memory_limit='1MiB' leaves nothing"),
        ({"memory_limit": [1]}, "is not a quantity"),
        ({"kernel": " "}, "is not the name of a kernel"),
        ({"cold": "yes"}, "cold='yes' is neither true nor false"),
    ],
)
def test_what_can_not_be_asked_is_named(change, says):
    with pytest.raises(InvalidInput) as refused:
        parse_wanted({"paths": ["a"]} | change)
    assert says in refused.value.message
    assert refused.value.hint


def test_reports_are_html_unless_another_format_is_named():
    assert parse_format(None) == "html"
    assert parse_format("junit") == "junit"
    with pytest.raises(InvalidInput, match="format='pdf'"):
        parse_format("pdf")


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "course" / "labs").mkdir(parents=True)
    (root / ".hidden").mkdir()
    for name in ("course/1.ipynb", "course/labs/2.ipynb", "top.ipynb", "notes.txt"):
        (root / name).touch()
    (tmp_path / "secret.ipynb").touch()
    (root / "away.ipynb").symlink_to(tmp_path / "secret.ipynb")
    (root / "loop").symlink_to("loop")
    return root


@pytest.mark.parametrize(
    ("paths", "base", "arguments"),
    [
        ([""], "", (".",)),
        (["top.ipynb"], "", ("top.ipynb",)),
        (["course"], "course", (".",)),
        (["course/1.ipynb", "course/labs"], "course", ("1.ipynb", "labs")),
        (["course/labs/2.ipynb", "top.ipynb"], "", ("course/labs/2.ipynb", "top.ipynb")),
    ],
)
def test_a_validation_runs_in_the_nearest_folder_that_holds_all(root, paths, base, arguments):
    course = Places(str(root), hidden=False).course(paths)
    assert (course.base, course.arguments) == (base, arguments)
    assert course.folder.rstrip("/") == str(root / base)
    assert course.contents_path("x.ipynb") == (f"{base}/x.ipynb" if base else "x.ipynb")


@pytest.mark.parametrize("path", ["gone", ".hidden", "away.ipynb", "loop", "top.ipynb/x"])
def test_nothing_outside_of_the_root_nor_hidden_is_there(root, path):
    with pytest.raises(NotFound, match="is not there"):
        Places(str(root), hidden=False).course([path])


def test_hidden_folders_are_taken_where_the_contents_show_them(root):
    assert Places(str(root), hidden=True).course([".hidden"]).base == ".hidden"


def test_other_files_are_refused(root):
    with pytest.raises(Refused, match="neither a notebook nor a folder"):
        Places(str(root), hidden=False).course(["notes.txt"])


def test_contents_that_lie_elsewhere_are_refused():
    with pytest.raises(Refused, match="don't lie in a folder of this machine"):
        Places(None, hidden=False).course(["a.ipynb"])


def test_the_wire_knows_all_verdicts():
    assert get_args(VerdictName) == tuple(Verdict)
