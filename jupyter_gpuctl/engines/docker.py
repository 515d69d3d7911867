"""Docker, by its socket on this machine: the only importer of the ``docker`` library."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig, Ulimit
from docker.types import Mount as Mounted

from ..core.errors import InvalidInput, Unavailable
from .model import ContainerSpec, ContainerState, EngineFacts, Found, Image

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
LEAST = (1, 41)
"""Of the engine's interface: Docker 20.10."""
_TIMEOUT = 60.0
"""Seconds that the engine has for each answer but that to a pull."""
_LOG = {"max-size": "1m", "max-file": "1", "mode": "non-blocking", "max-buffer-size": "1m"}
"""Who writes faster than the engine can store loses lines, and doesn't wait."""
_UNSEEN = "bind source path does not exist: "
"""What it says of a folder to be mounted that isn't there."""
_WRITABLE = ("/tmp", "/var/tmp", "/run")  # noqa: S108  # In the container.
_FAILURES = (DockerException, requests.RequestException, OSError)


class DockerEngine:
    """One connection. Used by one thread at a time; calls block.

    Raises:
        Unavailable: no engine answers at ``address``, or we may not ask it; the hint is the mend.
        InvalidInput: ``address`` is not a socket of this machine.
    """

    def __init__(self, address: str | None = None, timeout: float = _TIMEOUT) -> None:
        self.address = address or os.environ.get("DOCKER_HOST") or DEFAULT_ADDRESS
        if not self.address.startswith("unix://"):
            raise InvalidInput(
                "engine.address",
                f"The Docker engine at {self.address} is reached by the network.",
                hint="Folders of this machine are to be mounted: set DOCKER_HOST to unix://…, the "
                "socket of an engine on this machine, or leave it away.",
            )
        self._socket = self.address.removeprefix("unix://")
        try:
            self._client: Any = docker.APIClient(
                base_url=self.address, version="auto", timeout=timeout, use_ssh_client=False
            )
        except _FAILURES as error:
            raise self._away(error) from None

    def close(self) -> None:
        self._client.close()

    def facts(self) -> EngineFacts:
        """What the engine is and can.

        Raises:
            Unavailable: it doesn't answer, or is too old.
        """
        with self._answers():
            version, info = self._client.version(), self._client.info()
        told = str(version.get("ApiVersion", "0"))
        if tuple(int(part) for part in told.split(".")[:2] if part.isdecimal()) < LEAST:
            raise Unavailable(
                "engine.old",
                f"The Docker engine at {self._socket} is too old: {version.get('Version')} with "
                f"interface {told}.",
                hint="Install Docker 20.10 or later.",
            )
        security = " ".join(info.get("SecurityOptions") or ())
        return EngineFacts(
            version=str(version.get("Version", "")),
            rootless="name=rootless" in security,
            remapped="name=userns" in security,
            limits_memory=bool(info.get("MemoryLimit")),
            cgroup_version=2 if str(info.get("CgroupVersion", "1")) == "2" else 1,
        )

    def image(self, reference: str) -> Image:
        """An image that is here; nothing is pulled.

        Raises:
            InvalidInput: it is not, or can't be named so.
        """
        try:
            with self._answers():
                found = self._client.inspect_image(reference)
        except (ImageNotFound, NotFound):
            raise InvalidInput(
                "engine.image",
                f"There is no image {reference} here.",
                hint=f"Get it by `docker pull {reference}`, or give --pull.",
            ) from None
        except APIError as error:
            raise InvalidInput(
                "engine.image",
                f"{reference!r} is no name of an image: {_told(error)}.",
                hint="Write it as for docker run, such as quay.io/jupyter/scipy-notebook.",
            ) from None
        env = (found.get("Config") or {}).get("Env") or ()
        return Image(found["Id"], reference, dict(one.partition("=")[::2] for one in env))

    def pull(self, reference: str, told: Callable[[str], None]) -> None:
        """Get the newest image of this name; ``told`` hears each step of it.

        Raises:
            InvalidInput: it can't be had.
        """
        name, tag = docker.utils.parse_repository_tag(reference)
        try:
            with self._answers():
                for step in self._client.pull(name, tag or "latest", stream=True, decode=True):
                    if "error" in step:
                        raise InvalidInput(
                            "engine.pull",
                            f"{reference} can't be pulled: {str(step['error']).rstrip('.')}.",
                            hint="Check its name, the network, and docker login.",
                        )
                    if "progressDetail" not in step or not step["progressDetail"]:
                        told(" ".join(filter(None, (step.get("id"), step.get("status")))))
        except APIError as error:
            raise InvalidInput(
                "engine.pull",
                f"{reference} can't be pulled: {_told(error)}.",
                hint="Check its name, the network, and docker login.",
            ) from None

    def files(self, container: str, folder: str, name: str) -> Iterator[tuple[str, bytes]]:
        """Paths and contents of the files called ``name`` below ``folder`` of a container.

        It needn't have run. Nothing where there is no such folder.
        """
        try:
            with self._answers():
                parts, _ = self._client.get_archive(container, folder)
                data = b"".join(parts)
        except APIError:
            return
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                inner = archive.extractfile(member) if member.isfile() else None
                if inner is not None and os.path.basename(member.name) == name:
                    yield f"{os.path.dirname(folder)}/{member.name}", inner.read()

    def create(self, spec: ContainerSpec) -> str:
        """Its id. It does not run yet.

        Raises:
            InvalidInput: the engine refuses it; the message says why.
            Unavailable: it doesn't see a folder to be mounted.
        """
        memory: dict[str, Any] = {}
        if spec.memory is not None:
            memory = {"mem_limit": spec.memory, "memswap_limit": spec.memory}
        config = self._client.create_host_config(
            # Binds would make what the engine doesn't see: it may see another machine than we do.
            mounts=[
                Mounted(one.path, one.path, type="bind", read_only=not one.writable)
                for one in spec.mounts
            ],
            network_mode=spec.network,
            init=True,
            read_only=True,
            tmpfs=dict.fromkeys(_WRITABLE, _memory_for(spec.user)),
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            privileged=False,
            pids_limit=spec.pids,
            shm_size=spec.shm,
            oom_score_adj=500,
            ulimits=[Ulimit(name="core", soft=0, hard=0)],
            log_config=LogConfig(type=LogConfig.types.JSON, config=_LOG),
            restart_policy={"Name": "no"},
            nano_cpus=None if spec.cpus is None else int(spec.cpus * 1e9),
            userns_mode="host" if spec.host_users else None,
            **memory,
        )
        try:
            with self._answers():
                made = self._client.create_container(
                    image=spec.image,
                    entrypoint=[spec.command[0]],
                    command=list(spec.command[1:]),
                    name=spec.name,
                    labels=dict(spec.labels),
                    user=spec.user,
                    working_dir=spec.folder,
                    environment=dict(spec.env),
                    healthcheck={"test": ["NONE"]},
                    host_config=config,
                )
        except APIError as error:
            raise _refused(error) from None
        identity: str = made["Id"]
        return identity

    def start(self, container: str) -> ContainerState:
        """Start it; how it is then.

        Raises:
            InvalidInput: the engine can't.
        """
        try:
            with self._answers():
                self._client.start(container)
        except APIError as error:
            raise _refused(error) from None
        return self.state(container)

    def state(self, container: str) -> ContainerState:
        """How it is now; of one that is gone: ended."""
        try:
            with self._answers():
                found = self._client.inspect_container(container)["State"]
        except NotFound:
            return ContainerState(False, 0, 128 + signal.SIGKILL, False, "it was removed")
        return ContainerState(
            running=bool(found.get("Running")),
            pid=int(found.get("Pid") or 0),
            exit_code=int(found.get("ExitCode") or 0),
            ran_out_of_memory=bool(found.get("OOMKilled")),
            error=str(found.get("Error") or ""),
        )

    def wait(self, container: str, seconds: float) -> bool:
        """Until it has ended; whether it has."""
        try:
            self._client.wait(container, timeout=seconds)
        except NotFound:
            return True
        except _FAILURES:
            return False
        return True

    def kill(self, container: str) -> None:
        """SIGKILL to all in it. One that does not run is left as it is."""
        with contextlib.suppress(APIError), self._answers():
            self._client.kill(container, signal="SIGKILL")

    def log(self, container: str, lines: int) -> bytes:
        """The last lines of what it wrote; nothing of one that is gone."""
        with contextlib.suppress(APIError), self._answers():
            found: bytes = self._client.logs(container, tail=lines)
            return found
        return b""

    def remove(self, container: str) -> None:
        """Kill it and leave nothing of it, but for volumes that have names."""
        with contextlib.suppress(APIError), self._answers():
            self._client.remove_container(container, force=True, v=True)

    def labelled(self, labels: Mapping[str, str]) -> list[Found]:
        """The containers that carry all these labels, running or not."""
        wanted = [f"{name}={value}" for name, value in labels.items()]
        with self._answers():
            found = self._client.containers(all=True, filters={"label": wanted})
        return [
            Found(one["Id"], (one.get("Names") or [""])[0].lstrip("/"), one.get("Labels") or {})
            for one in found
        ]

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        """The engine's own refusals pass; that it doesn't answer is :class:`Unavailable`."""
        try:
            yield
        except APIError:
            raise
        except _FAILURES as error:
            raise self._away(error) from None

    def _away(self, error: Exception) -> Unavailable:
        problem, mend = self._problem()
        return Unavailable(
            "engine.away",
            f"The Docker engine can't be asked: {problem or _last(error)}.",
            hint=mend,
            detail={"address": self.address},
        )

    def _problem(self) -> tuple[str, str]:
        start = "Start it (systemctl start docker), or set DOCKER_HOST to its socket."
        try:
            is_socket = stat.S_ISSOCK(os.stat(self._socket).st_mode)
        except FileNotFoundError:
            return f"there is no socket {self._socket}", "Install Docker, or: " + start
        except PermissionError:
            is_socket = True
        except OSError as error:
            return f"{self._socket}: {error.strerror}", start
        if not is_socket:
            return f"{self._socket} is not a socket", "Set DOCKER_HOST to the engine's socket."
        if not os.access(self._socket, os.R_OK | os.W_OK):
            return (
                f"you may not use {self._socket}",
                "Join its group (usermod -aG docker USER, then log in again), or use rootless "
                "Docker.",
            )
        if _refuses(self._socket):
            return f"nobody answers at {self._socket}", start
        return "", start


def _memory_for(user: str) -> str:
    """Options of a file system in memory; runc gives it the mode that the image's folder has."""
    uid, _, gid = user.partition(":")
    return f"rw,nosuid,nodev,exec,mode=1777,uid={uid},gid={gid}"


def _refuses(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2.0)
        return probe.connect_ex(path) != 0


def _told(error: APIError) -> str:
    return str(error.explanation or error).strip().rstrip(".")


def _refused(error: APIError) -> InvalidInput | Unavailable:
    told = _told(error)
    _, unseen, folder = told.partition(_UNSEEN)
    if unseen:
        return Unavailable(
            "engine.elsewhere",
            f"The Docker engine doesn't see the folder {folder}: it sees another machine than we "
            "do.",
            hint="Validate where the engine runs, not in a container that was given its socket.",
        )
    return InvalidInput("engine.refused", f"the Docker engine refuses its container: {told}")


def _last(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[-1] if lines else type(error).__name__).rstrip(".")
