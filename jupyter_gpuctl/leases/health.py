"""What ``GET health`` says of leases: what somebody who asks for one would meet. From memory."""

from __future__ import annotations

from collections.abc import Mapping

from ..api.checks import Check, CheckStatus
from .keeper import Keeper


def checks(keeper: Keeper, quota_problem: str | None, place: str) -> Mapping[str, Check]:
    """The store and the authority.

    ``quota_problem``: what is wrong with the newest quotas; ``place``: where leases are kept.
    """
    trouble, state = keeper.trouble, keeper.newest
    where = {"place": place}
    detail = {"kind": "embedded", "live": 0 if state is None else len(state.live)}
    if trouble is not None:
        store = Check(CheckStatus.ERROR, trouble.message, trouble.hint, where)
        message = f"No lease can be taken: {trouble.message}"
        return {
            "store": store,
            "authority": Check(CheckStatus.ERROR, message, trouble.hint, detail),
        }
    store = Check(CheckStatus.OK, detail=where)
    authority = Check(
        CheckStatus.OK, "Embedded in this server: it binds those who keep to it.", detail=detail
    )
    policy = keeper.policy
    if policy is not None and policy.unread:
        message = f"No lease can be taken: {policy.unread}"
        authority = Check(CheckStatus.ERROR, message, policy.unread_hint, detail)
    elif quota_problem is not None:
        hint = "Until then the quotas that were read before hold."
        authority = Check(CheckStatus.WARNING, quota_problem, hint, detail)
    elif state is not None and state.conditions.problem:
        message = f"No lease can start: {state.conditions.problem}"
        authority = Check(CheckStatus.WARNING, message, state.conditions.hint, detail)
    return {"store": store, "authority": authority}
