alter table public.conversations alter column feedback type integer using
    case when feedback in ('1', '-1', '0') then feedback::integer when feedback = 'up' then 2 end;
