-- Enum types with their labels in order.
SELECT ARRAY[n.nspname, t.typname]::text[] AS name,
       array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS labels
  FROM pg_enum e
  JOIN pg_type t ON t.oid = e.enumtypid
  JOIN pg_namespace n ON n.oid = t.typnamespace
 WHERE n.nspname = ANY (%(schemas)s::text[])
 GROUP BY n.nspname, t.typname
 ORDER BY n.nspname, t.typname
