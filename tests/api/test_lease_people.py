"""Who may do what with whose lease: owners, guests, administrators."""

from __future__ import annotations

import asyncio

import pytest
from jupyter_server.auth import Authorizer
from jupyter_server.auth.identity import IdentityProvider, User

from tests.api.leasing import HOUR, ME, OTHER, another_program, wants


class NamesPeople(IdentityProvider):
    """Trusts a header, as one behind a proxy that logs people in does."""

    async def get_user(self, handler):
        name = handler.request.headers.get("X-Remote-User")
        return User(username=name) if name else await super().get_user(handler)


@pytest.fixture
def person(http_server_port):
    """The headers of somebody's browser: no token, and what shows that the page is ours."""

    def headers(name: str) -> dict[str, str]:
        return {
            "X-Remote-User": name,
            "Cookie": "_xsrf=1f",
            "X-XSRFToken": "1f",
            "Referer": f"http://127.0.0.1:{http_server_port[-1]}/",
        }

    return headers


class Operators(Authorizer):
    """Everybody may do everything but administer; ``operator-a`` may do that too."""

    def is_authorized(self, handler, user, action, resource):
        assert action in ("read", "write", "execute", "admin")
        return action != "admin" or (resource, user.username) == ("gpuctl", "operator-a")


class LikeTheHubs(Authorizer):
    """Allows every action to whoever gets in."""

    __module__ = "jupyterhub.singleuser.extension"

    def is_authorized(self, handler, user, action, resource):
        return True


@pytest.fixture
def gpuctl_settings(lease_settings):
    return lease_settings


@pytest.fixture
def foreign(leases, database):
    """The id of a lease of ``user-b``."""
    with another_program(database) as authority:
        return authority.request(OTHER, wants()).id


class TestWhereAProviderNamesPeople:
    @pytest.fixture
    def jp_server_config(self, jp_server_config):
        jp_server_config["ServerApp"]["identity_provider_class"] = NamesPeople
        return jp_server_config

    async def test_the_owner_acts_and_a_guest_looks(self, leases, person):
        owner, guest = person(ME), person("guest-a")
        lease = await leases.post("leases", HOUR, headers=owner)
        assert lease["owner"] == ME
        (shown,) = (await leases.get("leases", headers=guest))["items"]
        assert not shown["mine"]
        assert shown["id"] == ""
        for method, path, body in (
            ("POST", "leases", HOUR),
            ("PATCH", f"leases/{lease['id']}", {"extend": 60}),
            ("DELETE", f"leases/{lease['id']}", None),
        ):
            status, answer = await leases.refused_send(method, path, body, headers=guest)
            assert (status, answer["code"]) == (403, "auth.guest"), method
            assert "guest-a" in answer["message"]
        assert (await leases.refused(f"leases/{lease['id']}", headers=guest))[0] == 404
        assert (await leases.get("quota", headers=guest))["user"] == "guest-a"
        assert (await leases.get("audit", headers=guest))["items"] == []

    async def test_who_holds_the_servers_token_is_its_owner(self, leases):
        lease = await leases.post("leases", HOUR)
        assert (lease["owner"], lease["mine"]) == (ME, True)

    class TestUnderTheHub:
        @pytest.fixture(autouse=True)
        def _hub(self, monkeypatch):
            monkeypatch.setenv("JUPYTERHUB_USER", "user-a")

        async def test_the_hubs_user_is_the_owner_and_another_of_its_users_a_guest(
            self, leases, person
        ):
            lease = await leases.post("leases", HOUR, headers=person("user-a"))
            assert lease["owner"] == "user-a"
            guest = person("user-c")
            status, answer = await leases.refused_send("POST", "leases", HOUR, headers=guest)
            assert (status, answer["code"]) == (403, "auth.guest")

        async def test_a_token_that_is_not_of_its_owner_makes_nobody_the_owner(self, leases):
            """Under the Hub tokens are people's: the name that comes with one counts."""
            status, answer = await leases.refused_send("POST", "leases", HOUR)
            assert (status, answer["code"]) == (403, "auth.guest")

    class TestWithAnAuthorizerThatKnowsOperators:
        @pytest.fixture
        def jp_server_config(self, jp_server_config):
            jp_server_config["ServerApp"]["authorizer_class"] = Operators
            return jp_server_config

        async def test_who_it_says_is_an_administrator_sees_all_and_others_do_not(
            self, leases, foreign, person
        ):
            quota = await leases.get("quota", headers=person("operator-a"))
            assert quota["admin"]
            assert not (await leases.get("quota", headers=person(ME)))["admin"]
            (shown,) = (await leases.get("leases", headers=person("operator-a")))["items"]
            assert shown["id"] == foreign


@pytest.mark.parametrize("authorizer", [None, LikeTheHubs])
class TestWithAnAuthorizerThatAllowsEverything:
    @pytest.fixture
    def jp_server_config(self, jp_server_config, authorizer):
        if authorizer is not None:
            jp_server_config["ServerApp"]["authorizer_class"] = authorizer
        return jp_server_config

    async def test_nobody_is_an_administrator(self, leases, foreign, authorizer):
        assert not (await leases.get("quota"))["admin"]
        (shown,) = (await leases.get("leases"))["items"]
        assert shown["id"] == ""
        status, _ = await leases.refused_send("DELETE", f"leases/{foreign}")
        assert status == 404


class OneWhoMayAll(Authorizer):
    """Of an operator's own server: whoever gets in is the operator."""

    def is_authorized(self, handler, user, action, resource):
        return True


class TestOnAnOperatorsServer:
    @pytest.fixture
    def jp_server_config(self, jp_server_config):
        jp_server_config["ServerApp"]["authorizer_class"] = OneWhoMayAll
        return jp_server_config

    async def test_a_lease_is_revoked_with_a_reason_that_its_owner_reads(
        self, leases, foreign, database
    ):
        status, answer = await leases.refused_send("DELETE", f"leases/{foreign}")
        assert (status, answer["code"]) == (400, "reason.required")
        over = await leases.delete(f"leases/{foreign}", params={"reason": "Maintenance at ten."})
        assert (over["status"], over["reason"]) == ("ended", "revoked")
        assert over["remark"] == "Maintenance at ten."
        rows = (await leases.get("audit"))["items"]
        (row,) = [row for row in rows if row["action"] == "lease.revoke"]
        assert (row["actor"], row["owner"]) == (ME, "user-b")
        with another_program(database) as authority:
            lease = await asyncio.to_thread(authority.lease, OTHER, foreign)
        assert lease.remark == "Maintenance at ten."
