-- Assets equal liabilities and equity, at the end of every month.
select
    business_id,
    month,
    sum(case when side = 'assets' then amount else 0 end) as expected,
    sum(case when side = 'assets' then 0 else amount end) as found
from {{ ref('balance_sheet') }}
group by business_id, month
having round(sum(balance), 2) <> 0
