"""People in a database of their own: profiles that follow accounts, rights that hold, and the way back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ecluse.errors import UnknownGeneration
from ecluse.postgres.connect import Database
from ecluse.recipes.two_databases.profiles import COLUMNS, PROFILES
from ecluse.recipes.two_databases.recognise import QUESTION_COLUMNS, QUESTIONS
from tests import harness
from tests.harness import Halted, Listener, Writer, load, same, snapshot, without_traces
from tests.recipes.two import NINTH, Two, account, as_user, of, switched, two


@pytest.fixture
def found(database: Database, people: Database, tmp_path: Path) -> Two:
    """Accounts without profiles; what moves between servers is tried elsewhere."""
    made = two(database, people, tmp_path, "L3")
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute("ALTER TABLE public.invitations RENAME TO letters")
    made.write()
    return made


def test_each_account_with_an_email_has_a_profile_of_its_own(found: Two) -> None:
    assert not [hazard for hazard in found.profiles.plan().hazards if hazard.level != "note"]
    switched(found).profiles.verify()
    table = found.catalogs()["people"].tables[PROFILES]
    assert [c.name for c in table.columns] == list(COLUMNS)
    assert found.ask("SELECT count(*) FROM users u JOIN auth.users a ON a.id = u.id AND a.email = u.email") == [(15,)]
    assert found.ask("SELECT count(*) FROM users") == [(15,)]
    # Twins by case are two people; of two accounts with the very same e-mail the ordinary one has the profile.
    assert found.ask("SELECT count(*) FROM users WHERE lower(email) = 'person1@example.com'") == [(2,)]
    assert found.ask("SELECT a.is_sso_user FROM users u JOIN auth.users a USING (id) WHERE u.email ~ '^person2@'") == [
        (False,)
    ]
    assert found.ask("SELECT reason, count(*) FROM accounts_without_profile GROUP BY 1 ORDER BY 1") == [
        ("another profile has its e-mail", 1),
        ("it has no e-mail", 2),
    ]
    # What people said of themselves is taken over, but for what they would like to be.
    assert found.ask("SELECT DISTINCT user_type, plan, language FROM users WHERE first_name IS NOT NULL") == [
        ("user", "free", "en")
    ]
    assert found.ask("SELECT full_name FROM users WHERE email = 'person3@example.com'") == [("Person 3",)]


def test_a_sign_up_makes_a_profile_and_never_fails(found: Two) -> None:
    switched(found)
    said = '{"first_name": "Ada", "user_type": "super_admin", "plan": "enterprise"}'
    new = "SELECT first_name, user_type, plan FROM users WHERE email = 'ada@example.com'"
    assert found.ask(account("ada@example.com", said=said), new) == [("Ada", "user", "free")]
    # An e-mail that a profile has already: the sign-up succeeds, the profile stays whose it is.
    owner = "SELECT id FROM users WHERE email = 'person1@example.com'"
    before = found.ask(owner)
    assert found.ask(account("person1@example.com", sso=True), owner) == before
    without = "SELECT count(*) FROM accounts_without_profile WHERE email = 'person1@example.com'"
    assert found.ask(account("person1@example.com", sso=True), without) == [(1,)]
    # Whatever else may go wrong with the profile.
    assert found.ask("ALTER TABLE users ADD CHECK (email <> 'eve@example.com')", account("eve@example.com"))
    # A telephone first, an e-mail later; a new e-mail that another profile has leaves the old one in its place.
    assert found.ask(
        "UPDATE auth.users SET email = 'late@example.com', email_confirmed_at = now() WHERE phone = '15551000004'",
        "SELECT email, email_verified FROM users WHERE email = 'late@example.com'",
    ) == [("late@example.com", True)]
    taken = "UPDATE auth.users SET email = 'person1@example.com' WHERE is_sso_user RETURNING 1"
    assert found.ask(taken) == [(1,)]
    assert found.ask(taken, owner) == before


def test_people_reach_their_own_profile_and_cannot_promote_themselves(found: Two) -> None:
    switched(found)
    [(one,), (other,)] = found.ask("SELECT id::text FROM users ORDER BY email LIMIT 2")
    mine = "SELECT id::text FROM users"
    assert found.ask(as_user(one), mine) == [(one,)]
    assert found.ask(as_user(one), "UPDATE users SET first_name = 'X' RETURNING id::text") == [(one,)]
    assert found.ask(as_user(one), f"UPDATE users SET first_name = 'X' WHERE id = '{other}' RETURNING 1") == []
    for column in ("user_type", "plan", "email", "email_verified", "is_active", "id", "last_login_at", "created_at"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            found.ask(as_user(one), f"UPDATE users SET {column} = DEFAULT WHERE id = '{one}'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        found.ask("SET LOCAL ROLE anon", mine)
    admin = as_user(one, app_metadata={"role": "super_admin"})
    assert len(found.ask(admin, mine)) == 15
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        found.ask(admin, f"UPDATE users SET plan = 'enterprise' WHERE id = '{one}'")
    assert found.ask(as_user(one, user_metadata={"role": "super_admin"}), mine) == [(one,)]
    promoted = f"UPDATE users SET plan = 'enterprise' WHERE id = '{one}' RETURNING plan"
    assert found.ask("SET LOCAL ROLE service_role", promoted) == [("enterprise",)]


def test_the_functions_tell_nobody_what_is_not_theirs(found: Two) -> None:
    switched(found)
    [(one,), (other,)] = found.ask("SELECT id::text FROM users ORDER BY email DESC LIMIT 2")
    by_email = "SELECT email FROM get_user_by_email('{}')"
    as_service = "SET LOCAL ROLE service_role"
    for who in ("SET LOCAL ROLE anon", as_user(one)):
        for question in (by_email.format("person2@example.com"), "SELECT * FROM accounts_without_profile"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                found.ask(who, question)
    assert found.ask(as_service, by_email.format("PERSON2@example.com")) == [("person2@example.com",)]
    # Twins: whoever is meant exactly, else nobody.
    assert found.ask(as_service, by_email.format("Person1@example.com")) == [("Person1@example.com",)]
    assert found.ask(as_service, by_email.format("PERSON1@example.com")) == []
    seen = f"SELECT count(last_login_at) FROM users WHERE id = '{one}'"
    login = f"SELECT update_last_login('{one}')"
    assert found.ask(as_user(one), login, "RESET ROLE", seen) == [(1,)]
    assert found.ask(as_user(other), login, "RESET ROLE", seen) == [(0,)]
    assert found.ask(as_service, login, "RESET ROLE", seen) == [(1,)]


@pytest.mark.parametrize(
    ("weakening", "said"),
    [
        ("CREATE POLICY wide ON users FOR SELECT USING (true)", "a user selects on public.users"),
        ("ALTER TABLE users DISABLE ROW LEVEL SECURITY", "a user selects on public.users"),
        ("GRANT UPDATE (plan) ON users TO authenticated", "sets the guarded column plan"),
        ("GRANT UPDATE ON users TO authenticated", "sets the guarded column"),
        ('DROP POLICY "users: admin select" ON users', "an admin selects on public.users"),
        ("GRANT EXECUTE ON FUNCTION get_user_by_email(text) TO anon", "anon may ask who has which e-mail"),
        ("GRANT SELECT ON accounts_without_profile TO authenticated", "authenticated may ask who has which e-mail"),
        ("ALTER FUNCTION handle_new_user() RESET search_path", "search_path"),
        ("DROP TRIGGER on_auth_user_created ON auth.users", "a sign-up makes no profile"),
        ("DROP TRIGGER on_auth_user_changed ON auth.users", "a confirmed e-mail does not reach the profile"),
        ("ALTER TABLE users ALTER user_type SET DEFAULT 'super_admin'", "people choose their own type"),
        ("DELETE FROM users WHERE email = 'person2@example.com'", "accounts that are there"),
    ],
)
def test_verify_fails_when_something_was_weakened_by_hand(found: Two, weakening: str, said: str) -> None:
    switched(found).profiles.verify()
    found.tell(weakening)
    result = found.profiles.engine().verify(found.profiles.name)
    failed = [f"{probe.title}: {probe.details}" for probe in result.probes if not probe.passed]
    assert any(said in words for words in failed), failed


# --- the way back -----------------------------------------------------------------------------------


def test_a_rollback_keeps_what_people_wrote_and_applying_again_brings_it_back(found: Two, tmp_path: Path) -> None:
    before = snapshot(found.people)
    switched(found)
    [(one,)] = found.ask(NINTH)
    found.tell(f"UPDATE users SET first_name = 'Written since' WHERE id = '{one}'")
    heard = Listener()
    found.profiles.rollback(heard)
    assert any("kept as two_databases_kept.users" in e.message for e in heard.events if e.kind == "warn")
    after = snapshot(found.people)
    kept = after.rows.pop("two_databases_kept.users")
    assert len(kept) == 15 and any("Written since" in row for row in kept)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        found.ask("SET LOCAL ROLE service_role", "SELECT * FROM two_databases_kept.users")
    mine = without_traces(after.catalog)
    tables = {name: table for name, table in mine.tables.items() if name.schema != "two_databases_kept"}
    schemas = tuple(schema for schema in mine.schemas if schema != "two_databases_kept")
    same(replace(after, catalog=replace(mine, tables=tables, schemas=schemas)), before)

    # Somebody leaves and somebody comes meanwhile.
    found.tell("DELETE FROM auth.users WHERE email = 'person2@example.com' AND NOT is_sso_user")
    found.tell(account("between@example.com"))
    switched(found).profiles.verify()
    assert found.ask(f"SELECT first_name FROM users WHERE id = '{one}'") == [("Written since",)]
    assert found.ask("SELECT count(*) FROM users WHERE email = 'between@example.com'") == [(1,)]
    # The person's other account has the e-mail to itself now.
    assert found.ask("SELECT a.is_sso_user FROM users u JOIN auth.users a USING (id) WHERE u.email ~ '^person2@'") == [
        (True,)
    ]
    assert found.ask("SELECT to_regnamespace('two_databases_kept')") == [(None,)]
    found.profiles.finish(tmp_path / "archive")
    assert found.ask("SELECT count(*) FROM users") == [(16,)]


def test_the_script_of_profiles_may_be_run_twice(found: Two) -> None:
    before = snapshot(switched(found).people)
    found.tell((found.folder / "two_databases_people" / "sql" / "profiles.sql").read_text())
    found.tell((found.folder / "two_databases_people" / "sql" / "backfill.sql").read_text())
    same(snapshot(found.people), before)
    found.profiles.verify()


def test_takes_itself_back_from_every_stage(found: Two) -> None:
    whole = Listener()
    found.profiles.apply(whole)
    before = found.ask("SELECT count(*) FROM auth.users")
    found.profiles.switch(whole)
    found.profiles.rollback()
    for point in harness.spread(range(1, len(whole.heard) + 1), 5):
        listener = Listener(at=point)
        with pytest.raises(Halted):
            found.profiles.apply(listener)
            found.profiles.switch(listener)
        found.profiles.rollback()
        assert found.ask("SELECT to_regclass('public.users'), to_regproc('public.handle_new_user')") == [(None, None)]
        assert found.ask("SELECT count(*) FROM auth.users") == before
    switched(found).profiles.verify()


def test_sign_ups_go_on_through_switch_and_rollback(found: Two) -> None:
    came = account("new{n}@example.com", said='{{"first_name": "N"}}'.replace("{{", "{").replace("}}", "}"))
    writer = Writer(
        found.people, [came, "UPDATE auth.users SET email_confirmed_at = now() WHERE email = 'new{n}@example.com'"]
    )
    with writer.running():
        for _ in range(2):
            switched(found).profiles.verify()
            found.profiles.rollback()
        switched(found)
    assert writer.committed and not writer.failures
    found.profiles.verify()
    assert found.ask("SELECT count(*) FROM accounts_without_profile WHERE email LIKE 'new%'") == [(0,)]


# --- invitations ------------------------------------------------------------------------------------


@pytest.fixture(params=["L3", "L3-profiles"])
def whole(request: pytest.FixtureRequest, database: Database, people: Database, tmp_path: Path) -> Two:
    """Everything, invitations too."""
    return two(database, people, tmp_path, request.param)


def test_invitations_arrive_with_a_home_for_every_column_and_go_back(whole: Two, tmp_path: Path) -> None:
    before = snapshot(whole.app)
    old = of(whole.app, "SELECT id, to_jsonb(i) FROM invitations i")
    switched(whole).profiles.verify()
    new = dict(whole.ask("SELECT id, to_jsonb(i) FROM invitations i"))
    assert len(new) == len(old) == 45
    for id_, row in old:
        arrived = new[id_]
        assert (arrived["email"], arrived["invited_at"]) == (row["invited_email"], row["created_at"])
        assert [arrived[n] for n in ("inviter_email", "inviter_user_id", "status", "accepted_at")] == [
            row[n] for n in ("inviter_email", "inviter_user_id", "status", "accepted_at")
        ]
        rest = ("invited_name", "token", "invitation_code", "expires_at", "updated_at")
        assert set(arrived["metadata"]) == {name for name in rest if row[name] is not None}
        assert arrived["metadata"].get("token") == row["token"]
    # Who invited, by the id of the account, sees what is his; the profile's id and the e-mail prove nothing.
    [(two_, theirs)] = whole.ask(
        "SELECT inviter_user_id::text, count(*) FROM invitations i JOIN auth.users a ON a.id = inviter_user_id "
        "WHERE a.email = 'person2@example.com' AND NOT a.is_sso_user GROUP BY 1"
    )
    assert whole.ask(as_user(two_, email="person3@example.com"), "SELECT count(*) FROM invitations") == [(theirs,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        whole.ask("SET LOCAL ROLE anon", "SELECT count(*) FROM invitations")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        load(whole.app, "UPDATE invitations SET status = 'accepted'")

    whole.tell("UPDATE invitations SET status = 'accepted', accepted_at = now() WHERE email = 'guest2@example.org'")
    whole.tell(
        "INSERT INTO invitations (email, inviter_email, status) VALUES ('late@example.org', 'a@example.org', 'sent')"
    )
    whole.tell(
        "INSERT INTO invitations (email, inviter_email, personal_message) "
        "VALUES ('greeted@example.org', 'a@example.org', 'Come in')"
    )
    whole.profiles.rollback()
    home = "SELECT invited_email, status FROM invitations WHERE invited_email ~ '^(guest2|late|greeted)@example.org'"
    assert sorted(of(whole.app, home)) == [
        ("greeted@example.org", "pending"),
        ("guest2@example.org", "accepted"),
        ("late@example.org", "sent"),
    ]
    # What the old table has no column for is kept whole, and told.
    parked = whole.ask("SELECT row ->> 'email', row ->> 'personal_message' FROM ecluse.parked")
    assert parked == [("greeted@example.org", "Come in")]
    now = snapshot(whole.app)
    harness.same_structure(without_traces(now.catalog), before.catalog)
    switched(whole).profiles.finish(tmp_path / "archive")
    assert of(whole.app, "SELECT to_regclass('public.invitations') IS NULL") == [(True,)]
    assert whole.ask("SELECT count(*) FROM invitations") == [(47,)]
    with pytest.raises(UnknownGeneration, match="already"):
        whole.write()


@pytest.mark.parametrize(
    ("weakening", "said"),
    [
        ("CREATE POLICY wide ON invitations FOR SELECT USING (true)", "a user selects on public.invitations"),
        ("ALTER TABLE invitations DISABLE ROW LEVEL SECURITY", "public.invitations"),
        ("GRANT SELECT ON invitations TO anon", "grants to anon"),
        ("GRANT INSERT ON invitations TO authenticated", "grants to authenticated"),
    ],
)
@pytest.mark.parametrize("whole", ["L3"], indirect=True)
def test_verify_fails_when_the_guard_of_invitations_was_weakened(whole: Two, weakening: str, said: str) -> None:
    switched(whole).profiles.verify()
    whole.tell(weakening)
    result = whole.profiles.engine().verify(whole.profiles.name)
    failed = [f"{probe.title}: {probe.details}" for probe in result.probes if not probe.passed]
    assert any(said in words for words in failed), failed


# --- the application's database ---------------------------------------------------------------------


def test_the_view_is_made_with_what_stands_on_it_and_kept_where_it_is_the_same(found: Two, tmp_path: Path) -> None:
    before = snapshot(found.app)
    found.view.apply()
    found.view.switch()
    found.view.verify()
    view = found.catalogs()["app"].views[QUESTIONS]
    assert view.columns == QUESTION_COLUMNS
    assert of(found.app, "SELECT count(*) FROM recent_questions") != [(0,)]
    found.view.rollback()
    same(snapshot(found.app), before)
    found.view.apply()
    found.view.switch()
    found.view.finish(tmp_path / "archive")
    assert not [name for name in found.write() if name.startswith("two_databases_app")]
    load(found.app, "DROP VIEW user_questions_complete CASCADE")
    assert "two_databases_app/migration.toml" in found.write()
    load(found.app, "CREATE VIEW user_questions_complete AS SELECT id FROM conversations")
    assert "has 1 columns" in found.write()["two_databases_app/migration.toml"]


def test_the_views_probe_finds_what_was_changed_by_hand(found: Two) -> None:
    found.view.apply()
    found.view.switch()
    text = of(found.app, "SELECT pg_get_viewdef('user_questions_complete'::regclass)")[0][0]
    load(found.app, f"CREATE OR REPLACE VIEW user_questions_complete AS {text.replace('active', 'deleted')}")
    assert not found.view.engine().verify(found.view.name).passed


@pytest.mark.parametrize(
    ("where", "change", "told"),
    [
        ("app", "ALTER TABLE letters RENAME TO invitations; ALTER TABLE invitations DROP id", "has no column 'id'"),
        ("app", "ALTER TABLE conversations DROP question CASCADE", "has no column 'question'"),
        ("app", "DROP TABLE conversations CASCADE", "has no table public.conversations"),
        ("people", "DROP SCHEMA auth CASCADE", "not prepared for people"),
        ("people", "CREATE TABLE users (id uuid PRIMARY KEY, email text UNIQUE)", "no column 'auth_user_id'"),
        (
            "people",
            "CREATE TABLE users (id uuid PRIMARY KEY, auth_user_id uuid, email text UNIQUE); "
            "CREATE TABLE notes (by uuid CONSTRAINT by_whom REFERENCES users)",
            "public.notes refers to it by 'by_whom'",
        ),
    ],
)
def test_other_databases_are_refused_by_what_differs(found: Two, where: str, change: str, told: str) -> None:
    load(found.app if where == "app" else found.people, change)
    with pytest.raises(UnknownGeneration) as caught:
        found.write()
    assert told in caught.value.message + caught.value.details
