"""All checks, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Iterable

from ecluse.checkup.accounts import ACCOUNTS
from ecluse.checkup.activity import ACTIVITY
from ecluse.checkup.check import Check, Topic
from ecluse.checkup.connection import CONNECTION
from ecluse.checkup.policies import POLICIES
from ecluse.checkup.runs import RUNS
from ecluse.checkup.security import SECURITY
from ecluse.checkup.sequences import SEQUENCES
from ecluse.checkup.server import SERVER
from ecluse.checkup.settings import SETTINGS
from ecluse.checkup.tables import TABLES
from ecluse.errors import WrongUsage
from ecluse.model.settings import did_you_mean

TOPICS: tuple[Topic, ...] = (
    *(SETTINGS, CONNECTION, SERVER, ACTIVITY, TABLES),
    *(SEQUENCES, SECURITY, POLICIES, ACCOUNTS, RUNS),
)
CHECKS: tuple[Check, ...] = tuple(check for topic in TOPICS for check in topic.checks)


def chosen(only: Iterable[str], skip: Iterable[str]) -> frozenset[str]:
    """The ids of the checks to make; a topic stands for all of its own. Raises WrongUsage for any other word."""
    wanted, unwanted = _ids(only), _ids(skip)
    return frozenset(check.id for check in CHECKS if (not wanted or check.id in wanted) and check.id not in unwanted)


def _ids(words: Iterable[str]) -> frozenset[str]:
    known = {check.id: [check.id] for check in CHECKS} | {t.name: [c.id for c in t.checks] for t in TOPICS}
    for word in words:
        if word not in known:
            raise WrongUsage(f"there is no check '{word}'{did_you_mean(word, known)}", hint="ecluse doctor --list")
    return frozenset(id_ for word in words for id_ in known[word])
