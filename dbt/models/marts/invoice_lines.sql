-- One row a line of an invoice or credit note that counts, sales and purchases; credit notes are negative. A quick entry
-- is one line; carriage, which is no line at Sage, is one here, so that lines add up to their documents.
{%- set kinds = [
    ('sales_invoice', 'sales_invoice_lines'),
    ('sales_credit_note', 'sales_credit_note_lines'),
    ('purchase_invoice', 'purchase_invoice_lines'),
    ('purchase_credit_note', 'purchase_credit_note_lines')
] %}
with lines as (
    {%- for kind, stream in kinds %}
    select
        business_id, '{{ kind }}' as document_type, {{ kind }}_id as document_id, line_id, 'line' as line_kind,
        description, ledger_account_id, product_id, service_id, coalesce(product_name, service_name) as item_name,
        tax_rate_id, quantity, net_amount, tax_amount, total_amount,
        base_currency_net_amount as base_net_amount, base_currency_tax_amount as base_tax_amount,
        base_currency_total_amount as base_total_amount
    from {{ ref('stg_sage__' ~ stream) }}
    union all
    {%- endfor %}
    {%- for kind, stream in [('sales_invoice', 'sales_invoices'), ('sales_credit_note', 'sales_credit_notes')] %}
    select
        business_id, '{{ kind }}', {{ kind }}_id, 'carriage', 'carriage',
        'Carriage', cast(null as {{ sage_accounting.type_text() }}), cast(null as {{ sage_accounting.type_text() }}),
        cast(null as {{ sage_accounting.type_text() }}), cast(null as {{ sage_accounting.type_text() }}),
        shipping_tax_rate_id, 1, shipping_net_amount, shipping_tax_amount, shipping_total_amount,
        coalesce(base_currency_shipping_net_amount, shipping_net_amount),
        coalesce(base_currency_shipping_tax_amount, shipping_tax_amount),
        coalesce(base_currency_shipping_total_amount, shipping_total_amount)
    from {{ ref('stg_sage__' ~ stream) }}
    where coalesce(shipping_net_amount, 0) <> 0 or coalesce(shipping_tax_amount, 0) <> 0
    union all
    {%- endfor %}
    {%- for kind, stream in [('sales_quick_entry', 'sales_quick_entries'),
        ('purchase_quick_entry', 'purchase_quick_entries')] %}
    select
        business_id, '{{ kind }}', {{ kind }}_id, 'quick_entry', 'quick_entry',
        details, ledger_account_id, cast(null as {{ sage_accounting.type_text() }}),
        cast(null as {{ sage_accounting.type_text() }}), cast(null as {{ sage_accounting.type_text() }}),
        tax_rate_id, 1, net_amount, tax_amount, total_amount,
        base_currency_net_amount, base_currency_tax_amount, base_currency_total_amount
    from {{ ref('stg_sage__' ~ stream) }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    documents.business_id,
    documents.document_type,
    documents.document_id,
    lines.line_id,
    lines.line_kind,
    documents.side,
    documents.document_number,
    documents.document_date,
    cast({{ dbt.date_trunc('month', 'documents.document_date') }} as date) as month,
    documents.contact_id,
    lines.ledger_account_id,
    lines.product_id,
    lines.service_id,
    lines.item_name,
    lines.description,
    lines.tax_rate_id,
    documents.currency_id,
    {%- for name in ['quantity', 'net_amount', 'tax_amount', 'total_amount'] %}
    {{ sage_accounting.amount('documents.sign * coalesce(lines.' ~ name ~ ', 0)') }} as {{ name }},
    {%- endfor %}
    {%- for name in ['net_amount', 'tax_amount', 'total_amount'] %}
    {{ sage_accounting.amount('documents.sign * coalesce(lines.base_' ~ name ~ ', round('
        ~ sage_accounting.amount('lines.' ~ name ~ ' * coalesce(documents.base_rate, 1)') ~ ', 2), 0)') }} as base_{{ name }}
    {{- "," if not loop.last }}
    {%- endfor %}
from lines
inner join {{ ref('int_sage__documents') }} as documents
    on lines.business_id = documents.business_id
    and lines.document_type = documents.document_type
    and lines.document_id = documents.document_id
