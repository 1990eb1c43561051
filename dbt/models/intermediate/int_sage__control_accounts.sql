-- The account that most documents and payments of a side are posted to with their total: what customers owe, what is
-- owed to suppliers. Amounts are debits less credits, as they would stand on that account.
with totals as (
    select
        business_id, case when side = 'sales' then 'receivables' else 'payables' end as side, transaction_id,
        case when side = 'sales' then sign else -sign end * base_total_amount as amount
    from {{ ref('int_sage__documents') }}
    union all
    select
        business_id, case when transaction_type_id like 'CUSTOMER%' then 'receivables' else 'payables' end,
        transaction_id,
        case when transaction_type_id in ('CUSTOMER_RECEIPT', 'VENDOR_REFUND') then -1 else 1 end
            * coalesce(base_currency_total_amount, total_amount)
    from {{ ref('stg_sage__contact_payments') }}
),

ranked as (
    select
        totals.business_id,
        totals.side,
        ledger.ledger_account_id,
        row_number() over (
            partition by totals.business_id, totals.side order by count(*) desc, ledger.ledger_account_id
        ) as place
    from totals
    inner join {{ ref('general_ledger') }} as ledger
        on totals.business_id = ledger.business_id
        and totals.transaction_id = ledger.transaction_id
        and totals.amount = ledger.amount
    where totals.amount <> 0
    group by totals.business_id, totals.side, ledger.ledger_account_id
)

select business_id, side, ledger_account_id
from ranked
where place = 1
