-- What is open of each item, from one day up to (and without) another. Payments that are older than what they pay stand
-- as items of their own until then.
with items as (
    select
        business_id, side, item_id, item_type, item_number, contact_id, item_date, due_date, currency_id, sign,
        total_amount, base_total_amount
    from {{ ref('int_sage__open_items') }}
    union all
    select
        business_id,
        side,
        {{ dbt.concat(['parent_id', "':'", 'allocation_id']) }},
        'payment_ahead',
        parent_id,
        contact_id,
        allocation_date,
        allocation_date,
        currency_id,
        -sign,
        amount,
        base_amount
    from {{ ref('int_sage__settlements') }}
    where parent_stream = 'contact_payments' and settled_on > allocation_date
),

events as (
    select business_id, item_id, item_date as event_date, total_amount as amount, base_total_amount as base_amount
    from items
    union all
    select business_id, item_id, settled_on, -amount, -base_amount
    from {{ ref('int_sage__settlements') }}
    union all
    select business_id, {{ dbt.concat(['parent_id', "':'", 'allocation_id']) }}, settled_on, -amount, -base_amount
    from {{ ref('int_sage__settlements') }}
    where parent_stream = 'contact_payments' and settled_on > allocation_date
),

daily as (
    select business_id, item_id, event_date, sum(amount) as amount, sum(base_amount) as base_amount
    from events
    group by business_id, item_id, event_date
),

running as (
    select
        business_id,
        item_id,
        event_date as from_date,
        lead(event_date) over (partition by business_id, item_id order by event_date) as to_date,
        sum(amount) over (
            partition by business_id, item_id order by event_date rows between unbounded preceding and current row
        ) as outstanding,
        sum(base_amount) over (
            partition by business_id, item_id order by event_date rows between unbounded preceding and current row
        ) as base_outstanding
    from daily
)

select
    items.business_id,
    items.side,
    items.item_id,
    running.from_date,
    running.to_date,
    items.item_type,
    items.item_number,
    items.contact_id,
    items.item_date,
    items.due_date,
    items.currency_id,
    {{ sage_accounting.amount('items.sign * running.outstanding') }} as outstanding,
    -- What is settled is settled in both currencies, whatever was rounded on the way.
    {{ sage_accounting.amount('case when running.outstanding = 0 then 0 '
        ~ 'else items.sign * running.base_outstanding end') }} as base_outstanding
from running
inner join items on running.business_id = items.business_id and running.item_id = items.item_id
