-- Rows of @{table}, pointing at the conversation that their legacy row became.

@{head}
select @{columns}
from rows s
join {{@{alias}}} t on t.@{reference} = @{id}
@{where}
