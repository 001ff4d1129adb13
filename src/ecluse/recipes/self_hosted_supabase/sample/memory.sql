-- The memory service's tables: no foreign key, so nothing kept out the ids of strangers. Two indexes say the same, often.

create table public.user_conversations (
    id serial primary key,
    user_id integer not null,
    query text not null,
    response text not null,
    conversation_type varchar(50),
    analysis_type varchar(100),
    business_type varchar(100),
    created_at timestamp
);
insert into public.user_conversations
    (user_id, query, response, conversation_type, analysis_type, business_type, created_at)
select owner, pg_temp.prose(n, 'query', 20 + floor(size * 300)::integer),
       pg_temp.prose(n, 'response', 300 + floor(size * 600)::integer)
           || case when n % 8 = 0 then pg_temp.pages(n, 'response', 3) else '' end,
       case when n % 4 = 0 then 'analysis' else 'chat' end,
       case when n % 4 = 0 then (array['synthese_executive', 'analyse_concurrentielle', 'veille_technologique'])[1 + n % 3] end,
       case when n % 3 = 0 then (array['finance_banque', 'retail', 'tech_digital'])[1 + n % 2] end,
       pg_temp.moment(n, 'conversation')
from (
    select n, pg_temp.owner_of(n, 'conversation') as owner from generate_series(1, 2 * @{rows}) n
    union all
    select 2 * @{rows} + id, id from drawn where email = 'twin'
) conversation
cross join lateral (select pg_temp.dice(n, 'size') as size) text
order by n;
create index idx_conversations_created on public.user_conversations (created_at);
create index idx_conversations_type on public.user_conversations (conversation_type);
create index idx_conversations_user on public.user_conversations (user_id);
create index ix_user_conversations_conversation_type on public.user_conversations (conversation_type);
create index ix_user_conversations_created_at on public.user_conversations (created_at);
create index ix_user_conversations_id on public.user_conversations (id);
create index ix_user_conversations_user_id on public.user_conversations (user_id);

create table public.user_documents (
    id serial primary key,
    user_id integer not null,
    document_type varchar(50) not null,
    analysis_type varchar(100),
    business_type varchar(100),
    title varchar(500) not null,
    content text,
    file_path varchar(1000),
    report_id integer,
    watch_id integer,
    extra_data jsonb,
    created_at timestamp
);
insert into public.user_documents (
    user_id, document_type, analysis_type, business_type, title, content, file_path, report_id, watch_id, extra_data, created_at
)
select owner, case when watched then 'watch' else 'report' end, case when not watched then 'synthese_executive' end,
       case when n % 3 = 0 then 'retail' end, pg_temp.prose(n, 'title', 60),
       case when n % 9 > 0 then pg_temp.pages(n, 'document', 3 + (n % 3)::integer) end,
       case when n % 2 = 0 then '/app/data/reports/rapport_' || n || '.pdf' end,
       case when not watched then 1 + n % greatest(@{rows} / 5, 1) end,
       case when watched then 1 + n % greatest(@{rows} / 10, 1) end,
       case when n % 5 = 0 then '{}' else jsonb_build_object('sources', n % 12, 'langue', 'fr') end,
       pg_temp.moment(n, 'document')
from (
    select n, pg_temp.owner_of(n, 'document') as owner from generate_series(1, greatest(@{rows} * 3 / 10, 1)) n
    union all
    select @{rows} + id, id from drawn where email = 'twin'
) document
cross join lateral (select n % 4 = 0 as watched) kind
order by n;
create index idx_documents_created on public.user_documents (created_at);
create index idx_documents_type on public.user_documents (document_type, analysis_type);
create index idx_documents_user on public.user_documents (user_id);
create index ix_user_documents_created_at on public.user_documents (created_at);
create index ix_user_documents_document_type on public.user_documents (document_type);
create index ix_user_documents_id on public.user_documents (id);
create index ix_user_documents_user_id on public.user_documents (user_id);

create table public.user_contexts (
    id serial primary key,
    user_id integer not null,
    name varchar(255) not null,
    context_type varchar(50) not null,
    content text not null,
    preview varchar(200),
    filename varchar(500),
    file_type varchar(50),
    content_size bigint not null,
    is_active boolean,
    created_at timestamp,
    updated_at timestamp
);
insert into public.user_contexts (
    user_id, name, context_type, content, preview, filename, file_type, content_size, is_active, created_at, updated_at
)
select pg_temp.owner_of(n, 'context'), 'Contexte ' || n, kind, content, pg_temp.cut(content, 200),
       case when kind = 'document' then 'profil ' || n || '.pdf' end, case when kind = 'document' then 'pdf' end,
       octet_length(content), n % 6 > 0, at, at + (n % 5) * interval '1 day'
from generate_series(1, greatest(@{rows} / 10, 1)) n
cross join lateral (
    select (array['text', 'document', 'company_profile'])[1 + n % 3] as kind,
           pg_temp.pages(n, 'context', 2 + (n % 6)::integer) as content, pg_temp.moment(n, 'context') as at
) context
order by n;
create index idx_contexts_type on public.user_contexts (context_type);
create index idx_contexts_user on public.user_contexts (user_id);
create index idx_contexts_user_active on public.user_contexts (user_id, is_active);
create index ix_user_contexts_context_type on public.user_contexts (context_type);
create index ix_user_contexts_created_at on public.user_contexts (created_at);
create index ix_user_contexts_id on public.user_contexts (id);
create index ix_user_contexts_user_id on public.user_contexts (user_id);

-- The application gives the ids of these two, so their sequences were never asked.
create table public.user_storage_quotas (
    user_id serial primary key,
    total_used_bytes bigint,
    max_bytes bigint,
    last_updated timestamp
);
insert into public.user_storage_quotas
select id, floor(pg_temp.dice(id, 'used bytes') * 50000000)::bigint, 2147483648, pg_temp.moment(id, 'quota')
from generate_series(1, @{rows}) id
union all
select coalesce((array[0, -1])[n], @{rows} + 10000 + n), 0, 2147483648, pg_temp.moment(n, 'stranger''s quota')
from generate_series(1, greatest(@{rows} / 200, 3)) n;

create table public.migration_status (
    user_id serial primary key,
    conversations_migrated boolean,
    migration_date timestamp,
    legacy_conversation_count integer
);
insert into public.migration_status
select id, id % 10 > 0, case when id % 10 > 0 then pg_temp.moment(id, 'migration') end, id % 7
from generate_series(5, @{rows}, 5) id
union all
select coalesce((array[0, -1])[n], @{rows} + 10000 + n), true, pg_temp.moment(n, 'stranger''s migration'), 2
from generate_series(1, greatest(@{rows} / 1000, 3)) n;
