{{ sage_accounting.stage('products', [
    ['product_id', 'id', 'text'],
    ['item_name', 'displayed_as', 'text'],
    ['item_code', 'item_code', 'text'],
    ['catalog_item_type_id', 'catalog_item_type.id', 'text'],
    ['cost_price', 'cost_price', 'amount'],
    ['active', 'active', 'flag']
], 'row') }}
