-- What hangs on the table of conversations itself.

create view public.user_questions_complete as
select c.id::text as id, c.session_id::text as session_id, c.user_id::text as user_email, c.question,
       c.response as response_text, c.title, c.preview, c.last_message_preview, c.message_count, c.language,
       c.status, c.feedback, c.feedback_comment, c.created_at, c.updated_at
from public.conversations c
where c.question is not null and c.response is not null;

create view public.recent_questions as
select id, question, created_at from public.user_questions_complete where created_at > timestamp '2025-10-01';

create materialized view public.daily_questions as
select created_at::date as day, count(question) as questions, count(distinct user_id) as people
from public.conversations
group by 1;
create unique index daily_questions_day on public.daily_questions (day);

-- Reads nothing that leaves.
create view public.languages_spoken as
select language, status, count(*) as conversations from public.conversations group by language, status;

create function public.update_updated_at_column() returns trigger language plpgsql as $$
begin
    new.updated_at = current_timestamp;
    return new;
end
$$;
create trigger update_conversations_updated_at before update on public.conversations
    for each row execute function public.update_updated_at_column();

alter table public.conversations enable row level security;
create policy own_conversations on public.conversations to app_user
    using (user_id::text = current_setting('app.user_id', true))
    with check (user_id::text = current_setting('app.user_id', true));
grant select, insert, update on public.conversations to app_user;
grant select on public.user_questions_complete, public.languages_spoken to app_user;

create publication app_changes for table public.conversations, public.users;
