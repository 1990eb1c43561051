-- Do the books in the warehouse tie out? One statement, plain SQL that runs alike in DuckDB and PostgreSQL, over the
-- tables as an Airbyte destination or PyAirbyte writes them. Set the schema first:
--   DuckDB:      USE sage;                       PostgreSQL:  SET search_path TO sage;
--
-- It gives one verdict a check and business, and below it one row for each thing that differs:
--   check_name, business_id, verdict, key, expected, found, difference
-- The books tie out when no verdict is DIFFERS. `key` says how many were compared, or why a check was not made.
--
-- The five checks, and when they must hold:
--   debits equal credits       each transaction of ledger_entries. Always.
--   ledger = trial balance     each account and month of trial_balance: debits less credits of its entries. Always;
--                              entries outside its months (before the Start Date, after this month) are left out.
--   lines = documents          net, tax and total of each document, quote, other payment and journal, in its own
--                              currency. Carriage is part of a document's totals and none of its lines. Always.
--   receivables = open items   the balance of the account that sales invoices are posted to, in base currency, against
--                              what customers owe: invoices and quick entries, less credit notes, payments on
--                              account and what is left of opening balances.
--   payables = open items      the same for suppliers.
--     The last two need all documents that are still open, and amounts outstanding as of the ledger's last day. So they
--     are checked only if the ledger goes back far enough (no account has an opening balance, or Include Historical
--     Data is on) and no End Date lies behind the newest change. A journal posted by hand to the account is a
--     difference, and so is a revaluation of foreign currency: they are in the ledger and in no document.
--
-- Streams needed: those of the groups Financial Data and Customer Data that are named below, with `businesses`, read by
-- one sync that ended well, append-dedup (trial_balance: overwrite or dedup). A line is live if no row of its parent is
-- newer by (updated_at, read_at) and it is not deleted.

WITH entries AS (
    SELECT
        business_id,
        ("transaction" ->> 'id') AS transaction_id,
        ("transaction" ->> 'displayed_as') AS transaction_name,
        (ledger_account ->> 'id') AS account_id,
        (ledger_account ->> 'displayed_as') AS account_name,
        "date" AS day,
        coalesce(debit, 0) AS debit,
        coalesce(credit, 0) AS credit
    FROM ledger_entries
    WHERE deleted IS NOT TRUE AND is_deleted IS NOT TRUE
),

-- Ledger and trial balance, by account and month.

months AS (
    SELECT DISTINCT business_id, from_date, to_date FROM trial_balance
),
spans AS (
    SELECT business_id, min(from_date) AS first_day, max(to_date) AS last_day FROM months GROUP BY business_id
),
ledger_months AS (
    SELECT
        e.business_id,
        coalesce(m.from_date, CAST(date_trunc('month', e.day) AS DATE)) AS from_date,
        e.account_id,
        max(e.account_name) AS account_name,
        sum(e.debit - e.credit) AS movement
    FROM entries AS e
    JOIN spans AS s ON s.business_id = e.business_id AND e.day BETWEEN s.first_day AND s.last_day
    LEFT JOIN months AS m ON m.business_id = e.business_id AND e.day BETWEEN m.from_date AND m.to_date
    GROUP BY e.business_id, coalesce(m.from_date, CAST(date_trunc('month', e.day) AS DATE)), e.account_id
),
balance_months AS (
    SELECT
        business_id,
        from_date,
        ledger_account_id AS account_id,
        max(ledger_account_displayed_as) AS account_name,
        sum(coalesce(debit, 0) - coalesce(credit, 0)) AS movement
    FROM trial_balance
    GROUP BY business_id, from_date, ledger_account_id
),

-- Documents and their lines.

