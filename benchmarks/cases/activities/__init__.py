"""Strava's activities and connections become those of any provider: a table is generalised, and rows link to it."""

from __future__ import annotations

from benchmarks.cases.activities.application import APPLICATION
from benchmarks.cases.activities.migration import OPERATIONS
from benchmarks.cases.activities.peers import PEERS
from benchmarks.cases.activities.tables import READ, TABLES
from benchmarks.cases.case import Case

ACTIVITIES = Case("activities", TABLES, READ, OPERATIONS, PEERS, APPLICATION)
