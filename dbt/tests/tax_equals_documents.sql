-- Net and tax of each month and side: by tax rate from lines, and from the documents' own totals.
{{ sage_accounting.may_be_unprovable() }}
{%- set missing = sage_accounting.lines_missing([
    ('sales_invoice', 'sales_invoices'), ('sales_credit_note', 'sales_credit_notes'),
    ('purchase_invoice', 'purchase_invoices'), ('purchase_credit_note', 'purchase_credit_notes'),
    ('other_payment', 'other_payments')
]) %}
with parts as (
    select business_id, month, side, net_amount, tax_amount from {{ ref('tax_by_period') }}
    union all
    select
        business_id, cast({{ dbt.date_trunc('month', 'document_date') }} as date), side,
        -sign * base_net_amount, -sign * base_tax_amount
    from {{ ref('int_sage__documents') }}
    where {{ sage_accounting.wanted(dbt.date_trunc('month', 'document_date')) }}
    union all
    select
        business_id, cast({{ dbt.date_trunc('month', 'payment_date') }} as date),
        case when transaction_type_id = 'OTHER_RECEIPT' then 'sales' else 'purchases' end,
        -coalesce(net_amount, 0), -coalesce(tax_amount, 0)
    from {{ ref('stg_sage__other_payments') }}
    where {{ sage_accounting.wanted(dbt.date_trunc('month', 'payment_date')) }}
)

select business_id, 'differs' as verdict, month, side, sum(net_amount) as net_difference, sum(tax_amount) as tax_difference
from parts
group by business_id, month, side
having {{ '1 = 0' if missing else '1 = 1' }} and (round(sum(net_amount), 2) <> 0 or round(sum(tax_amount), 2) <> 0)
{%- if missing %}
union all
select business_id, 'not checked', null, null, null, null
from {{ ref('int_sage__businesses') }}
{%- endif %}
