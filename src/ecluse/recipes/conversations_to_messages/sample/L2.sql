-- Generation L2: one flat table, text everywhere, one row for one conversation (in principle).

create table public.conversations (
    id text primary key default gen_random_uuid()::text,
    session_id text,
    user_id text,
    question text,
    response text,
    created_at timestamp default current_timestamp,
    title text,
    preview text,
    message_count integer default 2,
    updated_at timestamp default current_timestamp,
    language text default 'fr',
    last_message_preview text,
    status text default 'active',
    feedback text,
    feedback_comment text
);
comment on table public.conversations is 'Questions and answers of the assistant';
comment on column public.conversations.feedback is '1, -1, or something older';

with drawn as materialized (
    select n,
           pg_temp.uuid_of(n, 'conversation') as id,
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
           case when kind < 0.008 then upper(id) when kind < 0.009 then '{' || id || '}'
                when kind < 0.010 then replace(id, '-', '') when kind < 0.0105 then 'conv-' || n else id end as written,
           -- A follow-up takes the session and, nearly always, the user of the row before it.
           kind between 0.03 and 0.05 as again,
           kind between 0.05 and 0.051 as other_person,
           1 + floor(pg_temp.dice(n - (kind between 0.03 and 0.05)::integer, 'user') * greatest(@{rows} / 20, 3))::integer as u,
           case when words < 0.007 then null when words < 0.014 then ''
                else pg_temp.prose(n, 'question', 40 + floor(words * 320)::integer) end as question,
           case when speech < 0.004 then null when speech < 0.008 then ''
                else pg_temp.prose(n, 'response', 150 + floor(speech * 450)::integer) end as response,
           timestamp '2025-09-20 06:00' + n * interval '17 seconds' + moment * interval '15 seconds' as created
    from drawn d
)
insert into public.conversations (
    id, session_id, user_id, question, response, created_at, title, preview, message_count, updated_at,
    language, last_message_preview, status, feedback, feedback_comment
)
select written,
       case when again or other_person then pg_temp.uuid_of(n - 1, 'conversation')
            when kind between 0.011 and 0.015 then 'whatsapp_+1555' || lpad((n % 9999999)::text, 7, '0')
            when kind between 0.015 and 0.021 then 'voice_' || pg_temp.uuid_of(u, 'user') || '_' || 1758000000 + n / 2
            when kind between 0.021 and 0.0215 then null
            when kind between 0.0215 and 0.022 then ''
            when kind between 0.022 and 0.0222 then ' ' || id
            else written end,
       case when odd < 0.005 then 'user' || u || '@example.com'
            when odd < 0.0055 then null
            when odd < 0.0085 then upper(pg_temp.uuid_of(u, 'user'))
            else pg_temp.uuid_of(u, 'user') end,
       question,
       response,
       case when odd between 0.02 and 0.022 then null else created end,
       case when odd between 0.03 and 0.04 then null
            else pg_temp.cut(coalesce(nullif(split_part(question, e'\n', 1), ''), 'Conversation sans titre'), 100) end,
       case when odd between 0.04 and 0.05 then null else pg_temp.cut(question, 300) end,
       case when odd between 0.05 and 0.07 then 1 + n % 4 when odd between 0.07 and 0.071 then null else 2 end,
       case when odd between 0.08 and 0.085 then null
            when odd between 0.085 and 0.09 then created - interval '1 hour'
            when odd < 0.4 then created
            else created + moment * interval '50 minutes' end,
       case when odd between 0.1 and 0.105 then null
            else (array['fr', 'fr', 'fr', 'en', 'en', 'es'])[1 + floor(moment * 6)::integer] end,
       case when odd between 0.11 and 0.12 then 'Ancien aperçu' else pg_temp.cut(response, 300) end,
       case when state < 0.002 then null when state < 0.004 then 'closed' when state < 0.005 then 'ACTIVE'
            when state < 0.05 then 'deleted' when state < 0.07 then 'archived' else 'active' end,
       case when liked < 0.09 then '1' when liked < 0.13 then '-1' when liked < 0.14 then '0'
            when liked < 0.141 then 'up' when liked < 0.142 then '' end,
       case when liked < 0.01 then 'Très utile, merci' when liked between 0.099 and 0.11 then 'Pas ma race'
            when liked between 0.2 and 0.201 then '' end
from shaped
order by n;

create index idx_conversations_user_id on public.conversations (user_id);
create index idx_conversations_created_at on public.conversations (created_at desc);
create index idx_conversations_status on public.conversations (status) where status = 'active';

-- Keys in text, as the column they point at.
create table public.conversation_tags (
    id serial primary key,
    conversation_id text not null references public.conversations (id) on delete cascade,
    tag text not null,
    constraint conversation_tags_once unique (conversation_id, tag)
);
create index idx_conversation_tags_conversation on public.conversation_tags (conversation_id);
insert into public.conversation_tags (conversation_id, tag)
select id, tag
from public.conversations, unnest(array['nutrition', 'santé']) tag
where hashtextextended(id || tag, @{seed}) % 10 = 0
order by created_at, id, tag;
