
do $probe$
declare
    v_good bigint := (
        select count(*) from public.password_reset_tokens t where (@{used} or t.expires_at <= @{now}) is not true
    );
begin
    perform public.cleanup_expired_password_tokens();
    if (select count(*) from public.password_reset_tokens) <> v_good then
        raise exception 'cleanup_expired_password_tokens leaves % of % tokens',
            (select count(*) from public.password_reset_tokens), v_good;
    end if;
end
$probe$;
