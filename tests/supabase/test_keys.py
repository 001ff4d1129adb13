"""Keys of a stack: their forms, one `.env`, and a change of keys in which the old ones go on for a while."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import stat
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jwt
import pytest
from hypothesis import given
from hypothesis.strategies import characters, text

from ecluse.errors import SettingsError, WrongState, WrongUsage
from ecluse.redaction import redact
from ecluse.supabase import tokens
from ecluse.supabase.env_file import parse_env, read_env, write_private
from ecluse.supabase.keys import API_KEYS, ended_env, is_secret, new_env, rotated_env

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
URL = "http://localhost:8000"


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed_by(token: str, secret: str) -> bool:
    """By no library: HS256 over the characters of the secret."""
    head, body, signature = token.split(".")
    made = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=") == signature


def test_keys_in_the_old_form_are_those_that_supabase_makes() -> None:
    values = new_env(URL, NOW).values
    for name, role in (("ANON_KEY", "anon"), ("SERVICE_ROLE_KEY", "service_role")):
        head, body, _ = values[name].split(".")
        assert decoded(head) == {"alg": "HS256", "typ": "JWT"}
        issued = int(NOW.timestamp())
        assert decoded(body) == {"role": role, "iss": "supabase", "iat": issued, "exp": issued + 5 * 365 * 24 * 3600}
        assert signed_by(values[name], values["JWT_SECRET"])
    assert len(values["JWT_SECRET"]) >= 32


def test_keys_in_the_new_form_carry_their_checksum() -> None:
    values = new_env(URL, NOW).values
    for name, prefix in (("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_"), ("SUPABASE_SECRET_KEY", "sb_secret_")):
        assert re.fullmatch(prefix + r"[\w-]{22}_[\w-]{8}", values[name], re.ASCII)
        chance = values[name].removeprefix(prefix)[:22]
        digest = hashlib.sha256(f"supabase-self-hosted|{prefix}{chance}".encode()).digest()
        assert values[name].endswith(f"_{base64.urlsafe_b64encode(digest).decode()[:8]}")


def test_one_key_signs_and_all_verify() -> None:
    """The auth service does not start with two keys that may sign; JWT_JWKS gives no private half away."""
    values = new_env(URL, NOW).values
    private, shared = json.loads(values["JWT_KEYS"])
    assert (private["kty"], private["crv"], private["alg"], private["use"]) == ("EC", "P-256", "ES256", "sig")
    assert (private["key_ops"], shared["kty"]) == (["sign", "verify"], "oct")
    public, same = json.loads(values["JWT_JWKS"])["keys"]
    assert public == {k: v for k, v in private.items() if k != "d"} | {"key_ops": ["verify"]}
    assert same == shared
    assert base64.urlsafe_b64decode(shared["k"] + "=" * (-len(shared["k"]) % 4)).decode() == values["JWT_SECRET"]
    for name, role in (("ANON_KEY_ASYMMETRIC", "anon"), ("SERVICE_ROLE_KEY_ASYMMETRIC", "service_role")):
        found = jwt.decode_complete(values[name], jwt.PyJWK(public).key, ["ES256"], options={"verify_iat": False})
        assert (found["header"]["kid"], found["payload"]["role"]) == (private["kid"], role)


def test_passwords_stand_in_a_url_as_they_are_and_sizes_fit() -> None:
    values = new_env(URL, NOW).values
    for name in ("POSTGRES_PASSWORD", "DASHBOARD_PASSWORD"):
        assert len(values[name]) >= 32
        assert quote(values[name], safe="") == values[name]
        assert set(values[name]) <= set(string.hexdigits)
    assert urlsplit(f"postgres://a:{values['POSTGRES_PASSWORD']}@db/x").password == values["POSTGRES_PASSWORD"]
    assert len(values["REALTIME_DB_ENC_KEY"]) == 16
    assert len(values["SECRET_KEY_BASE"]) >= 64
    assert len(values["PG_META_CRYPTO_KEY"]) >= 32
    assert new_env(URL, NOW).values["JWT_SECRET"] != values["JWT_SECRET"]
    assert all(values[name] for name in values if is_secret(name) and name != "SMTP_PASS")


@pytest.mark.parametrize(
    ("url", "values"),
    [
        ("http://localhost:9000", {"SUPABASE_PUBLIC_URL": "http://localhost:9000", "KONG_HTTP_PORT": "9000"}),
        ("https://api.example.com/", {"SUPABASE_PUBLIC_URL": "https://api.example.com", "KONG_HTTP_PORT": "8000"}),
        ("https://api.example.com", {"PROXY_DOMAIN": "api.example.com"}),
    ],
)
def test_the_address_decides_what_follows_from_it(url: str, values: dict[str, str]) -> None:
    assert values.items() <= new_env(url, NOW).values.items()


@pytest.mark.parametrize("url", ["api.example.com", "ftp://x", "https://", "https://x/auth", "http://x:port"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(WrongUsage):
        new_env(url, NOW)


# --- rotation -----------------------------------------------------------------------------------------


def accepts(jwks: str, token: str) -> bool:
    """Whether a service that has these keys takes the token, as PostgREST does: by any key that fits."""
    for key in json.loads(jwks)["keys"]:
        try:
            jwt.decode(token, jwt.PyJWK(key).key, [key["alg"]], options={"verify_iat": False})
        except jwt.PyJWTError:
            continue
        return True
    return False


def of_person(values: dict[str, str]) -> str:
    """A token as the auth service makes it for somebody who signs in."""
    key = json.loads(values["JWT_KEYS"])[0]
    said = {"sub": "5a1d3c0e-7b44-4f0e-9d5b-2f6c8e1a9b70", "exp": int(datetime.now(UTC).timestamp()) + 3600}
    return jwt.encode(said, jwt.PyJWK(key).key, "ES256", {"kid": key["kid"]})


def test_old_and_new_verify_beside_each_other_until_the_end() -> None:
    before = new_env(URL, NOW)
    both = rotated_env(before, NOW + timedelta(days=1))
    after = ended_env(both)
    old, now = before.values, both.values

    # New keys throughout; what the database and stored settings depend on stays.
    assert all(now[name] != old[name] for name in (*API_KEYS, "JWT_SECRET"))
    assert {n for n in old if old[n] != now[n]} < {*API_KEYS} | {n for n in old if n.startswith("JWT_")} | {
        "ANON_KEY_ASYMMETRIC",
        "SERVICE_ROLE_KEY_ASYMMETRIC",
    }
    for token in (old["ANON_KEY"], of_person(old), now["ANON_KEY"], of_person(now), now["ANON_KEY_ASYMMETRIC"]):
        assert accepts(now["JWT_JWKS"], token)
    assert [now[f"{name}_PREVIOUS"] for name in API_KEYS] == [old[name] for name in API_KEYS]

    keys = json.loads(now["JWT_KEYS"])
    assert [k["kid"] for k in keys if "sign" in k.get("key_ops", [])] == [keys[0]["kid"]]
    assert [k["kid"] for k in keys if k["kty"] == "EC"] == [keys[0]["kid"], json.loads(old["JWT_KEYS"])[0]["kid"]]
    assert "d" not in keys[2]

    for token in (old["ANON_KEY"], of_person(old)):
        assert not accepts(after.values["JWT_JWKS"], token)
    assert accepts(after.values["JWT_JWKS"], of_person(now))
    assert not any(name.endswith("_PREVIOUS") for name in after.values)
    assert after.values.keys() == old.keys()


def test_a_third_generation_is_refused() -> None:
    both = rotated_env(new_env(URL, NOW), NOW)
    with pytest.raises(WrongState, match="still accepted"):
        rotated_env(both, NOW)
    with pytest.raises(WrongState):
        ended_env(ended_env(both))
    with pytest.raises(SettingsError):
        rotated_env(parse_env("SITE_URL=x"), NOW)


def test_a_stack_that_has_only_a_secret_gets_a_signing_key() -> None:
    secret = "s" * 40
    both = rotated_env(parse_env(f"JWT_SECRET={secret}\nANON_KEY={tokens.legacy_key(secret, 'anon', NOW)}"), NOW)
    assert accepts(both.values["JWT_JWKS"], both.values["ANON_KEY_PREVIOUS"])
    assert "SUPABASE_SECRET_KEY_PREVIOUS" not in both.values
    assert json.loads(both.values["JWT_KEYS"])[0]["kty"] == "EC"


# --- the file -----------------------------------------------------------------------------------------


def test_values_are_read_as_shells_and_docker_read_them() -> None:
    text = """\
