"""``validate`` as a Jupyter server calls it: told in lines of JSON, stopped by hanging up."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from ..validation.model import Validation
from ..validation.told import Teller, stop_with
from .validate_screen import Screen


def screen_of(tell: bool, *stops: Callable[[], None], runs: bool) -> Screen | ToldScreen:
    """Who hears the validation: a person, or the server, at whose word all ``stops`` are called."""
    return ToldScreen(stops) if tell else Screen(runs=runs)


class ToldScreen(Teller):
    """Takes the place of the screen."""

    def __init__(self, stops: Sequence[Callable[[], None]]) -> None:
        sys.stdout.flush()
        super().__init__(os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
        # What others print would stand between the lines that are told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        self._stops = stops

    def __enter__(self) -> ToldScreen:
        stop_with(sys.stdin.buffer, self._stop)
        return self

    def _stop(self) -> None:
        for stop in self._stops:
            stop()

    def __exit__(self, *_: object) -> None:
        pass

    def stopping(self) -> None:
        """The server knows."""

    def summarise(self, validation: Validation) -> None:
        self.done(validation)

    def say_unkept(self, validation: Validation, unkept: Mapping[str, str]) -> None:
        """Not told: it is for people who look after the cache."""
