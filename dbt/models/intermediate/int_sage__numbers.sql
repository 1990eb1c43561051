-- 0 to 4,095: more months than any books have, and every day of a month.
select generated_number - 1 as number
from ({{ dbt.generate_series(4096) }}) as series
