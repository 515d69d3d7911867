"""The database as a file: who may read it, and what else may lie in its place."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_gpuctl.core.errors import GpuCtlError, InvalidConfig, Unavailable
from jupyter_gpuctl.store.location import database_file
from tests.contract.files import open_store, refusal
from tests.contract.leases import live, put, queued

root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


def modes(folder: Path) -> dict[str, int]:
    return {entry.name: entry.stat().st_mode & 0o7777 for entry in folder.iterdir()}


def test_a_new_database_is_for_its_owner_alone(path):
    store = open_store(path)
    put(store, queued("a"))
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert set(modes(path.parent).values()) == {0o600}
    store.close()


def test_in_a_folder_of_a_group_the_group_can_write(path):
    path.parent.mkdir()
    path.parent.chmod(0o2770)
    umask = os.umask(0o077)
    try:
        store = open_store(path)
        put(store, queued("a"))
        found = modes(path.parent)
        store.close()
    finally:
        os.umask(umask)
    assert set(found.values()) == {0o660}
    assert {"gpuctl.sqlite", "gpuctl.sqlite-wal", "gpuctl.sqlite-shm"} <= set(found)


def test_a_file_that_is_no_database_is_left_alone(path):
    path.parent.mkdir()
    path.write_text("dear diary, " * 1000)
    before = path.read_bytes()
    assert refusal(path).code == "store.not_a_database"
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(path):
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("CREATE TABLE diary (day TEXT)")
    before = path.read_bytes()
    assert refusal(path).code == "store.foreign"
    assert path.read_bytes() == before


def test_a_damaged_database_is_told(path):
    store = open_store(path)
    put(store, *(queued(f"{n}", note="x" * 3000) for n in range(50)))
    store.close()
    text = bytearray(path.read_bytes())
    text[4096:] = os.urandom(len(text) - 4096)
    path.write_bytes(text)
    with pytest.raises(Unavailable) as refused:
        put(open_store(path), queued("a"))
    assert refused.value.code == "store.damaged"


def test_a_place_that_can_not_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file" / "gpuctl.sqlite").code == "store.unwritable"


@root
@pytest.mark.parametrize("what", ["the folder", "the file"])
def test_what_this_user_may_not_write_is_told(path, what):
    path.parent.mkdir()
    if what == "the file":
        open_store(path).close()
    # Up to the folder anybody may go; what is in it is another user's.
    for parent in list(path.parents)[:-2]:
        if parent.stat().st_uid == 0 and parent != Path("/tmp"):
            parent.chmod(0o755)
    os.seteuid(65534)
    try:
        assert refusal(path).code == "store.unwritable"
    finally:
        os.seteuid(0)


@root
def test_users_of_one_group_share_a_database():
    group, first, second = 60000, 60001, 60002
    with tempfile.TemporaryDirectory() as place:  # which others than root may enter, too
        os.chmod(place, 0o755)
        folder = Path(place, "gpuctl")
        folder.mkdir()
        os.chown(folder, 0, group)
        folder.chmod(0o2770)
        for user in (first, second, first):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    os.setgroups([])
                    os.setgid(user)
                    os.setgroups([group])
                    os.setuid(user)
                    os.umask(0o077)
                    store = open_store(folder / "gpuctl.sqlite")
                    put(store, queued(f"{len(live(store))}"))
                    status = 0
                except GpuCtlError as error:
                    print(error)
                finally:
                    # Without closing: the side files stay, as of a server that goes on.
                    os._exit(status)
            assert os.waitpid(pid, 0)[1] == 0
        store = open_store(folder / "gpuctl.sqlite")
        assert set(live(store)) == {"0", "1", "2"}
        store.close()


def test_a_url_names_a_file():
    assert database_file("sqlite:////srv/gpuctl/a b.sqlite").path == Path("/srv/gpuctl/a b.sqlite")
    assert database_file("").path.name == "gpuctl.sqlite"


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "postgresql://host/db", "/srv/x", "%"]
)
def test_a_url_of_anything_else_is_refused(url):
    with pytest.raises(InvalidConfig) as refused:
        database_file(url)
    assert repr(url) in refused.value.message
