import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.host.procfs import KEPT_FILES, ProcFs, parse_stat, read_process

LINE = (
    "{pid} ({name}) {state} {parent} 7 {session} 0 -1 4194304 1 2 3 4 {user} {system} {cu} {cs} "
    "20 0 1 0 {started} 5000 {pages} 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0"
)
numbers = st.integers(0, 2**31)


@given(
    name=st.text(
        st.characters(blacklist_categories=("Cs",), blacklist_characters="\n"), max_size=15
    ),
    state=st.sampled_from("RSDZTtXxKWPI"),
    pid=numbers,
    parent=numbers,
    session=numbers,
    started=numbers,
    user=numbers,
    system=numbers,
    cu=numbers,
    cs=numbers,
    pages=numbers,
)
def test_a_line_is_read_whatever_the_command_is_called(**values):
    info = parse_stat(LINE.format(**values))
    tick = os.sysconf("SC_CLK_TCK")
    assert (info.pid, info.parent, info.session) == (
        values["pid"],
        values["parent"],
        values["session"],
    )
    assert info.name == values["name"]
    assert info.identity == (values["pid"], values["started"])
    assert info.rss == values["pages"] * os.sysconf("SC_PAGE_SIZE")
    assert info.cpu_seconds == (values["user"] + values["system"]) / tick
    assert info.waited_cpu_seconds == (values["cu"] + values["cs"]) / tick
    assert info.zombie == (values["state"] in "ZX")


@given(st.text(max_size=200))
def test_what_is_no_such_line_is_refused(text):
    with pytest.raises((ValueError, IndexError)):
        parse_stat(text.replace("(", "["))


def test_this_very_process_is_there_and_a_zombie_is_not():
    mine = ProcFs().info(os.getpid())
    assert (mine.pid, mine.parent, mine.session) == (os.getpid(), os.getppid(), os.getsid(0))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert ProcFs().info(child) is None
    assert read_process(child).zombie
    os.waitpid(child, 0)
    assert read_process(child) is None


def test_the_real_user_is_told_not_the_owner_of_the_folder(tmp_path):
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "status").write_text("Name:\tx\nUid:\t12345\t0\t0\t0\n")
    assert ProcFs(root=str(tmp_path)).uid(42) == 12345
    assert ProcFs(root=str(tmp_path)).user(42) is None


def test_files_of_processes_are_kept_within_a_bound_and_never_answer_for_a_later_process():
    table = ProcFs()
    pids = table.pids()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        for pid in pids:
            table.info(pid)
    assert len(os.listdir("/proc/self/fd")) <= before + KEPT_FILES
    child = os.fork()
    if child == 0:
        signal.pause()
    assert table.info(child).parent == os.getpid()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert table.info(child) is None
    del table
    assert len(os.listdir("/proc/self/fd")) <= before
