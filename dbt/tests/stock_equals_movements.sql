-- Sage's quantity of each item, and what its movements add up to.
{{ sage_accounting.may_be_unprovable() }}
select
    business_id, 'differs' as verdict, stock_item_id as what, quantity as expected, quantity_by_movements as found
from {{ ref('stock_on_hand') }}
where is_complete and {{ sage_accounting.differs('quantity', 'quantity_by_movements') }}
union all
select business_id, 'not checked', 'movements before the Start Date are not here', null, null
from {{ ref('stock_on_hand') }}
where not coalesce(is_complete, false)
group by business_id
