-- What was set against which item, and from which day on: not before the item and the payment are both there. A credit
-- note that is set against a later invoice is open until that invoice's day, and so on.
with parts as (
    select
        allocations.business_id,
        allocations.parent_stream,
        allocations.parent_id,
        allocations.allocation_id,
        allocations.allocation_date,
        items.item_id,
        items.item_date,
        items.side,
        items.sign,
        items.contact_id,
        items.currency_id,
        -- Allocations carry signs, payments do not. A discount settles too.
        abs(coalesce(allocations.amount, 0)) + abs(coalesce(allocations.discount, 0)) as amount,
        items.base_rate,
        items.total_amount,
        items.base_total_amount,
        max(items.item_date) over (
            partition by allocations.business_id, allocations.parent_stream, allocations.parent_id
        ) as last_item_date
    from {{ ref('stg_sage__payment_allocations') }} as allocations
    inner join {{ ref('int_sage__open_items') }} as items
        on allocations.business_id = items.business_id and allocations.artefact_id = items.item_id
),

dated as (
    select
        parts.*,
        case when parent_stream = 'contact_payments' then item_date else last_item_date end as other_date,
        {{ sage_accounting.amount('round(' ~ sage_accounting.amount('amount * base_rate') ~ ', 2)') }} as rounded
    from parts
),

settled as (
    select dated.*, case when other_date > allocation_date then other_date else allocation_date end as settled_on
    from dated
),

-- What settles an item in full takes what is left of it in base currency: the total of a document need not be what its
-- rate makes of it.
ordered as (
    select
        settled.*,
        sum(amount) over (
            partition by business_id, item_id
            order by settled_on, allocation_date, parent_stream, parent_id, allocation_id
            rows between unbounded preceding and current row
        ) as settled_so_far,
        sum(rounded) over (
            partition by business_id, item_id
            order by settled_on, allocation_date, parent_stream, parent_id, allocation_id
            rows between unbounded preceding and 1 preceding
        ) as rounded_before
    from settled
)

select
    business_id,
    parent_stream,
    parent_id,
    allocation_id,
    item_id,
    side,
    sign,
    contact_id,
    currency_id,
    allocation_date,
    settled_on,
    {{ sage_accounting.amount('amount') }} as amount,
    {{ sage_accounting.amount('case when settled_so_far = total_amount then base_total_amount - coalesce(rounded_before, 0) '
        ~ 'else rounded end') }} as base_amount
from ordered
