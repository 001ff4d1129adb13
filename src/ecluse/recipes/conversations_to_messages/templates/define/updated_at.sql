
-- As before, but only where a statement has not said itself when the row was updated.
create trigger @{trigger} before update on public.conversations
    for each row when (new.updated_at is not distinct from old.updated_at)
    execute function @{function}();
