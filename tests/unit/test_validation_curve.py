"""Memory over time: few points, and no peak is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.validation.curve import Curve

CELLS = st.lists(st.lists(st.integers(0, 10**12), min_size=1, max_size=60), max_size=30)


def curve_of(cells: list[list[int]], most: int) -> tuple[tuple[float, int], ...]:
    curve, at = Curve(most), 0
    for cell in cells:
        for used in cell:
            curve.add(float(at), used)
            at += 1
        curve.keep_peak()
    return curve.points()


@given(CELLS, st.integers(40, 80))
def test_every_cell_s_peak_is_among_few_points_in_order(cells: list[list[int]], most: int) -> None:
    points = curve_of(cells, most)
    assert len(points) <= most
    assert {max(cell) for cell in cells} <= {used for _, used in points}
    assert list(points) == sorted(points, key=lambda point: point[0])
    readings = [used for cell in cells for used in cell]
    assert all(readings[int(at)] == used for at, used in points)


@given(CELLS)
def test_where_there_is_room_every_reading_is_there(cells: list[list[int]]) -> None:
    readings = [used for cell in cells for used in cell]
    assert [used for _, used in curve_of(cells, 1800)] == readings


def test_many_readings_become_few() -> None:
    assert 20 <= len(curve_of([list(range(10_000))], 40)) <= 40
