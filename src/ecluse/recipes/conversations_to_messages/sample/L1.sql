-- Generation L1: a table of questions, people known by their e-mail address.

create table public.user_questions_complete (
    id serial primary key,
    user_email varchar(255),
    session_id varchar(255),
    question_id varchar(255),
    question text not null,
    response_text text,
    response_source varchar(50),
    status varchar(20) default 'success',
    processing_time_ms integer,
    response_confidence decimal(5, 2),
    completeness_score decimal(5, 2),
    language varchar(10) default 'fr',
    intent varchar(50),
    entities jsonb default '{}'::jsonb,
    error_type text,
    error_message text,
    error_traceback text,
    feedback integer check (feedback in (-1, 0, 1)),
    feedback_comment text,
    data_size_kb integer,
    created_at timestamp default current_timestamp,
    updated_at timestamp default current_timestamp
);
comment on table public.user_questions_complete is 'Every question, its answer, and what it cost';

with drawn as materialized (
    select n,
           pg_temp.dice(n, 'kind') as kind,
           pg_temp.dice(n, 'odd') as odd,
           pg_temp.dice(n, 'words') as words,
           pg_temp.dice(n, 'feedback') as liked,
           pg_temp.dice(n, 'time') as moment,
           pg_temp.dice(n, 'speech') as speech,
           timestamp '2025-08-10 06:00' + n * interval '17 seconds' as created
    from generate_series(1, @{rows}) n
),
shaped as materialized (
    select d.*,
           kind between 0.1 and 0.4 as again,
           1 + floor(pg_temp.dice(n - (kind between 0.1 and 0.4)::integer, 'user') * greatest(@{rows} / 20, 3))::integer as u,
           odd < 0.03 as failed
    from drawn d
)
insert into public.user_questions_complete (
    user_email, session_id, question_id, question, response_text, response_source, status, processing_time_ms,
    response_confidence, completeness_score, language, intent, entities, error_type, error_message, error_traceback,
    feedback, feedback_comment, data_size_kb, created_at, updated_at
)
select case when odd > 0.999 then null when odd > 0.99 then pg_temp.uuid_of(u, 'user') else 'user' || u || '@example.com' end,
       case when kind < 0.004 then 'whatsapp_+1555' || lpad((n % 9999999)::text, 7, '0')
            when kind < 0.01 then upper(pg_temp.uuid_of(n, 'session'))
            when kind < 0.012 then null
            else pg_temp.uuid_of(n - again::integer, 'session') end,
       pg_temp.uuid_of(n, 'question'),
       case when words < 0.01 then '' else pg_temp.prose(n, 'question', 40 + floor(words * 320)::integer) end,
       case when failed then null when speech < 0.01 then ''
            else pg_temp.prose(n, 'response', 150 + floor(speech * 450)::integer) end,
       case when failed then null when odd < 0.2 then 'openai_fallback' else 'rag' end,
       case when failed then (array['error', 'timeout'])[1 + n % 2] when odd between 0.03 and 0.033 then null else 'success' end,
       case when not failed then 200 + floor(moment * 4000)::integer end,
       case when not failed then round(moment::numeric, 2) end,
       case when moment < 0.2 then round(moment::numeric * 100, 2) end,
       case when moment < 0.7 then 'fr' when moment < 0.995 then 'en' end,
       case when moment < 0.9 then 'question_answer' end,
       case when odd between 0.5 and 0.6 then jsonb_build_object('breed', 'ross 308', 'age', n % 42)
            when odd between 0.6 and 0.602 then null else '{}'::jsonb end,
       case when failed then 'TimeoutError' end,
       case when failed then 'no answer within 30 s' end,
       case when failed then E'Traceback:\n  line ' || n end,
       case when liked < 0.09 then 1 when liked < 0.13 then -1 when liked < 0.14 then 0 end,
       case when liked < 0.01 then 'Très utile, merci' end,
       floor(speech * 3)::integer,
       case when odd between 0.7 and 0.702 then null else created end,
       case when odd between 0.71 and 0.715 then null else created + moment * interval '20 seconds' end
from shaped
order by n;

create index idx_user_questions_email on public.user_questions_complete (user_email);
create index idx_user_questions_created on public.user_questions_complete (created_at desc);
create view public.questions_by_language as
select language, count(question) as questions from public.user_questions_complete group by language;
grant select on public.user_questions_complete to app_user;
