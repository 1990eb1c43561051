-- Each account that ever held something, in each month of its business.
with accounts as (
    select business_id, ledger_account_id from {{ ref('general_ledger') }} where ledger_account_id is not null
    {{ sage_accounting.union_distinct() }}
    select business_id, ledger_account_id from {{ ref('int_sage__openings') }} where ledger_account_id is not null
),

movements as (
    select business_id, ledger_account_id, month, sum(debit) as debit, sum(credit) as credit
    from {{ ref('general_ledger') }}
    group by business_id, ledger_account_id, month
),

moved as (
    select
        accounts.business_id,
        accounts.ledger_account_id,
        months.month,
        months.month_end,
        months.is_whole_month,
        coalesce(movements.debit, 0) as debit,
        coalesce(movements.credit, 0) as credit,
        coalesce(openings.amount, 0) as brought_forward
    from accounts
    inner join {{ ref('int_sage__months') }} as months on accounts.business_id = months.business_id
    left join movements
        on accounts.business_id = movements.business_id
        and accounts.ledger_account_id = movements.ledger_account_id
        and months.month = movements.month
    left join {{ ref('int_sage__openings') }} as openings
        on accounts.business_id = openings.business_id
        and accounts.ledger_account_id = openings.ledger_account_id
),

closed as (
    select
        moved.*,
        brought_forward + sum(debit - credit) over (
            partition by business_id, ledger_account_id order by month
            rows between unbounded preceding and current row
        ) as closing
    from moved
)

select
    business_id,
    ledger_account_id,
    month,
    month_end,
    is_whole_month,
    {{ sage_accounting.amount('closing - debit + credit') }} as opening,
    {{ sage_accounting.amount('debit') }} as debit,
    {{ sage_accounting.amount('credit') }} as credit,
    {{ sage_accounting.amount('debit - credit') }} as movement,
    {{ sage_accounting.amount('closing') }} as closing
from closed
