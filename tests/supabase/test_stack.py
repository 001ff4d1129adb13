"""`supabase compose`: every value that is derived, what is open to whom, and that nothing else is in its way."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import psycopg
import pytest
import yaml

from ecluse.errors import SettingsError, WrongUsage
from ecluse.postgres.binaries import bin_dir
from ecluse.postgres.connect import Database
from ecluse.supabase.compose import FILES, content, write_stack
from ecluse.supabase.env_file import parse_env
from ecluse.supabase.keys import ended_env, is_secret, rotated_env
from tests.supabase.conftest import drop_roles
from tests.supabase.stack import COMPOSE, ENV, NOW, ROTATED, VALUES, environment, filled

SERVICES = {"gateway", "auth", "rest", "realtime", "storage", "studio", "meta", "db", "caddy"}


def test_the_services_are_those_of_the_guide_each_pinned_and_watched() -> None:
    assert COMPOSE.services.keys() == SERVICES
    for service in COMPOSE.services.values():
        image, _, tag = service.image.partition(":")
        assert image.split("/")[0] in {"supabase", "postgrest", "kong", "caddy"}
        assert re.search(r"\d+\.\d+", tag), service.image
        assert service.depends_on.keys() <= SERVICES
        assert service.healthcheck.test[0] in {"CMD", "CMD-SHELL"}


def test_docker_itself_accepts_the_file(tmp_path: Path) -> None:
    write(tmp_path)
    services = configured(tmp_path)
    for name in SERVICES:
        given = {key: "" if value is None else str(value) for key, value in services[name]["environment"].items()}
        assert given == environment(name)


def configured(folder: Path) -> dict[str, Any]:
    """The services as Compose reads them: the plugin of today, or the program before it, which knew no `name`."""
    if not subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        command = ["docker", "compose", "--profile", "tls", "config", "--format", "json"]
    elif shutil.which("docker-compose"):
        file = folder / "docker-compose.yml"
        file.write_text(re.sub(r"(?m)^name:.*\n", "", file.read_text(encoding="utf-8")), encoding="utf-8")
        command = ["docker-compose", "--profile", "tls", "config"]
    else:
        pytest.skip("there is neither `docker compose` nor `docker-compose` here")
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    services: dict[str, Any] = yaml.safe_load(found.stdout)["services"]
    return services


# --- what is derived ----------------------------------------------------------------------------------


def test_every_variable_of_the_stack_is_in_env_and_is_read_somewhere() -> None:
    read = set(re.findall(r"(?<!\$)\$\{([A-Z_0-9]+)", content("docker-compose.yml")))
    assert {name for name in read if not name.endswith("_PREVIOUS")} == set(VALUES)
    in_gateway = set(re.findall(r"\$\{([A-Z_]+)\}", content("gateway/kong.yml")))
    assert in_gateway - {"RULE_AUTHORIZATION", "RULE_API_KEY"} <= environment("gateway").keys()


@pytest.mark.parametrize("values", [VALUES, ROTATED, ended_env(parse_env(rotated_env(ENV, NOW).text)).values])
def test_services_share_one_secret_and_one_password(values: dict[str, str]) -> None:
    auth, rest, realtime, storage = (environment(s, values) for s in ("auth", "rest", "realtime", "storage"))
    for role, url in {
        "supabase_auth_admin": auth["GOTRUE_DB_DATABASE_URL"],
        "authenticator": rest["PGRST_DB_URI"],
        "supabase_storage_admin": storage["DATABASE_URL"],
    }.items():
        parts = urlsplit(url)
        assert (parts.username, parts.password) == (role, values["POSTGRES_PASSWORD"])
        assert (parts.hostname, parts.port, parts.path) == ("db", 5432, "/postgres")
    assert realtime["DB_PASSWORD"] == environment("meta", values)["PG_META_DB_PASSWORD"] == values["POSTGRES_PASSWORD"]
    secrets = {auth["GOTRUE_JWT_SECRET"], realtime["API_JWT_SECRET"], storage["PGRST_JWT_SECRET"]}
    assert secrets == {values["JWT_SECRET"], environment("studio", values)["AUTH_JWT_SECRET"]}
    assert rest["PGRST_JWT_SECRET"] == realtime["API_JWT_JWKS"] == storage["JWT_JWKS"]
    signing = json.loads(auth["GOTRUE_JWT_KEYS"])[0]
    verifying = json.loads(rest["PGRST_JWT_SECRET"])["keys"][0]
    token = jwt.encode({"role": "authenticated"}, jwt.PyJWK(signing).key, "ES256", {"kid": signing["kid"]})
    assert jwt.decode(token, jwt.PyJWK(verifying).key, ["ES256"])["role"] == "authenticated"
    assert verifying["kid"] == signing["kid"]
    assert len(realtime["DB_ENC_KEY"]) == 16


def test_addresses_follow_from_the_one_that_is_public() -> None:
    auth = environment("auth")
    assert auth["API_EXTERNAL_URL"] == "https://api.example.com/auth/v1"
    assert all(v == "/auth/v1/verify" for n, v in auth.items() if n.startswith("GOTRUE_MAILER_URLPATHS_"))
    assert environment("storage")["STORAGE_PUBLIC_URL"] == "https://api.example.com"
    assert environment("caddy")["PROXY_DOMAIN"] == "api.example.com"


# --- what is open, and what is in nobody's way --------------------------------------------------------


def test_only_this_machine_reaches_the_stack_and_5432_stays_with_the_old_database() -> None:
    """The guide's stack took the port of the database that it still had to read from."""
    published = {n: [filled(p, VALUES) for p in s.ports] for n, s in COMPOSE.services.items() if s.ports}
    assert published.pop("caddy") == ["80:80", "443:443", "443:443/udp"]
    assert COMPOSE.services["caddy"].profiles == ["tls"]
    assert published == {"gateway": ["127.0.0.1:8000:8000"], "db": ["127.0.0.1:54322:5432"]}


