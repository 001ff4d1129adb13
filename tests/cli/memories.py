"""A folder of memories beside a project, for the tests of `ecluse import`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cli.conftest import Project, Result

CONVERSATIONS = """
CREATE TABLE user_conversations (id {key}, user_id {user} NOT NULL, query text NOT NULL, response text,
    conversation_type varchar(50) DEFAULT 'chat', analysis_type varchar(100), business_type varchar(100),
    created_at {moment});
CREATE INDEX ON user_conversations (user_id);
"""
INTEGER = CONVERSATIONS.format(key="serial PRIMARY KEY", user="integer", moment="timestamp") + (
    "CREATE TABLE users (id integer PRIMARY KEY, email text UNIQUE NOT NULL);"
    "INSERT INTO users SELECT n, 'person' || n || '@example.org' FROM generate_series(1, 9) n;"
)
UUID = CONVERSATIONS.format(key="uuid PRIMARY KEY DEFAULT gen_random_uuid()", user="uuid", moment="timestamptz") + (
    "CREATE TABLE user_id_mapping (old_user_id integer PRIMARY KEY, supabase_user_id varchar(36) UNIQUE, email text);"
    "INSERT INTO user_id_mapping SELECT n, md5('account' || n)::uuid::text, 'person' || n || '@example.org' "
    "FROM generate_series(1, 9) n;"
)
SECRET = "Quel est le mot de passe de camille@example.org ?"
NOON = "2024-03-01T12:00:00"


def entry(**changes: Any) -> dict[str, Any]:
    """A conversation that has nothing wrong, with changes; None takes a key away."""
    made = {"query": SECRET, "response": f"{SECRET} 42", "conversation_type": "analysis", "timestamp": NOON} | changes
    return {key: value for key, value in made.items() if value is not None}


def name_of(person: object) -> str:
    """What the older generation called the file of a person."""
    return f"memory_{hashlib.md5(str(person).encode()).hexdigest()[:12]}.json"


class World:
    """A project with tables, and a folder of memories."""

    def __init__(self, project: Project, sql: str) -> None:
        self.project = project
        self.uuids = sql is UUID
        self.folder = project.folder / "memory"
        self.folder.mkdir()
        project.execute(sql)

    def put(self, person: object, *entries: object) -> Path:
        """A memory of that person."""
        return self.write(name_of(person), json.dumps({"conversations": entries}).encode())

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def run(self, *options: str) -> Result:
        """The command, and that nothing of what people wrote is in what it prints."""
        result = self.project.run("import", "memory", *options)
        for secret in ("mot de passe", "camille", "@example.org"):
            assert secret not in result.out + result.err
        return result

    def value(self, *options: str, status: int = 0) -> Any:
        """The document of --json, whose account must balance."""
        result = self.run("--json", *options)
        assert result.status == status, result.out + result.err
        for file in result.value["files"]:
            if file["rows"] is not None:
                assert file["rows"] == sum(file[part] for part in ("imported", "there", "empty", "rejected")), file
        return result.value

    def one(self, *options: str, status: int = 3) -> Any:
        """What is said of the only file."""
        [file] = self.value(*options, status=status)["files"]
        return file

    def rows(self, columns: str = "query, response, conversation_type, created_at::text") -> list[tuple[Any, ...]]:
        return self.project.execute(f"SELECT {columns} FROM user_conversations ORDER BY created_at, query")

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir()) if path.is_file()}
