"""Row level security and rights: what silently shows nothing, and what silently shows all."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.checkup.check import OF_APPLICATION, Found, Patient, Topic, listed, of_extension
from ecluse.model.names import Name, ident

SECURITY = Topic("security", "Row level security and rights")

_API = ("anon", "authenticated")

# Who may read a table, and is neither its owner nor exempt from its policies.
_READERS = """
    SELECT coalesce(r.rolname, 'PUBLIC') FROM aclexplode(c.relacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
     WHERE x.privilege_type = 'SELECT' AND (x.grantee = 0 OR NOT r.rolsuper AND NOT r.rolbypassrls
       AND NOT pg_has_role(x.grantee, c.relowner, 'USAGE'))
"""
_LETS_IN = "p.polpermissive AND p.polcmd IN ('r', '*')"
_INVOKER = "coalesce({}.reloptions::text ~* 'security_invoker=(true|on|1|yes)', false)"


@SECURITY.check(
    "rows-hidden-from-us",
    "wrong",
    "FORCE ROW LEVEL SECURITY hides rows from our role",
    means="The owner of the table is held to its policies as well, and our role is: a copy would be of some rows "
    "only. A run refuses such a table.",
    fix="ALTER ROLE <role> BYPASSRLS   -- or: ALTER TABLE <table> NO FORCE ROW LEVEL SECURITY",
)
def forced(at: Patient) -> Iterator[Found]:
    """Tables whose policies bind their owner, for a role that is not exempt."""
    for schema, name in at.rows(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relforcerowsecurity AND c.relrowsecurity AND c.relkind IN ('r', 'p') AND {OF_APPLICATION} "
        "AND (SELECT NOT rolsuper AND NOT rolbypassrls FROM pg_roles WHERE rolname = current_user) ORDER BY 1, 2"
    ):
        table = Name(schema, name)
        told = f"FORCE ROW LEVEL SECURITY hides rows of {table} from '{at.role}'"
        yield Found(str(table), told, f"ALTER ROLE {ident(at.role)} BYPASSRLS")


@SECURITY.check(
    "rls-without-policy",
    "wrong",
    "row level security is on, and no policy lets anybody in",
    means="Who has the right to read the table gets no row and no error: the application looks empty. Where only the "
    "roles of an API are shut out, it may be meant so, and is a warning.",
    fix="CREATE POLICY <name> ON <table> FOR SELECT TO <role> USING (<condition>)   -- or REVOKE the right, where it "
    "is meant",
)
def without_policy(at: Patient) -> Iterator[Found]:
    """Tables that are silently empty for roles that may read them."""
    for schema, name, readers in at.rows(
        f"SELECT n.nspname, c.relname, ARRAY({_READERS} ORDER BY 1)::text[] FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relrowsecurity AND c.relkind IN ('r', 'p') AND {OF_APPLICATION} AND n.nspname <> ALL (%s) "
        f"AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND {_LETS_IN}) ORDER BY 1, 2",
        at.managed,
    ):
        if readers:
            table = Name(schema, name)
            of_api = all(reader in _API for reader in readers)
            fix = f"CREATE POLICY <name> ON {table.sql} FOR SELECT TO {ident(readers[0])} USING (<condition>)"
            told = f"{table} is silently empty for {listed(readers)}: row level security is on, and has no policy"
            yield Found(str(table), told, fix, level="warning" if of_api else None)


@SECURITY.check(
    "reader-without-policy",
    "wrong",
    "no policy of a table is for a role that may read it",
    means="The table has policies, and none of them is for this role or a role that it is a member of: it gets no "
    "row and no error, though somebody gave it the right to read.",
    fix="CREATE POLICY <name> ON <table> FOR SELECT TO <role> USING (<condition>)   -- or: REVOKE SELECT ON <table> "
    "FROM <role>",
)
def reader_left_out(at: Patient) -> Iterator[Found]:
    """Roles with a grant of which no login is let in by any policy; the roles of an API are shut out on purpose."""
    for schema, name, readers in at.rows(
        "SELECT n.nspname, c.relname, array_agg(r.rolname::text ORDER BY r.rolname) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "CROSS JOIN LATERAL (SELECT DISTINCT grantee FROM aclexplode(c.relacl) WHERE privilege_type = 'SELECT') x "
        "JOIN pg_roles r ON r.oid = x.grantee "
        f"WHERE c.relrowsecurity AND c.relkind IN ('r', 'p') AND {OF_APPLICATION} AND n.nspname <> ALL (%s) "
        f"AND r.rolname <> ALL (%s) AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND {_LETS_IN}) "
        "AND (SELECT count(*) > 0 AND NOT bool_or(s.let_in) FROM (SELECT EXISTS (SELECT FROM pg_policy p, "
        f"    unnest(p.polroles) q WHERE p.polrelid = c.oid AND {_LETS_IN} AND (q = 0 OR pg_has_role(l.oid, q, "
        f"'USAGE')))     AS let_in FROM pg_roles l WHERE l.rolcanlogin AND NOT l.rolsuper AND NOT l.rolbypassrls "
        "    AND pg_has_role(l.oid, r.oid, 'USAGE') AND NOT pg_has_role(l.oid, c.relowner, 'USAGE')) s) "
        "GROUP BY 1, 2 ORDER BY 1, 2",
        *(at.managed, list(_API)),
    ):
        table = Name(schema, name)
        fix = f"CREATE POLICY <name> ON {table.sql} FOR SELECT TO {ident(readers[0])} USING (<condition>)"
        yield Found(str(table), f"{table} is silently empty for {listed(readers)}: no policy of it is for that", fix)


@SECURITY.check(
    "policies-without-rls",
    "wrong",
    "a table has policies, and row level security is off",
    means="The policies do nothing: whoever has the right to read the table reads all rows.",
    fix="ALTER TABLE <table> ENABLE ROW LEVEL SECURITY",
)
def policies_off(at: Patient) -> Iterator[Found]:
    """Policies that protect nothing."""
    for schema, name, policies in at.rows(
        "SELECT n.nspname, c.relname, array_agg(p.polname::text ORDER BY p.polname) FROM pg_policy p "
        "JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE NOT c.relrowsecurity AND {OF_APPLICATION} GROUP BY 1, 2 ORDER BY 1, 2"
    ):
        table = Name(schema, name)
        told = f"{table} has the policies {listed(policies)}, and row level security is off"
        yield Found(str(table), told, f"ALTER TABLE {table.sql} ENABLE ROW LEVEL SECURITY")


@SECURITY.check(
    "open-to-the-api",
    "warning",
    "everybody can read a table through the API",
    means="The role anon, which is whoever opens the page, may read or write the table, and row level security is off.",
    fix="ALTER TABLE <table> ENABLE ROW LEVEL SECURITY; then policies   -- or: REVOKE ALL ON <table> FROM anon",
)
def open_to_the_api(at: Patient) -> Iterator[Found]:
    """Tables without row level security that the role of people who are not signed in may use."""
    for schema, name in at.rows(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_roles r ON r.rolname = 'anon' "
        f"WHERE NOT c.relrowsecurity AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND {OF_APPLICATION} "
        f"AND n.nspname <> ALL (%s) AND NOT {of_extension('pg_class', 'c.oid')} "
        "AND has_schema_privilege(r.oid, n.oid, 'USAGE') "
        "AND has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE') "
        "AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) ORDER BY 1, 2",
        at.managed,
    ):
        table = Name(schema, name)
        fix = f"ALTER TABLE {table.sql} ENABLE ROW LEVEL SECURITY"
        yield Found(str(table), f"anon may use {table}, and it has no row level security", fix)


@SECURITY.check(
    "view-past-policies",
    "wrong",
    "a view shows rows that policies hide",
    means="A view reads with the rights of its owner, who is not held to the policies of the table below: whoever "
    "may read the view reads all rows. Where no role of an API may, it can be meant so, and is a warning.",
    fix="ALTER VIEW <view> SET (security_invoker = true)   -- PostgreSQL 15 and newer; before: REVOKE the right to "
    "read it",
)
def views_past_policies(at: Patient) -> Iterator[Found]:
    """Views with their owner's rights over tables with row level security, that others may read."""
    for schema, name, kind, tables, readers in at.rows(
        "WITH RECURSIVE reads AS ("
        "  SELECT w.ev_class AS view, d.refobjid AS relation FROM pg_rewrite w JOIN pg_depend d "
        "    ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass "
        "    AND d.refobjid <> w.ev_class JOIN pg_class v ON v.oid = w.ev_class "
        # Such a view asks as whoever reads it, inside another view as well.
        f"   WHERE v.relkind IN ('v', 'm') AND NOT {_INVOKER.format('v')}), "
        "below AS (SELECT view, relation FROM reads UNION "
        "  SELECT b.view, r.relation FROM below b JOIN reads r ON r.view = b.relation) SELECT n.nspname, c.relname, "
        f"c.relkind::text, array_agg(DISTINCT t.oid::regclass::text),   ARRAY({_READERS} ORDER BY 1)::text[] FROM "
        f"below b JOIN pg_class c ON c.oid = b.view JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class t ON "
        f"t.oid = b.relation JOIN pg_roles o ON o.oid = c.relowner "
        f"WHERE c.relkind IN ('v', 'm') AND t.relrowsecurity AND {OF_APPLICATION} AND n.nspname <> ALL (%s) "
        f"AND NOT {of_extension('pg_class', 'c.oid')} "
        "AND (o.rolsuper OR o.rolbypassrls OR pg_has_role(o.oid, t.relowner, 'USAGE') AND NOT t.relforcerowsecurity) "
        "GROUP BY c.oid, 1, 2, 3 ORDER BY 1, 2",
        at.managed,
    ):
        if readers:
            view = Name(schema, name)
            fix = f"ALTER VIEW {view.sql} SET (security_invoker = true)"
            if kind == "m" or at.major < 15:
                fix = f"REVOKE SELECT ON {view.sql} FROM {', '.join(r if r == 'PUBLIC' else ident(r) for r in readers)}"
            exposed = any(reader in (*_API, "PUBLIC") for reader in readers)
            told = f"{view} shows all rows of {listed(tables)} to {listed(readers)}, whatever its policies say"
            yield Found(str(view), told, fix, level=None if exposed else "warning")


@SECURITY.check(
    "definer-without-search-path",
    "warning",
    "a SECURITY DEFINER function has no search_path of its own",
    means="It runs with the rights of its owner, and finds its tables and functions by the search_path of whoever "
    "calls: who can make a table or an operator somewhere decides what it does.",
    fix="ALTER FUNCTION <name>(<types>) SET search_path = ''   -- and name schemas in its body",
)
def definers(at: Patient) -> Iterator[Found]:
    """Functions of the application; those whose body is parsed already name what they mean."""
    for signature, procedure in at.rows(
        "SELECT p.oid::regprocedure::text, p.prokind = 'p' FROM pg_proc p "
        "JOIN pg_namespace n ON n.oid = p.pronamespace "
        f"WHERE p.prosecdef AND p.prosqlbody IS NULL AND {OF_APPLICATION} AND n.nspname <> ALL (%s) "
        f"AND NOT {of_extension('pg_proc', 'p.oid')} "
        "AND NOT coalesce(p.proconfig::text ~ 'search_path=', false) ORDER BY 1",
        at.managed,
    ):
        fix = f"ALTER {'PROCEDURE' if procedure else 'FUNCTION'} {signature} SET search_path = ''"
        yield Found(signature, f"{signature} runs as its owner, with the search_path of its caller", fix)
