"""Probes of other packages: found by entry point, and never able to break the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_gpuctl.gpus.model import Device
from jupyter_gpuctl.gpus.plugins import third_party_probes

MODULE = """
from jupyter_gpuctl.gpus.absent import AbsentProbe

class Good(AbsentProbe):
    name = "good"
    def __init__(self):
        super().__init__("Nothing here.", "Look elsewhere.")

class Rude(Good):
    def __init__(self):
        raise RuntimeError("no device file /dev/rude0")

class Half:
    name = "half"
    def open(self): ...

class Nameless(Good):
    name = None

number = 7
"""


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a package whose entry points are those given."""

    def install(*lines: str) -> None:
        package = tmp_path / "strange_probes-1.0.dist-info"
        package.mkdir()
        (package / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: strange-probes\nVersion: 1.0\n"
        )
        points = "\n".join(lines)
        (package / "entry_points.txt").write_text(f"[jupyter_gpuctl.probes]\n{points}\n")
        (tmp_path / "strange_probes.py").write_text(MODULE)
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def test_without_plugins_there_is_nothing_to_report() -> None:
    assert third_party_probes("a.group.that.nobody.uses") == ([], [])


def test_a_probe_of_another_package_is_found(offer: Callable[..., None]) -> None:
    offer("good = strange_probes:Good")
    (probe,), problems = third_party_probes()
    assert problems == []
    assert probe.name == "good"
    assert probe.open().message == "Nothing here."
    assert probe.devices() == []
    assert probe.read(Device("x", 0, "x", None)).problem == "Nothing here."


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("strange_probes:Rude", "no device file /dev/rude0"),
        ("strange_probes:Half", "'devices'"),
        ("strange_probes:Nameless", "'name'"),
        ("strange_probes:number", "not callable"),
        ("strange_probes:absent", "absent"),
        ("no_such_module:Probe", "no_such_module"),
    ],
)
def test_a_broken_plugin_is_reported_and_the_others_work(
    offer: Callable[..., None], target: str, reason: str
) -> None:
    offer(f"broken = {target}", "good = strange_probes:Good")
    (probe,), ((name, message),) = third_party_probes()
    assert probe.name == "good"
    assert name == "broken"
    assert reason in message


def test_two_probes_of_one_name_are_not_mixed_up(offer: Callable[..., None]) -> None:
    offer("one = strange_probes:Good", "two = strange_probes:Good")
    (_,), ((name, message),) = third_party_probes()
    assert name == "two"
    assert "'good'" in message
