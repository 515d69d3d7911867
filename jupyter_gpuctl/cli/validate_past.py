"""Options of ``validate`` for what needn't run again: the cache, and what hasn't changed."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..validation.past.runs import CachedRuns


@dataclass(frozen=True, slots=True)
class PastOptions:
    """What was asked for."""

    cache: bool
    folder: Path | None
    since: str | None
    """The revision of ``--changed-since``; empty: ``--changed`` alone; ``None``: neither."""

    def runs(self, tops: tuple[str, ...], also: str = "") -> CachedRuns:
        """The runs that are remembered.

        ``tops``: folders of courses; ``also``: what else verdicts rest on than code, kernel, files
        and limits.
        """
        from ..validation.past.runs import CachedRuns
        from ..validation.past.store import Store, default_folder

        store = Store(self.folder or default_folder())
        return CachedRuns(store, results=self.cache, tops=tops, also=also)


def past_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options, and gives the command one argument ``past`` for all of them."""

    @click.option(
        "--cache/--no-cache",
        default=None,
        help="Whether notebooks that passed run again though nothing changed. On, but where the "
        "variable CI is set.",
    )
    @click.option(
        "--cache-dir",
        metavar="FOLDER",
        default=None,
        help="Where results are remembered; ~/.cache/jupyter-gpuctl/validation.",
    )
    @click.option(
        "--changed",
        is_flag=True,
        help="Only notebooks that changed since this branch left the one it is meant for.",
    )
    @click.option(
        "--changed-since",
        metavar="REV",
        default=None,
        help="Only notebooks that changed since this git revision, such as main or HEAD~3.",
    )
    @functools.wraps(function)
    def wrapped(
        *arguments: Any,
        cache: bool | None,
        cache_dir: str | None,
        changed: bool,
        changed_since: str | None,
        **options: Any,
    ) -> Any:
        past = PastOptions(
            cache=not in_ci() if cache is None else cache,
            folder=Path(cache_dir) if cache_dir else None,
            since=changed_since or ("" if changed else None),
        )
        return function(*arguments, past=past, **options)

    return wrapped


def in_ci() -> bool:
    """Whether this runs in a CI service: GitHub, GitLab and most others set ``CI``."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")
