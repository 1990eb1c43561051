-- One row a posting: a ledger entry that was not deleted, in base currency.
select
    entries.business_id,
    entries.ledger_entry_id,
    entries.posting_date,
    dates.month,
    dates.fiscal_year_end,
    entries.ledger_account_id,
    accounts.nominal_code,
    accounts.account_name,
    accounts.statement,
    accounts.section,
    entries.transaction_id,
    coalesce(transactions.reference, entries.transaction_name) as transaction_name,
    transactions.transaction_type_id,
    transactions.origin_id,
    entries.contact_id,
    entries.tax_rate_id,
    entries.description,
    coalesce(entries.debit, 0) as debit,
    coalesce(entries.credit, 0) as credit,
    coalesce(entries.debit, 0) - coalesce(entries.credit, 0) as amount
from {{ ref('stg_sage__ledger_entries') }} as entries
left join {{ ref('dim_date') }} as dates
    on entries.business_id = dates.business_id and entries.posting_date = dates.date_day
left join {{ ref('dim_account') }} as accounts
    on entries.business_id = accounts.business_id and entries.ledger_account_id = accounts.ledger_account_id
left join {{ ref('stg_sage__transactions') }} as transactions
    on entries.business_id = transactions.business_id and entries.transaction_id = transactions.transaction_id
