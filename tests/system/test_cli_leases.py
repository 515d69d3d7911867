"""`jupyter gpuctl lease` as a program: two users, one database, two simulated GPUs, no server."""

from __future__ import annotations

import csv
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from jupyter_gpuctl.cli.words import short
from tests.system.terminal import gpuctl, home

User = Callable[..., subprocess.CompletedProcess[str]]


def environment(folder: Path, name: str) -> dict[str, str]:
    """Of a user who is known to the Hub as ``name``, with a home of its own."""
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "GPUCTL"))},
        **home(folder / name),
        "JUPYTERHUB_USER": name,
        "GPUCTL_SIMULATE_GPUS": "2",
        "GPUCTL_DATABASE_URL": f"sqlite:///{folder / 'shared' / 'gpuctl.sqlite'}",
    }


@pytest.fixture
def as_user(tmp_path: Path) -> Callable[[str], User]:
    def user(name: str) -> User:
        given = environment(tmp_path, name)
        return lambda *arguments, **more: gpuctl({**given, **more}, *arguments)

    return user


@pytest.fixture
def a(as_user) -> User:
    return as_user("user-a")


@pytest.fixture
def b(as_user) -> User:
    return as_user("user-b")


def read(user: User, *arguments: str):
    done = user(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_lease_is_granted_shown_extended_and_given_back(a, b):
    done = a("lease", "request", "--gpus", "2", "--duration", "2h", "--note", "fine-tuning")
    assert done.returncode == 0, done.stderr
    assert "2 GPUs until" in done.stdout
    assert "2 h left" in done.stdout
    assert "export CUDA_VISIBLE_DEVICES=GPU-" in done.stdout
    lease_id = read(a, "lease", "list")["items"][0]["id"]
    assert short(lease_id) in done.stdout

    header, row = a("lease", "list").stdout.splitlines()
    assert header.split() == ["ID", "WHO", "GPUS", "UNTIL", "NOTE"]
    assert "you" in row
    assert "fine-tuning" in row
    (row,) = b("lease", "list").stdout.splitlines()[1:]
    assert "user-a" in row
    assert short(lease_id) not in row

    table = b("status").stdout
    assert "HELD BY" in table
    assert [line.split()[:2] for line in table.splitlines() if " left" in line] == [
        ["0", "user-a"],
        ["1", "user-a"],
    ]

    done = a("lease", "extend", short(lease_id)[:3], "1h")
    assert "3 h left" in done.stdout
    assert a("lease", "release").returncode == 0
    assert "Nobody holds" in b("lease", "list").stdout
    assert "given back" in a("lease", "list", "--ended").stdout
    assert "No lease is over yet" in b("lease", "list", "--ended").stdout


def test_who_waits_is_offered_and_accepts(a, b):
    a("lease", "request", "--gpus", "2")
    done = b("lease", "request", "--gpus", "1")
    assert done.returncode == 0
    assert "1st in line, starts in about" in done.stdout
    assert "1 request in the queue; yours: 1st in line" in " ".join(b("status").stdout.split())
    assert b("lease", "accept").returncode == 1, "nothing is offered yet"
    a("lease", "release")
    assert "offered: accept within" in b("lease", "list").stdout
    done = b("lease", "accept")
    assert done.returncode == 0, done.stderr
    assert "1 GPU until" in done.stdout


def test_a_lease_on_which_nothing_runs_is_kept(a, b):
    assert a("lease", "keep").returncode == 1, "there is none yet"
    a("lease", "request")
    done = a("lease", "keep")
    assert done.returncode == 0, done.stderr
    assert "1 GPU until" in done.stdout
    assert b("lease", "keep").returncode == 1, "it is somebody else's"


def test_a_dry_run_makes_nothing_not_even_a_database(a, tmp_path):
    preview = read(a, "lease", "request", "--dry-run")
    assert preview["verdict"]["outcome"] == "admitted"
    said = a("lease", "request", "--dry-run").stdout
    assert "It would start now" in said
    assert "cost up to 1 GPU-hour." in said
    assert a("lease", "request", "--gpus", "3", "--dry-run").returncode == 1
    assert a("lease", "list").returncode == a("lease", "quota").returncode == 0
    assert a("status").returncode == a("doctor").returncode == 0
    assert not (tmp_path / "shared").exists()


def test_exit_statuses_tell_refused_from_mistaken_from_away(a, tmp_path):
    def fails(status: int, *arguments: str, **more: str) -> str:
        done = a(*arguments, **more)
        assert done.returncode == status, done.stdout + done.stderr
        (line,) = done.stderr.splitlines()[-1:]
        assert line.startswith("Error: ")
        return line

    assert "3" in fails(1, "lease", "request", "--gpus", "3")
    assert "aabbcc" in fails(1, "lease", "release", "aabbcc")
    assert "You have no lease" in fails(1, "lease", "release")
    assert "--gpus=0.0 is not above 0" in fails(2, "lease", "request", "--gpus", "0")
    assert fails(2, "lease", "request", "--gpus", "0.5") == (
        "Error: --memory is missing: --gpus=0.5 is a share of one GPU. Say how much of its memory "
        "you need, such as --memory 8GiB."
    )
    assert fails(2, "lease", "request", "--memory", "x").startswith("Error: --memory='x' is not")
    assert fails(2, "lease", "request", "--note", "x" * 501).startswith("Error: --note has 501")
    assert "jupyter gpuctl lease list" in fails(1, "lease", "release", "aabbcc")
    assert "'soon' is not a duration" in fails(2, "lease", "request", "--duration", "soon")
    assert "DURATION='soon' is not a duration" in fails(2, "lease", "extend", "aabbcc", "soon")
    assert fails(2, "lease", "extend", "aabbcc", "-1h") == (
        "Error: DURATION='-1h' is below 0: a lease can be made longer, not shorter. To give it "
        "back early: jupyter gpuctl lease release"
    )
    assert "is not a valid float" in fails(2, "lease", "request", "--gpus", "two")
    assert "sqlite:////" in fails(2, "lease", "list", "--database-url", "mysql://db/x")
    letter = tmp_path / "letter.sqlite"
    letter.write_text("This is a letter, not a database. " * 100)
    assert str(letter) in fails(3, "lease", "list", "--database-url", f"sqlite:///{letter}")
    quotas = tmp_path / "quotas.yaml"
    quotas.write_text("default: {gpu: 1}\n")
    for verb in ("quota", "request"):
        assert str(quotas) in fails(2, "lease", verb, GPUCTL_QUOTAS=str(quotas))


def test_a_broken_quota_file_keeps_nobody_from_looking_and_giving_back(a, tmp_path):
    quotas = tmp_path / "quotas.yaml"
    quotas.write_text("default: {gpus: 1}\n")
    given = {"GPUCTL_QUOTAS": str(quotas)}
    assert a("lease", "request", **given).returncode == 0
    quotas.write_text("default: {gpu: 1}\n")
    lease_id = read(a, "lease", "list")["items"][0]["id"]
    assert short(lease_id) in a("lease", "list", **given).stdout
    assert "HELD BY" in a("status", **given).stdout
    assert str(quotas) in a("lease", "extend", lease_id, "1h", **given).stderr
    assert a("lease", "release", **given).returncode == 0
    assert short(lease_id) in a("lease", "list", "--ended", **given).stdout


def test_a_database_that_can_not_be_written_keeps_nobody_from_looking(a, b, tmp_path):
    a("lease", "request", "--gpus", "2")
    lease_id = read(b, "lease", "request")["id"]
    lock = tmp_path / "shared" / "gpuctl.sqlite.lock"
    lock.unlink()
    lock.mkdir()  # which nobody can lock
    third = {"GPUCTL_SIMULATE_GPUS": "3"}  # so that the request is due to start
    done = b("lease", "list", **third)
    assert done.returncode == 0, done.stderr
    assert short(lease_id) in done.stdout
    assert "in line, start unknown" in " ".join(done.stdout.split())
    assert str(lock) in done.stderr
    assert b("lease", "quota", **third).returncode == 0
    table = b("status", **third).stdout
    assert "1 request in the queue" in table
    assert "gpuctl.sqlite.lock" in "".join(table.split())
    done = b("lease", "release", **third)
    assert (done.returncode, str(lock) in done.stderr) == (3, True)
    lock.rmdir()
    assert "1 GPU until" in b("lease", "accept", **third).stdout


def test_times_are_the_readers(a, b):
    read(a, "lease", "request", "--gpus", "2", "--duration", "40m")
    asked = read(b, "lease", "request", "--dry-run")["verdict"]["message"]
    utc = datetime.strptime(re.search(r"(\d\d:\d\d) UTC", asked)[1], "%H:%M")
    said = b("lease", "request", "--dry-run", TZ="Asia/Tokyo").stdout
    assert "UTC" not in said
    assert f"{utc + timedelta(hours=9):%H:%M}" in said


def test_several_leases_are_told_apart_by_the_beginning_of_their_ids(a):
    first, second = [
        read(a, "lease", "request", "--gpus", "0.25", "--memory", "4GiB")["id"] for _ in range(2)
    ]
    done = a("lease", "release")
    assert done.returncode == 2
    assert short(first) in done.stderr
    assert short(second) in done.stderr
    assert a("lease", "release", short(second)).returncode == 0
    (left,) = read(a, "lease", "list", "--mine")["items"]
    assert left["id"] == first


def test_quota_is_shown_as_bars_that_fit(a, tmp_path):
    quotas = tmp_path / "quotas.yaml"
    quotas.write_text(
        """
        default: {gpus: 1, gpu_hours: {limit: 20, window: 7d}, max_lease: 8h}
        groups:
          vision-and-language: {members: [user-a], gpus: {nominal: 1, limit: 2}}
        """
    )
    given = {"GPUCTL_QUOTAS": str(quotas)}
    assert a("lease", "request", **given).returncode == 0
    lines = a("lease", "quota", **given).stdout.splitlines()
    assert lines[0] == "user-a, in vision-and-language"
    assert any("GPUs at once (you)" in line and "█" * 20 in line for line in lines)
    assert any("1 of 2, 1 guaranteed" in line for line in lines)
    assert any("GPU-hours (you)" in line for line in lines)
    assert "Longest lease: 8 h." in lines
    done = a("lease", "request", "--gpus", "2", **given)
    assert done.returncode == 1
    assert "1" in done.stderr
    assert "1 group," in a("doctor", **given).stdout


class Waiting:
    """A request of ``--wait`` that runs, and what it has said on standard error."""

    def __init__(self, given: Mapping[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_gpuctl", "lease", "request", "--wait", *arguments],
            env=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.said = ""

    def until_said(self, text: str) -> None:
        assert self.process.stderr is not None
        deadline = time.monotonic() + 30
        while text not in self.said:
            poll = select.poll()  # select() takes no descriptor above 1023
            poll.register(self.process.stderr, select.POLLIN)
            if poll.poll(1000):
                piece = os.read(self.process.stderr.fileno(), 4096).decode()
                assert piece, f"it ended after: {self.said}"
                self.said += piece
            assert time.monotonic() < deadline, self.said

    def end(self) -> tuple[int, str]:
        out, err = self.process.communicate(timeout=60)
        self.said += err.decode()
        assert "Traceback" not in self.said
        return self.process.returncode, out.decode()


def test_waiting_ends_when_it_starts(a, tmp_path):
    a("lease", "request", "--gpus", "2")
    waiting = Waiting(environment(tmp_path, "user-b"), "--json")
    waiting.until_said("1st in line")
    a("lease", "release")
    status, out = waiting.end()
    assert status == 0, waiting.said
    assert json.loads(out)["status"] == "active"


def test_an_interrupt_says_that_the_request_stays(a, b, tmp_path):
    a("lease", "request", "--gpus", "2")
    waiting = Waiting(environment(tmp_path, "user-b"))
    waiting.until_said("1st in line")
    waiting.process.send_signal(signal.SIGINT)
    status, _ = waiting.end()
    assert status == 130
    assert "The request stays in the queue" in waiting.said
    (mine,) = read(b, "lease", "list", "--mine")["items"]
    assert mine["status"] == "queued"
    assert f"jupyter gpuctl lease release {short(mine['id'])}" in waiting.said
    assert b("lease", "release", short(mine["id"])).returncode == 0


def test_doctor_finds_a_broken_quota_file_and_a_damaged_database(a, tmp_path):
    quotas = tmp_path / "quotas.yaml"
    quotas.write_text("default: [\n")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "gpuctl.sqlite").write_text("This is a letter, not a database. " * 100)
    done = a("doctor", "--json", GPUCTL_QUOTAS=str(quotas))
    assert done.returncode == 1
    found = {check["name"]: check for check in json.loads(done.stdout)}
    assert found["quotas"]["status"] == "error"
    assert str(quotas) in found["quotas"]["message"]
    assert found["store"]["status"] == "error"
    assert "gpuctl.sqlite" in found["store"]["message"]
    assert found["sqlite"]["status"] == "ok"


def test_leases_are_exported_as_csv_and_as_json_lines(a, b, tmp_path):
    read(a, "lease", "request", "--note", "=cmd|' /C calc'!A0")
    a("lease", "release")
    running = read(a, "lease", "request", "--gpus", "2")
    read(b, "lease", "request")
    file = tmp_path / "leases.csv"
    done = a("export", "leases", "-o", str(file))
    assert done.returncode == 0, done.stderr
    assert "2 leases written" in done.stderr
    with file.open(newline="") as text:
        first, second = csv.DictReader(text)
    assert (first["id"], first["status"], first["gpus"]) == (running["id"], "active", "2.0")
    assert first["devices"].split() == running["devices"]
    assert (second["status"], second["reason"]) == ("ended", "released")
    assert second["note"].startswith("'="), "a spreadsheet would run it"

    out = a("export", "leases", "-o", "-", "--format", "jsonl").stdout
    assert [json.loads(line)["owner"] for line in out.splitlines()] == ["user-a", "user-a"]
    none = a("export", "leases", "-o", "-", "--since", "2100-01-01")
    assert none.stdout.splitlines()[1:] == []
    done = a("export", "leases", "-o", str(tmp_path / "no" / "leases.csv"))
    assert done.returncode == 2
    assert "can't be written" in done.stderr
    assert {path.name for path in tmp_path.glob("leases*")} == {"leases.csv"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is an administrator on a command line")
def test_root_ends_anybodys_lease_with_a_reason(a, as_user):
    lease = read(a, "lease", "request")

    def root(*arguments: str):
        return as_user("root")(*arguments, JUPYTERHUB_USER="")

    assert short(lease["id"]) in root("lease", "list").stdout
    done = root("lease", "release", short(lease["id"]))
    assert done.returncode == 2
    assert "reason" in done.stderr
    done = root("lease", "release", short(lease["id"]), "--reason", "Maintenance at ten.")
    assert done.returncode == 0, done.stderr
    assert "revoked" in done.stdout
    (over,) = read(a, "lease", "list", "--ended")["items"]
    assert (over["reason"], over["remark"]) == ("revoked", "Maintenance at ten.")
    under_the_hub = as_user("somebody")("lease", "list").stdout
    assert short(lease["id"]) not in under_the_hub
