
create function public.cleanup_expired_password_tokens() returns void
    language sql set search_path = '' as $function$
    delete from public.password_reset_tokens t where @{used} or t.expires_at <= @{now}
$function$;
