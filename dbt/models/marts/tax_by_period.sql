-- One row a month, side and tax rate: net and tax of documents and other payments by their date, in base currency.
with lines as (
    select business_id, month, side, tax_rate_id, base_net_amount as net_amount, base_tax_amount as tax_amount
    from {{ ref('invoice_lines') }}
    union all
    select
        payments.business_id,
        cast({{ dbt.date_trunc('month', 'payments.payment_date') }} as date),
        case when payments.transaction_type_id = 'OTHER_RECEIPT' then 'sales' else 'purchases' end,
        lines.tax_rate_id,
        coalesce(lines.net_amount, 0),
        coalesce(lines.tax_amount, 0)
    from {{ ref('stg_sage__other_payment_lines') }} as lines
    inner join {{ ref('stg_sage__other_payments') }} as payments
        on lines.business_id = payments.business_id and lines.other_payment_id = payments.other_payment_id
),

summed as (
    select
        business_id,
        month,
        side,
        coalesce(tax_rate_id, 'none') as tax_rate_id,
        sum(net_amount) as net_amount,
        sum(tax_amount) as tax_amount
    from lines
    group by business_id, month, side, coalesce(tax_rate_id, 'none')
)

select
    summed.business_id,
    summed.month,
    summed.side,
    summed.tax_rate_id,
    rates.tax_rate_name,
    rates.percentage,
    {{ sage_accounting.amount('summed.net_amount') }} as net_amount,
    {{ sage_accounting.amount('summed.tax_amount') }} as tax_amount
from summed
left join {{ ref('stg_sage__tax_rates') }} as rates
    on summed.business_id = rates.business_id and summed.tax_rate_id = rates.tax_rate_id
where {{ sage_accounting.wanted('summed.month') }}
