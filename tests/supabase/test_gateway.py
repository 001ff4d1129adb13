"""The gateway of a written stack: its start script by the shell, its rules by the Lua of Kong, its routes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import lupa.luajit21 as luajit
import pytest
import yaml

from ecluse.supabase.compose import content
from tests.supabase.stack import COMPOSE, ROTATED, VALUES, environment


def started(folder: Path, values: dict[str, str]) -> Any:
    """What Kong gets from the start script, run by the shell that there is."""
    out = folder / "kong.yml"
    given = environment("gateway", values) | {"KONG_DECLARATIVE_CONFIG": str(out), "PATH": os.environ["PATH"]}
    script = folder / "gateway/start.sh"
    for name in ("start.sh", "kong.yml"):
        script.parent.mkdir(exist_ok=True)
        (script.parent / name).write_text(content(f"gateway/{name}"), encoding="utf-8")
    ran = subprocess.run(["sh", script, "echo", "started"], env=given, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "started\n", "")
    assert out.stat().st_mode & 0o077 == 0
    return yaml.safe_load(out.read_text(encoding="utf-8"))


def credentials(config: Any) -> dict[str, list[str]]:
    """The keys of each consumer."""
    return {c["username"]: [k["key"] for k in c.get("keyauth_credentials", ())] for c in config["consumers"]}


def test_the_gateway_has_the_keys_of_env_and_no_empty_one(tmp_path: Path) -> None:
    config = started(tmp_path, VALUES)
    assert credentials(config) == {
        "anon": [VALUES["ANON_KEY"], VALUES["SUPABASE_PUBLISHABLE_KEY"]],
        "service_role": [VALUES["SERVICE_ROLE_KEY"], VALUES["SUPABASE_SECRET_KEY"]],
        "dashboard": [],
    }
    login = {k: config["basicauth_credentials"][0][k] for k in ("username", "password")}
    assert login == {"username": "supabase", "password": VALUES["DASHBOARD_PASSWORD"]}


def test_during_a_rotation_the_gateway_has_both(tmp_path: Path) -> None:
    found = credentials(started(tmp_path, ROTATED))
    assert found["anon"][2:] == [VALUES["ANON_KEY"], VALUES["SUPABASE_PUBLISHABLE_KEY"]]
    assert found["service_role"][2:] == [VALUES["SERVICE_ROLE_KEY"], VALUES["SUPABASE_SECRET_KEY"]]
    assert ROTATED["ANON_KEY"] in found["anon"]


def test_a_password_of_ones_own_stands_in_the_configuration_as_it_is(tmp_path: Path) -> None:
    password = r"it's: \a & {${odd} \n"
    values = VALUES | {"DASHBOARD_PASSWORD": password}
    assert started(tmp_path, values)["basicauth_credentials"][0]["password"] == password


def test_a_variable_that_is_missing_stops_the_gateway(tmp_path: Path) -> None:
    started(tmp_path, VALUES)
    given = environment("gateway") | {"KONG_DECLARATIVE_CONFIG": str(tmp_path / "out"), "PATH": os.environ["PATH"]}
    del given["DASHBOARD_USERNAME"]
    command = ["sh", tmp_path / "gateway/start.sh", "echo", "started"]
    ran = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert (ran.returncode != 0, ran.stdout) == (True, "")
    assert ran.stderr == "gateway: DASHBOARD_USERNAME is not set\n"


class Rules:
    """The gateway's rules, run by the Lua that Kong runs them with."""

    def __init__(self, config: Any) -> None:
        self.lua = luajit.LuaRuntime()
        plugins = {s["name"]: {p["name"]: p.get("config") for p in s["plugins"]} for s in config["services"]}
        self.authorization = self._rule(plugins["rest"]["request-transformer"]["add"]["headers"][-1])
        self.api_key = self._rule(plugins["realtime-socket"]["request-transformer"]["add"]["headers"][0])

    def _rule(self, line: str) -> Any:
        template = line.partition(":")[2]
        assert template.startswith("$(") and template.endswith(")")
        return self.lua.eval(f"function(headers, query_params) return {template[1:]} end")

    def sent(self, apikey: str | None = None, authorization: str | None = None) -> Any:
        """The Authorization header that a service gets."""
        given = {"apikey": apikey, "authorization": authorization}
        headers = self.lua.table_from({name: value for name, value in given.items() if value is not None})
        return self.authorization(headers, self.lua.table_from({}))

    def socket(self, apikey: str) -> Any:
        """The key that realtime gets for the one in the address."""
        return self.api_key(self.lua.table_from({}), self.lua.table_from({"apikey": apikey}))


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rules, Rules]]:
    """Those of a new stack, and those between `rotate` and `rotate --end`."""
    one, other = (tmp_path_factory.mktemp("gateway") for _ in range(2))
    yield Rules(started(one, VALUES)), Rules(started(other, ROTATED))


