alter table public.conversations
    add column response_source text default 'rag',
    add column processing_time_ms integer,
    add column response_confidence double precision default 0.85;
update public.conversations
set processing_time_ms = 100 + abs(hashtextextended(id, @{seed}) % 4000), response_confidence = 0.1 * (abs(hashtextextended(id, 2)) % 10)
where hashtextextended(id, @{seed}) % 3 = 0;
