-- Ten questions that people ask of their books: plain SQL that runs alike in DuckDB and PostgreSQL, over the views of
-- views.sql (`source-sage sync` makes them). Amounts are in each business's own currency. Where a question is about
-- today, it is the database's today.

-- 1. Revenue by month: what was invoiced, less what was credited, without VAT.
SELECT business_id, CAST(date_trunc('month', day) AS DATE) AS first_of_month, sum(amount) AS revenue
FROM (
    SELECT business_id, "date" AS day, base_currency_net_amount AS amount FROM sage_views.sales_invoices
    UNION ALL
    SELECT business_id, "date", -base_currency_net_amount FROM sage_views.sales_credit_notes
    UNION ALL
    SELECT business_id, "date",
        CASE WHEN quick_entry_type_id = 'CREDIT_NOTE' THEN -1 ELSE 1 END * base_currency_net_amount
    FROM sage_views.sales_quick_entries
) AS sales
GROUP BY business_id, CAST(date_trunc('month', day) AS DATE)
ORDER BY business_id, first_of_month;

-- 2. Who is late, by customer and age. What a customer has paid on account, or has credit notes for, is not taken off.
SELECT
    business_id,
    contact,
    sum(CASE WHEN late <= 30 THEN amount ELSE 0 END) AS up_to_30_days,
    sum(CASE WHEN late BETWEEN 31 AND 60 THEN amount ELSE 0 END) AS up_to_60_days,
    sum(CASE WHEN late BETWEEN 61 AND 90 THEN amount ELSE 0 END) AS up_to_90_days,
    sum(CASE WHEN late > 90 THEN amount ELSE 0 END) AS longer,
    sum(amount) AS overdue
FROM (
    SELECT business_id, contact_id, contact, current_date - due_date AS late, base_currency_outstanding_amount AS amount
    FROM sage_views.sales_invoices
    WHERE due_date < current_date AND base_currency_outstanding_amount > 0
) AS open_invoices
GROUP BY business_id, contact_id, contact
ORDER BY overdue DESC, contact;

-- 3. Cash by bank account and day: what moved, and the balance in the ledger at the end of the day.
SELECT business_id, account, day, moved, sum(moved) OVER (PARTITION BY business_id, account_id ORDER BY day) AS balance
FROM (
    SELECT
        e.business_id, b.id AS account_id, b.displayed_as AS account, e."date" AS day,
        sum(coalesce(e.debit, 0) - coalesce(e.credit, 0)) AS moved
    FROM sage_views.ledger_entries AS e
    JOIN sage_views.bank_accounts AS b ON b.business_id = e.business_id AND b.ledger_account_id = e.ledger_account_id
    GROUP BY e.business_id, b.id, b.displayed_as, e."date"
) AS days
ORDER BY business_id, account, day;

-- 4. VAT by month: what was charged on sales, what was paid on purchases, and what is due. By the date of the entries,
-- which is not yet a VAT return: that also knows of cash accounting, corrections and entries that are left out.
SELECT
    e.business_id,
    CAST(date_trunc('month', e."date") AS DATE) AS first_of_month,
    sum(CASE WHEN a.control_name = 'TAX_ON_SALES' THEN coalesce(e.credit, 0) - coalesce(e.debit, 0) ELSE 0 END)
        AS on_sales,
    sum(CASE WHEN a.control_name = 'TAX_ON_PURCHASES' THEN coalesce(e.debit, 0) - coalesce(e.credit, 0) ELSE 0 END)
        AS on_purchases,
    sum(coalesce(e.credit, 0) - coalesce(e.debit, 0)) AS due
FROM sage_views.ledger_entries AS e
JOIN sage_views.ledger_accounts AS a ON a.business_id = e.business_id AND a.id = e.ledger_account_id
WHERE a.control_name IN ('TAX_ON_SALES', 'TAX_ON_PURCHASES')
GROUP BY e.business_id, CAST(date_trunc('month', e."date") AS DATE)
ORDER BY e.business_id, first_of_month;

-- 5. Margin by product: what it was sold for, less what it costs by the price that stands in Sage now.
SELECT
    l.business_id,
    l.product,
    sum(l.quantity) AS sold,
    sum(l.base_currency_net_amount) AS revenue,
    sum(l.quantity * coalesce(p.cost_price, s.average_cost_price, s.cost_price)) AS cost,
    sum(l.base_currency_net_amount - l.quantity * coalesce(p.cost_price, s.average_cost_price, s.cost_price)) AS margin
FROM (
    SELECT business_id, product_id, product, quantity, base_currency_net_amount FROM sage_views.sales_invoice_lines
    UNION ALL
    SELECT business_id, product_id, product, -quantity, -base_currency_net_amount
    FROM sage_views.sales_credit_note_lines
) AS l
LEFT JOIN sage_views.products AS p ON p.business_id = l.business_id AND p.id = l.product_id
LEFT JOIN sage_views.stock_items AS s ON s.business_id = l.business_id AND s.id = l.product_id
WHERE l.product_id IS NOT NULL
GROUP BY l.business_id, l.product_id, l.product
ORDER BY margin DESC NULLS LAST, l.product;

-- 6. Unpaid bills, the most urgent first.
SELECT business_id, due_date, contact, displayed_as, vendor_reference, base_currency_outstanding_amount AS to_pay
FROM sage_views.purchase_invoices
WHERE base_currency_outstanding_amount > 0
ORDER BY due_date, contact, displayed_as;

-- 7. The best customers of the last twelve months, without VAT.
SELECT business_id, contact, sum(amount) AS bought
FROM (
    SELECT business_id, contact_id, contact, "date" AS day, base_currency_net_amount AS amount
    FROM sage_views.sales_invoices
    UNION ALL
    SELECT business_id, contact_id, contact, "date", -base_currency_net_amount FROM sage_views.sales_credit_notes
) AS sales
WHERE day >= current_date - INTERVAL '12 months'
GROUP BY business_id, contact_id, contact
ORDER BY bought DESC, contact
LIMIT 20;

-- 8. Profit and loss by month, from the ledger; costs are negative.
SELECT
    e.business_id,
    CAST(date_trunc('month', e."date") AS DATE) AS first_of_month,
    a.ledger_account_type AS kind,
    sum(coalesce(e.credit, 0) - coalesce(e.debit, 0)) AS amount
FROM sage_views.ledger_entries AS e
JOIN sage_views.ledger_accounts AS a ON a.business_id = e.business_id AND a.id = e.ledger_account_id
WHERE a.ledger_account_type_id IN ('SALES', 'OTHER_INCOME', 'DIRECT_EXPENSES', 'OVERHEADS', 'DEPRECIATION')
GROUP BY e.business_id, CAST(date_trunc('month', e."date") AS DATE), a.ledger_account_type
ORDER BY e.business_id, first_of_month, kind;

-- 9. What was spent on what, with whom: bills by ledger account and supplier, without VAT.
SELECT business_id, ledger_account, contact, count(*) AS lines, sum(base_currency_net_amount) AS spent
FROM sage_views.purchase_invoice_lines
GROUP BY business_id, ledger_account_id, ledger_account, contact_id, contact
ORDER BY spent DESC, ledger_account, contact;

-- 10. What is in stock, what it is worth, and what has to be ordered.
SELECT
    business_id, item_code, displayed_as, quantity_in_stock, average_cost_price_stock_value AS worth,
    quantity_in_stock < reorder_level AS to_be_ordered
FROM sage_views.stock_items
WHERE active IS NOT FALSE
ORDER BY business_id, item_code;
