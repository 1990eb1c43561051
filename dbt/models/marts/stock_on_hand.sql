-- One row a stock item, now: Sage's own quantity and value, and the quantity that the movements add up to.
with movements as (
    select business_id, stock_item_id, sum(quantity) as quantity, max(movement_date) as last_movement
    from {{ ref('stg_sage__stock_movements') }}
    group by business_id, stock_item_id
)

select
    items.business_id,
    items.stock_item_id,
    items.item_code,
    items.item_name,
    items.active as is_active,
    coalesce(items.quantity_in_stock, 0) as quantity,
    {{ sage_accounting.amount('coalesce(movements.quantity, 0)') }} as quantity_by_movements,
    items.reorder_level,
    items.average_cost_price,
    items.average_cost_price_stock_value as stock_value,
    movements.last_movement,
    -- Movements before the Start Date are not here: then the two quantities need not be equal.
    businesses.is_from_the_beginning as is_complete
from {{ ref('stg_sage__stock_items') }} as items
left join movements
    on items.business_id = movements.business_id and items.stock_item_id = movements.stock_item_id
left join {{ ref('int_sage__businesses') }} as businesses on items.business_id = businesses.business_id
