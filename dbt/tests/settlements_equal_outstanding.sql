-- What allocations leave open of each document, and what Sage says is outstanding, in the document's own currency.
{{ sage_accounting.may_be_unprovable() }}
with compared as (
    select
        items.business_id,
        items.side,
        items.item_type,
        items.item_id,
        items.sign * items.sage_outstanding as expected,
        coalesce(now.outstanding, 0) as found,
        sides.why_not_comparable_now
    from {{ ref('int_sage__open_items') }} as items
    inner join {{ ref('int_sage__sides') }} as sides
        on items.business_id = sides.business_id and items.side = sides.side
    left join {{ ref('int_sage__item_balances') }} as now
        on items.business_id = now.business_id and items.item_id = now.item_id and now.to_date is null
    where items.sage_outstanding is not null
)

select business_id, 'differs' as verdict, item_type as what, item_id as key_id, expected, found
from compared
where why_not_comparable_now is null and {{ sage_accounting.differs('expected', 'found') }}
union all
select business_id, 'not checked', why_not_comparable_now, side, null, null
from {{ ref('int_sage__sides') }}
where why_not_comparable_now is not null
