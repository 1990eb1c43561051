-- Every month of a business, from the first posting (or opening balance) to the last, dated ahead included, and at
-- least to the last month of the trial balance.
with spans as (
    select
        business_id,
        opens_on,
        closes_on,
        is_from_the_beginning,
        cast({{ dbt.date_trunc('month',
            'case when has_openings and (first_posting is null or opens_on < first_posting) then opens_on '
            ~ 'else first_posting end') }} as date) as first_month,
        cast({{ dbt.date_trunc('month',
            'case when closes_on is not null and (last_posting is null or closes_on > last_posting) then closes_on '
            ~ 'else last_posting end') }} as date) as last_month
    from {{ ref('int_sage__businesses') }}
),

months as (
    select
        spans.business_id,
        cast({{ dbt.dateadd('month', 'numbers.number', 'spans.first_month') }} as date) as month
    from spans
    inner join {{ ref('int_sage__numbers') }} as numbers
        on numbers.number <= {{ dbt.datediff('spans.first_month', 'spans.last_month', 'month') }}
    {{ sage_accounting.union_distinct() }}
    -- Dates centuries ahead are no months in between, but no posting is lost either.
    select business_id, cast({{ dbt.date_trunc('month', 'posting_date') }} as date) as month
    from {{ ref('stg_sage__ledger_entries') }}
    where posting_date is not null
),

ended as (
    select business_id, month, cast({{ dbt.last_day('month', 'month') }} as date) as month_end
    from months
)

select
    ended.business_id,
    ended.month,
    ended.month_end,
    -- A Start or End Date within the month leaves a part of it out.
    case
        when spans.opens_on > ended.month and spans.opens_on <= ended.month_end and not spans.is_from_the_beginning
            then false
        when spans.closes_on >= ended.month and spans.closes_on < ended.month_end then false
        else true
    end as is_whole_month
from ended
inner join spans on ended.business_id = spans.business_id
