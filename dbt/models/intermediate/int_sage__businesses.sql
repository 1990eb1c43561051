-- Each business, its financial year, and how far back its books are here.
with ids as (
    select business_id from {{ ref('stg_sage__businesses') }}
    {{ sage_accounting.union_distinct() }}
    select business_id from {{ ref('stg_sage__ledger_entries') }}
    {{ sage_accounting.union_distinct() }}
    select business_id from {{ ref('stg_sage__trial_balance') }}
),

names as (
    select business_id, max(business_name) as business_name
    from {{ ref('stg_sage__businesses') }}
    group by business_id
),

settings as (
    select business_id, max(year_end_date) as year_end_date, max(base_currency_id) as base_currency_id
    from {{ ref('stg_sage__financial_settings') }}
    group by business_id
),

postings as (
    select business_id, min(posting_date) as first_posting, max(posting_date) as last_posting
    from {{ ref('stg_sage__ledger_entries') }}
    group by business_id
),

spans as (
    select business_id, min(from_date) as opens_on, max(to_date) as closes_on
    from {{ ref('stg_sage__trial_balance') }}
    group by business_id
),

openings as (
    select business_id, count(*) as accounts
    from {{ ref('int_sage__openings') }}
    group by business_id
)

select
    ids.business_id,
    names.business_name,
    settings.base_currency_id,
    -- Without settings the calendar year is taken, and it is said.
    coalesce(settings.year_end_date, cast('2000-12-31' as date)) as year_end_date,
    case when settings.year_end_date is null then false else true end as is_year_end_known,
    postings.first_posting,
    postings.last_posting,
    spans.opens_on,
    spans.closes_on,
    case when spans.opens_on is null then false else true end as has_trial_balance,
    case when openings.accounts is null then false else true end as has_openings,
    case when spans.opens_on is not null and openings.accounts is null then true else false end
        as is_from_the_beginning
from ids
left join names on ids.business_id = names.business_id
left join settings on ids.business_id = settings.business_id
left join postings on ids.business_id = postings.business_id
left join spans on ids.business_id = spans.business_id
left join openings on ids.business_id = openings.business_id
