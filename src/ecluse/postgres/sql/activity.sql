-- What would hold up locks or vacuum: prepared and long transactions, replication slots that nobody reads.
SELECT 'prepared' AS kind,
       format('''%%s'' of %%s, %%s old', gid, owner, date_trunc('second', clock_timestamp() - prepared)) AS text
  FROM pg_prepared_xacts
 WHERE database = current_database()
UNION ALL
SELECT 'long',
       format('pid %%s of %%s (%%s), %%s old', pid, usename, state,
              date_trunc('second', clock_timestamp() - xact_start))
  FROM pg_stat_activity
 WHERE xact_start < clock_timestamp() - %(long)s::interval AND backend_type = 'client backend'
   AND datname = current_database() AND pid <> pg_backend_pid()
UNION ALL
SELECT 'slot', format('''%%s'' (%%s)', slot_name, slot_type)
  FROM pg_replication_slots
 WHERE NOT active AND NOT temporary
 ORDER BY 1, 2
