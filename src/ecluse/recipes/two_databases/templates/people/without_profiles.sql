-- The way back.
drop trigger if exists on_auth_user_created on auth.users;
drop trigger if exists on_auth_user_changed on auth.users;
@{accounts}
drop view if exists public.accounts_without_profile;
drop trigger if exists update_users_updated_at on public.users;
@{table}
