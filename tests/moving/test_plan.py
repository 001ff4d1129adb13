"""What the plan of a move refuses, by name, and what it says."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from ecluse.errors import EcluseError, MigrationFileError, MissingRights
from ecluse.model.plan import Plan
from ecluse.postgres.connect import Database
from tests.harness import load
from tests.moving.places import AS_IT_WAS, OTHERWISE, Places, prepared

HEAD = 'name = "bring"\n[[operation]]\nkind = "move_table"\nfrom = "origin"\n'


@pytest.fixture
def places(database: Database, second_database: Database, tmp_path: Path) -> Places:
    return prepared(second_database, database, tmp_path, AS_IT_WAS)


def _refusals(plan: Plan) -> set[str]:
    return {hazard.id for hazard in plan.refused}


@pytest.mark.parametrize(
    ("script", "id_"),
    [
        (
            "ALTER TABLE public.invitations DROP CONSTRAINT invitations_pkey, DROP CONSTRAINT invitations_token_key",
            "no-primary-key",
        ),
        ("CREATE TABLE public.clicks (invitation uuid REFERENCES public.invitations)", "referenced-table-moves"),
        ("CREATE VIEW public.open AS SELECT id FROM public.invitations", "dependent-of-moved"),
        ("CREATE RULE r AS ON DELETE TO public.invitations DO INSTEAD NOTHING", "rule"),
        ("CREATE TABLE public.late () INHERITS (public.invitations)", "inheritance"),
        # As a build leaves it that failed.
        (
            "CREATE INDEX left_over ON public.invitations (id);"
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'left_over'::regclass",
            "invalid-index",
        ),
    ],
)
def test_what_cannot_move_is_refused_by_name(places: Places, script: str, id_: str) -> None:
    load(places.origin, script)
    assert id_ in _refusals(places.plan())


def test_a_table_of_that_name_here_is_refused(places: Places) -> None:
    load(places.database, "CREATE TABLE public.invitations (id int)")
    assert "name-taken" in _refusals(places.plan())


@pytest.mark.parametrize(
    ("columns", "id_"),
    [
        ('id = "uuid not null"\nexpires_at = "date"', "lossy-move"),
        ('id = "uuid not null"\nexpires_at = "timestamptz not null"', "null-in-not-null"),
        ('id = "uuid not null"\ninviter_email = "text unique"', ""),
        ('id = "uuid not null"\ntoken = "integer"', "trial-mapping"),
    ],
)
def test_rows_that_would_not_arrive_or_not_come_back_are_refused(places: Places, columns: str, id_: str) -> None:
    rest = 'rest = "metadata"\n[operation.columns]\nmetadata = "jsonb"\n'
    places.file.write_text(
        f'{HEAD}table = "public.invitations"\n{rest}{columns}\n[operation.constraints]\np = "primary key (id)"\n'
    )
    if not id_:
        with pytest.raises(EcluseError, match="constraints"):
            places.plan()
        return
    assert _refusals(places.plan()) == {id_}


def test_a_key_that_is_not_unique_any_more_is_refused(places: Places) -> None:
    places.file.write_text(OTHERWISE.replace('invites_pkey = "primary key (id)"\n', ""))
    assert _refusals(places.plan()) == {"key-not-unique"}
    places.file.write_text(OTHERWISE.replace('"primary key (id)"', '"unique (id)"'))
    assert not _refusals(places.plan())


def test_values_that_would_be_twice_are_refused(places: Places) -> None:
    places.file.write_text(
        OTHERWISE.replace(
            'invites_pkey = "primary key (id)"', 'invites_pkey = "primary key (id)"\nonce = "unique (inviter)"'
        )
    )
    plan = places.plan()
    assert _refusals(plan) == {"collision"}
    assert any("7 values" in hazard.message for hazard in plan.refused)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (AS_IT_WAS.replace('from = "origin"', 'from = "app"'), "'app' is the database that this migration changes"),
        (AS_IT_WAS.replace("invitations", "invitation"), "did you mean 'public.invitations'"),
        (OTHERWISE.replace('rest = "metadata"\n', ""), "would have no home here"),
        (OTHERWISE.replace('inviter = "inviter_email"', 'inviter = "inviter_mail"'), "did you mean 'inviter_email'"),
        (
            OTHERWISE.replace('id = "uuid not null default gen_random_uuid()"', 'id = "text not null"'),
            "identifies the rows",
        ),
        (
            OTHERWISE.replace('state = "text', 'seen = "timestamptz not null default now()"\nstate = "text'),
            "gets no value",
        ),
        (OTHERWISE.replace("metadata = \"jsonb not null default '{}'\"", 'metadata = "text"'), "must be jsonb"),
        (OTHERWISE.replace('rest = "metadata"', 'rest = "remains"'), "is not one of `columns`"),
        (AS_IT_WAS + 'values = { a = "b" }', "'columns' is missing"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(places: Places, text: str, said: str) -> None:
    places.file.write_text(text)
    with pytest.raises(EcluseError) as caught:
        places.plan()
    whole = f"{caught.value.message} {caught.value.details} {caught.value.hint}"
    assert said in whole
    assert "line" in whole or isinstance(caught.value, MigrationFileError)


def test_what_stays_behind_is_told(places: Places) -> None:
    load(
        places.origin,
        """CREATE TABLE public.people (email text PRIMARY KEY); INSERT INTO public.people
        SELECT DISTINCT inviter_email FROM public.invitations;
        ALTER TABLE public.invitations ADD CONSTRAINT by_whom FOREIGN KEY (inviter_email) REFERENCES public.people;
        CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER touch BEFORE UPDATE ON public.invitations FOR EACH ROW EXECUTE FUNCTION public.f();""",
    )
    plan = places.plan()
    assert not plan.refused
    told = [hazard.message for hazard in plan.hazards if hazard.id == "stays-behind"]
    assert any("by_whom" in each for each in told)
    assert any("trigger touch" in each for each in told)
    places.apply()
    places.switch()
    load(
        places.database,
        "INSERT INTO public.invitations (id, inviter_email, invited_email) "
        "VALUES (gen_random_uuid(), 'unknown@example.org', 'x')",
    )
    places.rollback()
    with psycopg.connect(places.database.conninfo) as conn:
        assert conn.execute("SELECT count(*) FROM ecluse.parked").fetchone() == (1,), "its inviter is nobody there"
    load(places.origin, "UPDATE public.invitations SET weight = 2 WHERE token = 't1'")


def test_rights_in_the_origin_are_asked_for_at_once(places: Places) -> None:
    load(places.origin, "CREATE ROLE visitor LOGIN; GRANT SELECT ON public.invitations TO visitor")
    poor = Database("origin", places.origin.conninfo + " user=visitor", label="'origin'")
    try:
        with pytest.raises(MissingRights, match="in 'origin'"):
            Places(places.database, places.file, origin=poor).plan()
    finally:
        load(places.origin, "DROP OWNED BY visitor; DROP ROLE visitor")


def test_a_table_that_another_run_captures_is_refused(places: Places) -> None:
    places.apply()
    places.file.write_text(AS_IT_WAS.replace('"bring"', '"again"'))
    assert "captured-already" in _refusals(places.plan())
    places.file.write_text(AS_IT_WAS)
    assert not _refusals(places.plan()), "its own capture is no obstacle"
