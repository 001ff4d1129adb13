-- Publications, with the schemas they publish whole.
SELECT p.pubname::text AS name,
       p.puballtables AS all_tables,
       pg_get_userbyid(p.pubowner)::text AS owner,
       (SELECT array_agg(n.nspname::text ORDER BY n.nspname) -- >= 15
          FROM pg_publication_namespace s JOIN pg_namespace n ON n.oid = s.pnnspid -- >= 15
         WHERE s.pnpubid = p.oid) AS schemas -- >= 15
       '{}'::text[] AS schemas -- < 15
  FROM pg_publication p
 ORDER BY p.pubname
