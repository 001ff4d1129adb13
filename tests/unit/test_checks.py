"""The registry of checks: ids that stay, and texts that say enough."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ecluse.checkup.connection import cause_of
from ecluse.checkup.examine import refused
from ecluse.checkup.registry import CHECKS, TOPICS, chosen
from ecluse.errors import EcluseError, WrongUsage
from ecluse.model.settings import parse_settings
from ecluse.postgres.connect import resolve


def test_every_check_has_an_id_of_its_own_and_says_what_it_means_and_how_to_put_it_right() -> None:
    ids = [check.id for check in CHECKS]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & ({topic.name for topic in TOPICS} - {"server"}), "a topic stands for all of its checks"
    for check in CHECKS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", check.id)
        assert check.level != "good"
        assert check.means.endswith(".")
        assert bool(check.fix) == (check.id not in ("server", "journal"))
        assert (check.look is None) == (check.scope == "connection")


def test_a_refusal_is_told_by_the_words_of_the_server() -> None:
    """Those of real servers and poolers that cannot be had in a test."""
    words = {
        'FATAL:  password authentication failed for user "me"': "wrong-password",
        "FATAL:  Tenant or user not found": "no-such-role",
        "FATAL:  MaxClientsInSessionMode: max clients reached": "no-session-left",
        "FATAL:  sorry, too many clients already": "no-session-left",
        "FATAL:  the database system is starting up": "server-not-ready",
        "SSL error: certificate verify failed": "tls",
        'root certificate file "/root/.postgresql/root.crt" does not exist': "tls",
        'no pg_hba.conf entry for host "1.2.3.4", user "me", database "d", SSL encryption\n'
        'no pg_hba.conf entry for host "1.2.3.4", user "me", database "d", no encryption': "not-let-in",
        'connection to server at "2a05::1", port 5432 failed: Network is unreachable': "connection-timeout",
        "something else entirely": "unreachable",
    }
    assert {text: cause_of(text) for text in words} == words
    assert cause_of('no pg_hba.conf entry for host "h", user "u", database "d", no encryption', plain=True) == "tls"


def test_checks_are_chosen_by_id_and_by_topic() -> None:
    tables = {check.id for topic in TOPICS if topic.name == "tables" for check in topic.checks}
    assert chosen((), ()) == {check.id for check in CHECKS}
    assert chosen(("tables", "drift"), ("invalid-index",)) == (tables | {"drift"}) - {"invalid-index"}
    with pytest.raises(WrongUsage, match="did you mean 'drift'"):
        chosen(("drft",), ())


def test_no_check_is_without_a_test_that_makes_it_speak() -> None:
    here = Path(__file__).parents[1]
    tests = "".join(
        file.read_text(encoding="utf-8") for file in (*here.glob("checkup/*.py"), *here.glob("*/test_*.py"))
    )
    assert [check.id for check in CHECKS if f'"{check.id}"' not in tests and f" {check.id} " not in tests] == []


def test_an_embedded_server_that_is_not_there(tmp_path: Path) -> None:
    settings = parse_settings('[databases.app]\nurl = "embedded:app"\npostgres_bin = "/nowhere"\n')
    with pytest.raises(EcluseError) as caught:
        resolve(settings, "app", tmp_path)
    (found,) = refused(caught.value)
    assert (found.id, found.level, "/nowhere" in found.found) == ("embedded-server", "wrong", True)
    assert found.fix
