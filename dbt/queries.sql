-- The ten questions of docs/queries.sql, asked of the marts instead of the views, with the same answers. Plain SQL that
-- runs alike in DuckDB and PostgreSQL; `statements` is the schema that dbt builds in.

-- 1. Revenue by month: what was invoiced, less what was credited, without VAT.
SELECT business_id, month AS first_of_month, sum(revenue) AS revenue
FROM statements.revenue_by_customer
GROUP BY business_id, month
ORDER BY business_id, first_of_month;

-- 2. Who is late, by customer and age. What a customer has paid on account, or has credit notes for, is not taken off.
SELECT
    business_id,
    contact_name AS contact,
    sum(CASE WHEN late <= 30 THEN amount ELSE 0 END) AS up_to_30_days,
    sum(CASE WHEN late BETWEEN 31 AND 60 THEN amount ELSE 0 END) AS up_to_60_days,
    sum(CASE WHEN late BETWEEN 61 AND 90 THEN amount ELSE 0 END) AS up_to_90_days,
    sum(CASE WHEN late > 90 THEN amount ELSE 0 END) AS longer,
    sum(amount) AS overdue
FROM (
    SELECT
        items.business_id, items.contact_id, contacts.displayed_as AS contact_name,
        current_date - items.due_date AS late, items.base_outstanding AS amount
    FROM statements.int_sage__item_balances AS items
    JOIN statements.dim_contact AS contacts
        ON contacts.business_id = items.business_id AND contacts.contact_id = items.contact_id
    WHERE items.to_date IS NULL AND items.item_type = 'sales_invoice'
        AND items.due_date < current_date AND items.base_outstanding > 0
) AS open_invoices
GROUP BY business_id, contact_id, contact_name
ORDER BY overdue DESC, contact;

-- 3. Cash by bank account and day: what moved, and the balance in the ledger at the end of the day.
SELECT business_id, account, day, moved, sum(moved) OVER (PARTITION BY business_id, account_id ORDER BY day) AS balance
FROM (
    SELECT
        ledger.business_id, banks.bank_account_id AS account_id, banks.bank_account_name AS account,
        ledger.posting_date AS day, sum(ledger.amount) AS moved
    FROM statements.general_ledger AS ledger
    JOIN statements.stg_sage__bank_accounts AS banks
        ON banks.business_id = ledger.business_id AND banks.ledger_account_id = ledger.ledger_account_id
    GROUP BY ledger.business_id, banks.bank_account_id, banks.bank_account_name, ledger.posting_date
) AS days
ORDER BY business_id, account, day;

-- 4. VAT by month: what was charged on sales, what was paid on purchases, and what is due.
SELECT
    periods.business_id,
    periods.month AS first_of_month,
    sum(CASE WHEN accounts.control_name = 'TAX_ON_SALES' THEN -periods.movement ELSE 0 END) AS on_sales,
    sum(CASE WHEN accounts.control_name = 'TAX_ON_PURCHASES' THEN periods.movement ELSE 0 END) AS on_purchases,
    -sum(periods.movement) AS due
FROM statements.general_ledger_by_period AS periods
JOIN statements.dim_account AS accounts
    ON accounts.business_id = periods.business_id AND accounts.ledger_account_id = periods.ledger_account_id
WHERE accounts.control_name IN ('TAX_ON_SALES', 'TAX_ON_PURCHASES') AND (periods.debit <> 0 OR periods.credit <> 0)
GROUP BY periods.business_id, periods.month
ORDER BY periods.business_id, first_of_month;

-- 5. Margin by product: what it was sold for, less what it costs by the price that stands in Sage now.
SELECT
    lines.business_id,
    lines.item_name AS product,
    sum(lines.quantity) AS sold,
    sum(lines.base_net_amount) AS revenue,
    sum(lines.quantity * coalesce(products.cost_price, items.average_cost_price, items.cost_price)) AS cost,
    sum(lines.base_net_amount
        - lines.quantity * coalesce(products.cost_price, items.average_cost_price, items.cost_price)) AS margin
FROM statements.invoice_lines AS lines
LEFT JOIN statements.stg_sage__products AS products
    ON products.business_id = lines.business_id AND products.product_id = lines.product_id
LEFT JOIN statements.stg_sage__stock_items AS items
    ON items.business_id = lines.business_id AND items.stock_item_id = lines.product_id
WHERE lines.side = 'sales' AND lines.product_id IS NOT NULL
GROUP BY lines.business_id, lines.product_id, lines.item_name
ORDER BY margin DESC NULLS LAST, product;

-- 6. Unpaid bills, the most urgent first.
SELECT
    items.business_id, items.due_date, contacts.displayed_as AS contact, items.item_number AS displayed_as,
    bills.vendor_reference, items.base_outstanding AS to_pay
FROM statements.int_sage__item_balances AS items
JOIN statements.stg_sage__purchase_invoices AS bills
    ON bills.business_id = items.business_id AND bills.purchase_invoice_id = items.item_id
JOIN statements.dim_contact AS contacts
    ON contacts.business_id = items.business_id AND contacts.contact_id = items.contact_id
WHERE items.to_date IS NULL AND items.base_outstanding > 0
ORDER BY items.due_date, contact, displayed_as;

-- 7. The best customers of the last twelve months, without VAT.
SELECT lines.business_id, contacts.displayed_as AS contact, sum(lines.base_net_amount) AS bought
FROM statements.invoice_lines AS lines
JOIN statements.dim_contact AS contacts
    ON contacts.business_id = lines.business_id AND contacts.contact_id = lines.contact_id
WHERE lines.document_type IN ('sales_invoice', 'sales_credit_note')
    AND lines.document_date >= current_date - INTERVAL '12 months'
GROUP BY lines.business_id, lines.contact_id, contacts.displayed_as
ORDER BY bought DESC, contact
LIMIT 20;

-- 8. Profit and loss by month; costs are negative.
SELECT business_id, month AS first_of_month, section AS kind, sum(amount) AS amount
FROM statements.profit_and_loss
GROUP BY business_id, month, section
HAVING sum(amount) <> 0
ORDER BY business_id, first_of_month, kind;

-- 9. What was spent on what, with whom: bills by ledger account and supplier, without VAT.
SELECT
    lines.business_id, accounts.displayed_as AS ledger_account, contacts.displayed_as AS contact, count(*) AS lines,
    sum(lines.base_net_amount) AS spent
FROM statements.invoice_lines AS lines
JOIN statements.dim_account AS accounts
    ON accounts.business_id = lines.business_id AND accounts.ledger_account_id = lines.ledger_account_id
JOIN statements.dim_contact AS contacts
    ON contacts.business_id = lines.business_id AND contacts.contact_id = lines.contact_id
WHERE lines.document_type = 'purchase_invoice'
GROUP BY lines.business_id, lines.ledger_account_id, accounts.displayed_as, lines.contact_id, contacts.displayed_as
ORDER BY spent DESC, ledger_account, contact;

-- 10. What is in stock, what it is worth, and what has to be ordered.
SELECT
    business_id, item_code, item_name AS displayed_as, quantity AS quantity_in_stock, stock_value AS worth,
    quantity < reorder_level AS to_be_ordered
FROM statements.stock_on_hand
WHERE is_active IS NOT FALSE
ORDER BY business_id, item_code;
