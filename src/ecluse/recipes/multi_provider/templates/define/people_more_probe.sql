if exists (select a.id from public.activities a where a.user_id <> v_owner) then
    raise exception 'a user sees the activities of others';
end if;
