-- Assets less liabilities and equity accounts is what the ledger's profit and loss accounts ever earned: no account is
-- in neither statement, none in both.
with sheet as (
    select business_id, month, sum(balance) as balance
    from {{ ref('balance_sheet') }}
    where ledger_account_id is not null
    group by business_id, month
),

ledger as (
    select
        business_id, month,
        sum(case when statement = 'profit_and_loss' then closing else 0 end) as results,
        sum(closing) as balance
    from {{ ref('general_ledger_by_period') }}
    group by business_id, month
)

select ledger.business_id, ledger.month, -ledger.results as expected, sheet.balance as found, ledger.balance
from ledger
left join sheet on ledger.business_id = sheet.business_id and ledger.month = sheet.month
where {{ sage_accounting.differs('sheet.balance', '-ledger.results') }} or round(ledger.balance, 2) <> 0
