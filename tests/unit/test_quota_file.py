import os
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.core.errors import InvalidConfig
from jupyter_gpuctl.leases.policy import GpuQuota, Policy
from jupyter_gpuctl.leases.quotas.file import (
    MOST_BYTES,
    SETTLE,
    FixedPolicy,
    QuotaFile,
    load,
    source,
)


class Ticks:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "quotas.yaml"
    path.write_text("default: {gpus: 1}\n")
    return path


@pytest.fixture
def quotas(path, ticks):
    return QuotaFile(path, Policy(), ticks)


def gpus(quotas: QuotaFile) -> float:
    """Of the default, as it holds now."""
    return quotas.policy().default.gpus.limit / 1000


def settled(quotas: QuotaFile, ticks: Ticks) -> float:
    quotas.policy()
    ticks.now += SETTLE
    return gpus(quotas)


def test_a_changed_file_holds_once_it_is_left_alone(quotas, path, ticks):
    path.write_text("default: {gpus: 2}\n")
    assert gpus(quotas) == 1
    ticks.now += SETTLE / 2
    path.write_text("default: {gpus: 3.5}\n")
    assert gpus(quotas) == 1
    ticks.now += SETTLE / 2
    assert gpus(quotas) == 1
    ticks.now += SETTLE / 2
    assert gpus(quotas) == 3.5
    assert quotas.problem is None


def test_half_a_file_never_counts(quotas, path, ticks):
    path.write_text("")
    assert gpus(quotas) == 1
    assert quotas.problem is None
    path.write_text("default: {gpus: 2}\n")
    assert settled(quotas, ticks) == 2


