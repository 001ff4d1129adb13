-- What the application calls. All names are qualified and the search_path is empty, so that no other schema can put its
-- own objects in between. Nobody reads more by them than by himself.

-- First and last name, without blanks around; 'Unknown User' where both are empty, and where there is no such user. Never
-- the e-mail address: a name is shown to other people.
create function public.get_user_full_name(p_user_id @{user}) returns text
    language sql stable set search_path = '' as $function$
    select coalesce((select @{full_name} from public.users u where u.id = p_user_id), 'Unknown User')
$function$;

-- False for a token that never expires; NULL where there is no such connection.
create function public.is_token_expired(p_connection_id @{connection}) returns boolean
    language sql stable set search_path = '' as $function$
    select c.token_expires_at is not null and c.token_expires_at <= @{now}
    from public.provider_connections c where c.id = p_connection_id
$function$;
@{cleanup}
@{updated_at}
@{rights}
