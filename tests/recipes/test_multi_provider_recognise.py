"""The recipe `multi_provider` tells its generations by their tables, and says what differs from them."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

from ecluse.errors import UnknownGeneration
from ecluse.model.catalog import Catalog, Column, Constraint, Grant, Role, Table
from ecluse.model.names import Name
from ecluse.recipes.multi_provider.recognise import recognise, supabase
from ecluse.recipes.multi_provider.write import write

MOMENT = "timestamp without time zone"
TEXT = "character varying(255)"


def table(name: str, columns: dict[str, str], *constraints: Constraint, grants: tuple[Grant, ...] = ()) -> Table:
    key = Constraint(f"{name}_pkey", "p", "PRIMARY KEY (id)", ("id",))
    made = tuple(Column(n, t, not_null=n == "id") for n, t in columns.items())
    return Table(Name("public", name), made, (key, *constraints), grants=grants, owner="owner")


def legacy(id: str = "integer", role: str = TEXT) -> dict[str, Table]:
    """The tables of such an application, without those that may be missing."""
    return {
        "users": table(
            "users",
            {"id": id, "email": TEXT, "first_name": TEXT, "last_name": TEXT, "role": role, "created_at": MOMENT},
        ),
        "strava_connections": table(
            "strava_connections",
            {
                **{"id": id, "user_id": id, "strava_athlete_id": "bigint", "access_token": "text"},
                **{"refresh_token": "text", "token_expires_at": MOMENT, "created_at": MOMENT},
            },
        ),
        "activities": table(
            "activities",
            {
                **{"id": "integer", "user_id": id, "name": TEXT, "activity_type": TEXT, "start_date": MOMENT},
                **{"distance": "double precision", "moving_time": "integer", "average_heartrate": "real"},
                **{"strava_activity_id": "bigint", "created_at": MOMENT},
            },
        ),
    }


def catalog(*tables: Table, member_of: tuple[str, ...] = ("owner",), **more: object) -> Catalog:
    there = Catalog("app", 180000, Role("owner", True, True, member_of), tables={t.name: t for t in tables})
    return replace(there, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("id", "generation"), [("integer", "integer"), ("bigint", "integer"), ("smallint", "integer"), ("uuid", "uuid")]
)
def test_a_generation_is_told_by_the_ids_of_users(id: str, generation: str) -> None:
    found = recognise(catalog(*legacy(id).values()))
    assert found.generation == generation
    assert (found.tokens, found.workouts) == (None, None)


def without(tables: dict[str, Table], name: str, *columns: str) -> list[Table]:
    kept = tuple(c for c in tables[name].columns if c.name not in columns)
    return list((tables | {name: replace(tables[name], columns=kept)}).values())


def retyped(tables: dict[str, Table], name: str, column: str, type: str) -> list[Table]:
    kept = tuple(replace(c, type=type) if c.name == column else c for c in tables[name].columns)
    return list((tables | {name: replace(tables[name], columns=kept)}).values())


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ([], "there is no table public.users, public.strava_connections, public.activities"),
        (without(legacy(), "activities", "strava_activity_id"), "has no column 'strava_activity_id'"),
        (without(legacy(), "users", "role"), "public.users has no column 'role'"),
        (retyped(legacy(), "users", "id", "text"), "public.users.id is text"),
        (retyped(legacy(), "activities", "user_id", "uuid"), "user_id is uuid, and public.users.id is integer"),
        (retyped(legacy(), "strava_connections", "token_expires_at", "integer"), "token_expires_at is integer"),
        (retyped(legacy(), "activities", "activity_type", "public.sport"), "activity_type is public.sport"),
        ([*legacy().values(), table("provider_connections", {"id": "integer"})], "an attempt by hand"),
    ],
)
def test_what_is_no_generation_says_what_differs(tables: list[Table], words: str) -> None:
    with pytest.raises(UnknownGeneration) as caught:
        recognise(catalog(*tables))
    assert words in f"{caught.value.message} {caught.value.details}"


def test_what_is_migrated_is_not_migrated_again() -> None:
    new = table("provider_connections", {"id": "integer", "created_at": MOMENT})
    kept = [t for name, t in legacy().items() if name != "strava_connections"]
    with pytest.raises(UnknownGeneration, match="migrated already, nothing to do"):
        recognise(catalog(*kept, new))


def test_numbers_that_an_attempt_left_behind_are_not_believed() -> None:
    """The guide's way back drops two tables; activities keep numbers of connections that are made anew after it."""
    tables = legacy()
    columns = (*tables["activities"].columns, Column("connection_id", "integer"))
    tables["activities"] = replace(tables["activities"], columns=columns)
    with pytest.raises(UnknownGeneration, match="may belong to nobody") as caught:
        recognise(catalog(*tables.values()))
    assert caught.value.details == "public.activities.connection_id"
    assert "alter table public.activities drop column connection_id" in caught.value.hint


