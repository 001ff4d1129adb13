"""The SQL of an exported script that stands for what the engine does between two statements. Text only.

Every check raises, so that the transaction around it is rolled back. All are DO blocks, or calls: a tool that sends a
file as one implicit transaction takes them, where LOCK and SAVEPOINT of their own would be refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ecluse.model.names import Name, literal
from ecluse.model.plan import Plan
from ecluse.planning import switch_sql
from ecluse.planning.flow_sql import column_list
from ecluse.proof.compare import Pair, Relation

LOSE = "ecluse.lose_new_writes"
_LOST = f"a rollback by this file would lose it. Carry it over, or: SET {LOSE} = 'yes'"


def pin(settings: Mapping[str, str]) -> str:
    """Set what SQL means in this transaction, and nothing beyond it."""
    calls = (f"pg_catalog.set_config({literal(name)}, {literal(value)}, true)" for name, value in settings.items())
    return f"SELECT {', '.join(calls)}"


def block(body: str, declare: str = "") -> str:
    """A DO block. Names that a query of the body uses mean its columns, and never a variable."""
    head = f"DECLARE {declare}\n" if declare else ""
    tag = "$ecluse$"
    while tag in body:
        tag = tag[:-1] + "_$"
    return f"DO {tag}\n#variable_conflict use_column\n{head}BEGIN\n{body}\nEND {tag}"


def _raise(message: str, *values: str) -> str:
    """RAISE EXCEPTION; `%s` in the message are the values."""
    told = literal(message) if not values else f"pg_catalog.format({', '.join([literal(message), *values])})"
    return f"RAISE EXCEPTION USING MESSAGE = {told};"


def _plain(text: str) -> str:
    """A text within a format."""
    return text.replace("%", "%%")


def lock(names: Iterable[str]) -> str:
    """Everybody waits from here on until the commit: that takes the place of the capture."""
    return block(f"  LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE;")


# What an old table is, and what stands on it, in words that are the same in every database.
_DEFINED = """
SELECT pg_catalog.concat('table ', c.oid::regclass, ' of ', pg_catalog.pg_get_userbyid(c.relowner),
        CASE WHEN c.relrowsecurity THEN ' row security' END, CASE WHEN c.relforcerowsecurity THEN ' forced' END) AS part
    FROM pg_catalog.pg_class c WHERE c.oid = ANY (@)
UNION ALL SELECT pg_catalog.concat('column ', a.attrelid::regclass, '.', a.attname, ' ',
        pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' not null' END,
        CASE WHEN a.attgenerated <> '' THEN ' generated' END, CASE WHEN a.attidentity <> '' THEN ' identity' END,
        ' default ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid))
    FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    WHERE a.attrelid = ANY (@) AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT pg_catalog.concat('grant on ', g.what, ' to ', CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE
        pg_catalog.pg_get_userbyid(g.grantee) END, ': ', pg_catalog.string_agg(g.right, ', ' ORDER BY g.right))
    FROM (SELECT c.oid::regclass::text, x.grantee, x.privilege_type
            FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) x
            WHERE c.oid = ANY (@) AND x.grantee <> c.relowner
        UNION ALL SELECT pg_catalog.concat(a.attrelid::regclass, '.', a.attname), x.grantee, x.privilege_type
            FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) x WHERE a.attrelid = ANY (@)
        ) g (what, grantee, "right") GROUP BY g.what, g.grantee
