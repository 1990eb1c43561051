-- One row a line and month, as of the month's last day. A line is an account, the result of the current financial year,
-- or what earlier years left. `amount` is positive where one expects it: assets in debit, liabilities and equity in
-- credit; `balance` is debits less credits, and adds up to nothing over all lines.
with lines as (
    select
        periods.business_id,
        periods.month,
        periods.month_end,
        periods.ledger_account_id as line_id,
        periods.ledger_account_id,
        accounts.side,
        accounts.section,
        accounts.section_order,
        accounts.nominal_code,
        accounts.account_name as line_name,
        periods.closing as balance
    from {{ ref('int_sage__account_months') }} as periods
    inner join {{ ref('dim_account') }} as accounts
        on periods.business_id = accounts.business_id and periods.ledger_account_id = accounts.ledger_account_id
    where accounts.statement = 'balance_sheet'
    union all
    {%- for line, name, column, order in [
        ('earlier_years', 'Retained from earlier years', 'earlier_years', 320),
        ('result_of_the_year', 'Result of the year', 'result_of_the_year', 330)] %}
    select
        business_id,
        month,
        month_end,
        '{{ line }}',
        cast(null as {{ sage_accounting.type_text() }}),
        'equity',
        '{{ name }}',
        {{ order }},
        cast(null as {{ dbt.type_bigint() }}),
        '{{ name }}',
        {{ sage_accounting.amount('-' ~ column) }}
    from {{ ref('int_sage__equity') }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    lines.business_id,
    lines.month,
    lines.line_id,
    lines.month_end,
    lines.ledger_account_id,
    lines.side,
    lines.section,
    lines.section_order,
    lines.nominal_code,
    lines.line_name,
    {{ sage_accounting.amount("case when lines.side = 'assets' then lines.balance else -lines.balance end") }} as amount,
    lines.balance,
    businesses.has_trial_balance as is_opening_known,
    equity.is_split_known
from lines
inner join {{ ref('int_sage__businesses') }} as businesses on lines.business_id = businesses.business_id
inner join {{ ref('int_sage__equity') }} as equity
    on lines.business_id = equity.business_id and lines.month = equity.month
where {{ sage_accounting.wanted('lines.month') }}
