-- What profit and loss accounts earned (credits less debits), by account, month and financial year.
select
    business_id,
    ledger_account_id,
    month,
    fiscal_year_end,
    {{ sage_accounting.amount('sum(credit - debit)') }} as amount
from {{ ref('general_ledger') }}
where statement = 'profit_and_loss'
group by business_id, ledger_account_id, month, fiscal_year_end
