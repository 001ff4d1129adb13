"""Which stored passwords Supabase can verify: SQL over the text of a hash.

The rules are those by which supabase/auth reads `encrypted_password`: it tells the formats apart by their beginning,
and takes everything else for bcrypt. What it could not read would fail at each sign-in, so such a hash is not carried.
"""

from __future__ import annotations

from ecluse.model.names import literal

_BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
# Its length is asked apart: to count characters is dear for the server, 6 µs a hash where it is 1 µs without.
_BCRYPT, _BCRYPT_LENGTH = r"^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]+$", 60
_ARGON2 = r"^\$argon2(i|id)\$v=19\$m=[1-9][0-9]{0,6},t=[1-9][0-9]?,p=[1-9][0-9]?\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$"
_FIREBASE = (
    rf"^\$fbscrypt\$v=1,n=([1-9]|[12][0-9]|30),r=[1-9][0-9]{{0,3}},p=[1-9][0-9]{{0,2}},ss={_BASE64},sk={_BASE64}"
    rf"\$(?=.){_BASE64}\$(?=.){_BASE64}$"
)
_LONGEST = 255  # characters, of the column

CARRIED = ("bcrypt", "argon2id", "argon2i", "Firebase scrypt")
"""The formats that are carried as they are."""

# What is not carried, by how it looks; the first that fits. The last word is for what looks like nothing known.
_KNOWN = (
    ("bcrypt, damaged", r"^\$2[a-z]?\$"),
    ("argon2 that Supabase refuses", r"argon2(i|d|id)\$"),
    ("Firebase scrypt, damaged", r"^\$fbscrypt\$"),
    ("no usable password", r"^!"),
    ("bcrypt of a SHA-256", r"^bcrypt_sha256\$"),
    ("PBKDF2", r"^\$?pbkdf2"),
    ("scrypt", r"^(\$?scrypt|\$7\$)"),
    ("phpass", r"^\$[PH]\$"),
    ("MD5", r"^(\$1\$|md5\$|[0-9a-fA-F]{32}$)"),
    ("SHA", r"^(\$[56]\$|\$?sha[0-9]*\$|\{S?SHA[0-9]*\}|[0-9a-fA-F]{40}$|[0-9a-fA-F]{64}$|[0-9a-fA-F]{128}$)"),
)
_UNKNOWN = "plain text or unknown"
_NONE = "none"


def hash_text(expr: str) -> str:
    """The hash without the name that Django puts in front of bcrypt and argon2, whose text it leaves as it is."""
    text = f"(({expr})::text)"
    return (
        f"(CASE WHEN starts_with({text}, 'bcrypt$$2') THEN substr({text}, 8) "
        f"WHEN starts_with({text}, 'argon2$argon2') THEN substr({text}, 7) ELSE {text} END)"
    )


def hash_kind(expr: str) -> str:
    """The format of a stored password, in words: one of CARRIED, or what it seems to be. Never NULL."""
    text = hash_text(expr)
    fits = f"length({text}) <= {_LONGEST}"
    cases = [
        f"WHEN {text} IS NULL OR {text} = '' THEN {literal(_NONE)}",
        f"WHEN length({text}) = {_BCRYPT_LENGTH} AND {text} ~ {literal(_BCRYPT)} THEN 'bcrypt'",
        f"WHEN {fits} AND {text} ~ {literal(_ARGON2)} AND {_argon2_limits(text)} "
        f"THEN substring({text} FROM '^.(argon2id|argon2i)')",
        f"WHEN {fits} AND {text} ~ {literal(_FIREBASE)} AND {_number(text, 'p')} <= 255 THEN 'Firebase scrypt'",
        *(f"WHEN {text} ~ {literal(pattern)} THEN {literal(name)}" for name, pattern in _KNOWN),
    ]
    return f"(CASE {' '.join(cases)} ELSE {literal(_UNKNOWN)} END)"


def carried(kind: str) -> str:
    """Whether a format, as `hash_kind` says it, is one that is carried."""
    return f"({kind} IN ({', '.join(map(literal, CARRIED))}))"


def _argon2_limits(text: str) -> str:
    # A raw base64 text of 4n + 1 characters holds no whole number of octets.
    salt, digest = (f"length(split_part({text}, '$', {part})) % 4 <> 1" for part in (5, 6))
    limits = f"{_number(text, 'm')} <= 1048576 AND {_number(text, 't')} <= 20 AND {_number(text, 'p')} <= 16"
    return f"{limits} AND {salt} AND {digest}"


def _number(text: str, name: str) -> str:
    return f"substring({text} FROM '[$,]{name}=([0-9]+)')::int"
