-- Every contact. One that was deleted at Sage is kept as long as documents or the ledger name it: `is_deleted`.
with mentioned as (
    {%- for stream in ['sales_invoices', 'sales_credit_notes', 'sales_quick_entries', 'purchase_invoices', 'purchase_credit_notes', 'purchase_quick_entries', 'contact_payments', 'contact_opening_balances', 'other_payments', 'ledger_entries'] %}
    select business_id, contact_id, contact_name from {{ ref('stg_sage__' ~ stream) }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

named as (
    select business_id, contact_id, max(contact_name) as displayed_as
    from mentioned
    where contact_id is not null
    group by business_id, contact_id
)

select
    business_id,
    contact_id,
    coalesce(contact_name, displayed_as) as contact_name,
    displayed_as,
    reference,
    case when contact_types like '%"CUSTOMER"%' then true else false end as is_customer,
    case when contact_types like '%"VENDOR"%' then true else false end as is_supplier,
    currency_id,
    email,
    credit_limit,
    credit_days,
    is_active,
    false as is_deleted
from {{ ref('stg_sage__contacts') }}
union all
select
    named.business_id,
    named.contact_id,
    named.displayed_as,
    named.displayed_as,
    cast(null as {{ sage_accounting.type_text() }}),
    cast(null as {{ dbt.type_boolean() }}),
    cast(null as {{ dbt.type_boolean() }}),
    cast(null as {{ sage_accounting.type_text() }}),
    cast(null as {{ sage_accounting.type_text() }}),
    cast(null as {{ sage_accounting.type_amount() }}),
    cast(null as {{ dbt.type_bigint() }}),
    cast(null as {{ dbt.type_boolean() }}),
    true
from named
left join {{ ref('stg_sage__contacts') }} as listed
    on named.business_id = listed.business_id and named.contact_id = listed.contact_id
where listed.contact_id is null
