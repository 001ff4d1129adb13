"""A table of questions and responses is split: each becomes a message of its own."""

from __future__ import annotations

from benchmarks.old_shape.cases.case import Case, Statement

_TABLES = """
CREATE TABLE users (id integer PRIMARY KEY, email text NOT NULL);
CREATE TABLE talks (id integer PRIMARY KEY, user_id integer NOT NULL REFERENCES users, question text, response text,
    created_at timestamptz NOT NULL);
CREATE TABLE feedback (id bigserial PRIMARY KEY, talk_id integer NOT NULL REFERENCES talks ON DELETE CASCADE,
    score integer NOT NULL);
INSERT INTO users SELECT u, 'user.' || u || '@example.com' FROM generate_series(1, {rows} / 100) u;
INSERT INTO talks
SELECT i, 1 + i % ({rows} / 100), repeat('question ' || i, 10),
       CASE WHEN i % 10 > 0 THEN repeat('response ' || i, 20) END,
       '2026-01-01'::timestamptz + i * interval '1 minute'
FROM generate_series(1, {rows}) i;
INSERT INTO feedback (talk_id, score) SELECT i, n FROM generate_series(1, {rows}) i, generate_series(1, 2) n;
CREATE INDEX ON talks (user_id, created_at);
CREATE INDEX ON feedback (talk_id);
"""

_MIGRATION = """
name = "questions"
database = "bench"

[[operation]]
kind = "split_table"
table = "public.talks"
drop_columns = ["question", "response"]

  [[operation.into]]
  table = "public.messages"
  parent = ["talk_id"]
  columns = { talk_id = "integer not null", n = "integer not null", role = "text not null", content = "text not null" }

    [operation.into.constraints]
    messages_pkey = "primary key (talk_id, n)"
    messages_talk_id_fkey = "foreign key (talk_id) references public.talks (id) on delete cascade"

    [[operation.into.rows]]
    values = { role = "'user'", content = "question", n = "1" }

    [[operation.into.rows]]
    values = { role = "'assistant'", content = "response", n = "2" }
"""

_KEPT = "SELECT id FROM talks WHERE hashint4(id) & 3 <> 0 ORDER BY md5('{}' || id)"
_USERS = "SELECT id FROM users ORDER BY md5('{}' || id)"
_MESSAGES = "LEFT JOIN messages q ON q.talk_id = t.id AND q.n = 1 LEFT JOIN messages r ON r.talk_id = t.id AND r.n = 2"
_WHOLE = f"SELECT t.id, t.user_id, q.content, r.content, t.created_at FROM talks t {_MESSAGES}"

_STATEMENTS = (
    Statement(
        "read by key",
        "SELECT id, user_id, question, response, created_at FROM talks WHERE id = %s",
        _KEPT.format("r"),
        f"{_WHOLE} WHERE t.id = %s",
    ),
    Statement(
        "page of 50 by a reference, by time",
        "SELECT id, user_id, question, response, created_at FROM talks WHERE user_id = %s "
        "ORDER BY created_at DESC LIMIT 50",
        _USERS.format("p"),
        f"{_WHOLE} WHERE t.user_id = %s ORDER BY t.created_at DESC LIMIT 50",
    ),
    Statement(
        "page of 50 with a count of a join",
        "SELECT t.id, t.question, count(f.id) FROM talks t LEFT JOIN feedback f ON f.talk_id = t.id "
        "WHERE t.user_id = %s GROUP BY t.id, t.question, t.created_at ORDER BY t.created_at DESC LIMIT 50",
        _USERS.format("j"),
        "SELECT t.id, q.content, count(f.id) FROM talks t LEFT JOIN messages q ON q.talk_id = t.id AND q.n = 1 "
        "LEFT JOIN feedback f ON f.talk_id = t.id WHERE t.user_id = %s "
        "GROUP BY t.id, q.content, t.created_at ORDER BY t.created_at DESC LIMIT 50",
    ),
    Statement(
        "INSERT",
        "INSERT INTO talks (id, user_id, question, response, created_at) "
        "VALUES (%s::integer, %s::integer, %s, %s, %s::timestamptz) RETURNING id",
        "SELECT i, 1 + i % (SELECT count(*) FROM users)::integer, 'new question', 'new response', "
        "'2027-01-01'::timestamptz + i * interval '1 minute' FROM generate_series(10000001, 10005000) i",
        "WITH given (id, user_id, question, response, created_at) AS "
        "(VALUES (%s::integer, %s::integer, %s, %s, %s::timestamptz)), "
        "talk AS (INSERT INTO talks (id, user_id, created_at) SELECT id, user_id, created_at FROM given RETURNING id), "
        "said AS (INSERT INTO messages (talk_id, n, role, content) SELECT id, 1, 'user', question FROM given "
        "UNION ALL SELECT id, 2, 'assistant', response FROM given) SELECT id FROM talk",
    ),
    Statement(
        "UPDATE of one column by key",
        "UPDATE talks SET question = 'written anew' WHERE id = %s",
        _KEPT.format("u"),
        "UPDATE messages SET content = 'written anew' WHERE talk_id = %s AND n = 1",
    ),
    Statement(
        "DELETE by key, with what refers",
        "DELETE FROM talks WHERE id = %s",
        "SELECT id FROM talks WHERE hashint4(id) & 3 = 0 ORDER BY md5(id::text)",
    ),
)

CASE = Case(
    "split",
    "questions and responses become messages of a table of their own",
    _TABLES,
    ("users", "talks", "feedback"),
    _MIGRATION,
    _STATEMENTS,
    why_not="pgroll has no operation by which the values of a column move into rows of another table",
)
