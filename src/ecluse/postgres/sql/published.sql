-- Tables that publications list by name.
SELECT r.prrelid::int8 AS "of",
       p.pubname::text AS publication,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) -- >= 15
          FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[])) AS columns, -- >= 15
       pg_get_expr(r.prqual, r.prrelid) AS "where" -- >= 15
       '{}'::text[] AS columns, NULL::text AS "where" -- < 15
  FROM pg_publication_rel r
  JOIN pg_publication p ON p.oid = r.prpubid
 ORDER BY r.prrelid, p.pubname
