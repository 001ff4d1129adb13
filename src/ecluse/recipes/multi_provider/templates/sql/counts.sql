-- Within the switch, when nobody writes: each connection of before is a connection now, or in quarantine.

do $counts$
declare
    v_old bigint := (select count(*) from @{kept}.strava_connections);
    v_new bigint := (select count(*) from public.provider_connections c where c.provider = 'strava');
    v_held bigint := (
        select count(*) from ecluse.quarantine q
        where q.source = 'public.strava_connections' and q.state <> 'carried'
          and q.run = (select max(r.id) from ecluse.run r where r.migration = '@{migration}')
    );
begin
    if v_old <> v_new + v_held then
        raise exception '% connections of before are % now, and % in quarantine', v_old, v_new, v_held;
    end if;
end
$counts$;
