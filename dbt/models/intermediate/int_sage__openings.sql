-- What each account held before the first entry that is here: Sage's opening balance of the first month of the trial
-- balance, less the entries that lie before that month (they are here if Include Historical Data is on).
with spans as (
    select business_id, min(from_date) as opens_on
    from {{ ref('stg_sage__trial_balance') }}
    group by business_id
),

parts as (
    select
        balances.business_id,
        balances.ledger_account_id,
        coalesce(balances.opening_debit, 0) - coalesce(balances.opening_credit, 0) as amount
    from {{ ref('stg_sage__trial_balance') }} as balances
    inner join spans on balances.business_id = spans.business_id and balances.from_date = spans.opens_on
    union all
    select
        entries.business_id,
        entries.ledger_account_id,
        coalesce(entries.credit, 0) - coalesce(entries.debit, 0) as amount
    from {{ ref('stg_sage__ledger_entries') }} as entries
    inner join spans on entries.business_id = spans.business_id and entries.posting_date < spans.opens_on
)

select business_id, ledger_account_id, {{ sage_accounting.amount('sum(amount)') }} as amount
from parts
group by business_id, ledger_account_id
having round(sum(amount), 2) <> 0
