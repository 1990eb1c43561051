-- Revenue of each customer and month, and the net amounts of the documents.
with parts as (
    select business_id, contact_id, month, revenue from {{ ref('revenue_by_customer') }}
    union all
    select
        business_id, contact_id, cast({{ dbt.date_trunc('month', 'document_date') }} as date), -sign * base_net_amount
    from {{ ref('int_sage__documents') }}
    where side = 'sales' and {{ sage_accounting.wanted(dbt.date_trunc('month', 'document_date')) }}
)

select business_id, contact_id, month, sum(revenue) as difference
from parts
group by business_id, contact_id, month
having round(sum(revenue), 2) <> 0
