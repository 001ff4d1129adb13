
-- In UTC, where a column has no zone.
create function public.update_updated_at_column() returns trigger
    language plpgsql set search_path = '' set timezone = 'UTC' as $function$
begin
    new.updated_at = now();
    return new;
end
$function$;
