-- The result of the year at the end of each month is the sum of the profit and loss account since the year began, and
-- what the result and earlier years gain together in a month is that month's profit or loss.
with sheet as (
    select
        business_id, month, month_end,
        sum(case when line_id = 'result_of_the_year' then amount else 0 end) as this_year,
        sum(case when line_id in ('result_of_the_year', 'earlier_years') then amount else 0 end) as ever
    from {{ ref('balance_sheet') }}
    group by business_id, month, month_end
),

changes as (
    select sheet.*, lag(ever) over (partition by business_id, month_start order by month) as ever_before
    from (select sheet.*, 1 as month_start from sheet) as sheet
),

monthly as (
    select business_id, month, sum(amount) as amount from {{ ref('profit_and_loss') }} group by business_id, month
),

years as (
    select dates.business_id, dates.month, dates.fiscal_year_start, sum(results.amount) as amount
    from {{ ref('dim_date') }} as dates
    left join {{ ref('profit_and_loss') }} as results
        on dates.business_id = results.business_id
        and dates.fiscal_year_end = results.fiscal_year_end
        and results.month <= dates.month
    where dates.is_month_end
    group by dates.business_id, dates.month, dates.fiscal_year_start
)

select changes.business_id, changes.month, 'change' as what, changes.ever - changes.ever_before as expected,
    coalesce(monthly.amount, 0) as found
from changes
left join monthly on changes.business_id = monthly.business_id and changes.month = monthly.month
where changes.ever_before is not null
    and {{ sage_accounting.differs('changes.ever - changes.ever_before', 'monthly.amount') }}
union all
select changes.business_id, changes.month, 'year', changes.this_year, coalesce(years.amount, 0)
from changes
left join years on changes.business_id = years.business_id and changes.month = years.month
where {{ sage_accounting.differs('changes.this_year', 'years.amount') }}
{%- if var('sage_first_month', none) %}
    and years.fiscal_year_start >= cast('{{ var("sage_first_month") }}' as date)
{%- endif %}
