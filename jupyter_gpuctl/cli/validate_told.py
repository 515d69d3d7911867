"""``validate`` as a Jupyter server calls it: told in lines of JSON, stopped by hanging up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from ..validation.model import Validation
from ..validation.told import Teller, stop_with
from .validate_screen import Screen


def screen_of(tell: bool, stop: Callable[[], None], *, runs: bool) -> Screen | ToldScreen:
    """Who hears the validation: a person, or the server, which says when to ``stop``."""
    return ToldScreen(stop) if tell else Screen(runs=runs)


class ToldScreen(Teller):
    """Takes the place of the screen."""

    def __init__(self, stop: Callable[[], None]) -> None:
        super().__init__(sys.stdout.buffer)
        self._stop = stop

    def __enter__(self) -> ToldScreen:
        stop_with(sys.stdin.buffer, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stopping(self) -> None:
        """The server knows."""

    def summarise(self, validation: Validation) -> None:
        self.done(validation)

    def say_unkept(self, validation: Validation, unkept: Mapping[str, str]) -> None:
        """Not told: it is for people who look after the cache."""
