-- Generation L3: UUIDs and aware timestamps, one row for one exchange, ratings in a table of their own.

create table public.conversations (
    id uuid primary key default gen_random_uuid(),
    session_id uuid not null,
    user_id uuid not null,
    question text not null,
    response text not null,
    mode text default 'broiler',
    sources jsonb default '[]'::jsonb,
    response_source text default 'rag',
    response_confidence double precision default 0.85,
    processing_time_ms integer,
    title text,
    preview text,
    last_message_preview text,
    message_count integer default 1,
    language text default 'fr',
    status text default 'active',
    feedback text,
    feedback_comment text,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
comment on table public.conversations is 'Questions and answers of the assistant';

with drawn as materialized (
    select n,
           pg_temp.uuid_of(n, 'conversation')::uuid as id,
           pg_temp.dice(n, 'kind') as kind,
           pg_temp.dice(n, 'odd') as odd,
           pg_temp.dice(n, 'words') as words,
           pg_temp.dice(n, 'feedback') as liked,
           pg_temp.dice(n, 'status') as state,
           pg_temp.dice(n, 'time') as moment,
           pg_temp.dice(n, 'speech') as speech
    from generate_series(1, @{rows}) n
),
shaped as materialized (
    select d.*,
           kind between 0.03 and 0.05 as again,
           kind between 0.05 and 0.051 as other_person,
           1 + floor(pg_temp.dice(n - (kind between 0.03 and 0.05)::integer, 'user') * greatest(@{rows} / 20, 3))::integer as u,
           case when words < 0.02 then '' else pg_temp.prose(n, 'question', 40 + floor(words * 320)::integer) end as question,
           case when speech < 0.02 then '' else pg_temp.prose(n, 'response', 150 + floor(speech * 450)::integer) end as response,
           timestamptz '2025-10-10 06:00+02' + n * interval '17 seconds' + moment * interval '15 seconds' as created
    from drawn d
)
insert into public.conversations (
    id, session_id, user_id, question, response, mode, sources, response_source, response_confidence,
    processing_time_ms, title, preview, last_message_preview, message_count, language, status, feedback,
    feedback_comment, created_at, updated_at
)
select id,
       case when again or other_person then pg_temp.uuid_of(n - 1, 'conversation')::uuid
            when kind < 0.02 then pg_temp.uuid_of(n, 'session')::uuid else id end,
       pg_temp.uuid_of(u, 'user')::uuid,
       question,
       response,
       case when odd < 0.04 then 'layer' when odd < 0.06 then 'general' when odd < 0.061 then null else 'broiler' end,
       case when odd between 0.1 and 0.2
            then jsonb_build_array(jsonb_build_object('title', 'Guide ' || n % 40, 'score', round(moment::numeric, 3)))
            when odd between 0.2 and 0.202 then null
            when odd between 0.202 and 0.204 then 'null'::jsonb
            when odd between 0.204 and 0.206 then '"voir le guide"'::jsonb
            else '[]'::jsonb end,
       case when odd < 0.03 then 'openai_fallback' when odd > 0.98 then 'table_lookup' else 'rag' end,
       case when moment < 0.3 then moment when moment < 0.301 then 'NaN' when moment < 0.302 then '-0'
            when moment < 0.303 then null else 0.85 end,
       case when moment < 0.9 then 200 + floor(moment * 4000)::integer end,
       case when odd between 0.3 and 0.31 then null else pg_temp.cut(split_part(question, e'\n', 1), 100) end,
       case when odd between 0.31 and 0.32 then null else pg_temp.cut(question, 300) end,
       case when odd between 0.32 and 0.33 then null else pg_temp.cut(response, 300) end,
       case when odd between 0.33 and 0.35 then 1 + n % 4 else 1 end,
       (array['fr', 'fr', 'fr', 'en', 'en', 'es'])[1 + floor(moment * 6)::integer],
       case when state < 0.002 then null when state < 0.005 then 'closed'
            when state < 0.05 then 'deleted' when state < 0.07 then 'archived' else 'active' end,
       case when liked < 0.09 then '1' when liked < 0.13 then '-1' when liked < 0.131 then '0' when liked < 0.132 then 'ok' end,
       case when liked < 0.01 then 'Très utile, merci' end,
       case when odd between 0.4 and 0.402 then null else created end,
       case when odd between 0.41 and 0.415 then null when odd > 0.6 then created else created + moment * interval '9 minutes' end
from shaped
order by n;

create index idx_conversations_user_id on public.conversations (user_id);
create index idx_conversations_session_id on public.conversations (session_id);
create index idx_conversations_created_at on public.conversations (created_at desc);
create index idx_conversations_status on public.conversations (status) where status = 'active';
create index idx_conversations_user_status on public.conversations (user_id, status, created_at desc);

create table public.feedback (
    id uuid primary key default gen_random_uuid(),
    conversation_id uuid references public.conversations (id) on delete cascade,
    user_id uuid not null,
    rating integer check (rating in (-1, 1)),
    comment text,
    feedback_type text check (feedback_type in ('quality', 'accuracy', 'speed', 'relevance')),
    user_agent text,
    ip_address inet,
    created_at timestamptz default now()
);
create index idx_feedback_conversation_id on public.feedback (conversation_id);
create index idx_feedback_user_id on public.feedback (user_id);
create index idx_feedback_created_at on public.feedback (created_at desc);

-- Every twelfth conversation has a rating, some have two or three.
insert into public.feedback
select pg_temp.uuid_of(n * 10 + again, 'rating')::uuid, c.id, c.user_id,
       case when pg_temp.dice(n, 'rating') < 0.7 then 1 when pg_temp.dice(n, 'rating') < 0.98 then -1 end,
       case when pg_temp.dice(n, 'rating') < 0.2 then 'Réponse claire' end,
       (array['quality', 'accuracy', 'speed', 'relevance', null])[1 + floor(pg_temp.dice(n, 'about') * 5)::integer],
       'Mozilla/5.0 (example)', ('192.0.2.' || n % 250)::inet,
       coalesce(c.created_at, timestamptz '2025-10-10 00:00+00') + again * interval '1 day'
from generate_series(1, @{rows}, 12) n
cross join lateral generate_series(1, 1 + (n % 5 = 0)::integer + (n % 7 = 0)::integer) again
join public.conversations c on c.id = pg_temp.uuid_of(n, 'conversation')::uuid;

create table public.conversation_tags (
    id serial primary key,
    conversation_id uuid not null references public.conversations (id) on delete cascade,
    tag text not null
);
create index idx_conversation_tags_conversation on public.conversation_tags (conversation_id);
insert into public.conversation_tags (conversation_id, tag)
select id, 'nutrition' from public.conversations where hashtextextended(id::text, @{seed}) % 7 = 0 order by created_at, id;
