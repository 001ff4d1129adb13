"""What is secret in a text, blanked out: the one place where that is decided."""

from __future__ import annotations

import re

_SECRET_IN_URL = re.compile(r"(?P<head>\w+://[^:/@\s]*):[^@\s]*@")
_SECRET_IN_DSN = re.compile(r"(?P<head>(?:password|sslpassword)\s*=\s*)(?:'(?:\\.|[^'\\])*'|[^\s'&]+)", re.I)

_SECRET_COLUMN = re.compile(r"token|passw|passphrase|secret|api_?key|private_?key", re.IGNORECASE)
_TOKEN = re.compile(r"eyJ[\w-]{4,}\.[\w-]+\.[\w-]*|(?<=sb_secret_)[\w-]+", re.A)


def redact(text: str) -> str:
    """Blank out passwords of URLs and libpq strings, tokens and secret keys; the one place where that is done."""
    return _TOKEN.sub("***", _SECRET_IN_DSN.sub(r"\g<head>***", _SECRET_IN_URL.sub(r"\g<head>:***@", text)))


def unless_secret(column: str, value: str | None) -> str | None:
    """A value that somebody asked to see; not where the column's name says that it is a secret."""
    return "***" if value and _SECRET_COLUMN.search(column) else value
