-- Each day of a business's months, with the financial year it lies in.
with days as (
    select
        months.business_id,
        months.month,
        months.month_end,
        cast({{ dbt.dateadd('day', 'numbers.number', 'months.month') }} as date) as date_day
    from {{ ref('int_sage__months') }} as months
    inner join {{ ref('int_sage__numbers') }} as numbers
        on numbers.number <= {{ dbt.datediff('months.month', 'months.month_end', 'day') }}
),

years as (
    select distinct business_id, extract(year from month) as year
    from {{ ref('int_sage__months') }}
),

-- The first year end that is not before the first of January of a year, and the one after it. A year end on the last
-- day of a month is on the last day of it every year; 29 February, where there is none, is the 28th.
first_ends as (
    select
        years.business_id,
        years.year,
        businesses.year_end_date,
        12 * (cast(years.year as {{ dbt.type_int() }})
            - cast(extract(year from businesses.year_end_date) as {{ dbt.type_int() }})) as months_on
    from years
    inner join {{ ref('int_sage__businesses') }} as businesses on years.business_id = businesses.business_id
),

year_ends as (
    select
        business_id,
        year,
        {%- for name, months in [('year_end_before', '(months_on - 12)'), ('year_end', 'months_on'), ('year_end_after', '(months_on + 12)')] %}
        cast(case
            when year_end_date = cast({{ dbt.last_day('year_end_date', 'month') }} as date)
                then cast({{ dbt.last_day(dbt.dateadd('month', months, dbt.date_trunc('month', 'year_end_date')), 'month') }}
                    as date)
            else cast({{ dbt.dateadd('month', months, 'year_end_date') }} as date)
        end as date) as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from first_ends
)

select
    days.business_id,
    days.date_day,
    days.month,
    days.month_end,
    cast(extract(quarter from days.date_day) as {{ dbt.type_int() }}) as quarter,
    cast(extract(year from days.date_day) as {{ dbt.type_int() }}) as year,
    cast({{ dbt.dateadd('day', 1,
        'case when days.date_day <= year_ends.year_end then year_ends.year_end_before else year_ends.year_end end') }}
        as date) as fiscal_year_start,
    case when days.date_day <= year_ends.year_end then year_ends.year_end else year_ends.year_end_after end
        as fiscal_year_end,
    case when days.date_day = days.month_end then true else false end as is_month_end
from days
inner join year_ends
    on days.business_id = year_ends.business_id and extract(year from days.date_day) = year_ends.year
