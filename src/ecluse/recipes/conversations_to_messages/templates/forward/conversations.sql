-- Conversations, from legacy rows.
--
-- A conversation holds no more than the new application needs. What the way back could not make again from it and
-- its messages (another spelling of an id, a preview that is not the start of the text, a column without a home) is kept
-- in metadata under "legacy", so that no legacy value is lost. Plain rows keep nothing.

@{head},
expected as not materialized (
    -- back_*: what the way back makes of the new rows when nothing is kept.
    select r.*,
           @{expected}
    from rows r
),
kept as not materialized (
    select x.*,
           case when (@{actual_row})
                     is distinct from
                     (@{expected_row})
                     @{kept_always} then
               @{residue}
           end as residue
    from expected x
),
merged as (
    -- Conversations of several rows.
    select conversation,
           sum(num_nonnulls(asked, answered))::integer as said,
           (array_agg(coalesce(asked, answered) order by place) filter (where num_nonnulls(asked, answered) > 0))[1] as first_said,
           (array_agg(coalesce(answered, asked) order by place desc) filter (where num_nonnulls(asked, answered) > 0))[1] as last_said,
           max(ended) as ended,
           max(greatest(case when asked is not null then began end, case when answered is not null then ended end)) as last_time,
           jsonb_agg(coalesce(residue, '{}') order by place) as residues
    from kept
    where places > 1
    group by conversation
),
whole as (
    select k.conversation as id,
           case when k.leads then k.as_session else @{other_session} end as session_id,
           k.as_person as user_id,
           k.as_title as title,
           k.as_language as language,
           coalesce(m.said, num_nonnulls(k.asked, k.answered)) as message_count,
           left(coalesce(m.first_said, k.asked, k.answered), 200) as first_message_preview,
           left(coalesce(m.last_said, k.answered, k.asked), 200) as last_message_preview,
           k.as_state as status,
           k.began as created_at,
           coalesce(m.ended, k.ended) as updated_at,
           coalesce(m.last_time, m.ended,
                    greatest(case when k.asked is not null then k.began end,
                             case when k.answered is not null then k.ended end),
                    k.ended) as last_activity_at,
           case when not k.leads then k.as_session end as unit,
           @{session_text} is distinct from k.as_session::text as spelled,
           @{session_text} as spelling,
           coalesce(m.residues, jsonb_build_array(k.residue)) as residues,
           m.residues is not null or k.residue is not null as remains
    from kept k
    left join merged m on m.conversation = k.conversation
    where k.place = 1
)
select id, session_id, user_id, title, language, message_count, first_message_preview, last_message_preview,
       status, created_at, updated_at, last_activity_at,
       case when remains or spelled or unit is not null then
           jsonb_build_object('legacy',
               case when unit is not null then jsonb_build_object('unit', unit) else '{}' end
               || case when spelled then jsonb_build_object('session', spelling) else '{}' end
               || case when remains then jsonb_build_object('rows', residues) else '{}' end)
       end as metadata
from whole
