-- Conversations, from legacy rows.
--
-- A conversation holds no more than the new application needs. What the way back could not make again from it and
-- its messages (another spelling of an id, a preview that is not the start of the text, a column without a home) is
-- kept in metadata under "legacy", so that no legacy value is lost. Plain rows keep nothing.

@{head},
@{kept},
merged as (
    -- Conversations of several rows. Where each row is a plain question, with its answer or not, the messages tell
    -- which row is which, and nothing needs to be kept either.
    select conversation,
           sum(num_nonnulls(asked, answered))::integer as said,
           (array_agg(coalesce(asked, answered) order by place)
               filter (where num_nonnulls(asked, answered) > 0))[1] as first_said,
           (array_agg(coalesce(answered, asked) order by place desc)
               filter (where num_nonnulls(asked, answered) > 0))[1] as last_said,
           max(ended) as ended,
           max(greatest(case when asked is not null then began end, case when answered is not null then ended end))
               as last_time,
           case when bool_or(residue is not null or asked is null) then
               jsonb_agg(coalesce(residue, '{}')
                         || case when place > 1 then jsonb_build_object('id', @{id}::text) else '{}' end order by place)
           end as residues
    from kept s
    where places > 1
    group by conversation
),
whole as (
    select s.conversation as id,
           case when s.leads then s.as_session else @{other_session} end as session_id,
           s.as_person as user_id,
           s.as_title as title,
           s.as_language as language,
           coalesce(m.said, num_nonnulls(s.asked, s.answered)) as message_count,
           left(coalesce(m.first_said, s.asked, s.answered), 200) as first_message_preview,
           left(coalesce(m.last_said, s.answered, s.asked), 200) as last_message_preview,
           s.as_state as status,
           s.began as created_at,
           coalesce(m.ended, s.ended) as updated_at,
           coalesce(m.last_time, m.ended,
                    greatest(case when s.asked is not null then s.began end,
                             case when s.answered is not null then s.ended end),
                    s.ended) as last_activity_at,
           case when not s.leads then s.as_session end as unit,
           @{session_raw} as session_text,
           @{session_raw} is distinct from @{session_back} as spelled,
           case when m.conversation is not null then m.residues
                when s.residue is not null then jsonb_build_array(s.residue) end as residues
    from kept s
    left join merged m on m.conversation = s.conversation
    where s.place = 1
)
select id, session_id, user_id, title, language, message_count, first_message_preview, last_message_preview,
       status, created_at, updated_at, last_activity_at,
       case when unit is not null or spelled or residues is not null then
           jsonb_build_object('legacy',
               case when unit is not null then jsonb_build_object('unit', unit::text) else '{}' end
               || case when spelled then jsonb_build_object('session', session_text::text) else '{}' end
               || case when residues is not null then jsonb_build_object('rows', residues) else '{}' end)
       end as metadata
from whole