def test_the_stack_is_a_project_of_its_own() -> None:
    """Neither names nor volumes are shared with what ran before: to take it back is to stop it."""
    assert COMPOSE.name not in ("supabase", "docker")  # what the official one is called
    assert "container_name" not in content("docker-compose.yml")
    assert "external" not in content("docker-compose.yml")
    mounted = [volume.split(":")[0] for s in COMPOSE.services.values() for volume in s.volumes]
    named = {source for source in mounted if not source.startswith("./")}
    assert named == COMPOSE.volumes.keys()
    written = {source.removeprefix("./") for source in mounted if source.startswith("./")}
    assert written == {"gateway", "db/passwords.sql", "db/realtime.sql", "Caddyfile"}
    assert COMPOSE.services["db"].volumes[0].endswith(":/var/lib/postgresql/data")


# --- the database -------------------------------------------------------------------------------------

ROLES = ("supabase_admin", "authenticator", "supabase_auth_admin", "supabase_storage_admin")


def test_the_first_start_gives_the_services_their_password(database: Database) -> None:
    drop_roles(database)
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        for role in ROLES:
            conn.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            for name in ("db/passwords.sql", "db/realtime.sql"):
                run_sql(database, content(name))
            rows = conn.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY (%s)", (list(ROLES),))
            assert {role: scram(stored, VALUES["POSTGRES_PASSWORD"]) for role, stored in rows} == dict.fromkeys(
                ROLES, True
            )
            owner = conn.execute("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = '_realtime'")
            assert owner.fetchone() == ("supabase_admin",)
        finally:
            for role in ROLES:
                conn.execute(f"DROP OWNED BY {role} CASCADE".encode())
                conn.execute(f"DROP ROLE {role}".encode())


def run_sql(database: Database, script: str) -> None:
    psql = shutil.which("psql") or str(bin_dir(18) / "psql")
    command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.conninfo, "-f", "-"]
    given = environment("db") | {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    for name in ("PGPORT", "PGDATABASE", "PGPASSWORD", "POSTGRES_HOST"):
        given.pop(name)
    ran = subprocess.run(command, input=script, env=given, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def scram(stored: str, password: str) -> bool:
    """Whether this is the verifier of the password, by the rules of RFC 5802."""
    _, rounds, rest = stored.split("$")[0], *stored.split("$")[1:]
    count, salt = rounds.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(count))
    key = hashlib.sha256(hmac.new(salted, b"Client Key", hashlib.sha256).digest()).digest()
    return base64.b64encode(key).decode() == rest.split(":")[0]


# --- writing it ---------------------------------------------------------------------------------------


def write(folder: Path, text: str = ENV.text) -> None:
    (folder / ".env").write_text(text, encoding="utf-8")
    write_stack(folder)


def test_the_files_hold_no_secret(tmp_path: Path) -> None:
    write(tmp_path)
    secrets = {name: value for name, value in VALUES.items() if value and is_secret(name)}
    for name in FILES:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert [n for n, value in secrets.items() if value in text] == []


def test_services_can_read_the_files_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write(tmp_path)
    finally:
        os.umask(before)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in FILES} == {0o644}
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("gateway", "db")} == {0o755}


def test_files_of_others_are_not_written_over_unless_asked(tmp_path: Path) -> None:
    write(tmp_path)
    assert set(write_stack(tmp_path).states.values()) == {"there already"}
    (tmp_path / "docker-compose.yml").write_text("services: {}\n", encoding="utf-8")
    (tmp_path / "Caddyfile").unlink()
    with pytest.raises(WrongUsage) as refused:
        write_stack(tmp_path)
    assert refused.value.details == "docker-compose.yml"
    assert not (tmp_path / "Caddyfile").exists()
    states = write_stack(tmp_path, force=True).states
    assert [name for name, state in states.items() if state == "written"] == ["docker-compose.yml", "Caddyfile"]


def test_what_env_lacks_is_named_before_anything_is_written(tmp_path: Path) -> None:
    lacking = ENV.without({"JWT_KEYS", "SECRET_KEY_BASE"})
    with pytest.raises(SettingsError, match="SECRET_KEY_BASE"):
        write(tmp_path, lacking.text)
    with pytest.raises(SettingsError) as settings:
        write(tmp_path, ENV.without({"DB_HOST_PORT", "DISABLE_SIGNUP"}).text)
    assert sorted(settings.value.hint.splitlines()) == ["DB_HOST_PORT=54322", "DISABLE_SIGNUP=true"]
    with pytest.raises(SettingsError, match=r"KONG_HTTP_PORT in .* is no port"):
        write(tmp_path, ENV.with_values({"KONG_HTTP_PORT": "80000"}).text)
    assert [each.name for each in tmp_path.iterdir()] == [".env"]


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / ".env").write_text(ENV.with_values({"KONG_HTTP_PORT": str(port)}).text, encoding="utf-8")
        assert write_stack(tmp_path).taken["KONG_HTTP_PORT"] == port
