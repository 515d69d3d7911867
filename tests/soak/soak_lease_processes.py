"""The crowd of ``tests/system``, longer: hundreds of its members are killed.

Run by ``make soak``; not collected by ``make test``.
"""

from __future__ import annotations

import pytest

from tests.system.test_lease_processes import check_everything, crowd


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hundreds_of_kills_leave_nothing_half_done(tmp_path, seed):
    crowd(tmp_path, processes=32, requests=63, kills=300, seed=seed)
    check_everything(tmp_path, processes=32, requests=63)
