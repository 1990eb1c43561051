-- One row a customer and month: what was invoiced less what was credited, in base currency, without tax. The
-- customer of a quick entry that names none is `none`.
with summed as (
    select
        business_id,
        coalesce(contact_id, 'none') as contact_id,
        month,
        sum(base_net_amount) as revenue,
        sum(base_tax_amount) as tax,
        count(distinct document_id) as documents
    from {{ ref('invoice_lines') }}
    where side = 'sales'
    group by business_id, coalesce(contact_id, 'none'), month
)

select
    summed.business_id,
    summed.contact_id,
    summed.month,
    contacts.contact_name,
    {{ sage_accounting.amount('summed.revenue') }} as revenue,
    {{ sage_accounting.amount('summed.tax') }} as tax,
    summed.documents
from summed
left join {{ ref('dim_contact') }} as contacts
    on summed.business_id = contacts.business_id and summed.contact_id = contacts.contact_id
where {{ sage_accounting.wanted('summed.month') }}
