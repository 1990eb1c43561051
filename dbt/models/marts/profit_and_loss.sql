-- One row an account, month and financial year: a month in which a year ends has two rows an account. Amounts are what
-- they add to the profit: income positive, costs negative.
select
    periods.business_id,
    periods.ledger_account_id,
    periods.month,
    years.fiscal_year_end,
    years.fiscal_year_start,
    periods.month_end,
    accounts.side,
    accounts.section,
    accounts.section_order,
    accounts.nominal_code,
    accounts.account_name,
    {{ sage_accounting.amount('coalesce(results.amount, 0)') }} as amount,
    periods.is_whole_month
from {{ ref('int_sage__account_months') }} as periods
inner join {{ ref('dim_account') }} as accounts
    on periods.business_id = accounts.business_id and periods.ledger_account_id = accounts.ledger_account_id
inner join {{ ref('int_sage__month_years') }} as years
    on periods.business_id = years.business_id and periods.month = years.month
left join {{ ref('int_sage__results') }} as results
    on periods.business_id = results.business_id
    and periods.ledger_account_id = results.ledger_account_id
    and periods.month = results.month
    and years.fiscal_year_end = results.fiscal_year_end
where accounts.statement = 'profit_and_loss' and {{ sage_accounting.wanted('periods.month') }}
