-- Columns of tables, with the sequence that each owns.
SELECT a.attrelid::int8 AS "of",
       a.attname::text AS name,
       format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS not_null,
       pg_get_expr(d.adbin, d.adrelid) AS "default",
       a.attidentity::text AS identity,
       a.attgenerated::text AS generated,
       CASE WHEN a.attcollation <> t.typcollation THEN format('%%I.%%I', cn.nspname, co.collname) END AS collation,
       coalesce(co.collisdeterministic, true) AS deterministic,
       ARRAY[s.nspname, s.relname]::text[] AS sequence,
       CASE WHEN a.attstorage = t.typstorage THEN ''
            ELSE CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'
                                   WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END AS storage,
       CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE '' END AS compression,
       nullif(a.attstattarget, -1)::int AS statistics,
       coalesce(a.attoptions, '{}') AS options,
       CASE WHEN a.attidentity = '' OR s.seqrelid IS NULL THEN '' ELSE concat_ws(' ',
           CASE WHEN s.seqincrement <> 1 THEN 'INCREMENT BY ' || s.seqincrement END,
           CASE WHEN s.seqmin <> s.lowest THEN 'MINVALUE ' || s.seqmin END,
           CASE WHEN s.seqmax <> s.highest THEN 'MAXVALUE ' || s.seqmax END,
           CASE WHEN s.seqstart <> CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END
                THEN 'START WITH ' || s.seqstart END,
           CASE WHEN s.seqcache <> 1 THEN 'CACHE ' || s.seqcache END,
           CASE WHEN s.seqcycle THEN 'CYCLE' END) END AS identity_options,
       col_description(a.attrelid, a.attnum) AS comment
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_collation co ON co.oid = a.attcollation
  LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
  LEFT JOIN LATERAL (
       SELECT sn.nspname, sc.relname, q.*,
              CASE WHEN q.seqincrement > 0 THEN 1 ELSE w.bottom END AS lowest,
              CASE WHEN q.seqincrement > 0 THEN w.top ELSE -1 END AS highest
         FROM pg_depend sd
         JOIN pg_class sc ON sc.oid = sd.objid AND sc.relkind = 'S'
         JOIN pg_namespace sn ON sn.oid = sc.relnamespace
         JOIN pg_sequence q ON q.seqrelid = sc.oid
        CROSS JOIN LATERAL (SELECT (2 ^ (8 * st.typlen - 1) - 1)::numeric AS top,
                                   (-2 ^ (8 * st.typlen - 1))::numeric AS bottom
                              FROM (SELECT typlen::numeric FROM pg_type WHERE oid = q.seqtypid) AS st) AS w
        WHERE sd.classid = 'pg_class'::regclass AND sd.refclassid = 'pg_class'::regclass
          AND sd.refobjid = a.attrelid AND sd.refobjsubid = a.attnum AND sd.deptype IN ('a', 'i')
        ORDER BY sd.deptype DESC, sc.oid
        LIMIT 1) AS s ON true
 WHERE c.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname = ANY (%(schemas)s::text[])
 ORDER BY a.attrelid, a.attnum
