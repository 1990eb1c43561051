-- One row an account and month of Sage's own trial balance, and the ledger's figures for the very same days beside it.
-- The first month begins with the Start Date, the last ends with the End Date, so these are not always whole months.
with periods as (
    select distinct business_id, from_date, to_date from {{ ref('stg_sage__trial_balance') }}
),

balances as (
    select
        business_id,
        ledger_account_id,
        from_date,
        sum(coalesce(opening_debit, 0) - coalesce(opening_credit, 0)) as opening,
        sum(coalesce(debit, 0)) as debit,
        sum(coalesce(credit, 0)) as credit,
        sum(coalesce(closing_debit, 0) - coalesce(closing_credit, 0)) as closing
    from {{ ref('stg_sage__trial_balance') }}
    group by business_id, ledger_account_id, from_date
),

daily as (
    select business_id, ledger_account_id, posting_date, sum(debit) as debit, sum(credit) as credit
    from {{ ref('general_ledger') }}
    group by business_id, ledger_account_id, posting_date
),

accounts as (
    select business_id, ledger_account_id from balances
    {{ sage_accounting.union_distinct() }}
    select business_id, ledger_account_id from daily
),

ledger as (
    select
        periods.business_id,
        daily.ledger_account_id,
        periods.from_date,
        sum(case when daily.posting_date < periods.from_date then daily.debit - daily.credit else 0 end) as earlier,
        sum(case when daily.posting_date >= periods.from_date then daily.debit else 0 end) as debit,
        sum(case when daily.posting_date >= periods.from_date then daily.credit else 0 end) as credit
    from periods
    inner join daily on periods.business_id = daily.business_id and daily.posting_date <= periods.to_date
    group by periods.business_id, daily.ledger_account_id, periods.from_date
)

select
    accounts.business_id,
    accounts.ledger_account_id,
    cast({{ dbt.date_trunc('month', 'periods.from_date') }} as date) as month,
    periods.from_date,
    periods.to_date,
    {{ sage_accounting.amount('coalesce(balances.opening, 0)') }} as opening,
    {{ sage_accounting.amount('coalesce(balances.debit, 0)') }} as debit,
    {{ sage_accounting.amount('coalesce(balances.credit, 0)') }} as credit,
    {{ sage_accounting.amount('coalesce(balances.debit, 0) - coalesce(balances.credit, 0)') }} as movement,
    {{ sage_accounting.amount('coalesce(balances.closing, 0)') }} as closing,
    {{ sage_accounting.amount('coalesce(openings.amount, 0) + coalesce(ledger.earlier, 0)') }} as ledger_opening,
    {{ sage_accounting.amount('coalesce(ledger.debit, 0) - coalesce(ledger.credit, 0)') }} as ledger_movement,
    {{ sage_accounting.amount('coalesce(openings.amount, 0) + coalesce(ledger.earlier, 0) '
        ~ '+ coalesce(ledger.debit, 0) - coalesce(ledger.credit, 0)') }} as ledger_closing
from accounts
inner join periods on accounts.business_id = periods.business_id
left join balances
    on accounts.business_id = balances.business_id
    and accounts.ledger_account_id = balances.ledger_account_id
    and periods.from_date = balances.from_date
left join ledger
    on accounts.business_id = ledger.business_id
    and accounts.ledger_account_id = ledger.ledger_account_id
    and periods.from_date = ledger.from_date
left join {{ ref('int_sage__openings') }} as openings
    on accounts.business_id = openings.business_id
    and accounts.ledger_account_id = openings.ledger_account_id
where {{ sage_accounting.wanted(dbt.date_trunc('month', 'periods.from_date')) }}
