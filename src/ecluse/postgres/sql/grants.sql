-- Rights on relations and their columns, where they are not the default ones. An emptied list gives one row without
-- a privilege.
WITH lists AS (
    SELECT c.oid, c.relowner AS owner, '' AS "column", c.relacl AS acl
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY (%(schemas)s::text[])
       AND c.relacl <> acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)
    UNION ALL
    SELECT a.attrelid, c.relowner, a.attname::text, a.attacl
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY (%(schemas)s::text[]) AND NOT a.attisdropped AND cardinality(a.attacl) > 0)
SELECT l.oid::int8 AS "of",
       CASE WHEN x.grantee IS NULL THEN pg_get_userbyid(l.owner)::text
            WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee)::text END AS grantee,
       coalesce(x.privilege_type, '') AS privilege,
       l."column" AS "column",
       bool_or(coalesce(x.is_grantable, false)) AS grantable
  FROM lists l
  LEFT JOIN LATERAL aclexplode(l.acl) AS x ON true
 GROUP BY 1, 2, 3, 4
 ORDER BY 1, 4, 2, 3
