-- One row an account and month, every month from the first posting to the last: opening, movement, closing.
select
    periods.business_id,
    periods.ledger_account_id,
    periods.month,
    periods.month_end,
    accounts.nominal_code,
    accounts.account_name,
    accounts.statement,
    accounts.section,
    periods.opening,
    periods.debit,
    periods.credit,
    periods.movement,
    periods.closing,
    periods.is_whole_month,
    businesses.has_trial_balance as is_opening_known
from {{ ref('int_sage__account_months') }} as periods
inner join {{ ref('int_sage__businesses') }} as businesses on periods.business_id = businesses.business_id
left join {{ ref('dim_account') }} as accounts
    on periods.business_id = accounts.business_id and periods.ledger_account_id = accounts.ledger_account_id
where {{ sage_accounting.wanted('periods.month') }}
