-- Every account has a profile, but those of which public.accounts_without_profile says why not.
select not exists (
    select from public.accounts_without_profile v where v.reason = 'none was made yet'@{undecided}
)
