"""The id map: what is evidence, what is not, and the file."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ecluse.errors import SourceUnreachable, WrongUsage
from ecluse.identity.idmap import IdMap, Pair, Refused, write_map
from ecluse.model.identity import Holder, Kind
from ecluse.operations.inputs import read_ids, read_map
from tests.identity.world import SEEN, World

ODD = Holder(database="app", table="public.odd", column="who")
NINA = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def odd(world: World) -> World:
    world.run("people", "UPDATE auth.users SET deleted_at = now() WHERE id = md5('auth7')::uuid")
    world.run(
        "people",
        f"INSERT INTO auth.users VALUES ('{NINA}', 'nina@Example.org'), (md5('more')::uuid, 'Nina@example.org');"
        "INSERT INTO auth.users VALUES (md5('auth31')::uuid, 'user31@example.org');"
        "INSERT INTO users VALUES (md5('loose')::uuid, NULL, 'user31@example.org'), (md5('lost')::uuid, NULL, NULL)",
    )
    world.run("app", "INSERT INTO members VALUES (99, 'nobody@example.org'), (98, 'NINA@example.org')")
    values = (
        "'User3@EXAMPLE.org', md5('profile4')::uuid::text, '5', md5('auth6')::uuid::text, "
        "upper(md5('auth6')::uuid::text), "
        "'user7@example.org', 'nina@example.org', '98', '99', 'guest', md5('loose')::uuid::text, "
        "md5('lost')::uuid::text"
    )
    world.run("app", f"CREATE TABLE odd (who text); INSERT INTO odd SELECT unnest(ARRAY[{values}])")
    return world


def uuid(text: str) -> str:
    digits = hashlib.md5(text.encode()).hexdigest()
    return "-".join(digits[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))


def test_only_evidence_maps(odd: World) -> None:
    found = odd.map([ODD])
    by_email = "unique e-mail: people: auth.users.email, id"
    assert {pair for pair in found.pairs if not pair.same} == {
        Pair("User3@EXAMPLE.org", uuid("auth3"), by_email),
        Pair(uuid("profile4"), uuid("auth4"), "one row: people: public.users.id, auth_user_id"),
        Pair("5", uuid("auth5"), by_email),
        Pair(uuid("loose"), uuid("auth31"), by_email),
    }
    assert {one.value: one.reason.partition(":")[0] for one in found.refused} == {
        "user7@example.org": "deleted",
        "nina@example.org": "ambiguous",
        "98": "ambiguous",
        "99": "known, but nobody of its e-mail has the auth id",
        "guest": "absent",
        uuid("lost"): "known, but no row of it has an e-mail or the auth id",
    }
    itself = "the auth id itself: people: auth.users.id"
    assert {pair for pair in found.pairs if pair.same} == {
        Pair(uuid("auth6"), uuid("auth6"), itself),
        Pair(uuid("auth6").upper(), uuid("auth6"), itself),
    }
    ordered = sorted(found.pairs, key=lambda pair: (pair.same, pair.old_value))
    assert list(found.pairs) == ordered and odd.map([ODD]) == found


def test_the_other_way_and_inside_documents(world: World) -> None:
    found = world.map([SEEN], Kind.PROFILE)
    assert {(pair.old_value, pair.uuid) for pair in found.pairs} == {
        (uuid(f"auth{n}"), uuid(f"profile{n}")) for n in range(1, 31)
    }
    assert {pair.evidence for pair in found.pairs} == {"one row: people: public.users.auth_user_id, id"}


@pytest.mark.parametrize("away", ["people", "app"])
def test_half_a_map_is_not_made(odd: World, away: str) -> None:
    with pytest.raises(SourceUnreachable):
        replace(odd, away=frozenset({away})).map([ODD])


def test_the_file_is_private_never_overwritten_and_what_operations_read(tmp_path: Path) -> None:
    file = tmp_path / "ids.csv"
    pairs = (Pair('a "b", c', NINA, "one row"), Pair(NINA.upper(), NINA, "itself"))
    found = IdMap(pairs, (Refused("x", "absent"),))
    write_map(found, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_map(file.read_text()) == (('a "b", c', NINA),)
    assert read_ids(file.read_text()) == (('a "b", c', NINA), (NINA.upper(), NINA))
    with pytest.raises(WrongUsage, match="already"):
        write_map(found, file)
