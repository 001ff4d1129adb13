create trigger @{trigger} before update on @{table}
    for each row execute function public.update_updated_at_column();
