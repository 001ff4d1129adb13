"""`keys check`: each way in which keys do not fit together, found at its place, with what clients meet."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from ecluse.errors import SettingsError
from ecluse.supabase import tokens
from ecluse.supabase.key_audit import audit_keys
from ecluse.supabase.key_check import Finding, KeyCheck
from ecluse.supabase.keys import API_KEYS, new_env, rotated_env

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=1)
VALUES = new_env("http://localhost:8000", NOW).values
OTHER = new_env("http://localhost:8000", BEFORE).values
KONG = """\
_format_version: '2.1'
consumers:
  - username: DASHBOARD
  - username: anon
    keyauth_credentials:
      - key: {anon}
      - key: {publishable}
  - username: service_role
    keyauth_credentials:
      - key: {service}
      - key: {secret}
"""


def kong(values: dict[str, str]) -> str:
    """A configuration with these keys in it, letter by letter."""
    names = dict(zip(("anon", "service", "publishable", "secret"), API_KEYS, strict=True))
    return KONG.format(**{short: values[name] for short, name in names.items()})


@dataclass
class World:
    """A stack, its gateway, and a front end beside it."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        """A file of the project."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600)
        return file

    def stack(self, **changed: str) -> None:
        """The `.env` of the stack."""
        values = {name: value for name, value in (VALUES | changed).items() if value != "-"}
        self.write("supabase/.env", "".join(f"{name}='{value}'\n" for name, value in values.items()))

    def check(self, *files: Path) -> KeyCheck:
        """What is found."""
        return audit_keys(self.folder / "supabase", self.folder, files, NOW)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A project in which all keys fit together."""
    made = World(tmp_path)
    made.stack()
    made.write("supabase/gateway/kong.yml", kong(VALUES))
    made.write("web/.env.local", f"NEXT_PUBLIC_SUPABASE_ANON_KEY={VALUES['ANON_KEY']}\n")
    made.write("api/.env", f"SUPABASE_SERVICE_KEY={VALUES['SERVICE_ROLE_KEY']}\nOPENAI_API_KEY=sk-1\n")
    return made


def only(found: KeyCheck) -> Finding:
    """The one thing that was found."""
    assert len(found.findings) == 1, found.findings
    assert not found.good
    return found.findings[0]


def test_keys_that_fit_together(world: World) -> None:
    found = world.check()
    assert (found.findings, found.good) == ((), True)
    assert [str(seen.place).split()[0] for seen in found.seen] == [
        *["supabase/.env"] * 4,
        *(f"supabase/gateway/kong.yml:{line}" for line in (6, 7, 10, 11)),
        "api/.env:1",
        "web/.env.local:1",
    ]


def test_the_fault_of_the_first_team_is_told_with_both_days(world: World) -> None:
    """The gateway's keys and the stack's were of two generations, and the front end had the older one too."""
    world.write("supabase/gateway/kong.yml", kong(OTHER))
    world.write("web/.env.local", f"NEXT_PUBLIC_SUPABASE_ANON_KEY={OTHER['ANON_KEY']}\n")
    found = world.check()
    by_place = {finding.place: finding for finding in found.findings}
    anon = by_place["supabase/gateway/kong.yml:6 key of anon"]
    assert anon.fault == "other-secret"
    assert anon.message.endswith("; it was made on 2026-11-21 05:00 UTC, that of .env on 2026-11-21 06:00 UTC")
    assert "PGRST301" in anon.cause
    service = by_place["api/.env:1 SUPABASE_SERVICE_KEY"]
    assert service.fault == "not-at-gateway"
    assert service.cause == '401 "Invalid authentication credentials" from the gateway'
    assert by_place["web/.env.local:1 NEXT_PUBLIC_SUPABASE_ANON_KEY"].fault == "other-secret"
    missing = [f.message for f in found.findings if f.place == "supabase/.env"]
    assert "the configuration of the gateway does not have SERVICE_ROLE_KEY" in missing


def made(role: str, secret: str | bytes = VALUES["JWT_SECRET"], **claims: object) -> str:
    said = {"role": role, "iss": "supabase", "iat": int(BEFORE.timestamp()), "exp": int(NOW.timestamp()) + 10**8}
    return jwt.encode(said | claims, secret, "HS256")


@pytest.mark.parametrize(
    ("line", "fault", "says"),
    [
        ("NEXT_PUBLIC_SUPABASE_ANON_KEY=", "missing", "No API key found"),
        ("NEXT_PUBLIC_SUPABASE_ANON_KEY=your-anon-key", "malformed", "Invalid authentication"),
        ("VITE_SUPABASE_ANON_KEY={other[ANON_KEY]}", "other-secret", "Invalid authentication"),
        ("VITE_SUPABASE_KEY={own[SERVICE_ROLE_KEY]}", "leaked", "every row"),
        ("VITE_SUPABASE_KEY={own[SUPABASE_SECRET_KEY]}", "leaked", "every row"),
        ("SUPABASE_ANON_KEY={own[SERVICE_ROLE_KEY]}", "leaked", "every row"),
        ("VITE_SUPABASE_JWT_SECRET={own[JWT_SECRET]}", "leaked", "every row"),
        ("SUPABASE_SERVICE_KEY={own[ANON_KEY]}", "wrong-role", "as another role"),
        ("SUPABASE_ANON_KEY={unknown}", "not-at-gateway", "Invalid authentication"),
        ("SUPABASE_PUBLISHABLE_KEY={other[SUPABASE_PUBLISHABLE_KEY]}", "not-at-gateway", "Invalid authentication"),
        ("SUPABASE_JWT_SECRET={other[JWT_SECRET]}", "other-secret", "for forged"),
    ],
)
def test_a_key_of_an_application(world: World, line: str, fault: str, says: str) -> None:
    # The names of tests must be the same wherever they run; keys never are.
    name = line.partition("=")[0]
    line = line.format(own=VALUES, other=OTHER, unknown=made("anon"))
    world.write("web/.env.local", f"# settings\n{line}\n")
    found = only(world.check())
    assert (found.place, found.fault) == (f"web/.env.local:2 {name}", fault)
    assert says in found.cause
    assert found.hint


@pytest.mark.parametrize(
    ("changed", "fault", "says"),
    [
        ({"ANON_KEY": made("anon", exp=int(NOW.timestamp()) - 1)}, "expired", "JWT expired"),
        ({"ANON_KEY": made("authenticated")}, "wrong-role", "another role"),
        ({"ANON_KEY": made("service_role")}, "leaked", "every row"),
        ({"SERVICE_ROLE_KEY": made("anon")}, "wrong-role", "another role"),
        ({"ANON_KEY": OTHER["ANON_KEY"]}, "other-secret", "PGRST301"),
        ({"ANON_KEY": made("anon", base64.b16decode(VALUES["JWT_SECRET"].upper()))}, "other-secret", "PGRST301"),
        ({"ANON_KEY": "-", "SUPABASE_PUBLISHABLE_KEY": "-"}, "missing", "No API key"),
        ({"POSTGRES_PASSWORD": "a/b+c="}, "unsafe-password", "URL"),
        ({"ANON_KEY_ASYMMETRIC": OTHER["ANON_KEY_ASYMMETRIC"]}, "signing-key", "publishable"),
        ({"JWT_KEYS": tokens.jwt_keys(tokens.signing_key(), VALUES["JWT_SECRET"])}, "signing-key", "people sign in"),
    ],
)
def test_a_fault_of_the_stack_itself(tmp_path: Path, changed: dict[str, str], fault: str, says: str) -> None:
    world = World(tmp_path)
    world.stack(**changed)
    found = only(world.check())
    assert (found.place.split()[0], found.fault) == ("supabase/.env", fault)
    assert says in found.cause


def test_a_key_that_was_signed_with_the_decoded_secret_is_told_as_such(tmp_path: Path) -> None:
    secret = base64.b64encode(b"thirty-six random bytes, or as many.").decode()
    world = World(tmp_path)
    world.write("supabase/.env", f"JWT_SECRET={secret}\nANON_KEY={made('anon', base64.b64decode(secret))}\n")
    assert only(world.check()).fault == "encoded-secret"


def test_a_secret_that_everybody_knows(tmp_path: Path) -> None:
    secret = "super-secret-jwt-token-with-at-least-32-characters-long"
    world = World(tmp_path)
    demo = made("anon", "your-super-secret-jwt-token-of-somebody-else", iss="supabase-demo")
    world.write("supabase/.env", f"JWT_SECRET={secret}\nANON_KEY={demo}\n")
    weak, other = world.check().findings
    assert (weak.fault, weak.cause) == ("weak-secret", "anybody can sign in as anybody")
    assert "the demo key" in other.message


def test_jwks_of_another_secret(world: World) -> None:
    world.stack(JWT_JWKS=OTHER["JWT_JWKS"])
    faults = sorted((f.fault, f.message.split(" ")[0]) for f in world.check().findings)
    assert faults == [("other-secret", "JWT_JWKS"), ("signing-key", "JWT_JWKS"), *[("signing-key", "no")] * 2]


@pytest.mark.parametrize(
    ("value", "good", "says"),
    [
        ("$SUPABASE_ANON_KEY", True, ""),
        ("${ANON_KEY}", True, ""),
        ("${ANON_KEY_PREVIOUS}", True, ""),
        ("${ANON_KEY:-none}", False, "does not understand defaults"),
        ("${ANON}", False, "ANON has no value"),
    ],
)
def test_variables_in_the_gateway(world: World, value: str, good: bool, says: str) -> None:
    named = kong({name: f"'${{{name}}}'" for name in API_KEYS})
    extra = named.replace("      - key: '${ANON_KEY}'\n", f"      - key: '${{ANON_KEY}}'\n      - key: '{value}'\n")
    world.write("supabase/gateway/kong.yml", extra)
    found = world.check()
    assert found.good is good
    assert good or says in only(found).message


def test_keys_in_source_and_of_the_official_stack_are_found(world: World) -> None:
    (world.folder / "supabase/gateway/kong.yml").rename(world.write("supabase/volumes/api/kong.yml", ""))
    source = world.write("web/lib/supabase.ts", f"const url = 'x'\nconst anon = env.KEY ?? '{OTHER['ANON_KEY']}'\n")
    found = only(world.check(source))
    assert (found.place, found.fault) == ("web/lib/supabase.ts:2 env.KEY", "other-secret")


def test_keys_of_other_services_are_not_looked_at(world: World) -> None:
    foreign = jwt.encode({"sub": "me", "role": "admin"}, "of somebody else, and long enough for that", "HS256")
    lines = [f"API_TOKEN={foreign}", "STRIPE_PUBLISHABLE_KEY=pk_live_1", "STRIPE_SECRET_KEY=sk_live_1"]
    lines += ["SUPABASE_S3_ACCESS_KEY_ID=1", "JWT_SECRET_KEY=mine", "SERVICE_KEY=other", "SUPABASE_KEY_FILE=/x"]
    world.write("api/.env", "\n".join(lines))
    found = world.check(world.folder / "api/.env", world.write("api/main.py", f"TOKEN = '{foreign}'\n"))
    assert (found.findings, [str(s.place) for s in found.seen if s.place.kind == "application"]) == ((), [])


@pytest.mark.parametrize(
    "name",
    [
        *("NEXT_PUBLIC_SUPABASE_ANON_KEY", "VITE_SUPABASE_PUBLISHABLE_KEY", "PUBLIC_SUPABASE_PUBLISHABLE_DEFAULT_KEY"),
        *("SUPABASE_KEY", "VITE_SUPABASE_KEY", "EXPO_PUBLIC_SUPABASE_API_KEY", "ANON_KEY", "NEXT_PUBLIC_ANON_KEY"),
        *("SUPABASE_SERVICE_KEY", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SERVICE_ROLE", "SUPABASE_SECRET_KEY"),
    ],
)
def test_names_that_applications_give_to_keys(world: World, name: str) -> None:
    world.write("api/.env", f"{name}=something\n")
    found = only(world.check())
    assert (found.place, found.fault) == (f"api/.env:1 {name}", "malformed")


def test_settings_of_examples_and_of_packages_are_not_looked_at(world: World) -> None:
    for name in (
        "web/.env.example",
        "web/node_modules/a/.env",
        "supabase/.env.replaced-20260101T000000",
        "a/b/c/d/.env",
    ):
        world.write(name, "SUPABASE_ANON_KEY=placeholder\n")
    assert world.check().good


def test_keys_before_a_rotation_are_notes(world: World) -> None:
    both = rotated_env(new_env("http://localhost:8000", BEFORE).with_values(VALUES), NOW)
    world.write("supabase/.env", both.text)
    (world.folder / "supabase/gateway/kong.yml").unlink()
    found = world.check()
    assert found.good
    assert [(f.level, f.fault) for f in found.findings] == [("note", "overlap"), *[("note", "previous")] * 2]


def test_what_expires_soon_is_a_note(world: World) -> None:
    world.stack(ANON_KEY=made("anon", exp=int((NOW + timedelta(days=20)).timestamp())))
    world.write("supabase/gateway/kong.yml", "")
    world.write("web/.env.local", "")
    found = world.check()
    assert (found.good, [f.fault for f in found.findings]) == (True, ["expires-soon"])


def test_others_who_can_read_the_file_are_told(world: World) -> None:
    (world.folder / "supabase/.env").chmod(0o644)
    found = only(world.check())
    assert (found.fault, found.hint) == ("readable", "chmod 600 supabase/.env")


def test_what_cannot_be_read_is_named(world: World) -> None:
    with pytest.raises(SettingsError, match="there is no 'web/none'"):
        world.check(world.folder / "web/none")
    world.write("supabase/gateway/kong.yml", "a: [\n")
    with pytest.raises(SettingsError, match=r"kong.yml' is not YAML \(line 2\)"):
        world.check()
