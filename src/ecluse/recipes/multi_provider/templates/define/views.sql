-- What pages show. No token is in them.

create view public.user_connections_summary@{options} as
select u.id as user_id, u.email, u.first_name, u.last_name, u.role,
       count(c.id) as total_connections,
       count(c.id) filter (where c.is_active) as active_connections,
       array_agg(distinct c.provider) filter (where c.provider is not null) as connected_providers
from public.users u
left join public.provider_connections c on c.user_id = u.id
group by u.id, u.email, u.first_name, u.last_name, u.role;

create view public.recent_activities@{options} as
select a.id, a.user_id, a.name, a.activity_type, a.start_date, a.distance, a.moving_time, a.average_heartrate,
       c.provider, c.provider_username, u.email as user_email,
       coalesce(@{full_name}, 'Unknown User') as user_full_name
from public.activities a
join public.users u on u.id = a.user_id
left join public.provider_connections c on c.id = a.connection_id
order by a.start_date desc;
@{rights}
