"""A recommendation as configuration: for Zero to JupyterHub, for Docker, for programs."""

from __future__ import annotations

import json

from ..core.encoding import to_json
from ..core.quantities import format_bytes
from .needs import Recommendation

FORMATS = ("z2jh", "docker", "json")
_MIB = 1024**2


def render(recommendation: Recommendation, name: str) -> str:
    """The text of one of :data:`FORMATS`."""
    if name == "json":
        return json.dumps(to_json(recommendation), indent=2, allow_nan=False) + "\n"
    return (_docker if name == "docker" else _z2jh)(recommendation)


def sentence(recommendation: Recommendation) -> str:
    """``For learners who open up to 2 of these at once: memory limit 3.5 GiB, …``."""
    rule = recommendation.rule
    opened = (
        "one of these at a time"
        if rule.open_notebooks == 1
        else (f"up to {rule.open_notebooks} of these at once")
    )
    if recommendation.memory_limit is None:
        return f"For learners who open {opened}: not known, no notebook ran to its end"
    least = "at least " if recommendation.lower_bound else ""
    told = (
        f"memory limit {least}{format_bytes(recommendation.memory_limit)}, "
        f"guarantee {format_bytes(recommendation.memory_guarantee)}"
    )
    if recommendation.shm_size is not None:
        told += f", /dev/shm {format_bytes(recommendation.shm_size)}"
    if recommendation.gpu_memory is not None:
        told += f", GPU memory {format_bytes(recommendation.gpu_memory)}"
    return f"For learners who open {opened}: {told}"


def reasons(recommendation: Recommendation) -> list[str]:
    """Why these figures, in sentences of one line; names with what a comment can't hold escaped."""
    rule = recommendation.rule
    told = []
    if recommendation.memory_limit is not None:
        peaks = " + ".join(
            f"{format_bytes(peak.memory)} ({plain(peak.path)})" for peak in recommendation.largest
        )
        told.append(
            f"Memory: {format_bytes(rule.server_memory)} for the single-user server, and "
            f"{rule.headroom:g} times what the largest held, {peaks}; rounded up."
        )
        told.append("Guarantee: the server and the middle one of the notebooks' peaks, rounded up.")
    if recommendation.shm_size is not None:
        told.append("Shared memory: these notebooks want more of it than a container's 64 MiB.")
    if recommendation.gpu_memory is not None:
        told.append(
            f"GPU memory: {format_bytes(recommendation.gpu_memory)} for the notebooks that hold "
            "the most of it; give a device, or a share of one, that has so much."
        )
    if recommendation.cpu_limit is not None:
        told.append(
            "CPU: the most cores that a notebook or a cell kept busy, with headroom; a guarantee "
            "depends on how much of their time learners run something."
        )
    for one in recommendation.left_out:
        more = f": it needs more than {format_bytes(one.more_than)}" if one.more_than else ""
        why = one.verdict.replace("-", " ")
        told.append(f"A lower bound: {plain(one.path)} is left out ({why}){more}.")
    return told


def _z2jh(recommendation: Recommendation) -> str:
    """Values of the chart; keys and types by its values.schema.yaml.

    Sizes are texts such as ``3584M``: in JupyterHub ``M`` is 1024² bytes.
    """
    lines = ["# For Zero to JupyterHub's config.yaml, by jupyter gpuctl validate."]
    lines += [f"# {reason}" for reason in reasons(recommendation)]
    body = []
    if recommendation.memory_limit is not None and recommendation.memory_guarantee is not None:
        body += [
            "  memory:",
            f"    limit: {recommendation.memory_limit // _MIB}M",
            f"    guarantee: {recommendation.memory_guarantee // _MIB}M",
        ]
    if recommendation.cpu_limit is not None:
        body += ["  cpu:", f"    limit: {recommendation.cpu_limit:g}"]
    if recommendation.shm_size is not None:
        body += [
            "  storage:  # if you have other extraVolumes, add these to them: Helm joins no lists",
            "    extraVolumes:",
            "      - name: shm",
            "        emptyDir:",
            "          medium: Memory",
            f"          sizeLimit: {recommendation.shm_size // _MIB}Mi",
            "    extraVolumeMounts:",
            "      - name: shm",
            "        mountPath: /dev/shm",
        ]
    return "\n".join([*lines, "singleuser:" if body else "{}", *body]) + "\n"


def _docker(recommendation: Recommendation) -> str:
    """Options of ``docker run`` on one line; the reasons on standard error are the caller's."""
    flags = []
    if recommendation.memory_limit is not None:
        size = f"{recommendation.memory_limit // _MIB}m"
        # Swap as large as memory means none: a learner's server that swaps is as good as gone.
        flags += [f"--memory {size}", f"--memory-swap {size}"]
    if recommendation.memory_guarantee is not None:
        flags.append(f"--memory-reservation {recommendation.memory_guarantee // _MIB}m")
    if recommendation.shm_size is not None:
        flags.append(f"--shm-size {recommendation.shm_size // _MIB}m")
    if recommendation.cpu_limit is not None:
        flags.append(f"--cpus {recommendation.cpu_limit:g}")
    return " ".join(flags) + "\n"


def plain(text: str) -> str:
    """No line breaks, no controls, no lone surrogates."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode("ascii")
        for one in text
    )
