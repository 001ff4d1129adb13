"""`EXCEPT` both ways, as a program: `python -m benchmarks.verify.except_both URL FIRST SECOND KEY COLUMN...`.

Prints the keys of the rows that either side has alone, as JSON.
"""

from __future__ import annotations

import json
import sys

import psycopg

from ecluse.model.names import ident


def main(words: list[str]) -> int:
    """One statement on the server; exit 3 where there is a difference."""
    url, first, second, key, *columns = words
    names = ", ".join(map(ident, columns))
    halves = [
        f"(SELECT {names} FROM {a} EXCEPT SELECT {names} FROM {b})" for a, b in ((first, second), (second, first))
    ]
    with psycopg.connect(url) as conn:
        query = f"SELECT DISTINCT {ident(key)}::text FROM ({' UNION ALL '.join(halves)}) d"
        found = [row[0] for row in conn.execute(query.encode())]
    print(json.dumps(found))
    return 3 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