def test_keys_that_only_the_gateway_knows_become_tokens(rules: tuple[Rules, Rules]) -> None:
    new, _ = rules
    for key, token in (
        ("SUPABASE_PUBLISHABLE_KEY", "ANON_KEY_ASYMMETRIC"),
        ("SUPABASE_SECRET_KEY", "SERVICE_ROLE_KEY_ASYMMETRIC"),
    ):
        for authorization in (None, f"Bearer {VALUES[key]}"):
            assert new.sent(VALUES[key], authorization) == f"Bearer {VALUES[token]}"
        assert new.socket(VALUES[key]) == VALUES[token]
        assert new.sent(VALUES[key], "Bearer person") == "Bearer person"


def test_keys_in_the_old_form_go_through(rules: tuple[Rules, Rules]) -> None:
    new, _ = rules
    for name in ("ANON_KEY", "SERVICE_ROLE_KEY"):
        assert new.sent(VALUES[name]) == new.sent(VALUES[name], f"Bearer {VALUES[name]}") == f"Bearer {VALUES[name]}"
        assert new.socket(VALUES[name]) == VALUES[name]
    assert new.sent(VALUES["ANON_KEY"], "Bearer person") == "Bearer person"


def test_keys_of_before_become_tokens_that_verify_now(rules: tuple[Rules, Rules]) -> None:
    """The auth service knows one secret only: what the old one signed has to be translated."""
    _, both = rules
    for name in ("ANON_KEY", "SUPABASE_PUBLISHABLE_KEY", "SERVICE_ROLE_KEY", "SUPABASE_SECRET_KEY"):
        token = ROTATED[
            "ANON_KEY_ASYMMETRIC" if name in ("ANON_KEY", "SUPABASE_PUBLISHABLE_KEY") else "SERVICE_ROLE_KEY_ASYMMETRIC"
        ]
        assert both.sent(VALUES[name], f"Bearer {VALUES[name]}") == f"Bearer {token}"
        assert both.socket(VALUES[name]) == token
    assert both.sent(ROTATED["ANON_KEY"]) == f"Bearer {ROTATED['ANON_KEY']}"


def test_whoever_sends_no_key_or_an_empty_one_becomes_nobody(rules: tuple[Rules, Rules]) -> None:
    """The route of storage asks for no key, so that an empty one must not fit a rule for a key that is not set."""
    for each in rules:
        assert each.sent() is None
        assert each.sent("") in (None, False)
        assert each.sent(None, "Bearer sb_secret_guessed") is None
        assert each.sent("guessed") == "Bearer guessed"
        assert each.sent(None, "AWS4-HMAC-SHA256 Credential=x") == "AWS4-HMAC-SHA256 Credential=x"


def test_every_route_but_the_open_ones_asks_who_is_there(tmp_path: Path) -> None:
    config = started(tmp_path, VALUES)
    routes = {path: {p["name"]: p.get("config") or {} for p in service["plugins"]} for service in config["services"]
              for route in service["routes"] for path in route["paths"]}  # fmt: skip
    guarded = {path: set(plugins["acl"]["allow"]) for path, plugins in routes.items() if "key-auth" in plugins}
    assert guarded == {
        "/auth/v1/": {"admin", "anon"},
        "/rest/v1/": {"admin", "anon"},
        "/graphql/v1": {"admin", "anon"},
        "/realtime/v1/": {"admin", "anon"},
        "/realtime/v1/api": {"admin", "anon"},
        "/pg/": {"admin"},
    }
    closed = {path for path, plugins in routes.items() if "request-termination" in plugins}
    assert closed == {"/realtime/v1/api/tenants", "/realtime/v1/api/openapi", "/mcp", "/api/mcp"}
    assert {path for path, plugins in routes.items() if "basic-auth" in plugins} == {"/"}
    assert routes.keys() - guarded.keys() - closed - {"/"} == {
        *(f"/auth/v1/{name}" for name in ("verify", "callback", "authorize", ".well-known/jwks.json")),
        *("/sso/saml/acs", "/sso/saml/metadata", "/.well-known/oauth-authorization-server"),
        "/storage/v1/",
    }
    used = {name for plugins in routes.values() for name in plugins}
    assert used == set(environment("gateway")["KONG_PLUGINS"].split(","))
    hosts = {urlsplit(service["url"]).hostname for service in config["services"]}
    aliases = set(COMPOSE.services["realtime"].networks["default"].aliases)
    assert hosts == {"auth", "rest", "storage", "meta", "studio", *aliases}


def test_what_caddy_lets_through_is_what_applications_need() -> None:
    matched = re.search(r"@api path (.*)", content("Caddyfile"))
    assert matched
    prefixes = [path.removesuffix("*") for path in matched[1].split()]
    for path in ("/auth/v1/token", "/rest/v1/t", "/realtime/v1/websocket", "/storage/v1/object/x", "/graphql/v1"):
        assert any(path.startswith(prefix) for prefix in prefixes)
    for path in ("/pg/query", "/", "/project/default", "/api/mcp", "/mcp"):
        assert not any(path.startswith(prefix) for prefix in prefixes)
