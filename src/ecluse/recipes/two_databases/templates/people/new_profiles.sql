-- public.users: one profile for one account, with the account's id. Made within the switch; may be run twice.

-- A rollback keeps the table with all that people wrote in it: then it comes back as it went.
do $back$
begin
    if to_regclass('two_databases_kept.users') is not null and to_regclass('public.users') is null then
        alter table two_databases_kept.users set schema public;
        drop schema two_databases_kept;
    end if;
exception when dependent_objects_still_exist then
    raise exception 'schema two_databases_kept holds more than the profiles; move it elsewhere first';
end
$back$;

create table if not exists public.users (
    @{columns}
);
@{indexes}
