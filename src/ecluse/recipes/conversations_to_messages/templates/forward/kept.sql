expected as not materialized (
    -- back_*: what the way back makes of the new rows when nothing is kept.
    select s.*,
           @{expected}
    from rows s
),
kept as not materialized (
    -- What must be kept of each legacy row, so that it comes back as it was; nothing for a plain one.
    select s.*,
           case when (@{actual_row})
                     is distinct from
                     (@{expected_row})
                     @{kept_always}then
               @{residue}
           end as residue
    from expected s
)