# A=no
A=1 # said
export B = two
C='a "quoted" # $value'
D="line\\nbreak \\"x\\""
E=a#b
F=
A=last
not a line
"""
    values = parse_env(text).values
    assert values == {"A": "last", "B": "two", "C": 'a "quoted" # $value', "D": 'line\nbreak "x"', "E": "a#b", "F": ""}
    assert parse_env(text).line_of("A") == 8


def test_a_value_is_changed_in_its_place_and_the_rest_stays() -> None:
    env = parse_env("# mine\nA=1\n\nB=2 # why\n")
    changed = env.with_values({"A": '{"k":"$v"}', "NEW": "3"})
    assert changed.text == '# mine\nA=\'{"k":"$v"}\'\n\nB=2 # why\nNEW=3\n'
    assert parse_env(changed.text).values == {"A": '{"k":"$v"}', "B": "2", "NEW": "3"}
    with pytest.raises(SettingsError, match="B may not"):
        env.with_values({"B": "it's"})


@given(value=text(characters(blacklist_categories=["Cs"], blacklist_characters="'\n")))
def test_any_value_comes_back_as_it_was_written(value: str) -> None:
    env = parse_env("A=1\nB=2\n").with_values({"A": value})
    assert parse_env(env.text).values == {"A": value, "B": "2"}


def test_only_the_owner_reads_the_file_from_its_first_moment(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    write_private(file, "A=1\n", new=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_private(file, "A=2\n", new=True)
    assert file.read_text() == "A=1\n"
    file.chmod(0o644)
    write_private(file, "A=3\n")
    assert (stat.S_IMODE(file.stat().st_mode), read_env(file).values) == (0o600, {"A": "3"})
    assert [each.name for each in tmp_path.iterdir()] == [".env"]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    write_private(file, "A=1\n")
    with pytest.raises(UnicodeEncodeError):
        write_private(file, "A=\udc80\n")
    assert file.read_text() == "A=1\n"
    assert [each.name for each in tmp_path.iterdir()] == [".env"]


def test_keys_are_blanked_out_of_messages() -> None:
    values = new_env(URL, NOW).values
    for name in ("SERVICE_ROLE_KEY", "SUPABASE_SECRET_KEY", "SERVICE_ROLE_KEY_ASYMMETRIC"):
        assert values[name][12:] not in redact(f"apikey={values[name]}, Bearer {values[name]}.")
    assert redact("sb_secret_ is how it begins") == "sb_secret_ is how it begins"