UNION ALL SELECT pg_catalog.concat('policy ', p.polname, ' on ', p.polrelid::regclass, ' ', p.polcmd, ' ',
        p.polpermissive, ' to ', ARRAY(SELECT coalesce(r.rolname, 'public') FROM pg_catalog.unnest(p.polroles) o
            LEFT JOIN pg_catalog.pg_roles r ON r.oid = o ORDER BY 1)::text,
        ' using ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid),
        ' check ' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_catalog.pg_policy p WHERE p.polrelid = ANY (@)
UNION ALL SELECT pg_catalog.concat('publication ', b.pubname, ' of ', r.prrelid::regclass)
    FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication b ON b.oid = r.prpubid
    WHERE r.prrelid = ANY (@)
UNION ALL SELECT pg_catalog.concat(pg_catalog.pg_describe_object('pg_catalog.pg_constraint'::regclass, c.oid, 0), ': ',
        pg_catalog.pg_get_constraintdef(c.oid))
    FROM pg_catalog.pg_constraint c WHERE c.contype <> 'n' AND (c.conrelid = ANY (@) OR c.confrelid = ANY (@))
UNION ALL SELECT pg_catalog.pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i WHERE i.indrelid = ANY (@)
UNION ALL SELECT pg_catalog.concat(pg_catalog.pg_get_triggerdef(t.oid), ' ', t.tgenabled)
    FROM pg_catalog.pg_trigger t WHERE t.tgrelid = ANY (@) AND NOT t.tgisinternal
UNION ALL SELECT DISTINCT pg_catalog.concat(pg_catalog.pg_describe_object(d.classid, d.objid, 0), ': ' ||
        pg_catalog.pg_get_viewdef(v.oid))
    FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_rewrite w
        ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid
    LEFT JOIN pg_catalog.pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
    WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = ANY (@)
    AND d.deptype <> 'i' AND d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_policy'::regclass,
        'pg_catalog.pg_proc'::regclass)
"""
# What is made anew on the tables, as it is.
_MOVED = """
UNION ALL SELECT pg_catalog.concat('view ', v.oid::regclass, ': ', pg_catalog.pg_get_viewdef(v.oid))
    FROM pg_catalog.pg_class v JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
    WHERE v.relkind IN ('v', 'm') AND pg_catalog.format('%I.%I', n.nspname, v.relname) = ANY (@moved)
UNION ALL SELECT pg_catalog.pg_get_functiondef(p.oid)
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind IN ('f', 'p') AND pg_catalog.format('%I.%I', n.nspname, p.proname) = ANY (@moved)
"""


def defined(plan: Plan) -> str:
    """The definitions that an export is made for, one a row; empty where the plan changes no table."""
    names = sorted({table.name for table in switch_sql.watched(plan)} | {added.table for added in plan.added})
    if not names:
        return ""
    old = f"ARRAY[{', '.join(literal(name.sql) for name in names)}]::regclass[]"
    moved = ", ".join(
        f"pg_catalog.format('%I.%I', {literal(m.name.schema)}, {literal(m.name.name)})" for m in plan.moved
    )
    carried = _MOVED.replace("@moved", f"ARRAY[{moved}]::text[]")
    return _DEFINED.replace("@", old).strip() + carried.rstrip()


def as_exported(plan: Plan, parts: Iterable[str]) -> str:
    """Raise, naming each difference, where the tables are not those that the export was made for."""
    listed = ",\n    ".join(map(literal, sorted(set(parts))))
    return block(
        f"  WITH ecluse_now AS ({defined(plan)}),\n"
        f"  ecluse_then AS (SELECT unnest(ARRAY[\n    {listed}]::text[]) AS part)\n"
        "  SELECT pg_catalog.string_agg(side || part, E'\\n') INTO ecluse_found FROM (\n"
        "    SELECT 'new: ' AS side, part FROM (SELECT part FROM ecluse_now EXCEPT SELECT part FROM ecluse_then) n\n"
        "    UNION ALL SELECT 'gone: ', part FROM (SELECT part FROM ecluse_then EXCEPT SELECT part FROM ecluse_now) g\n"
        "  ) d;\n"
        "  IF ecluse_found IS NOT NULL THEN\n"
        "    RAISE EXCEPTION USING DETAIL = ecluse_found,\n"
        "      MESSAGE = 'the tables are not those that this file was exported for; export it again';\n"
        "  END IF;",
        "ecluse_found text;",
    )


def carry_identity(source: tuple[Name, str], target: tuple[Name, str]) -> str:
    """Let the sequence of the target, a table and its column, go on where the source's stands."""
    was, now = (f"pg_catalog.pg_get_serial_sequence({literal(t.sql)}, {literal(c)})" for t, c in (source, target))
    return block(
        "  IF ecluse_was IS NOT NULL AND ecluse_now IS NOT NULL THEN\n"
        "    EXECUTE pg_catalog.format('SELECT pg_catalog.setval(%L, s.last_value, s.is_called) FROM %s s',\n"
        "      ecluse_now, ecluse_was);\n"
        "  END IF;",
        f"ecluse_was text := {was}; ecluse_now text := {now};",
    )


