-- The schemas to read: those asked for, or all that are neither the system's nor Écluse's own.
SELECT n.nspname::text AS name
  FROM pg_namespace n
 WHERE CASE WHEN %(schemas)s::text[] IS NULL
            THEN n.nspname !~ '^(pg_|ecluse_next_|ecluse_kept_)' AND n.nspname NOT IN ('information_schema', 'ecluse')
            ELSE n.nspname = ANY (%(schemas)s::text[]) END
 ORDER BY n.nspname
