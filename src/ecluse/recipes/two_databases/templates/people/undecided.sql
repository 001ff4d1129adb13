
  -- An old profile names this account or has its e-mail, and it is not decided whose it is: `ecluse quarantine list`.
  and not exists (
      select from @{kept}.users k where k.auth_user_id = @{account}.id or lower(k.email) = lower(@{account}.email)
  )