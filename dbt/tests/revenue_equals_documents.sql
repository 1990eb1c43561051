-- Revenue of each customer and month, and the net amounts of the documents.
{{ sage_accounting.may_be_unprovable() }}
{%- set missing = sage_accounting.lines_missing([
    ('sales_invoice', 'sales_invoices'), ('sales_credit_note', 'sales_credit_notes')
]) %}
with parts as (
    select business_id, contact_id, month, revenue from {{ ref('revenue_by_customer') }}
    union all
    select
        business_id, coalesce(contact_id, 'none'), cast({{ dbt.date_trunc('month', 'document_date') }} as date), -sign * base_net_amount
    from {{ ref('int_sage__documents') }}
    where side = 'sales' and {{ sage_accounting.wanted(dbt.date_trunc('month', 'document_date')) }}
)

select business_id, 'differs' as verdict, contact_id, month, sum(revenue) as difference
from parts
group by business_id, contact_id, month
having {{ '1 = 0' if missing else '1 = 1' }} and (round(sum(revenue), 2) <> 0)
{%- if missing %}
union all
select business_id, 'not checked', null, null, null
from {{ ref('int_sage__businesses') }}
{%- endif %}