def probe(title: str, script: str, *, answer: bool) -> str:
    """Call a script and take back what it did; raise where it raises or, with `answer`, does not say true."""
    run = f"    EXECUTE {literal(script)};"
    if answer:
        wrong = _raise(f"it does not hold: {title}")
        run = f"    EXECUTE {literal(script)} INTO ecluse_said;\n    IF ecluse_said IS NOT TRUE THEN {wrong} END IF;"
    return block(
        f"  BEGIN\n{run}\n    RAISE EXCEPTION USING ERRCODE = 'ECL00', MESSAGE = 'taken back';\n"
        "  EXCEPTION WHEN SQLSTATE 'ECL00' THEN NULL;\n  END;",
        "ecluse_said boolean;" if answer else "",
    )


# --- counts and sums ----------------------------------------------------------------------------------


def tell_held(table: str, held: str, refusing: Iterable[str]) -> str:
    """Tell how many rows stay behind, and why; raise where nobody agreed to that."""
    reasons, name = ", ".join(map(literal, sorted(refusing))), _plain(table)
    stop = _raise(f"%s rows of {name} are refused: %s", "ecluse_r.count", "ecluse_r.why")
    told = f"pg_catalog.format({literal(f'%s rows of {name} stay behind, whole, in the kept schema: %s')}"
    return block(
        f"  FOR ecluse_r IN {held} LOOP\n"
        f"    IF ecluse_r.why = ANY (ARRAY[{reasons}]::text[]) THEN {stop} END IF;\n"
        f"    RAISE NOTICE USING MESSAGE = {told}, ecluse_r.count, ecluse_r.why);\n"
        "  END LOOP;",
        "ecluse_r record;",
    )


def conserved(table: str, rows_in: str, held: str, back: Relation) -> str:
    """Raise unless the rows of an old table are those that can be read back out of the new ones, and those held."""
    quarantined = f"(SELECT coalesce(pg_catalog.sum(h.count), 0) FROM ({held}) h)" if held else "0"
    values = ("ecluse_in", "ecluse_back", "ecluse_held")
    wrong = _raise(f"{_plain(table)}: %s rows in, %s carried or merged, %s held", *values)
    return block(
        f"  SELECT ({rows_in}), (SELECT count(*) FROM ({_rows(back)}) b), {quarantined}\n"
        f"    INTO {', '.join(values)};\n"
        f"  IF ecluse_in <> ecluse_back + ecluse_held THEN {wrong} END IF;",
        " ".join(f"{value} bigint;" for value in values),
    )


def _rows(relation: Relation) -> str:
    columns = column_list(relation.columns, "p.")
    return " UNION ALL ".join(f"SELECT {columns} FROM ({part}) p" for part in relation.parts)


def _sum(relation: Relation) -> str:
    row = f'ROW({column_list(relation.columns, "s.")})::text COLLATE "C"'
    sums = f"ARRAY[count(*)::numeric, coalesce(sum(pg_catalog.hashtextextended({row}, 0)), 0)]"
    return f"(SELECT {sums} FROM ({_rows(relation)}) s)"


def equal(pair: Pair) -> str:
    """Raise unless both relations of a pair hold the same rows, by a count and a sum of hashes of whole rows."""
    sides = {"forward": "its rows are not what the mapping says", "inverse": "its rows do not come back as they were"}
    wrong = _raise(f"{pair.table}: {sides[pair.direction]}")
    return block(f"  IF {_sum(pair.left)} <> {_sum(pair.right)} THEN {wrong} END IF;")


def _unless_told(condition: str, wrong: str) -> str:
    told = f"pg_catalog.current_setting({literal(LOSE)}, true) IS DISTINCT FROM 'yes'"
    # Not AND, which may compute the sums first.
    return block(f"  IF {told} THEN\n    IF {condition} THEN {wrong} END IF;\n  END IF;")


def unwritten(pair: Pair) -> str:
    """Raise where a new table holds anything that the old rows do not say, unless that was agreed to."""
    wrong = _raise(f"{pair.table} has been written to since the switch; {_LOST}")
    return _unless_told(f"{_sum(pair.left)} <> {_sum(pair.right)}", wrong)


def unwritten_columns(table: Name, written: str) -> str:
    """The same for columns that were added in place; `written` is a condition over `m`."""
    wrong = _raise(f"the new columns of {table} have been written to since the switch; {_LOST}")
    return _unless_told(f"EXISTS (SELECT FROM {table.sql} m WHERE {written})", wrong)