# --- what is written -------------------------------------------------------------------------------


def operations(there: Catalog) -> list[dict[str, object]]:
    found: list[dict[str, object]] = tomllib.loads(write(there, "app")["migration.toml"])["operation"]
    return found


def test_workouts_are_made_where_there_are_none() -> None:
    made = operations(catalog(*legacy().values()))
    beside = [b["table"] for o in made for b in o.get("beside", ())]  # type: ignore[attr-defined]
    assert beside == ["public.oauth_states", "public.workouts", "public.sync_history"]
    there = table("workouts", {"id": "integer", "user_id": "integer", "workout_type": TEXT})
    made = operations(catalog(*legacy().values(), there))
    beside = [b["table"] for o in made for b in o.get("beside", ())]  # type: ignore[attr-defined]
    assert beside == ["public.oauth_states", "public.sync_history"]
    assert [o["column"] for o in made if o["kind"] == "convert_column"] == ["role", "activity_type", "workout_type"]


def test_an_enum_that_is_there_is_used() -> None:
    role = Name("public", "user_role")
    made = operations(catalog(*legacy(role="public.user_role").values(), types={role: ("athlete", "coach", "admin")}))
    assert "public.user_role" not in [o.get("name") for o in made]
    assert [o["column"] for o in made if o["kind"] == "convert_column"] == ["activity_type"]


def test_labels_that_an_enum_lacks_are_added() -> None:
    there = {Name("public", "provider_type"): ("garmin", "strava", "polar")}
    [made] = [o for o in operations(catalog(*legacy().values(), types=there)) if o["kind"] == "extend_enum"]
    assert made == {"kind": "extend_enum", "name": "public.provider_type", "labels": ["coros", "wahoo", "fitbit"]}


def test_checks_of_the_old_words_are_left_out() -> None:
    tables = legacy()
    check = Constraint("users_role_check", "c", "CHECK ((role)::text = ANY (...))", ("role",))
    other = Constraint("users_any_check", "c", "CHECK (...)", ("role", "email"))
    tables["users"] = replace(tables["users"], constraints=(*tables["users"].constraints, check, other))
    [made] = [o for o in operations(catalog(*tables.values())) if o.get("column") == "role"]
    assert made["redeclare"] == [{"constraints": {"users_role_check": ""}}]


def test_without_the_roles_of_a_supabase_no_rights_are_written() -> None:
    there = catalog(*legacy().values())
    assert not supabase(there)
    files = write(there, "app")
    assert "sql/rights.sql" not in files
    assert "rls" not in files["migration.toml"] and "grants" not in files["migration.toml"]


@pytest.mark.parametrize("how", ["member", "granted"])
def test_the_roles_of_a_supabase_are_known_by_membership_or_by_rights(how: str) -> None:
    roles = ("anon", "authenticated", "service_role")
    grants = tuple(Grant(role, "SELECT") for role in roles) if how == "granted" else ()
    tables = legacy()
    tables["users"] = replace(tables["users"], grants=grants)
    assert supabase(catalog(*tables.values(), member_of=roles if how == "member" else ()))


def test_roles_of_the_application_keep_what_they_may_do() -> None:
    tables = legacy()
    grants = (Grant("backend", "SELECT"), Grant("backend", "INSERT"), Grant("anon", "SELECT"))
    tables["strava_connections"] = replace(tables["strava_connections"], grants=grants)
    there = catalog(*tables.values(), member_of=("anon", "authenticated", "service_role"))
    [made] = [o for o in operations(there) if o["kind"] == "generalize_table"]
    assert made["grants"] == {"service_role": ["select", "insert", "update", "delete"], "backend": ["select", "insert"]}
    assert made["policies"] == {"application: backend": 'for all to "backend" using (true) with check (true)'}


def test_a_column_holds_what_it_held() -> None:
    tables = legacy()
    columns = (
        *(
            replace(c, not_null=c.name == "access_token")
            for c in tables["strava_connections"].columns
            if c.name != "id"
        ),
        Column("id", "bigint", not_null=True),
        Column("scopes", "text"),
    )
    tables["strava_connections"] = replace(tables["strava_connections"], columns=columns)
    [made] = [o for o in operations(catalog(*tables.values())) if o["kind"] == "generalize_table"]
    columns_ = made["columns"]
    assert isinstance(columns_, dict)
    assert columns_["scopes"] == "text"
    assert columns_["access_token"] == "text not null"
    assert columns_["user_id"] == "integer"
    assert columns_["refresh_token"] == "text"
    assert columns_["id"] == "bigint not null generated by default as identity"
