"""What `ecluse.toml` may say, and what is said when it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecluse.errors import SettingsError
from ecluse.model.settings import Settings, line_of, parse_settings
from ecluse.postgres.settings_file import read_settings

GOOD = """\
migrations = "db/moves"

[databases]
app = "embedded:app"

[databases.supabase]
url = "postgresql://me:hush@db.example.org/postgres"
protect = true

[databases.old]
url = "service=old"

[databases.here]
url = "embedded:here"
postgres = 16
"""


def test_all_forms() -> None:
    settings = parse_settings(GOOD)
    assert settings.migrations == "db/moves"
    assert list(settings.databases) == ["app", "supabase", "old", "here"]
    app, supabase, here = (settings.databases[name] for name in ("app", "supabase", "here"))
    assert (app.embedded_name, app.protect, app.postgres) == ("app", False, 18)
    assert supabase.protect and supabase.embedded_name is None and supabase.variable is None
    assert here.postgres == 16
    assert parse_settings('[databases]\na = "env:APP_URL"').databases["a"].variable == "APP_URL"
    assert parse_settings("") == Settings()


def test_a_password_is_not_shown() -> None:
    settings = parse_settings(GOOD)
    assert settings.databases["supabase"].shown_url == "postgresql://me:***@db.example.org/postgres"
    assert "hush" not in repr(settings) and "hush" not in str(settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[databases.app]\nurl = "embedded:a"\n\nprotct = true\n',
            "ecluse.toml line 4: unknown key 'protct'; did you mean 'protect'?",
        ),
        ("migration = 'x'\n", "ecluse.toml line 1: unknown key 'migration'; did you mean 'migrations'?"),
        ("# note\n[database]\n", "ecluse.toml line 2: unknown key 'database'; did you mean 'databases'?"),
        (
            '[databases]\napp = { url = "embedded:a", protct = true }\n',
            "ecluse.toml line 2: unknown key 'protct'; did you mean 'protect'?",
        ),
        (
            '[databases]\n"app".url = "embedded:a"\napp.portect = true\n',
            "ecluse.toml line 3: unknown key 'portect'; did you mean 'protect'?",
        ),
        (
            "[databases]\napp = 'embedded:a'\n[[identity.source]]\ndatabase = 'app'\ntable = 'users'\nauth = 'id'\n"
            "[[identity.source]]\ndatabase = 'app'\ntable = 'users'\nemial = 'email'\nauth = 'id'\n",
            "ecluse.toml line 10: unknown key 'emial'; did you mean 'email'?",
        ),
        (
            "[databases]\napp = 'embedded:a'\n[[identity.source]]\ndatabase = 'app'\ntable = 'users'\n",
            "ecluse.toml line 3: a source needs one of legacy, profile, auth, email",
        ),
        (
            "[databases]\napp = 'embedded:a'\n[[identity.column]]\ndatabase = 'ap'\ntable = 'c'\ncolumn = 'u'\n",
            "ecluse.toml: 'ap', of c under [identity], is not a database; did you mean 'app'?",
        ),
        ("[databases.app]\nzzz = 1\nurl = 'embedded:a'", "ecluse.toml line 2: unknown key 'zzz'"),
        ("[databases.app]\nprotect = true\n", "ecluse.toml line 1: 'databases.app' has no 'url'"),
        (
            "[databases.app]\nurl = 'embedded:a'\nprotect = 'yes'\n",
            "ecluse.toml line 3: 'databases.app.protect': input should be a valid boolean",
        ),
        (
            "[databases.app]\nurl = 'embedded:a'\npostgres = 17\n",
            "ecluse.toml line 3: there is no embedded PostgreSQL 17; the versions are 16 and 18",
        ),
        ("[databases]\napp = 'embedded:'\n", "ecluse.toml line 2: '' cannot be the name of an embedded database"),
        ("[databases]\napp = 'env:A-B'\n", "ecluse.toml line 2: 'A-B' cannot be the name of a variable"),
        (
            "[databases]\n'a b' = 'embedded:a'\n",
            "ecluse.toml line 1: 'a b' cannot be the name of a database; use letters, digits, '-' and '_'",
        ),
        ("a = 1\nb = = 2\n", "ecluse.toml line 2, column 5: invalid value"),
        ("a = 'open\n", "ecluse.toml line 1, column 10: "),
        ('a = 1\nb = """open', "ecluse.toml line 2, column 12: "),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings(text)
    assert error.value.message.startswith(message) if message.endswith(": ") else error.value.message == message


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings("[databases.app]\nurl = 'embedded:a'\nprotct = true\npostgers = 16\n")
    assert "protct" in error.value.message and "'postgers'; did you mean 'postgres'?" in error.value.details


@pytest.mark.parametrize(
    "text",
    [
        "[databases]\napp = 'hush'\n",
        "[databases.app]\nurl = 5\nprotect = 'hush'\n",
        "[databases]\napp = ['hush']\n",
        "[databases]\napp = 'postgresql://u:hush@h/d' 'hush'\n",
    ],
)
def test_a_wrong_url_is_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings(text)
    assert "hush" not in str(error.value.as_dict())


def test_the_nearest_line_is_given_where_the_key_is_not_found() -> None:
    assert line_of(GOOD, ("databases", "supabase", "url")) == 7
    assert line_of(GOOD, ("databases", "supabase", "nowhere")) == 6
    assert line_of(GOOD, ("elsewhere",)) is None


def test_reading_files(tmp_path: Path) -> None:
    file = tmp_path / "ecluse.toml"
    with pytest.raises(SettingsError, match="there is no"):
        read_settings(tmp_path)
    file.write_text(GOOD)
    assert read_settings(tmp_path) == read_settings(file) == parse_settings(GOOD)
    file.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_settings(file)
