-- The financial years that a month has a share in: one, or two where a year ends within it.
select distinct business_id, month, month_end, fiscal_year_start, fiscal_year_end
from {{ ref('dim_date') }}
