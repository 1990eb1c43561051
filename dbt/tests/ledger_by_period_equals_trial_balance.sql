-- The same for the monthly model, in months that both have whole.
with months as (
    select * from {{ ref('trial_balance_by_period') }}
    where from_date = month and to_date = cast({{ dbt.last_day('month', 'month') }} as date)
)

select
    months.business_id, months.ledger_account_id, months.month,
    months.opening, periods.opening as ledger_opening,
    months.movement, periods.movement as ledger_movement,
    months.closing, periods.closing as ledger_closing
from months
left join {{ ref('general_ledger_by_period') }} as periods
    on months.business_id = periods.business_id
    and months.ledger_account_id = periods.ledger_account_id
    and months.month = periods.month
where {{ sage_accounting.differs('months.opening', 'periods.opening') }}
    or {{ sage_accounting.differs('months.movement', 'periods.movement') }}
    or {{ sage_accounting.differs('months.closing', 'periods.closing') }}
