-- Views and materialised views.
SELECT c.oid::int8 AS oid,
       ARRAY[n.nspname, c.relname]::text[] AS name,
       regexp_replace(pg_get_viewdef(c.oid), ';\s*$', '') AS definition,
       coalesce(a.columns, '{}') AS columns,
       a.column_comments,
       a.column_defaults,
       c.relkind = 'm' AS materialised,
       c.relispopulated AS populated,
       coalesce(c.reloptions, '{}') AS options,
       pg_get_userbyid(c.relowner)::text AS owner,
       coalesce(am.amname::text, '') AS access_method,
       coalesce(ts.spcname::text, '') AS tablespace,
       coalesce((SELECT e.extname::text FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
                    AND d.refclassid = 'pg_extension'::regclass), '') AS extension,
       obj_description(c.oid, 'pg_class') AS comment
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_am am ON am.oid = c.relam
  LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
 CROSS JOIN LATERAL (
       SELECT array_agg(v.attname::text ORDER BY v.attnum) AS columns,
              array_agg(ARRAY[v.attname::text, v.remark] ORDER BY v.attnum)
                  FILTER (WHERE v.remark IS NOT NULL) AS column_comments,
              array_agg(ARRAY[v.attname::text, v.preset] ORDER BY v.attnum)
                  FILTER (WHERE v.preset IS NOT NULL) AS column_defaults
         FROM (SELECT t.attname, t.attnum, col_description(t.attrelid, t.attnum) AS remark,
                      pg_get_expr(d.adbin, d.adrelid) AS preset
                 FROM pg_attribute t
                 LEFT JOIN pg_attrdef d ON d.adrelid = t.attrelid AND d.adnum = t.attnum
                WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped) AS v) AS a
 WHERE c.relkind IN ('v', 'm') AND n.nspname = ANY (%(schemas)s::text[])
 ORDER BY n.nspname, c.relname
