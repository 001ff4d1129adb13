"""Conversations with text keys, and a child table that refers to them: the keys become uuid."""

from __future__ import annotations

from benchmarks.cases.case import Case
from benchmarks.cases.conversations.application import APPLICATION
from benchmarks.cases.conversations.peers import PEERS
from benchmarks.cases.conversations.tables import READ, TABLES

_OPERATIONS = """
[[operation]]
kind = "convert_column"
table = "public.conversations"
column = "id"
to = "uuid"
"""

CONVERSATIONS = Case("conversations", TABLES, READ, _OPERATIONS, PEERS, APPLICATION)
