select count(*) into v_seen from public.user_connections_summary v;
if v_seen <> 1 then
    raise exception 'user_connections_summary shows % users to one', v_seen;
end if;
if exists (select v.id from public.recent_activities v where v.user_id <> v_owner) then
    raise exception 'recent_activities shows the activities of others';
end if;