documents AS (
    SELECT 'sales_invoices' AS stream, business_id, id, displayed_as, net_amount, tax_amount, total_amount,
        shipping_net_amount, shipping_tax_amount, shipping_total_amount
    FROM sales_invoices WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'sales_credit_notes', business_id, id, displayed_as, net_amount, tax_amount, total_amount,
        shipping_net_amount, shipping_tax_amount, shipping_total_amount
    FROM sales_credit_notes WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'sales_quotes', business_id, id, displayed_as, net_amount, tax_amount, total_amount,
        shipping_net_amount, shipping_tax_amount, shipping_total_amount
    FROM sales_quotes WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'sales_estimates', business_id, id, displayed_as, net_amount, tax_amount, total_amount,
        shipping_net_amount, shipping_tax_amount, shipping_total_amount
    FROM sales_estimates WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'purchase_invoices', business_id, id, displayed_as, net_amount, tax_amount, total_amount, 0, 0, 0
    FROM purchase_invoices WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'purchase_credit_notes', business_id, id, displayed_as, net_amount, tax_amount, total_amount, 0, 0, 0
    FROM purchase_credit_notes WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'other_payments', business_id, id, displayed_as, net_amount, tax_amount, total_amount, 0, 0, 0
    FROM other_payments WHERE is_deleted IS NOT TRUE
    UNION ALL
    -- A journal's total is that of its debits; its lines must add up to nothing.
    SELECT 'journals', business_id, id, displayed_as, 0, 0, total, 0, 0, 0
    FROM journals WHERE is_deleted IS NOT TRUE
),
all_lines AS (
    SELECT 'sales_invoices' AS stream, business_id, sales_invoice_id AS document_id, updated_at, read_at, is_deleted,
        net_amount, tax_amount, total_amount
    FROM sales_invoice_lines
    UNION ALL
    SELECT 'sales_credit_notes', business_id, sales_credit_note_id, updated_at, read_at, is_deleted,
        net_amount, tax_amount, total_amount
    FROM sales_credit_note_lines
    UNION ALL
    SELECT 'sales_quotes', business_id, sales_quote_id, updated_at, read_at, is_deleted,
        net_amount, tax_amount, total_amount
    FROM sales_quote_lines
    UNION ALL
    SELECT 'sales_estimates', business_id, sales_estimate_id, updated_at, read_at, is_deleted,
        net_amount, tax_amount, total_amount
    FROM sales_estimate_lines
    UNION ALL
    SELECT 'purchase_invoices', business_id, purchase_invoice_id, updated_at, read_at, is_deleted,
        net_amount, tax_amount, total_amount
    FROM purchase_invoice_lines
    UNION ALL
    SELECT 'purchase_credit_notes', business_id, purchase_credit_note_id, updated_at, read_at, is_deleted,
        net_amount, tax_amount, total_amount
    FROM purchase_credit_note_lines
    UNION ALL
    SELECT 'other_payments', business_id, other_payment_id, updated_at, read_at, is_deleted,
        net_amount, tax_amount, total_amount
    FROM other_payment_lines
    UNION ALL
    SELECT 'journals', business_id, journal_id, updated_at, read_at, is_deleted,
        coalesce(debit, 0) - coalesce(credit, 0), 0, debit
    FROM journal_lines
),
aged_lines AS (
    SELECT
        stream, business_id, document_id, is_deleted, net_amount, tax_amount, total_amount,
        rank() OVER (PARTITION BY stream, business_id, document_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM all_lines
),
line_sums AS (
    SELECT
        stream, business_id, document_id,
        sum(coalesce(net_amount, 0)) AS net_amount,
        sum(coalesce(tax_amount, 0)) AS tax_amount,
        sum(coalesce(total_amount, 0)) AS total_amount
    FROM aged_lines
    WHERE age = 1 AND is_deleted IS NOT TRUE
    GROUP BY stream, business_id, document_id
),
-- Summed, so that a document that is there twice shows.
document_sums AS (
    SELECT
        stream, business_id, id AS document_id, max(displayed_as) AS displayed_as,
        sum(coalesce(net_amount, 0) - coalesce(shipping_net_amount, 0)) AS net_amount,
        sum(coalesce(tax_amount, 0) - coalesce(shipping_tax_amount, 0)) AS tax_amount,
        sum(coalesce(total_amount, 0) - coalesce(shipping_total_amount, 0)) AS total_amount
    FROM documents
    GROUP BY stream, business_id, id
),
document_lines AS (
    SELECT
        coalesce(d.stream, l.stream) AS stream,
        coalesce(d.business_id, l.business_id) AS business_id,
        coalesce(d.displayed_as, d.document_id, l.document_id) AS document,
        coalesce(d.net_amount, 0) AS net_expected, coalesce(l.net_amount, 0) AS net_found,
        coalesce(d.tax_amount, 0) AS tax_expected, coalesce(l.tax_amount, 0) AS tax_found,
        coalesce(d.total_amount, 0) AS total_expected, coalesce(l.total_amount, 0) AS total_found
    FROM document_sums AS d
    FULL JOIN line_sums AS l
        ON l.stream = d.stream AND l.business_id = d.business_id AND l.document_id = d.document_id
),

-- What is owed, by the documents: positive where it makes the account of its side larger.

allocated AS (
    SELECT
        business_id,
        (artefact ->> 'id') AS document_id,
        sum(abs(coalesce(amount, 0)) + abs(coalesce(discount, 0))) AS amount
    FROM (
        SELECT
            business_id, id, artefact, amount, discount, is_deleted,
            rank() OVER (PARTITION BY business_id, parent_id ORDER BY updated_at DESC, read_at DESC) AS age
        FROM payment_allocations
    ) AS aged
    WHERE age = 1 AND is_deleted IS NOT TRUE
    GROUP BY business_id, (artefact ->> 'id')
),
open_items AS (
    SELECT 'receivables' AS side, business_id, updated_at, (status ->> 'id') AS status,
        base_currency_outstanding_amount AS amount
    FROM sales_invoices WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'receivables', business_id, updated_at, (status ->> 'id'), -base_currency_outstanding_amount
    FROM sales_credit_notes WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'receivables', business_id, updated_at, (status ->> 'id'),
        CASE WHEN (quick_entry_type ->> 'id') = 'CREDIT_NOTE' THEN -1 ELSE 1 END * base_currency_outstanding_amount
    FROM sales_quick_entries WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'payables', business_id, updated_at, (status ->> 'id'), base_currency_outstanding_amount
    FROM purchase_invoices WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'payables', business_id, updated_at, (status ->> 'id'), -base_currency_outstanding_amount
    FROM purchase_credit_notes WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'payables', business_id, updated_at, (status ->> 'id'),
        CASE WHEN (quick_entry_type ->> 'id') = 'CREDIT_NOTE' THEN -1 ELSE 1 END * base_currency_outstanding_amount
    FROM purchase_quick_entries WHERE is_deleted IS NOT TRUE
    UNION ALL
    -- Of a payment, what no document has been set against; a refund is a payment the other way.
    SELECT
        CASE WHEN (transaction_type ->> 'id') LIKE 'CUSTOMER%' THEN 'receivables' ELSE 'payables' END,
        business_id, updated_at, NULL,
        CASE WHEN (transaction_type ->> 'id') LIKE '%REFUND' THEN 1 ELSE -1 END
            * CAST((payment_on_account ->> 'base_currency_outstanding_amount') AS DECIMAL(30, 9))
    FROM contact_payments WHERE is_deleted IS NOT TRUE
    UNION ALL
    -- Of an opening balance, what is not settled yet: Sage gives no amount outstanding here.
    SELECT
        CASE WHEN (o.contact_opening_balance_type ->> 'id') LIKE 'CUSTOMER%' THEN 'receivables' ELSE 'payables' END,
        o.business_id, o.updated_at, NULL,
        CASE WHEN (o.contact_opening_balance_type ->> 'id') LIKE '%INVOICE' THEN 1 ELSE -1 END
            * o.base_currency_total_amount
            * (1 - coalesce(a.amount, 0) / CASE WHEN o.total_amount = 0 THEN 1 ELSE o.total_amount END)
    FROM contact_opening_balances AS o
    LEFT JOIN allocated AS a ON a.business_id = o.business_id AND a.document_id = o.id
    WHERE o.is_deleted IS NOT TRUE
),
owed AS (
    SELECT
        side, business_id, CAST(max(updated_at) AS DATE) AS last_change,
        -- What is no entry in the books is not owed.
        sum(CASE WHEN status IN ('DRAFT', 'VOID', 'PRO_FORMA') THEN 0 ELSE coalesce(amount, 0) END) AS amount
    FROM open_items
    GROUP BY side, business_id
),

-- What is owed, by the ledger: the account that most invoices and payments of the side are posted to with their total.

postings AS (
    SELECT 'receivables' AS side, business_id, ("transaction" ->> 'id') AS transaction_id,
        base_currency_total_amount AS amount
    FROM sales_invoices WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'payables', business_id, ("transaction" ->> 'id'), -base_currency_total_amount
    FROM purchase_invoices WHERE is_deleted IS NOT TRUE
    UNION ALL
    SELECT 'receivables', business_id, ("transaction" ->> 'id'), -base_currency_total_amount
    FROM contact_payments WHERE is_deleted IS NOT TRUE AND (transaction_type ->> 'id') = 'CUSTOMER_RECEIPT'
    UNION ALL
    SELECT 'payables', business_id, ("transaction" ->> 'id'), base_currency_total_amount
    FROM contact_payments WHERE is_deleted IS NOT TRUE AND (transaction_type ->> 'id') = 'VENDOR_PAYMENT'
),
control_accounts AS (
    SELECT
        p.side, p.business_id, e.account_id, max(e.account_name) AS account_name,
        row_number() OVER (PARTITION BY p.side, p.business_id ORDER BY count(*) DESC, e.account_id) AS place
    FROM postings AS p
    JOIN entries AS e
        ON e.business_id = p.business_id AND e.transaction_id = p.transaction_id AND e.debit - e.credit = p.amount
    WHERE p.amount <> 0
    GROUP BY p.side, p.business_id, e.account_id
),
control_balances AS (
    SELECT
        c.side, c.business_id, max(c.account_name) AS account_name, min(s.last_day) AS last_day,
        CASE WHEN c.side = 'receivables' THEN 1 ELSE -1 END * sum(e.debit - e.credit) AS balance,
        -- Of what was before the ledger begins, nothing is known but this.
        CASE WHEN min(e.day) < min(s.first_day) THEN 0 ELSE coalesce(max(b.balance), 0) END AS brought_forward
    FROM control_accounts AS c
    JOIN entries AS e ON e.business_id = c.business_id AND e.account_id = c.account_id
    LEFT JOIN spans AS s ON s.business_id = c.business_id
    LEFT JOIN (
        -- Of any account: what is open on one of them may add up to nothing.
        SELECT business_id, from_date, max(abs(coalesce(opening_debit, 0) - coalesce(opening_credit, 0))) AS balance
        FROM trial_balance
        GROUP BY business_id, from_date
    ) AS b ON b.business_id = c.business_id AND b.from_date = s.first_day
    WHERE c.place = 1
    GROUP BY c.side, c.business_id
),

-- All that is compared, in one form.

compared AS (
    SELECT
        'debits equal credits' AS check_name, business_id,
        coalesce(max(transaction_name), transaction_id, 'no transaction') AS key,
        sum(debit) AS expected, sum(credit) AS found, CAST(NULL AS VARCHAR) AS not_checked
    FROM entries
    GROUP BY business_id, transaction_id
    UNION ALL
    SELECT
        'ledger = trial balance', coalesce(b.business_id, l.business_id),
        CAST(coalesce(b.from_date, l.from_date) AS VARCHAR) || ' '
            || coalesce(b.account_name, l.account_name, b.account_id, l.account_id, 'no account'),
        coalesce(b.movement, 0), coalesce(l.movement, 0), NULL
    FROM balance_months AS b
    FULL JOIN ledger_months AS l
        ON l.business_id = b.business_id AND l.from_date = b.from_date AND l.account_id = b.account_id
    UNION ALL
    SELECT 'lines = documents', business_id, stream || ' ' || document || ' net', net_expected, net_found, NULL
    FROM document_lines
    UNION ALL
    SELECT 'lines = documents', business_id, stream || ' ' || document || ' tax', tax_expected, tax_found, NULL
    FROM document_lines
    UNION ALL
    SELECT 'lines = documents', business_id, stream || ' ' || document || ' total', total_expected, total_found, NULL
    FROM document_lines
    UNION ALL
    SELECT
        coalesce(o.side, c.side) || ' = open items', coalesce(o.business_id, c.business_id),
        coalesce(c.account_name, 'no account: neither invoice nor payment is in the ledger'),
        coalesce(c.balance, 0), coalesce(o.amount, 0),
        CASE
            WHEN c.brought_forward <> 0 THEN 'documents before the Start Date are not here: Include Historical Data'
            WHEN o.last_change > c.last_day THEN 'documents changed after the End Date'
        END
    FROM owed AS o
    FULL JOIN control_balances AS c ON c.side = o.side AND c.business_id = o.business_id
    WHERE c.side IS NOT NULL OR o.amount <> 0
),
judged AS (
    SELECT
        check_name, business_id, key, expected, found, not_checked,
        CASE WHEN not_checked IS NULL THEN round(CAST(found - expected AS DECIMAL(30, 9)), 2) ELSE 0 END AS difference
    FROM compared
),
checks AS (
    SELECT business_id, check_name, place
    FROM (SELECT DISTINCT business_id FROM businesses) AS known
    CROSS JOIN (
        SELECT 1 AS place, 'debits equal credits' AS check_name
        UNION ALL SELECT 2, 'ledger = trial balance'
        UNION ALL SELECT 3, 'lines = documents'
        UNION ALL SELECT 4, 'receivables = open items'
        UNION ALL SELECT 5, 'payables = open items'
    ) AS every_check
),
answer AS (
    SELECT
        c.place, 0 AS part, c.check_name, c.business_id,
        CASE
            WHEN count(j.check_name) = 0 THEN 'nothing to check'
            WHEN max(j.not_checked) IS NOT NULL THEN 'not checked'
            WHEN sum(CASE WHEN j.difference <> 0 THEN 1 ELSE 0 END) = 0 THEN 'ties out'
            ELSE 'DIFFERS'
        END AS verdict,
        coalesce(
            max(j.not_checked),
            CAST(count(j.check_name) AS VARCHAR) || ' compared, '
                || CAST(coalesce(sum(CASE WHEN j.difference <> 0 THEN 1 ELSE 0 END), 0) AS VARCHAR) || ' differ'
        ) AS key,
        sum(j.expected) AS expected,
        sum(j.found) AS found,
        sum(abs(j.difference)) AS difference
    FROM checks AS c
    LEFT JOIN judged AS j ON j.business_id = c.business_id AND j.check_name = c.check_name
    GROUP BY c.place, c.check_name, c.business_id
    UNION ALL
    SELECT c.place, 1, c.check_name, c.business_id, 'differs', j.key, j.expected, j.found, j.difference
    FROM checks AS c
    JOIN judged AS j ON j.business_id = c.business_id AND j.check_name = c.check_name
    WHERE j.difference <> 0
)
SELECT
    check_name,
    business_id,
    verdict,
    key,
    round(CAST(expected AS DECIMAL(30, 9)), 2) AS expected,
    round(CAST(found AS DECIMAL(30, 9)), 2) AS found,
    round(CAST(difference AS DECIMAL(30, 9)), 2) AS difference
FROM answer
ORDER BY business_id, place, part, key;
