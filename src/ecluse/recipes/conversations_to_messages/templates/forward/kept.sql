expected as not materialized (
    -- back_*: what the way back makes of the new rows when nothing is kept.
    select s.*,
           @{expected}
    from (select * from rows offset 0) s
),
kept as materialized (
    -- What must be kept of each legacy row, so that it comes back as it was; nothing for a plain one.
    select @{id} as id, s.own_uuid, s.conversation, s.place, s.places, s.leads, s.as_session, @{session_raw} as session_text,
           s.as_person, s.as_title, s.as_language, s.as_state, s.began, s.ended,
           s.asked is null as unasked,
           num_nonnulls(s.asked, s.answered) as said,
           left(coalesce(s.asked, s.answered), 200) as first_said,
           left(coalesce(s.answered, s.asked), 200) as last_said,
           greatest(case when s.asked is not null then s.began end,
                    case when s.answered is not null then s.ended end) as last_time,
           case when (@{actual_row})
                     is distinct from
                     (@{expected_row})
                     @{kept_always}then
               @{residue}
           end as residue
    from expected s
)
