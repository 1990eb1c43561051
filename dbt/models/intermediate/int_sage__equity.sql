-- What the profit and loss accounts add to the equity at the end of each month: the result of the financial year that
-- the month's last day lies in, and what earlier years left.
with ends as (
    select
        months.business_id,
        months.month,
        months.month_end,
        dates.fiscal_year_start,
        dates.fiscal_year_end
    from {{ ref('int_sage__months') }} as months
    inner join {{ ref('dim_date') }} as dates
        on months.business_id = dates.business_id and months.month_end = dates.date_day
),

monthly as (
    select business_id, month, fiscal_year_end, sum(amount) as amount
    from {{ ref('int_sage__results') }}
    group by business_id, month, fiscal_year_end
),

earned as (
    select
        ends.business_id,
        ends.month,
        sum(monthly.amount) as ever,
        sum(case when monthly.fiscal_year_end = ends.fiscal_year_end then monthly.amount else 0 end) as this_year
    from ends
    inner join monthly on ends.business_id = monthly.business_id and monthly.month <= ends.month
    group by ends.business_id, ends.month
),

-- What these accounts held before the first entry that is here.
brought_forward as (
    select openings.business_id, -sum(openings.amount) as amount
    from {{ ref('int_sage__openings') }} as openings
    inner join {{ ref('dim_account') }} as accounts
        on openings.business_id = accounts.business_id and openings.ledger_account_id = accounts.ledger_account_id
    where accounts.statement = 'profit_and_loss'
    group by openings.business_id
)

select
    ends.business_id,
    ends.month,
    ends.month_end,
    ends.fiscal_year_end,
    {{ sage_accounting.amount('coalesce(earned.this_year, 0)') }} as result_of_the_year,
    {{ sage_accounting.amount('coalesce(brought_forward.amount, 0) + coalesce(earned.ever, 0) - coalesce(earned.this_year, 0)') }}
        as earlier_years,
    -- A year that began before the first entry: nobody can tell how much of the opening balances is of that year. They
    -- stand with the earlier years, and the year's result is what was earned since.
    case
        when brought_forward.amount is null or businesses.opens_on <= ends.fiscal_year_start then true
        else false
    end as is_split_known
from ends
inner join {{ ref('int_sage__businesses') }} as businesses on ends.business_id = businesses.business_id
left join earned on ends.business_id = earned.business_id and ends.month = earned.month
left join brought_forward on ends.business_id = brought_forward.business_id