def test_a_file_that_was_half_written_at_the_start_is_read_once_more(path, ticks):
    path.write_text("{}\n")
    quotas = QuotaFile(path, Policy(), ticks)
    before = path.stat()
    path.write_text("default: {gpus: 2}\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert settled(quotas, ticks) == 2


def test_a_file_that_is_put_in_the_place_of_another_is_noticed(quotas, path, ticks, tmp_path):
    same = path.stat()
    other = tmp_path / "other"
    other.write_text("default: {gpus: 2}\n")
    os.utime(other, ns=(same.st_atime_ns, same.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_mtime_ns == same.st_mtime_ns
    assert path.stat().st_size == same.st_size
    assert settled(quotas, ticks) == 2


def test_a_file_behind_a_link_is_followed(path, ticks, tmp_path):
    second = tmp_path / "second.yaml"
    second.write_text("default: {gpus: 2}\n")
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    quotas = QuotaFile(link, Policy(), ticks)
    (tmp_path / "new").symlink_to(second)
    (tmp_path / "new").replace(link)
    assert settled(quotas, ticks) == 2


def damage_mistake(path: Path):
    path.write_text("default: {gpus: -1}\n")


def damage_yaml(path: Path):
    path.write_text("default: {gpus\n")


def damage_emptied(path: Path):
    path.write_text("")


def damage_deleted(path: Path):
    path.unlink()


def damage_folder(path: Path):
    path.unlink()
    path.mkdir()


def damage_pipe(path: Path):
    path.unlink()
    os.mkfifo(path)


def damage_huge(path: Path):
    path.write_bytes(b"#" * (MOST_BYTES + 1))


def damage_loop(path: Path):
    path.unlink()
    path.symlink_to(path)


DAMAGES = {
    damage_mistake: "default.gpus=-1 is below 0. Write a number of GPUs",
    damage_yaml: "is not YAML that can be used: line 2, column 1",
    damage_emptied: "nothing is written. Write {}",
    damage_deleted: "can't be read: No such file or directory. Mend it, or point GpuCtl.quotas",
    damage_folder: "can't be read: it is not a file.",
    damage_pipe: "can't be read: it is not a file.",
    damage_huge: "can't be read: it is larger than 512 KiB.",
    damage_loop: "can't be read: Too many levels of symbolic links.",
}


@pytest.mark.parametrize(
    ("damage", "told"), DAMAGES.items(), ids=lambda d: getattr(d, "__name__", "")
)
class TestAFileThatCantBeUsed:
    def test_keeps_the_quotas_before_it_and_says_so(self, damage, told, quotas, path, ticks):
        damage(path)
        assert settled(quotas, ticks) == 1
        assert str(path) in quotas.problem
        assert told in quotas.problem
        # Whoever tells it says that the quotas before it hold on, each in its own words.
        assert "hold on" not in quotas.problem

    def test_is_followed_again_when_mended(self, damage, told, quotas, path, ticks):
        damage(path)
        settled(quotas, ticks)
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_text("default: {gpus: 2}\n")
        assert settled(quotas, ticks) == 2
        assert quotas.problem is None

    def test_leaves_the_quotas_unknown_at_the_start_until_it_is_mended(
        self, damage, told, path, ticks
    ):
        damage(path)
        quotas = QuotaFile(path, Policy(max_lease=60), ticks)
        for _ in range(2):
            found = quotas.policy()
            assert told in f"{found.unread} {found.unread_hint}".strip() == quotas.problem
            # Names may have been hidden.
            assert (found.hide_names, found.max_lease) == (True, 60)
            ticks.now += SETTLE
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_text("default: {gpus: 2}\n")
        assert settled(quotas, ticks) == 2
        assert (quotas.problem, quotas.policy().unread) == (None, "")
        assert not quotas.policy().hide_names


def test_another_mistake_is_told_in_place_of_the_first(path, ticks):
    path.write_text("default: {gpus: -1}\n")
    quotas = QuotaFile(path, Policy(), ticks)
    path.write_text("default: {gpu: 1}\n")
    quotas.policy()
    ticks.now += SETTLE
    assert "Did you mean gpus?" in quotas.policy().unread


def test_the_old_text_put_back_ends_the_problem(quotas, path, ticks):
    path.write_text("default: 3\n")
    settled(quotas, ticks)
    assert quotas.problem
    path.write_text("default: {gpus: 1}\n")
    assert settled(quotas, ticks) == 1
    assert quotas.problem is None


def test_an_unchanged_file_gives_the_same_policy(quotas, path, ticks):
    first = quotas.policy()
    settled(quotas, ticks)
    os.utime(path)
    settled(quotas, ticks)
    assert quotas.policy() is first


def test_many_threads_may_ask_while_the_file_changes(quotas, path, ticks):
    seen: set[float] = set()
    errors: list[Exception] = []
    done = threading.Event()

    def ask():
        try:
            while not done.is_set():
                seen.add(gpus(quotas))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for count in range(2, 20):
        path.write_text(f"default: {{gpus: {count}}}\n")
        settled(quotas, ticks)
    done.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert seen <= set(range(1, 20))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 8:00", "8:00"),
        ("a: no", "no"),
        ("a: on", "on"),
        ("a: 007", "007"),
        ("a: 0x1f", "0x1f"),
        ("a: 1_000", "1_000"),
        ("a: 2027-01-11T10:00:00", "2027-01-11T10:00:00"),
        ("a: 2027-02-30", "2027-02-30"),
        ("a: 12", 12),
        ("a: -1.5", -1.5),
        ("a: 1e3", 1000.0),
        ("a: true", True),
        ("a:", None),
        ("a: ~", None),
        ("a: 'true'", "true"),
    ],
)
def test_values_are_what_they_look_like(text, value):
    read = load(text.encode(), Path("quotas.yaml"))["a"]
    assert read == value
    assert type(read) is type(value)


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefg"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("users: {a: {}, a: {}}", "line 1, column 16: 'a' is written twice"),
        ("users: {7: {}, 7: {}}", "'7' is written twice"),
        (BOMB, "line 2, column 8: the alias *a stands for another text"),
        ("a: !!python/object/apply:os.system [x]", "python/object/apply:os.system is not for this"),
        ("a: !!timestamp x", "timestamp is not for this file"),
        ("[" * 100_000, "it is nested too deeply"),
        ("a: 1\n---\nb: 2", "line 2, column 1"),
        ("\0", "#x0000"),
        ("{[1]: 2}", "unhashable key"),
        ("\ta: 1", "line 1, column 1"),
    ],
)
def test_what_is_not_plain_yaml_is_told_with_its_place(text, told):
    with pytest.raises(InvalidConfig) as refused:
        load(text.encode(), Path("quotas.yaml"))
    assert told in refused.value.message
    assert "\n" not in refused.value.message
    assert len(refused.value.message) < 300


def test_a_byte_order_mark_is_no_matter_and_other_encodings_are_told():
    assert load("a: é".encode("utf-8-sig"), Path("q")) == {"a": "é"}
    with pytest.raises(InvalidConfig, match="byte 3 is not UTF-8"):
        load("a: é".encode("latin-1"), Path("q"))


@given(
    st.binary(max_size=40) | st.text("[]{}:,-&*!|>'\"%@` \n\t#ab10~?", max_size=40).map(str.encode)
)
def test_no_bytes_give_anything_but_values_or_a_clear_error(text):
    try:
        load(text, Path("quotas.yaml"))
    except InvalidConfig as error:
        told = error.message
    else:
        told = "quotas.yaml"
    assert "quotas.yaml" in told


def test_a_setting_gives_its_quotas_a_path_those_of_its_file_and_none_gives_none(path):
    base = Policy(max_lease=60)
    assert source(None, base).policy() == base
    assert source(str(path), base).policy().default.gpus == GpuQuota(1000, 1000)
    fixed = source({"default": {"gpus": 2}}, base)
    assert isinstance(fixed, FixedPolicy)
    assert fixed.policy().default.gpus == GpuQuota(2000, 2000)
    assert fixed.policy().max_lease == 60
    assert fixed.problem is None
    broken = source({"default": {"gpus": -1}}, base)
    assert "In GpuCtl.quotas, default.gpus=-1 is below 0" in broken.policy().unread
    assert broken.problem.startswith(broken.policy().unread)
