"""The validator's side: the image and its kernels, who the containers run as, and what others of
us have left.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ...core.errors import GpuCtlError, InvalidInput, Unavailable
from ...engines.docker import DockerEngine
from ...engines.model import INSTANCE, OWNER, WORKLOAD, ContainerSpec, Image, Mount
from ...host.cgroups import Cgroups
from ...host.limited_groups import is_alive, own_prefix
from ..model import Limits, Tier
from .model import LINK, Container
from .model import WORKLOAD as OURS

_NOBODY = 65534
_SYSTEM = ("/usr/local/share/jupyter", "/usr/share/jupyter")
_SHORT, _LONGEST_ADDRESS = "/tmp", 107  # noqa: S108  # mkdtemp makes them for us alone.
_USUAL = ("/opt/conda/share/jupyter",)


class Containers:
    """What is the same for all notebooks of one run.

    ``reference`` names the image; ``pulled`` hears what is pulled, ``None``: nothing is. ``tops``:
    folders of courses. ``cpus``: cores for each container.

    Raises:
        Unavailable: no engine answers, or it is too old, or can't limit memory.
        InvalidInput: the image isn't here, or has no kernel.
    """

    def __init__(
        self,
        reference: str,
        *,
        network: str = "none",
        pulled: Callable[[str], None] | None = None,
        tops: Sequence[str] = (),
        cpus: float = 1.0,
    ) -> None:
        self._cgroups = Cgroups()
        self._engine = DockerEngine()
        self._facts = self._engine.facts()
        if not self._facts.limits_memory:
            raise Unavailable(
                "engine.memory",
                "The Docker engine can't limit memory here.",
                hint="docker info says which control group is missing.",
            )
        self._tops, self._cpus, self._network = tops, cpus, network
        self.remove_orphans()
        if pulled is not None:
            self._engine.pull(reference, pulled)
        self.image = self._engine.image(reference)
        self._kernels = self._kernels_of(self.image)
        if not self._kernels:
            raise InvalidInput(
                "validation.image",
                f"The image {reference} has no kernel.",
                hint="Install one there, such as by `pip install ipykernel`.",
            )
        self.tier = Tier.CGROUP_V2 if self._facts.cgroup_version == 2 else Tier.CGROUP_V1

    @staticmethod
    def scratch() -> str | None:
        """Where folders for the kernels' sockets can be; ``None``: where temporary files are.

        The address of a socket has 107 bytes (unix(7)).
        """
        longest = f"{tempfile.gettempdir()}/gpuctl-validate-12345678/{LINK}/kernel-5"
        return None if len(os.fsencode(longest)) <= _LONGEST_ADDRESS else _SHORT

    def prepare(self, path: str, scratch: str, number: int, limits: Limits) -> Container:
        """The container for one notebook; its folder for the kernel's sockets is made here."""
        os.mkdir(os.path.join(scratch, LINK), mode=0o700)
        course = self._course(path)
        shm = limits.memory
        if shm is None:
            shm = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        return Container(
            engine=self._engine.address,
            image=self.image.id,
            reference=self.image.reference,
            name=f"{own_prefix(self._cgroups)}{number}",
            labels=self._labels(),
            user=self._user(course),
            host_users=self._facts.remapped,
            course=course,
            network=self._network,
            cpus=self._cpus,
            shm=shm,
            cgroup_version=self._facts.cgroup_version,
            kernels=self._kernels,
        )

    def remove(self, name: str) -> None:
        """Of a worker that can't any more. From any thread."""
        with contextlib.suppress(GpuCtlError):
            engine = DockerEngine(self._engine.address)
            engine.remove(name)
            engine.close()

    def remove_orphans(self) -> None:
        """Containers whose validator died, and could not remove them."""
        for found in self._engine.labelled({WORKLOAD: OURS}):
            if not is_alive(self._cgroups, found.labels.get(INSTANCE, "")):
                self._engine.remove(found.id)

    def close(self) -> None:
        self._engine.close()

    def _labels(self) -> dict[str, str]:
        return {OWNER: _own_name(), WORKLOAD: OURS, INSTANCE: own_prefix(self._cgroups)}

    def _course(self, path: str) -> str:
        """The folder to mount: of the settings, else the git repository, else the notebook's."""
        folder = Path(os.path.realpath(path)).parent
        tops = [top for top in map(os.path.realpath, self._tops) if folder.is_relative_to(top)]
        chain = (folder, *folder.parents)
        tops += [str(above) for above in chain if (above / ".git").exists()]
        return next((top for top in (*tops, str(folder)) if top != "/"), "")

    def _user(self, course: str) -> str:
        """Who the files there are for. Root is nobody's user: its files are then only read."""
        if self._facts.rootless:
            return "0:0"  # That is us.
        uid, gid = os.getuid(), os.getgid()
        if uid == 0:
            with contextlib.suppress(OSError):
                owner = os.stat(course)
                uid, gid = owner.st_uid, owner.st_gid
        return f"{uid or _NOBODY}:{gid or _NOBODY}"

    def _kernels_of(self, image: Image) -> dict[str, Any]:
        """Read from its files, in the order in which Jupyter would look; nothing of it runs.

        Raises:
            Unavailable: the engine doesn't see the folders that we see.
        """
        with tempfile.TemporaryDirectory(prefix="gpuctl-validate-") as seen:
            container = self._engine.create(self._only_to_look(image, seen))
            try:
                found: dict[str, Any] = {}
                for folder in _data_folders(image):
                    for name, kernel in self._kernels_in(container, f"{folder}/kernels"):
                        found.setdefault(name, kernel)
                return found
            finally:
                self._engine.remove(container)

    def _only_to_look(self, image: Image, folder: str) -> ContainerSpec:
        return ContainerSpec(
            name=f"{own_prefix(self._cgroups)}look",
            image=image.id,
            command=("/nothing",),
            labels=self._labels(),
            user=f"{_NOBODY}:{_NOBODY}",
            folder="/",
            mounts=(Mount(folder, writable=False),),
        )

    def _kernels_in(self, container: str, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for path, data in self._engine.files(container, folder, "kernel.json"):
            with contextlib.suppress(ValueError):
                kernel = json.loads(data)
                if isinstance(kernel, dict) and isinstance(kernel.get("argv"), list):
                    place = PurePosixPath(path).parent
                    yield place.name.lower(), {**kernel, "folder": str(place)}


def _data_folders(image: Image) -> list[str]:
    """Where Jupyter looks in it, judged by its environment."""
    env = image.env
    named = [folder for folder in env.get("JUPYTER_PATH", "").split(":") if folder]
    binaries = [folder for folder in env.get("PATH", "").split(":") if folder.endswith("/bin")]
    prefixes = [f"{folder.removesuffix('/bin')}/share/jupyter" for folder in binaries]
    home = [f"{env['HOME']}/.local/share/jupyter"] if env.get("HOME") else []
    found = (*named, *prefixes, *home, *_USUAL, *_SYSTEM)
    return list(dict.fromkeys(str(PurePosixPath("/", folder)) for folder in found))


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
