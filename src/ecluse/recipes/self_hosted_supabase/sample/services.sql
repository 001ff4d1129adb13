-- The tables of the report, scheduler and document services.

create table public.reports (
    id serial primary key,
    user_id integer not null,
    title varchar not null,
    content text not null,
    analysis_type varchar,
    metadata_json text,
    created_at timestamp
);
insert into public.reports (user_id, title, content, analysis_type, metadata_json, created_at)
select pg_temp.owner_of(n, 'report'), pg_temp.prose(n, 'report title', 70), pg_temp.pages(n, 'report', 4 + n % 5),
       (array['synthese_executive', 'analyse_concurrentielle', 'etude_marche'])[1 + n % 3],
       case when n % 7 > 0 then json_build_object('sources', n % 30, 'model', 'sonar', 'langue', 'fr')::text end,
       pg_temp.moment(n, 'report')
from generate_series(1, greatest(@{rows} / 5, 1)) n
order by n;
create index ix_reports_id on public.reports (id);
create index ix_reports_user_id on public.reports (user_id);

create table public.watch_configs (
    id serial primary key,
    user_id integer not null,
    name varchar(255) not null,
    topic varchar(500) not null,
    sector varchar(100),
    report_type varchar(100),
    keywords json,
    sources_preference varchar(100),
    cron_expression varchar(100) not null,
    email_recipients json not null,
    is_active boolean,
    created_at timestamp,
    updated_at timestamp
);
insert into public.watch_configs (
    user_id, name, topic, sector, report_type, keywords, sources_preference, cron_expression, email_recipients, is_active,
    created_at, updated_at
)
select pg_temp.owner_of(n, 'watch'), 'Veille ' || n, pg_temp.prose(n, 'topic', 80),
       (array['general', 'finance', 'retail'])[1 + n % 3], 'synthese_executive',
       case when n % 5 = 0 then '[]' else json_build_array('écluse', 'canal ' || n % 50) end, 'all',
       (array['0 8 * * 1', '30 6 * * *', '0 9 1 * *', '*/15 * * * 1-5'])[1 + n % 4],
       json_build_array('reader' || n % 90 || '@example.org'), n % 8 > 0, at, at + (n % 3) * interval '1 hour'
from generate_series(1, greatest(@{rows} / 10, 1)) n
cross join lateral (select pg_temp.moment(n, 'watch') as at) moment
order by n;
create index ix_watch_configs_id on public.watch_configs (id);
create index ix_watch_configs_user_id on public.watch_configs (user_id);

create table public.watch_history (
    id serial primary key,
    watch_id integer not null references public.watch_configs (id) on delete cascade,
    user_id integer,
    executed_at timestamp,
    status varchar(50),
    report_id integer,
    error_message text,
    execution_time_seconds integer
);
-- The owner of the watch once more, or nobody. Every 200th is of a stranger's watch, see owner_of.
insert into public.watch_history
    (watch_id, user_id, executed_at, status, report_id, error_message, execution_time_seconds)
select w.id, case when n % 30 <> 9 then w.user_id end, pg_temp.moment(n, 'execution'), status,
       case when status = 'success' then 1 + n % greatest(@{rows} / 5, 1) end,
       case when status = 'failed' then 'no answer within 30 s' end,
       case when status in ('success', 'failed') then 3 + n % 90 end
from generate_series(1, greatest(@{rows} / 5, 1)) n
cross join lateral (
    select 1 + floor(pg_temp.dice(n, 'watched') * greatest(@{rows} / 10, 1))::integer as any_watch,
           (array['success', 'success', 'success', 'failed', 'pending', 'running'])[1 + n % 6] as status
) drawn
join public.watch_configs w on w.id = case
    when n % 200 = 7 then 7 + 200 * (n / 200 % greatest((@{rows} / 10 + 193) / 200, 1))
    when any_watch % 200 = 7 then any_watch - 1 else any_watch end
order by n;
create index ix_watch_history_id on public.watch_history (id);
create index ix_watch_history_user_id on public.watch_history (user_id);

-- Everybody's, and so nobody's.
create table public.documents (
    id serial primary key,
    filename varchar not null,
    title varchar,
    content text not null,
    file_path varchar,
    upload_date timestamp,
    file_size integer,
    pages_count integer
);
insert into public.documents (filename, title, content, file_path, upload_date, file_size, pages_count)
select 'étude ' || n || '.pdf', case when n % 4 > 0 then pg_temp.prose(n, 'document title', 50) end,
       pg_temp.pages(n, 'upload', 6), case when n % 2 = 0 then '/app/data/documents/' || n || '.pdf' end,
       pg_temp.moment(n, 'upload'), 40000 + n * 17, 1 + n % 60
from generate_series(1, greatest(@{rows} / 20, 1)) n
order by n;
create index ix_documents_id on public.documents (id);
