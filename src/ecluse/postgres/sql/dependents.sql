-- What stands on the tables, views and functions of these schemas: their columns, or the row types of the former.
-- Left out is what has no life of its own: row types, TOAST tables, internal triggers, the edge of a default to the
-- column it is for.
WITH referents AS (
    SELECT 'pg_class'::regclass AS classid, c.oid, c.oid AS top, n.nspname, c.relname AS name, c.reltype,
           false AS row_type, false AS function
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND n.nspname = ANY (%(schemas)s::text[])),
all_referents AS (
    SELECT * FROM referents
    UNION ALL
    SELECT 'pg_type'::regclass, own.oid, r.top, r.nspname, r.name, r.reltype, true, false
      FROM referents r
      JOIN pg_type t ON t.oid = r.reltype
     CROSS JOIN LATERAL (VALUES (t.oid), (t.typarray)) AS own(oid)
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, p.oid, n.nspname, p.proname, 0, false, true
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = ANY (%(schemas)s::text[])
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid
                          AND e.deptype = 'e')),
edges AS (
    SELECT d.classid, d.objid, d.objsubid, d.refobjid, d.refobjsubid, r.top, r.nspname, r.name, r.row_type, r.function,
           rw.ev_class, rw.rulename, c.relkind, coalesce(ad.adrelid, own.attrelid) AS adrelid,
           coalesce(own.attgenerated, '') AS attgenerated, po.polrelid, tg.tgrelid, k.conrelid, x.indrelid, pr.prrelid,
           CASE WHEN rw.rulename = '_RETURN' THEN rw.ev_class WHEN c.relkind IS NOT NULL THEN c.oid END AS relation
      FROM all_referents r
      JOIN pg_depend d ON d.refclassid = r.classid AND d.refobjid = r.oid
      LEFT JOIN pg_rewrite rw ON d.classid = 'pg_rewrite'::regclass AND rw.oid = d.objid
      LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
      LEFT JOIN pg_attrdef ad ON d.classid = 'pg_attrdef'::regclass AND ad.oid = d.objid
      LEFT JOIN pg_attribute own
             ON own.attrelid = coalesce(ad.adrelid, CASE WHEN d.objsubid > 0 AND d.refobjid = c.oid THEN c.oid END)
            AND own.attnum = coalesce(ad.adnum, d.objsubid)
      LEFT JOIN pg_policy po ON d.classid = 'pg_policy'::regclass AND po.oid = d.objid
      LEFT JOIN pg_trigger tg ON d.classid = 'pg_trigger'::regclass AND tg.oid = d.objid
      LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
      LEFT JOIN pg_index x ON d.classid = 'pg_class'::regclass AND x.indexrelid = d.objid
      LEFT JOIN pg_publication_rel pr ON d.classid = 'pg_publication_rel'::regclass AND pr.oid = d.objid
      LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
     WHERE NOT (d.classid = 'pg_type'::regclass AND d.deptype = 'i')
       AND c.relkind IS DISTINCT FROM 't'
       AND NOT coalesce(tg.tgisinternal, false)
       AND NOT (rw.rulename IS NOT NULL AND d.refclassid = 'pg_class'::regclass AND rw.ev_class = d.refobjid
                AND rw.rulename = '_RETURN')
       AND NOT (ad.oid IS NOT NULL AND d.refclassid = 'pg_class'::regclass AND ad.adrelid = d.refobjid
                AND ad.adnum = d.refobjsubid)
       AND NOT (d.refclassid = 'pg_class'::regclass AND d.classid = d.refclassid AND d.objid = d.refobjid
                AND coalesce(own.attgenerated, '') = '')),
named AS (
    SELECT CASE WHEN e.relation IS NOT NULL AND e.adrelid IS NULL
                THEN CASE coalesce(e.relkind, v.relkind)
                     WHEN 'v' THEN 'view' WHEN 'm' THEN 'matview' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index'
                     WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'table' END
                WHEN e.adrelid IS NOT NULL THEN CASE e.attgenerated WHEN '' THEN 'default' ELSE 'generated' END
                ELSE CASE e.classid::regclass::text
                     WHEN 'pg_rewrite' THEN 'rule' WHEN 'pg_proc' THEN 'function' WHEN 'pg_policy' THEN 'policy'
                     WHEN 'pg_trigger' THEN 'trigger' WHEN 'pg_constraint' THEN 'constraint' WHEN 'pg_type' THEN 'type'
                     WHEN 'pg_publication_rel' THEN 'publication' WHEN 'pg_statistic_ext' THEN 'statistics'
                     ELSE e.classid::regclass::text END END AS kind,
           CASE WHEN e.rulename = '_RETURN' THEN pg_describe_object('pg_class'::regclass, e.ev_class, 0)
                ELSE pg_describe_object(e.classid, e.objid, e.objsubid) END AS object,
           CASE WHEN e.adrelid IS NULL
                THEN ARRAY[coalesce(vn.nspname, pn.nspname, tn.nspname),
                           coalesce(v.relname, p.proname, t.typname)]::text[] END AS name,
           ARRAY[e.nspname, e.name]::text[] AS "table",
           a.attname::text AS "column",
           ARRAY[wn.nspname, w.relname]::text[] AS owner,
           coalesce(e.relation, e.objid)::int8 AS oid,
           e.top::int8 AS referent,
           e.row_type,
           e.function
      FROM edges e
      LEFT JOIN pg_class v ON v.oid = e.relation
      LEFT JOIN pg_namespace vn ON vn.oid = v.relnamespace
      LEFT JOIN pg_proc p ON e.classid = 'pg_proc'::regclass AND p.oid = e.objid
      LEFT JOIN pg_namespace pn ON pn.oid = p.pronamespace
      LEFT JOIN pg_type t ON e.classid = 'pg_type'::regclass AND t.oid = e.objid
      LEFT JOIN pg_namespace tn ON tn.oid = t.typnamespace
      LEFT JOIN pg_attribute a ON NOT e.row_type AND NOT e.function AND a.attrelid = e.refobjid
                              AND a.attnum = e.refobjsubid AND a.attnum > 0
      LEFT JOIN pg_class w ON w.oid = coalesce(e.adrelid, e.polrelid, e.tgrelid, e.conrelid, e.indrelid, e.prrelid,
                                               CASE WHEN e.rulename <> '_RETURN' THEN e.ev_class END)
      LEFT JOIN pg_namespace wn ON wn.oid = w.relnamespace
    UNION ALL
    SELECT 'subscription', format('subscription %%I', s.subname), NULL, ARRAY[r.nspname, r.name]::text[], NULL, NULL,
           s.oid::int8, r.top::int8, false, false
      FROM pg_subscription_rel sr JOIN pg_subscription s ON s.oid = sr.srsubid JOIN referents r ON r.oid = sr.srrelid
    UNION ALL
    SELECT 'security label', format('security label of %%I', l.provider), NULL, ARRAY[r.nspname, r.name]::text[],
           a.attname::text, NULL, 0, r.top::int8, false, false
      FROM pg_seclabel l JOIN referents r ON r.oid = l.objoid AND l.classoid = r.classid
      LEFT JOIN pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid AND a.attnum > 0)
SELECT kind, object, name, "table", array_remove(array_agg(DISTINCT "column"), NULL) AS columns, owner, oid, referent,
       row_type, function
  FROM named
 GROUP BY kind, object, name, "table", owner, oid, referent, row_type, function
 ORDER BY "table", kind, object, row_type
