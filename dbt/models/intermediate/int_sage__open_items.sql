-- Everything that can be owed: documents, opening balances of contacts, and of payments what was left on account. All
-- amounts are positive, `sign` says which way; a refund left on account raises what is owed.
with items as (
    select
        business_id,
        case when side = 'sales' then 'receivables' else 'payables' end as side,
        document_id as item_id,
        document_type as item_type,
        document_number as item_number,
        contact_id,
        document_date as item_date,
        due_date,
        currency_id,
        sign,
        total_amount,
        base_total_amount,
        base_rate,
        outstanding_amount as sage_outstanding,
        base_outstanding_amount as sage_base_outstanding,
        updated_at
    from {{ ref('int_sage__documents') }}
    union all
    select
        business_id,
        case when contact_opening_balance_type_id like 'CUSTOMER%' then 'receivables' else 'payables' end,
        contact_opening_balance_id,
        'opening_balance',
        document_number,
        contact_id,
        document_date,
        document_date,
        currency_id,
        case when contact_opening_balance_type_id like '%INVOICE' then 1 else -1 end,
        coalesce(total_amount, 0),
        coalesce(base_currency_total_amount, total_amount, 0),
        null,
        -- Sage gives no amount outstanding here.
        null,
        null,
        updated_at
    from {{ ref('stg_sage__contact_opening_balances') }}
    union all
    select
        business_id,
        case when transaction_type_id like 'CUSTOMER%' then 'receivables' else 'payables' end,
        on_account_id,
        'payment_on_account',
        payment_number,
        contact_id,
        payment_date,
        payment_date,
        currency_id,
        case when transaction_type_id like '%REFUND' then 1 else -1 end,
        coalesce(on_account_total_amount, 0),
        coalesce(on_account_base_currency_total_amount, on_account_total_amount, 0),
        null,
        coalesce(on_account_outstanding_amount, 0),
        coalesce(on_account_base_currency_outstanding_amount, on_account_outstanding_amount, 0),
        updated_at
    from {{ ref('stg_sage__contact_payments') }}
    where on_account_id is not null
)

select
    business_id,
    side,
    item_id,
    item_type,
    item_number,
    contact_id,
    item_date,
    due_date,
    currency_id,
    sign,
    {{ sage_accounting.amount('total_amount') }} as total_amount,
    {{ sage_accounting.amount('base_total_amount') }} as base_total_amount,
    -- Base currency for one unit of the item's.
    {{ sage_accounting.amount('coalesce(base_rate, case when total_amount = 0 then 1 '
        ~ 'else base_total_amount / total_amount end)') }} as base_rate,
    {{ sage_accounting.amount('sage_outstanding') }} as sage_outstanding,
    {{ sage_accounting.amount('sage_base_outstanding') }} as sage_base_outstanding,
    updated_at
from items
