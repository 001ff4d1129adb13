-- Conversations, from legacy rows.
--
-- A conversation holds no more than the new application needs. What the way back could not make again from it and
-- its messages (another spelling of an id, a preview that is not the start of the text, a column without a home) is
-- kept in metadata under "legacy", so that no legacy value is lost. Plain rows keep nothing.

@{head},
@{kept},
merged as (
    -- Conversations of several rows. Where a row is a plain question, with its answer or not, the messages tell which
    -- row that is, and nothing needs to be kept. Of others the id is kept, and that of their first message where it is
    -- another one (head); the first row always has the first place in the list.
    select conversation,
           sum(said)::integer as said,
           (array_agg(first_said order by place) filter (where said > 0))[1] as first_said,
           (array_agg(last_said order by place desc) filter (where said > 0))[1] as last_said,
           max(ended) as ended,
           max(last_time) as last_time,
           case when bool_or(residue is not null or place > 1 and unasked) then
               jsonb_agg(coalesce(residue, '{}')
                         || case when place = 1 then '{}'
                                 when id::text = own_uuid::text then jsonb_build_object('id', id::text)
                                 else jsonb_build_object('id', id::text, 'head', own_uuid) end
                         order by place) filter (where place = 1 or residue is not null or unasked)
           end as residues
    from kept
    where places > 1
    group by conversation
),
whole as (
    select k.conversation, k.leads, k.as_session, k.session_text, k.as_person, k.as_title, k.as_language, k.as_state,
           k.began, k.session_text is distinct from @{session_back} as spelled,
           coalesce(m.said, k.said) as said,
           case when m.conversation is null then k.first_said else m.first_said end as first_said,
           case when m.conversation is null then k.last_said else m.last_said end as last_said,
           coalesce(m.ended, k.ended) as ended,
           case when m.conversation is null then k.last_time else m.last_time end as last_time,
           case when m.conversation is not null then m.residues
                when k.residue is not null then jsonb_build_array(k.residue) end as residues
    from kept k
    full join merged m on m.conversation = k.conversation
    where k.place = 1
)
select conversation as id,
       case when leads then as_session else @{other_session} end as session_id,
       as_person as user_id,
       as_title as title,
       as_language as language,
       said as message_count,
       first_said as first_message_preview,
       last_said as last_message_preview,
       as_state as status,
       began as created_at,
       ended as updated_at,
       coalesce(last_time, ended) as last_activity_at,
       case when not leads or spelled or residues is not null then
           jsonb_build_object('legacy',
               case when leads then '{}' else jsonb_build_object('unit', as_session::text) end
               || case when spelled then jsonb_build_object('session', session_text::text) else '{}' end
               || case when residues is null then '{}' else jsonb_build_object('rows', residues) end)
       end as metadata
from whole
