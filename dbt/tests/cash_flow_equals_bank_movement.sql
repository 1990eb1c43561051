-- In every month: what all other accounts gave and took is what the bank accounts moved.
with flows as (
    select business_id, month, sum(amount) as amount from {{ ref('cash_flow') }} group by business_id, month
),

banks as (
    select periods.business_id, periods.month, sum(periods.movement) as amount
    from {{ ref('general_ledger_by_period') }} as periods
    inner join {{ ref('dim_account') }} as accounts
        on periods.business_id = accounts.business_id and periods.ledger_account_id = accounts.ledger_account_id
    where accounts.is_bank
    group by periods.business_id, periods.month
),

months as (
    select business_id, month from {{ ref('int_sage__months') }} where {{ sage_accounting.wanted('month') }}
)

select months.business_id, months.month, banks.amount as expected, flows.amount as found
from months
left join banks on months.business_id = banks.business_id and months.month = banks.month
left join flows on months.business_id = flows.business_id and months.month = flows.month
where {{ sage_accounting.differs('banks.amount', 'flows.amount') }}
