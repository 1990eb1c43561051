-- One row an account, month and caption, indirect: what each account that is no bank account gave to the bank accounts
-- or took from them. Depreciation is in the result and no cash: it is added back, and taken out of the fixed assets.
-- Postings that only bring opening balances into the books stand apart.
with movements as (
    select
        ledger.business_id,
        ledger.ledger_account_id,
        ledger.month,
        case when ledger.transaction_type_id like '%OPENING_BALANCE%' then true else false end as is_opening,
        sum(ledger.credit - ledger.debit) as amount
    from {{ ref('general_ledger') }} as ledger
    inner join {{ ref('dim_account') }} as accounts
        on ledger.business_id = accounts.business_id and ledger.ledger_account_id = accounts.ledger_account_id
    where not accounts.is_bank
    group by
        ledger.business_id, ledger.ledger_account_id, ledger.month,
        case when ledger.transaction_type_id like '%OPENING_BALANCE%' then true else false end
),

classified as (
    select
        movements.business_id,
        movements.ledger_account_id,
        movements.month,
        movements.is_opening,
        accounts.nominal_code,
        accounts.account_name,
        accounts.ledger_account_type_id,
        coalesce(sections.section, 'unclassified') as section,
        coalesce(sections.caption, 'Unclassified') as caption,
        movements.amount
    from movements
    inner join {{ ref('dim_account') }} as accounts
        on movements.business_id = accounts.business_id
        and movements.ledger_account_id = accounts.ledger_account_id
    left join {{ ref('sage_cash_flow_sections') }} as sections
        on accounts.ledger_account_type_id = sections.ledger_account_type_id
),

lines as (
    select
        business_id, ledger_account_id, month, nominal_code, account_name,
        case when is_opening then 'opening' else section end as section,
        case when is_opening then 'Opening balances' else caption end as caption,
        amount
    from classified
    union all
    select
        business_id, ledger_account_id, month, nominal_code, account_name,
        'operating', 'Depreciation added back', -amount
    from classified
    where ledger_account_type_id = 'DEPRECIATION' and not is_opening
    union all
    select
        business_id, ledger_account_id, month, nominal_code, account_name,
        'investing', 'Depreciation, no cash', amount
    from classified
    where ledger_account_type_id = 'DEPRECIATION' and not is_opening
)

select
    lines.business_id,
    lines.ledger_account_id,
    lines.month,
    lines.caption,
    lines.section,
    lines.nominal_code,
    lines.account_name,
    {{ sage_accounting.amount('lines.amount') }} as amount,
    months.month_end,
    months.is_whole_month
from lines
inner join {{ ref('int_sage__months') }} as months
    on lines.business_id = months.business_id and lines.month = months.month
where {{ sage_accounting.wanted('lines.month') }}
