-- Made by `make docs` from the manifest and the schemas; do not edit.
--
-- A view for each table, of the same name, in the schema sage_views: ask these, and no sum counts too much. Plain SQL
-- that runs alike in DuckDB and PostgreSQL, as often as you like. `source-sage sync` makes them by itself. The tables
-- are taken from the schema sage_raw: if yours has another name, replace it; leave out what you do not read.
--
--   * Rows that are deleted are not there.
--   * Of lines, prices and allocations only those that their document has now: an edit sends all of them again, and the
--     earlier ones stay in the table. A line counts if no row of the same document is newer by (updated_at, read_at).
--   * Invoices, credit notes and quick entries, and their lines, are there if they are posted: DRAFT, PRO_FORMA, VOID
--     are not, since they are no entries in the books (a draft or pro forma invoice is none yet, a voided one none any
--     more). UNPAID, PART_PAID, PAID, DISPUTED and DECLINED are. Quotes and estimates are there in every status.
--   * A reference such as contact, in the table an object {id, displayed_as}, is two columns: contact and contact_id.

CREATE SCHEMA IF NOT EXISTS sage_views;

DROP VIEW IF EXISTS sage_views.businesses;
CREATE VIEW sage_views.businesses AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    name,
    address_line_1,
    address_line_2,
    city,
    postal_code,
    (country ->> 'displayed_as') AS country,
    (country ->> 'id') AS country_id,
    region,
    telephone,
    mobile,
    website,
    is_demo,
    ni_based,
    subscriptions,
    user_roles,
    user_permissions,
    unconverted_values
FROM sage_raw.businesses;

DROP VIEW IF EXISTS sage_views.business_settings;
CREATE VIEW sage_views.business_settings AS
SELECT
    business_id,
    siret,
    management_centre_member,
    rcs_number,
    share_capital,
    (business_activity_type ->> 'displayed_as') AS business_activity_type,
    (business_activity_type ->> 'id') AS business_activity_type_id,
    (legal_form_type ->> 'displayed_as') AS legal_form_type,
    (legal_form_type ->> 'id') AS legal_form_type_id,
    auxiliary_accounts_visible,
    default_ledger_accounts,
    (business_type ->> 'displayed_as') AS business_type,
    (business_type ->> 'id') AS business_type_id,
    (country_of_registration ->> 'displayed_as') AS country_of_registration,
    (country_of_registration ->> 'id') AS country_of_registration_id,
    business_created_at,
    updated_at,
    wizard_complete,
    smart_transaction_enabled,
    unconverted_values
FROM sage_raw.business_settings;

DROP VIEW IF EXISTS sage_views.financial_settings;
CREATE VIEW sage_views.financial_settings AS
SELECT
    business_id,
    year_end_date,
    year_end_lockdown_date,
    accounting_type,
    accounts_start_date,
    (base_currency ->> 'displayed_as') AS base_currency,
    (base_currency ->> 'id') AS base_currency_id,
    multi_currency_enabled,
    use_live_exchange_rates,
    mtd_activation_status,
    mtd_connected,
    mtd_authenticated_date,
    (tax_scheme ->> 'displayed_as') AS tax_scheme,
    (tax_scheme ->> 'id') AS tax_scheme_id,
    (tax_return_frequency ->> 'displayed_as') AS tax_return_frequency,
    (tax_return_frequency ->> 'id') AS tax_return_frequency_id,
    tax_number,
    general_tax_number,
    (tax_office ->> 'displayed_as') AS tax_office,
    (tax_office ->> 'id') AS tax_office_id,
    default_irpf_rate,
    flat_rate_tax_percentage,
    recoverable_percentage,
    sales_tax_calculation,
    purchase_tax_calculation,
    updated_at,
    postponed_accounting,
    destination_vat,
    exempt_from_vat,
    unconverted_values
FROM sage_raw.financial_settings;

DROP VIEW IF EXISTS sage_views.invoice_settings;
CREATE VIEW sage_views.invoice_settings AS
SELECT
    business_id,
    next_invoice_number,
    next_credit_note_number,
    separate_invoice_credit_note_numbering,
    sales_invoice_number_prefix,
    sales_credit_note_number_prefix,
    invoice_terms_and_conditions,
    default_note_on_invoice,
    default_note_on_credit_note,
    default_note_on_estimate,
    default_note_on_quote,
    next_quote_number,
    quote_number_prefix,
    estimate_number_prefix,
    quote_default_days_to_expiry,
    estimate_default_days_to_expiry,
    quote_terms_and_conditions,
    estimate_terms_and_conditions,
    delivery_note_terms_and_conditions,
    delivery_note_show_signature,
    delivery_note_show_picked,
    delivery_note_show_notes,
    delivery_note_show_contact_details,
    quick_entry_prefix,
    late_payment_percentage,
    prompt_payment_percentage,
    show_auto_entrepreneur,
    show_insurance,
    (insurer ->> 'displayed_as') AS insurer,
    (insurer ->> 'id') AS insurer_id,
    insurance_area,
    insurance_type,
    insurance_text,
    (payment_bank_account ->> 'displayed_as') AS payment_bank_account,
    (payment_bank_account ->> 'id') AS payment_bank_account_id,
    sales_corrective_invoice_number_prefix,
    next_sales_corrective_invoice_number,
    document_headings,
    line_item_titles,
    footer_details,
    print_contact_details,
    print_statements,
    customer_credit_days,
    vendor_credit_days,
    customer_credit_terms,
    vendor_credit_terms,
    updated_at,
    unconverted_values
FROM sage_raw.invoice_settings;

DROP VIEW IF EXISTS sage_views.cis_settings;
CREATE VIEW sage_views.cis_settings AS
SELECT
    business_id,
    unique_tax_reference,
    contractor,
    subcontractor,
    accounts_office_reference,
    paye_reference,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    unconverted_values
FROM sage_raw.cis_settings;

DROP VIEW IF EXISTS sage_views.user;
CREATE VIEW sage_views.user AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    first_name,
    last_name,
    initials,
    email,
    locale,
    unconverted_values
FROM sage_raw.user;

DROP VIEW IF EXISTS sage_views.address_regions;
CREATE VIEW sage_views.address_regions AS
SELECT
    business_id,
    id,
    displayed_as,
    code,
    name,
    unconverted_values
FROM sage_raw.address_regions;

DROP VIEW IF EXISTS sage_views.artefact_statuses;
CREATE VIEW sage_views.artefact_statuses AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.artefact_statuses;

DROP VIEW IF EXISTS sage_views.attachments;
CREATE VIEW sage_views.attachments AS
SELECT
    business_id,
    id,
    displayed_as,
    mime_type,
    description,
    file_extension,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    file_size,
    file_name,
    (attachment_context_type ->> 'displayed_as') AS attachment_context_type,
    (attachment_context_type ->> 'id') AS attachment_context_type_id,
    (attachment_context ->> 'displayed_as') AS attachment_context,
    (attachment_context ->> 'id') AS attachment_context_id,
    is_public,
    created_at,
    updated_at,
    unconverted_values
FROM sage_raw.attachments
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.attachment_context_types;
CREATE VIEW sage_views.attachment_context_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.attachment_context_types;

DROP VIEW IF EXISTS sage_views.business_activity_types;
CREATE VIEW sage_views.business_activity_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.business_activity_types;

DROP VIEW IF EXISTS sage_views.business_types;
CREATE VIEW sage_views.business_types AS
SELECT
    business_id,
    id,
    displayed_as,
    name,
    description,
    unconverted_values
FROM sage_raw.business_types;

DROP VIEW IF EXISTS sage_views.countries;
CREATE VIEW sage_views.countries AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.countries;

DROP VIEW IF EXISTS sage_views.countries_of_registration;
CREATE VIEW sage_views.countries_of_registration AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.countries_of_registration;

DROP VIEW IF EXISTS sage_views.country_groups;
CREATE VIEW sage_views.country_groups AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.country_groups;

DROP VIEW IF EXISTS sage_views.currencies;
CREATE VIEW sage_views.currencies AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.currencies;

DROP VIEW IF EXISTS sage_views.deleted_records;
CREATE VIEW sage_views.deleted_records AS
SELECT
    business_id,
    id,
    stream,
    deleted_at,
    is_inferred,
    last_seen_at,
    unconverted_values
FROM sage_raw.deleted_records;

DROP VIEW IF EXISTS sage_views.eu_goods_services_types;
CREATE VIEW sage_views.eu_goods_services_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.eu_goods_services_types;

DROP VIEW IF EXISTS sage_views.legal_form_types;
CREATE VIEW sage_views.legal_form_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.legal_form_types;

DROP VIEW IF EXISTS sage_views.payment_methods;
CREATE VIEW sage_views.payment_methods AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.payment_methods;

DROP VIEW IF EXISTS sage_views.quick_entry_types;
CREATE VIEW sage_views.quick_entry_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.quick_entry_types;

DROP VIEW IF EXISTS sage_views.transaction_types;
CREATE VIEW sage_views.transaction_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.transaction_types;

DROP VIEW IF EXISTS sage_views.analysis_type_categories;
CREATE VIEW sage_views.analysis_type_categories AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    code,
    name,
    combined_id,
    (analysis_type ->> 'displayed_as') AS analysis_type,
    (analysis_type ->> 'id') AS analysis_type_id,
    unconverted_values
FROM sage_raw.analysis_type_categories;

DROP VIEW IF EXISTS sage_views.analysis_types;
CREATE VIEW sage_views.analysis_types AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    active_areas,
    analysis_type_level,
    analysis_type_categories,
    name,
    unconverted_values
FROM sage_raw.analysis_types;

DROP VIEW IF EXISTS sage_views.bank_account_types;
CREATE VIEW sage_views.bank_account_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.bank_account_types;

DROP VIEW IF EXISTS sage_views.bank_accounts;
CREATE VIEW sage_views.bank_accounts AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    bank_account_details,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    (bank_account_type ->> 'displayed_as') AS bank_account_type,
    (bank_account_type ->> 'id') AS bank_account_type_id,
    balance,
    (main_address ->> 'displayed_as') AS main_address,
    (main_address ->> 'id') AS main_address_id,
    (main_contact_person ->> 'displayed_as') AS main_contact_person,
    (main_contact_person ->> 'id') AS main_contact_person_id,
    nominal_code,
    editable,
    deletable,
    (journal_code ->> 'displayed_as') AS journal_code,
    (journal_code ->> 'id') AS journal_code_id,
    (default_payment_method ->> 'displayed_as') AS default_payment_method,
    (default_payment_method ->> 'id') AS default_payment_method_id,
    gifi_code,
    is_active,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    unconverted_values
FROM sage_raw.bank_accounts
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.bank_deposits;
CREATE VIEW sage_views.bank_deposits AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    (from_bank_account ->> 'displayed_as') AS from_bank_account,
    (from_bank_account ->> 'id') AS from_bank_account_id,
    (to_bank_account ->> 'displayed_as') AS to_bank_account,
    (to_bank_account ->> 'id') AS to_bank_account_id,
    "date",
    reference,
    cash_amount,
    cheque_amount,
    total_amount,
    unconverted_values
FROM sage_raw.bank_deposits
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.bank_opening_balances;
CREATE VIEW sage_views.bank_opening_balances AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    (bank_account ->> 'displayed_as') AS bank_account,
    (bank_account ->> 'id') AS bank_account_id,
    "date",
    debit,
    credit,
    unconverted_values
FROM sage_raw.bank_opening_balances
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.bank_reconciliations;
CREATE VIEW sage_views.bank_reconciliations AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    (bank_account ->> 'displayed_as') AS bank_account,
    (bank_account ->> 'id') AS bank_account_id,
    statement_date,
    statement_end_balance,
    reference,
    total_received,
    total_paid,
    starting_balance,
    closing_balance,
    reconciled_balance,
    balance_difference,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    unconverted_values
FROM sage_raw.bank_reconciliations;

DROP VIEW IF EXISTS sage_views.bank_transfers;
CREATE VIEW sage_views.bank_transfers AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    (from_bank_account ->> 'displayed_as') AS from_bank_account,
    (from_bank_account ->> 'id') AS from_bank_account_id,
    (to_bank_account ->> 'displayed_as') AS to_bank_account,
    (to_bank_account ->> 'id') AS to_bank_account_id,
    "date",
    reference,
    amount,
    description,
    editable,
    unconverted_values
FROM sage_raw.bank_transfers
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.business_exchange_rates;
CREATE VIEW sage_views.business_exchange_rates AS
SELECT
    business_id,
    currency_id,
    displayed_as,
    created_at,
    updated_at,
    rate,
    inverse_rate,
    (base_currency ->> 'displayed_as') AS base_currency,
    (base_currency ->> 'id') AS base_currency_id,
    (currency ->> 'displayed_as') AS currency,
    unconverted_values
FROM sage_raw.business_exchange_rates;

DROP VIEW IF EXISTS sage_views.coa_accounts;
CREATE VIEW sage_views.coa_accounts AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    (ledger_account_group ->> 'displayed_as') AS ledger_account_group,
    (ledger_account_group ->> 'id') AS ledger_account_group_id,
    name,
    control_name,
    nominal_code,
    (ledger_account_type ->> 'displayed_as') AS ledger_account_type,
    (ledger_account_type ->> 'id') AS ledger_account_type_id,
    (ledger_account_classification ->> 'displayed_as') AS ledger_account_classification,
    (ledger_account_classification ->> 'id') AS ledger_account_classification_id,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    fixed_tax_rate,
    cis_materials,
    cis_labour,
    unconverted_values
FROM sage_raw.coa_accounts;

DROP VIEW IF EXISTS sage_views.coa_templates;
CREATE VIEW sage_views.coa_templates AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    name,
    (country ->> 'displayed_as') AS country,
    (country ->> 'id') AS country_id,
    unconverted_values
FROM sage_raw.coa_templates;

DROP VIEW IF EXISTS sage_views.contact_opening_balance_types;
CREATE VIEW sage_views.contact_opening_balance_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.contact_opening_balance_types;

DROP VIEW IF EXISTS sage_views.contact_opening_balances;
CREATE VIEW sage_views.contact_opening_balances AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    (contact_opening_balance_type ->> 'displayed_as') AS contact_opening_balance_type,
    (contact_opening_balance_type ->> 'id') AS contact_opening_balance_type_id,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    "date",
    reference,
    details,
    net_amount,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    tax_amount,
    tax_breakdown,
    total_amount,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    exchange_rate,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_tax_breakdown,
    base_currency_total_amount,
    unconverted_values
FROM sage_raw.contact_opening_balances
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.draft_tax_returns;
CREATE VIEW sage_views.draft_tax_returns AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    tax_return_number,
    period_start_date,
    period_end_date,
    total_amount,
    paid,
    status,
    tax_return_type,
    tax_return_id,
    submitted_date,
    unconverted_values
FROM sage_raw.draft_tax_returns;

DROP VIEW IF EXISTS sage_views.exchange_rates;
CREATE VIEW sage_views.exchange_rates AS
SELECT
    business_id,
    currency_id,
    displayed_as,
    created_at,
    updated_at,
    rate,
    inverse_rate,
    (base_currency ->> 'displayed_as') AS base_currency,
    (base_currency ->> 'id') AS base_currency_id,
    (currency ->> 'displayed_as') AS currency,
    unconverted_values
FROM sage_raw.exchange_rates;

DROP VIEW IF EXISTS sage_views.journals;
CREATE VIEW sage_views.journals AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    "date",
    reference,
    description,
    total,
    (journal_code ->> 'displayed_as') AS journal_code,
    (journal_code ->> 'id') AS journal_code_id,
    journal_lines,
    migrated,
    unconverted_values
FROM sage_raw.journals
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.journal_lines;
CREATE VIEW sage_views.journal_lines AS
SELECT
    business_id,
    id,
    journal_id,
    "date",
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    updated_at,
    read_at,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    details,
    debit,
    credit,
    analysis_type_categories,
    include_on_tax_return,
    tax_reconciled,
    cleared,
    bank_reconciled,
    journal_line_foreign_currency,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, journal_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.journal_lines
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.ledger_account_classifications;
CREATE VIEW sage_views.ledger_account_classifications AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.ledger_account_classifications;

DROP VIEW IF EXISTS sage_views.ledger_account_opening_balances;
CREATE VIEW sage_views.ledger_account_opening_balances AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    details,
    debit,
    credit,
    unconverted_values
FROM sage_raw.ledger_account_opening_balances;

DROP VIEW IF EXISTS sage_views.ledger_account_types;
CREATE VIEW sage_views.ledger_account_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.ledger_account_types;

DROP VIEW IF EXISTS sage_views.ledger_accounts;
CREATE VIEW sage_views.ledger_accounts AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    (ledger_account_group ->> 'displayed_as') AS ledger_account_group,
    (ledger_account_group ->> 'id') AS ledger_account_group_id,
    name,
    display_name,
    visible_scopes,
    included_in_chart,
    nominal_code,
    (ledger_account_type ->> 'displayed_as') AS ledger_account_type,
    (ledger_account_type ->> 'id') AS ledger_account_type_id,
    (ledger_account_classification ->> 'displayed_as') AS ledger_account_classification,
    (ledger_account_classification ->> 'id') AS ledger_account_classification_id,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    fixed_tax_rate,
    visible_in_banking,
    visible_in_expenses,
    visible_in_journals,
    visible_in_other_payments,
    visible_in_other_receipts,
    visible_in_reporting,
    visible_in_sales,
    balance_details,
    is_control_account,
    control_name,
    display_formatted,
    tax_recoverable,
    recoverable_percentage,
    (non_recoverable_ledger_account ->> 'displayed_as') AS non_recoverable_ledger_account,
    (non_recoverable_ledger_account ->> 'id') AS non_recoverable_ledger_account_id,
    cis_materials,
    tax_instalment,
    cis_labour,
    gifi_code,
    ui_visible,
    bank_attached,
    unconverted_values
FROM sage_raw.ledger_accounts;

DROP VIEW IF EXISTS sage_views.ledger_entries;
CREATE VIEW sage_views.ledger_entries AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    "date",
    credit,
    debit,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    description,
    (journal_code ->> 'displayed_as') AS journal_code,
    (journal_code ->> 'id') AS journal_code_id,
    unconverted_values
FROM sage_raw.ledger_entries
WHERE deleted IS NOT TRUE AND is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.live_exchange_rates;
CREATE VIEW sage_views.live_exchange_rates AS
SELECT
    business_id,
    currency_id,
    displayed_as,
    rate,
    inverse_rate,
    (base_currency ->> 'displayed_as') AS base_currency,
    (base_currency ->> 'id') AS base_currency_id,
    (currency ->> 'displayed_as') AS currency,
    retrieved_at,
    updated_at,
    unconverted_values
FROM sage_raw.live_exchange_rates;

DROP VIEW IF EXISTS sage_views.opening_balance_journals;
CREATE VIEW sage_views.opening_balance_journals AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    deleted_at,
    "date",
    reference,
    journal_lines,
    unconverted_values
FROM sage_raw.opening_balance_journals;

DROP VIEW IF EXISTS sage_views.other_payments;
CREATE VIEW sage_views.other_payments AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    base_currency_total_itc_amount,
    total_itc_amount,
    base_currency_total_itr_amount,
    total_itr_amount,
    part_recoverable,
    (payment_method ->> 'displayed_as') AS payment_method,
    (payment_method ->> 'id') AS payment_method_id,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (bank_account ->> 'displayed_as') AS bank_account,
    (bank_account ->> 'id') AS bank_account_id,
    (tax_address_region ->> 'displayed_as') AS tax_address_region,
    (tax_address_region ->> 'id') AS tax_address_region_id,
    "date",
    net_amount,
    tax_amount,
    total_amount,
    reference,
    payment_lines,
    editable,
    deletable,
    withholding_tax_rate,
    withholding_tax_amount,
    unconverted_values
FROM sage_raw.other_payments
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.other_payment_lines;
CREATE VIEW sage_views.other_payment_lines AS
SELECT
    business_id,
    id,
    displayed_as,
    other_payment_id,
    "date",
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    updated_at,
    read_at,
    analysis_type_categories,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    details,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    net_amount,
    tax_amount,
    total_amount,
    tax_breakdown,
    is_purchase_for_resale,
    trade_of_asset,
    gst_amount,
    pst_amount,
    tax_recoverable,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, other_payment_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.other_payment_lines
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.purchase_credit_notes;
CREATE VIEW sage_views.purchase_credit_notes AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    editable,
    vat_reverse_charge,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    postponed_accounting,
    import,
    vat_exempt_consignment,
    is_cis,
    cis_applicable_amount,
    base_currency_cis_applicable_amount,
    total_after_cis_deduction,
    base_currency_total_after_cis_deduction,
    has_cis_labour,
    has_cis_materials,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    base_currency_total_itc_amount,
    total_itc_amount,
    base_currency_total_itr_amount,
    total_itr_amount,
    part_recoverable,
    contact_name,
    contact_reference,
    "date",
    original_invoice_date,
    reference,
    vendor_reference,
    notes,
    total_quantity,
    net_amount,
    tax_amount,
    total_amount,
    payments_allocations_total_amount,
    payments_allocations_total_discount,
    total_paid,
    outstanding_amount,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    exchange_rate,
    inverse_exchange_rate,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_total_amount,
    base_currency_outstanding_amount,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    void_reason,
    credit_note_lines,
    tax_analysis,
    detailed_tax_analysis,
    payments_allocations,
    last_paid,
    (tax_address_region ->> 'displayed_as') AS tax_address_region,
    (tax_address_region ->> 'id') AS tax_address_region_id,
    tax_reconciled,
    migrated,
    tax_calculation_method,
    withholding_tax_rate,
    withholding_tax_amount,
    base_currency_withholding_tax_amount,
    unconverted_values
FROM sage_raw.purchase_credit_notes
WHERE is_deleted IS NOT TRUE AND coalesce((status ->> 'id'), '') NOT IN ('DRAFT', 'PRO_FORMA', 'VOID');

DROP VIEW IF EXISTS sage_views.purchase_credit_note_lines;
CREATE VIEW sage_views.purchase_credit_note_lines AS
SELECT
    business_id,
    id,
    displayed_as,
    purchase_credit_note_id,
    "date",
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    updated_at,
    read_at,
    is_purchase_for_resale,
    analysis_type_categories,
    description,
    (product ->> 'displayed_as') AS product,
    (product ->> 'id') AS product_id,
    (service ->> 'displayed_as') AS service,
    (service ->> 'id') AS service_id,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    trade_of_asset,
    quantity,
    unit_price,
    net_amount,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    tax_amount,
    tax_breakdown,
    total_amount,
    base_currency_unit_price,
    unit_price_includes_tax,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_tax_breakdown,
    base_currency_total_amount,
    (eu_goods_services_type ->> 'displayed_as') AS eu_goods_services_type,
    (eu_goods_services_type ->> 'id') AS eu_goods_services_type_id,
    gst_amount,
    pst_amount,
    tax_recoverable,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, purchase_credit_note_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.purchase_credit_note_lines
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE AND coalesce((status ->> 'id'), '') NOT IN ('DRAFT', 'PRO_FORMA', 'VOID');

DROP VIEW IF EXISTS sage_views.purchase_invoices;
CREATE VIEW sage_views.purchase_invoices AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    editable,
    vat_reverse_charge,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    postponed_accounting,
    import,
    vat_exempt_consignment,
    is_cis,
    cis_applicable_amount,
    base_currency_cis_applicable_amount,
    total_after_cis_deduction,
    base_currency_total_after_cis_deduction,
    has_cis_labour,
    has_cis_materials,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    base_currency_total_itc_amount,
    total_itc_amount,
    base_currency_total_itr_amount,
    total_itr_amount,
    part_recoverable,
    contact_name,
    contact_reference,
    "date",
    due_date,
    reference,
    vendor_reference,
    notes,
    total_quantity,
    net_amount,
    tax_amount,
    total_amount,
    payments_allocations_total_amount,
    payments_allocations_total_discount,
    total_paid,
    outstanding_amount,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    exchange_rate,
    inverse_exchange_rate,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_total_amount,
    base_currency_outstanding_amount,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    void_reason,
    invoice_lines,
    tax_analysis,
    detailed_tax_analysis,
    payments_allocations,
    last_paid,
    (tax_address_region ->> 'displayed_as') AS tax_address_region,
    (tax_address_region ->> 'id') AS tax_address_region_id,
    withholding_tax_rate,
    withholding_tax_amount,
    base_currency_withholding_tax_amount,
    tax_reconciled,
    migrated,
    tax_calculation_method,
    unconverted_values
FROM sage_raw.purchase_invoices
WHERE is_deleted IS NOT TRUE AND coalesce((status ->> 'id'), '') NOT IN ('DRAFT', 'PRO_FORMA', 'VOID');

DROP VIEW IF EXISTS sage_views.purchase_invoice_lines;
CREATE VIEW sage_views.purchase_invoice_lines AS
SELECT
    business_id,
    id,
    displayed_as,
    purchase_invoice_id,
    "date",
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    updated_at,
    read_at,
    is_purchase_for_resale,
    analysis_type_categories,
    description,
    (product ->> 'displayed_as') AS product,
    (product ->> 'id') AS product_id,
    (service ->> 'displayed_as') AS service,
    (service ->> 'id') AS service_id,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    trade_of_asset,
    quantity,
    unit_price,
    net_amount,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    tax_amount,
    tax_breakdown,
    total_amount,
    base_currency_unit_price,
    unit_price_includes_tax,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_tax_breakdown,
    base_currency_total_amount,
    (eu_goods_services_type ->> 'displayed_as') AS eu_goods_services_type,
    (eu_goods_services_type ->> 'id') AS eu_goods_services_type_id,
    gst_amount,
    pst_amount,
    tax_recoverable,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, purchase_invoice_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.purchase_invoice_lines
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE AND coalesce((status ->> 'id'), '') NOT IN ('DRAFT', 'PRO_FORMA', 'VOID');

DROP VIEW IF EXISTS sage_views.purchase_quick_entries;
CREATE VIEW sage_views.purchase_quick_entries AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    analysis_type_categories,
    (quick_entry_type ->> 'displayed_as') AS quick_entry_type,
    (quick_entry_type ->> 'id') AS quick_entry_type_id,
    contact_name,
    contact_reference,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    "date",
    due_date,
    reference,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    details,
    net_amount,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    tax_amount,
    tax_breakdown,
    total_amount,
    outstanding_amount,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    exchange_rate,
    inverse_exchange_rate,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_tax_breakdown,
    base_currency_total_amount,
    base_currency_outstanding_amount,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    payments_allocations,
    (tax_address_region ->> 'displayed_as') AS tax_address_region,
    (tax_address_region ->> 'id') AS tax_address_region_id,
    migrated,
    trade_of_asset,
    gst_amount,
    pst_amount,
    tax_recoverable,
    unconverted_values
FROM sage_raw.purchase_quick_entries
WHERE is_deleted IS NOT TRUE AND coalesce((status ->> 'id'), '') NOT IN ('DRAFT', 'PRO_FORMA', 'VOID');

DROP VIEW IF EXISTS sage_views.tax_profiles;
CREATE VIEW sage_views.tax_profiles AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    (tax_type ->> 'displayed_as') AS tax_type,
    (tax_type ->> 'id') AS tax_type_id,
    tax_number,
    tax_number_suffix,
    collect_tax,
    (tax_return_frequency ->> 'displayed_as') AS tax_return_frequency,
    (tax_return_frequency ->> 'id') AS tax_return_frequency_id,
    (address_region ->> 'displayed_as') AS address_region,
    (address_region ->> 'id') AS address_region_id,
    unconverted_values
FROM sage_raw.tax_profiles;

DROP VIEW IF EXISTS sage_views.tax_rates;
CREATE VIEW sage_views.tax_rates AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    name,
    agency,
    percentage,
    percentages,
    is_visible,
    retailer,
    editable,
    deletable,
    is_combined_rate,
    component_tax_rates,
    unconverted_values
FROM sage_raw.tax_rates;

DROP VIEW IF EXISTS sage_views.tax_return_frequencies;
CREATE VIEW sage_views.tax_return_frequencies AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.tax_return_frequencies;

DROP VIEW IF EXISTS sage_views.tax_returns;
CREATE VIEW sage_views.tax_returns AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    tax_return_number,
    period_start_date,
    period_end_date,
    total_amount,
    paid,
    status,
    tax_return_type,
    unconverted_values
FROM sage_raw.tax_returns;

DROP VIEW IF EXISTS sage_views.tax_schemes;
CREATE VIEW sage_views.tax_schemes AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.tax_schemes;

DROP VIEW IF EXISTS sage_views.tax_types;
CREATE VIEW sage_views.tax_types AS
SELECT
    business_id,
    id,
    displayed_as,
    federal_tax,
    (country ->> 'displayed_as') AS country,
    (country ->> 'id') AS country_id,
    address_regions,
    tax_rates,
    unconverted_values
FROM sage_raw.tax_types;

DROP VIEW IF EXISTS sage_views.transactions;
CREATE VIEW sage_views.transactions AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    "date",
    reference,
    total,
    total_in_transaction_currency,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    (origin ->> 'displayed_as') AS origin,
    (origin ->> 'id') AS origin_id,
    audit_trail_id,
    number_of_attachments,
    unconverted_values
FROM sage_raw.transactions
WHERE deleted IS NOT TRUE AND is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.trial_balance;
CREATE VIEW sage_views.trial_balance AS
SELECT
    business_id,
    from_date,
    to_date,
    ledger_account_id,
    ledger_account_displayed_as,
    opening_debit,
    opening_credit,
    debit,
    credit,
    closing_debit,
    closing_credit,
    unconverted_values
FROM sage_raw.trial_balance;

DROP VIEW IF EXISTS sage_views.catalog_item_types;
CREATE VIEW sage_views.catalog_item_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.catalog_item_types;

DROP VIEW IF EXISTS sage_views.product_sales_price_types;
CREATE VIEW sage_views.product_sales_price_types AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    name,
    active,
    unconverted_values
FROM sage_raw.product_sales_price_types;

DROP VIEW IF EXISTS sage_views.products;
CREATE VIEW sage_views.products AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    deletable,
    deactivatable,
    used_on_recurring_invoice,
    item_code,
    description,
    notes,
    (sales_ledger_account ->> 'displayed_as') AS sales_ledger_account,
    (sales_ledger_account ->> 'id') AS sales_ledger_account_id,
    (sales_tax_rate ->> 'displayed_as') AS sales_tax_rate,
    (sales_tax_rate ->> 'id') AS sales_tax_rate_id,
    (purchase_ledger_account ->> 'displayed_as') AS purchase_ledger_account,
    (purchase_ledger_account ->> 'id') AS purchase_ledger_account_id,
    (usual_supplier ->> 'displayed_as') AS usual_supplier,
    (usual_supplier ->> 'id') AS usual_supplier_id,
    (purchase_tax_rate ->> 'displayed_as') AS purchase_tax_rate,
    (purchase_tax_rate ->> 'id') AS purchase_tax_rate_id,
    cost_price,
    sales_prices,
    source_guid,
    purchase_description,
    active,
    (catalog_item_type ->> 'displayed_as') AS catalog_item_type,
    (catalog_item_type ->> 'id') AS catalog_item_type_id,
    unconverted_values
FROM sage_raw.products
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.product_prices;
CREATE VIEW sage_views.product_prices AS
SELECT
    business_id,
    id,
    displayed_as,
    product_id,
    updated_at,
    read_at,
    created_at,
    line_updated_at,
    price_name,
    price,
    price_includes_tax,
    (product_sales_price_type ->> 'displayed_as') AS product_sales_price_type,
    (product_sales_price_type ->> 'id') AS product_sales_price_type_id,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, product_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.product_prices
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.service_rate_types;
CREATE VIEW sage_views.service_rate_types AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    name,
    active,
    unconverted_values
FROM sage_raw.service_rate_types;

DROP VIEW IF EXISTS sage_views.services;
CREATE VIEW sage_views.services AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    deletable,
    deactivatable,
    used_on_recurring_invoice,
    item_code,
    description,
    notes,
    (sales_ledger_account ->> 'displayed_as') AS sales_ledger_account,
    (sales_ledger_account ->> 'id') AS sales_ledger_account_id,
    (purchase_ledger_account ->> 'displayed_as') AS purchase_ledger_account,
    (purchase_ledger_account ->> 'id') AS purchase_ledger_account_id,
    (sales_tax_rate ->> 'displayed_as') AS sales_tax_rate,
    (sales_tax_rate ->> 'id') AS sales_tax_rate_id,
    (purchase_tax_rate ->> 'displayed_as') AS purchase_tax_rate,
    (purchase_tax_rate ->> 'id') AS purchase_tax_rate_id,
    sales_rates,
    source_guid,
    purchase_description,
    (usual_supplier ->> 'displayed_as') AS usual_supplier,
    (usual_supplier ->> 'id') AS usual_supplier_id,
    active,
    cost_price,
    oss_service,
    unconverted_values
FROM sage_raw.services
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.service_rates;
CREATE VIEW sage_views.service_rates AS
SELECT
    business_id,
    id,
    displayed_as,
    service_id,
    updated_at,
    read_at,
    created_at,
    line_updated_at,
    rate_name,
    rate,
    rate_includes_tax,
    (service_rate_type ->> 'displayed_as') AS service_rate_type,
    (service_rate_type ->> 'id') AS service_rate_type_id,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, service_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.service_rates
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.stock_items;
CREATE VIEW sage_views.stock_items AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    deletable,
    deactivatable,
    used_on_recurring_invoice,
    item_code,
    description,
    notes,
    (sales_ledger_account ->> 'displayed_as') AS sales_ledger_account,
    (sales_ledger_account ->> 'id') AS sales_ledger_account_id,
    (sales_tax_rate ->> 'displayed_as') AS sales_tax_rate,
    (sales_tax_rate ->> 'id') AS sales_tax_rate_id,
    (purchase_ledger_account ->> 'displayed_as') AS purchase_ledger_account,
    (purchase_ledger_account ->> 'id') AS purchase_ledger_account_id,
    (usual_supplier ->> 'displayed_as') AS usual_supplier,
    (usual_supplier ->> 'id') AS usual_supplier_id,
    (purchase_tax_rate ->> 'displayed_as') AS purchase_tax_rate,
    (purchase_tax_rate ->> 'id') AS purchase_tax_rate_id,
    cost_price,
    sales_prices,
    source_guid,
    purchase_description,
    reorder_level,
    reorder_quantity,
    location,
    barcode,
    supplier_part_number,
    weight,
    measurement_unit,
    weight_converted,
    active,
    quantity_in_stock,
    last_cost_price,
    last_cost_price_stock_value,
    average_cost_price,
    average_cost_price_stock_value,
    cost_price_last_updated,
    unconverted_values
FROM sage_raw.stock_items
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.stock_item_prices;
CREATE VIEW sage_views.stock_item_prices AS
SELECT
    business_id,
    id,
    displayed_as,
    stock_item_id,
    updated_at,
    read_at,
    created_at,
    line_updated_at,
    price_name,
    price,
    price_includes_tax,
    (product_sales_price_type ->> 'displayed_as') AS product_sales_price_type,
    (product_sales_price_type ->> 'id') AS product_sales_price_type_id,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, stock_item_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.stock_item_prices
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.stock_movements;
CREATE VIEW sage_views.stock_movements AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    movement_number,
    "date",
    cost_price,
    quantity,
    details,
    reference,
    stock_item,
    unconverted_values
FROM sage_raw.stock_movements;

DROP VIEW IF EXISTS sage_views.address_types;
CREATE VIEW sage_views.address_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.address_types;

DROP VIEW IF EXISTS sage_views.addresses;
CREATE VIEW sage_views.addresses AS
SELECT
    business_id,
    id,
    displayed_as,
    address_line_1,
    address_line_2,
    city,
    postal_code,
    (country ->> 'displayed_as') AS country,
    (country ->> 'id') AS country_id,
    created_at,
    updated_at,
    (bank_account ->> 'displayed_as') AS bank_account,
    (bank_account ->> 'id') AS bank_account_id,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (address_type ->> 'displayed_as') AS address_type,
    (address_type ->> 'id') AS address_type_id,
    name,
    region,
    (country_group ->> 'displayed_as') AS country_group,
    (country_group ->> 'id') AS country_group_id,
    is_main_address,
    unconverted_values
FROM sage_raw.addresses
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.contact_allocations;
CREATE VIEW sage_views.contact_allocations AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    "date",
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    allocated_artefacts,
    unconverted_values
FROM sage_raw.contact_allocations
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.contact_payments;
CREATE VIEW sage_views.contact_payments AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    (payment_method ->> 'displayed_as') AS payment_method,
    (payment_method ->> 'id') AS payment_method_id,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (bank_account ->> 'displayed_as') AS bank_account,
    (bank_account ->> 'id') AS bank_account_id,
    "date",
    net_amount,
    tax_amount,
    total_amount,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    exchange_rate,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_total_amount,
    base_currency_currency_charge,
    reference,
    allocated_artefacts,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    payment_on_account,
    editable,
    unconverted_values
FROM sage_raw.contact_payments
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.contact_person_types;
CREATE VIEW sage_views.contact_person_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.contact_person_types;

DROP VIEW IF EXISTS sage_views.contact_persons;
CREATE VIEW sage_views.contact_persons AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    contact_person_types,
    name,
    job_title,
    telephone,
    mobile,
    email,
    fax,
    is_main_contact,
    (address ->> 'displayed_as') AS address,
    (address ->> 'id') AS address_id,
    is_preferred_contact,
    unconverted_values
FROM sage_raw.contact_persons
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.contact_types;
CREATE VIEW sage_views.contact_types AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.contact_types;

DROP VIEW IF EXISTS sage_views.contacts;
CREATE VIEW sage_views.contacts AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    balance,
    contact_types,
    name,
    reference,
    (default_sales_ledger_account ->> 'displayed_as') AS default_sales_ledger_account,
    (default_sales_ledger_account ->> 'id') AS default_sales_ledger_account_id,
    (default_sales_tax_rate ->> 'displayed_as') AS default_sales_tax_rate,
    (default_sales_tax_rate ->> 'id') AS default_sales_tax_rate_id,
    (default_purchase_ledger_account ->> 'displayed_as') AS default_purchase_ledger_account,
    (default_purchase_ledger_account ->> 'id') AS default_purchase_ledger_account_id,
    tax_number,
    notes,
    locale,
    (main_address ->> 'displayed_as') AS main_address,
    (main_address ->> 'id') AS main_address_id,
    (delivery_address ->> 'displayed_as') AS delivery_address,
    (delivery_address ->> 'id') AS delivery_address_id,
    (main_contact_person ->> 'displayed_as') AS main_contact_person,
    (main_contact_person ->> 'id') AS main_contact_person_id,
    bank_account_details,
    credit_limit,
    credit_days,
    credit_terms,
    credit_terms_and_conditions,
    (product_sales_price_type ->> 'displayed_as') AS product_sales_price_type,
    (product_sales_price_type ->> 'id') AS product_sales_price_type_id,
    source_guid,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    aux_reference,
    registered_number,
    deletable,
    tax_treatment,
    email,
    tax_calculation,
    auxiliary_account,
    gdpr_obfuscated,
    system,
    has_unfinished_recurring_invoices,
    cis_registered,
    ni_based,
    is_active,
    gb_based,
    cis_settings,
    destination_vat_blocking,
    (preferred_address ->> 'displayed_as') AS preferred_address,
    (preferred_address ->> 'id') AS preferred_address_id,
    (preferred_contact_person ->> 'displayed_as') AS preferred_contact_person,
    (preferred_contact_person ->> 'id') AS preferred_contact_person_id,
    send_statements,
    statement_run,
    go_cardless_mandate,
    mandate_active,
    unconverted_values
FROM sage_raw.contacts
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.eu_sales_descriptions;
CREATE VIEW sage_views.eu_sales_descriptions AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.eu_sales_descriptions;

DROP VIEW IF EXISTS sage_views.hosted_artefact_payment_settings;
CREATE VIEW sage_views.hosted_artefact_payment_settings AS
SELECT
    business_id,
    id,
    displayed_as,
    object_guid,
    disable_payment,
    unconverted_values
FROM sage_raw.hosted_artefact_payment_settings;

DROP VIEW IF EXISTS sage_views.payment_allocations;
CREATE VIEW sage_views.payment_allocations AS
SELECT
    business_id,
    id,
    parent_id,
    parent_stream,
    "date",
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    updated_at,
    read_at,
    (artefact ->> 'displayed_as') AS artefact,
    (artefact ->> 'id') AS artefact_id,
    amount,
    discount,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, parent_stream, parent_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.payment_allocations
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.sales_credit_notes;
CREATE VIEW sage_views.sales_credit_notes AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    editable,
    vat_reverse_charge,
    tax_calculation_method,
    destination_consignment,
    destination_vat_rates_in_use,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    is_cis,
    cis_applicable_amount,
    base_currency_cis_applicable_amount,
    total_after_cis_deduction,
    base_currency_total_after_cis_deduction,
    has_cis_labour,
    has_cis_materials,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    credit_note_number_prefix,
    credit_note_number,
    contact_name,
    contact_reference,
    "date",
    original_invoice_date,
    reference,
    main_address_free_form,
    main_address,
    delivery_address_free_form,
    delivery_address,
    notes,
    terms_and_conditions,
    shipping_net_amount,
    (shipping_tax_rate ->> 'displayed_as') AS shipping_tax_rate,
    (shipping_tax_rate ->> 'id') AS shipping_tax_rate_id,
    shipping_tax_amount,
    shipping_tax_breakdown,
    total_quantity,
    shipping_total_amount,
    net_amount,
    tax_amount,
    total_amount,
    payments_allocations_total_amount,
    payments_allocations_total_discount,
    total_paid,
    outstanding_amount,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    exchange_rate,
    inverse_exchange_rate,
    base_currency_shipping_net_amount,
    base_currency_shipping_tax_amount,
    base_currency_shipping_tax_breakdown,
    base_currency_shipping_total_amount,
    total_discount_amount,
    base_currency_total_discount_amount,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_total_amount,
    base_currency_outstanding_amount,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    sent,
    sent_by_email,
    void_reason,
    credit_note_lines,
    tax_analysis,
    detailed_tax_analysis,
    payments_allocations,
    last_paid,
    (tax_address_region ->> 'displayed_as') AS tax_address_region,
    (tax_address_region ->> 'id') AS tax_address_region_id,
    tax_reconciled,
    migrated,
    withholding_tax_rate,
    withholding_tax_amount,
    base_currency_withholding_tax_amount,
    unconverted_values
FROM sage_raw.sales_credit_notes
WHERE is_deleted IS NOT TRUE AND coalesce((status ->> 'id'), '') NOT IN ('DRAFT', 'PRO_FORMA', 'VOID');

DROP VIEW IF EXISTS sage_views.sales_credit_note_lines;
CREATE VIEW sage_views.sales_credit_note_lines AS
SELECT
    business_id,
    id,
    displayed_as,
    sales_credit_note_id,
    "date",
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    updated_at,
    read_at,
    analysis_type_categories,
    description,
    (product ->> 'displayed_as') AS product,
    (product ->> 'id') AS product_id,
    (service ->> 'displayed_as') AS service,
    (service ->> 'id') AS service_id,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    trade_of_asset,
    quantity,
    unit_price,
    net_amount,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    tax_amount,
    tax_breakdown,
    total_amount,
    base_currency_unit_price,
    unit_price_includes_tax,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_tax_breakdown,
    base_currency_total_amount,
    (eu_goods_services_type ->> 'displayed_as') AS eu_goods_services_type,
    (eu_goods_services_type ->> 'id') AS eu_goods_services_type_id,
    discount_amount,
    base_currency_discount_amount,
    discount_percentage,
    (eu_sales_description ->> 'displayed_as') AS eu_sales_description,
    (eu_sales_description ->> 'id') AS eu_sales_description_id,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, sales_credit_note_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.sales_credit_note_lines
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE AND coalesce((status ->> 'id'), '') NOT IN ('DRAFT', 'PRO_FORMA', 'VOID');

DROP VIEW IF EXISTS sage_views.sales_estimates;
CREATE VIEW sage_views.sales_estimates AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    editable,
    vat_reverse_charge,
    tax_calculation_method,
    destination_consignment,
    destination_vat_rates_in_use,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    estimate_number_prefix,
    estimate_number,
    contact_name,
    contact_reference,
    "date",
    expiry_date,
    reference,
    main_address_free_form,
    main_address,
    delivery_address_free_form,
    delivery_address,
    notes,
    terms_and_conditions,
    shipping_net_amount,
    (shipping_tax_rate ->> 'displayed_as') AS shipping_tax_rate,
    (shipping_tax_rate ->> 'id') AS shipping_tax_rate_id,
    shipping_tax_amount,
    shipping_tax_breakdown,
    shipping_total_amount,
    net_amount,
    tax_amount,
    total_amount,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    exchange_rate,
    inverse_exchange_rate,
    base_currency_shipping_net_amount,
    base_currency_shipping_tax_amount,
    base_currency_shipping_tax_breakdown,
    base_currency_shipping_total_amount,
    total_quantity,
    total_discount_amount,
    base_currency_total_discount_amount,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_total_amount,
    payments_allocations_total_amount,
    payments_allocations_total_discount,
    total_paid,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    sent,
    sent_by_email,
    estimate_lines,
    tax_analysis,
    detailed_tax_analysis,
    (tax_address_region ->> 'displayed_as') AS tax_address_region,
    (tax_address_region ->> 'id') AS tax_address_region_id,
    withholding_tax_rate,
    withholding_tax_amount,
    base_currency_withholding_tax_amount,
    profit_analysis,
    tax_reconciled,
    (invoice ->> 'displayed_as') AS invoice,
    (invoice ->> 'id') AS invoice_id,
    unconverted_values
FROM sage_raw.sales_estimates
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.sales_estimate_lines;
CREATE VIEW sage_views.sales_estimate_lines AS
SELECT
    business_id,
    id,
    displayed_as,
    sales_estimate_id,
    "date",
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    updated_at,
    read_at,
    analysis_type_categories,
    description,
    (product ->> 'displayed_as') AS product,
    (product ->> 'id') AS product_id,
    (service ->> 'displayed_as') AS service,
    (service ->> 'id') AS service_id,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    trade_of_asset,
    quantity,
    unit_price,
    net_amount,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    tax_amount,
    tax_breakdown,
    total_amount,
    base_currency_unit_price,
    unit_price_includes_tax,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_tax_breakdown,
    base_currency_total_amount,
    (eu_goods_services_type ->> 'displayed_as') AS eu_goods_services_type,
    (eu_goods_services_type ->> 'id') AS eu_goods_services_type_id,
    discount_amount,
    base_currency_discount_amount,
    discount_percentage,
    (eu_sales_description ->> 'displayed_as') AS eu_sales_description,
    (eu_sales_description ->> 'id') AS eu_sales_description_id,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, sales_estimate_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.sales_estimate_lines
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.sales_invoices;
CREATE VIEW sage_views.sales_invoices AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    editable,
    vat_reverse_charge,
    tax_calculation_method,
    destination_consignment,
    destination_vat_rates_in_use,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    is_cis,
    cis_applicable_amount,
    base_currency_cis_applicable_amount,
    total_after_cis_deduction,
    base_currency_total_after_cis_deduction,
    has_cis_labour,
    has_cis_materials,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    invoice_number_prefix,
    invoice_number,
    contact_name,
    contact_reference,
    "date",
    due_date,
    reference,
    main_address_free_form,
    main_address,
    delivery_address_free_form,
    delivery_address,
    notes,
    terms_and_conditions,
    shipping_net_amount,
    (shipping_tax_rate ->> 'displayed_as') AS shipping_tax_rate,
    (shipping_tax_rate ->> 'id') AS shipping_tax_rate_id,
    shipping_tax_amount,
    shipping_tax_breakdown,
    shipping_total_amount,
    net_amount,
    tax_amount,
    total_amount,
    payments_allocations_total_amount,
    payments_allocations_total_discount,
    total_paid,
    outstanding_amount,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    exchange_rate,
    inverse_exchange_rate,
    base_currency_shipping_net_amount,
    base_currency_shipping_tax_amount,
    base_currency_shipping_tax_breakdown,
    base_currency_shipping_total_amount,
    total_quantity,
    total_discount_amount,
    base_currency_total_discount_amount,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_total_amount,
    base_currency_outstanding_amount,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    sent,
    sent_by_email,
    void_reason,
    invoice_lines,
    tax_analysis,
    detailed_tax_analysis,
    payments_allocations,
    last_paid,
    (original_quote_estimate ->> 'displayed_as') AS original_quote_estimate,
    (original_quote_estimate ->> 'id') AS original_quote_estimate_id,
    (tax_address_region ->> 'displayed_as') AS tax_address_region,
    (tax_address_region ->> 'id') AS tax_address_region_id,
    delivery_performance_date,
    withholding_tax_rate,
    withholding_tax_amount,
    base_currency_withholding_tax_amount,
    tax_reconciled,
    migrated,
    unconverted_values
FROM sage_raw.sales_invoices
WHERE is_deleted IS NOT TRUE AND coalesce((status ->> 'id'), '') NOT IN ('DRAFT', 'PRO_FORMA', 'VOID');

DROP VIEW IF EXISTS sage_views.sales_invoice_lines;
CREATE VIEW sage_views.sales_invoice_lines AS
SELECT
    business_id,
    id,
    displayed_as,
    sales_invoice_id,
    "date",
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    updated_at,
    read_at,
    analysis_type_categories,
    description,
    (product ->> 'displayed_as') AS product,
    (product ->> 'id') AS product_id,
    (service ->> 'displayed_as') AS service,
    (service ->> 'id') AS service_id,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    trade_of_asset,
    quantity,
    unit_price,
    net_amount,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    tax_amount,
    tax_breakdown,
    total_amount,
    base_currency_unit_price,
    unit_price_includes_tax,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_tax_breakdown,
    base_currency_total_amount,
    (eu_goods_services_type ->> 'displayed_as') AS eu_goods_services_type,
    (eu_goods_services_type ->> 'id') AS eu_goods_services_type_id,
    discount_amount,
    base_currency_discount_amount,
    discount_percentage,
    (eu_sales_description ->> 'displayed_as') AS eu_sales_description,
    (eu_sales_description ->> 'id') AS eu_sales_description_id,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, sales_invoice_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.sales_invoice_lines
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE AND coalesce((status ->> 'id'), '') NOT IN ('DRAFT', 'PRO_FORMA', 'VOID');

DROP VIEW IF EXISTS sage_views.sales_quick_entries;
CREATE VIEW sage_views.sales_quick_entries AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    ("transaction" ->> 'displayed_as') AS "transaction",
    ("transaction" ->> 'id') AS transaction_id,
    (transaction_type ->> 'displayed_as') AS transaction_type,
    (transaction_type ->> 'id') AS transaction_type_id,
    analysis_type_categories,
    (quick_entry_type ->> 'displayed_as') AS quick_entry_type,
    (quick_entry_type ->> 'id') AS quick_entry_type_id,
    contact_name,
    contact_reference,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    "date",
    due_date,
    reference,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    details,
    net_amount,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    tax_amount,
    tax_breakdown,
    total_amount,
    outstanding_amount,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    exchange_rate,
    inverse_exchange_rate,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_tax_breakdown,
    base_currency_total_amount,
    base_currency_outstanding_amount,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    payments_allocations,
    (tax_address_region ->> 'displayed_as') AS tax_address_region,
    (tax_address_region ->> 'id') AS tax_address_region_id,
    migrated,
    trade_of_asset,
    unconverted_values
FROM sage_raw.sales_quick_entries
WHERE is_deleted IS NOT TRUE AND coalesce((status ->> 'id'), '') NOT IN ('DRAFT', 'PRO_FORMA', 'VOID');

DROP VIEW IF EXISTS sage_views.sales_quotes;
CREATE VIEW sage_views.sales_quotes AS
SELECT
    business_id,
    id,
    displayed_as,
    created_at,
    updated_at,
    editable,
    vat_reverse_charge,
    tax_calculation_method,
    destination_consignment,
    destination_vat_rates_in_use,
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    quote_number_prefix,
    quote_number,
    contact_name,
    contact_reference,
    "date",
    expiry_date,
    reference,
    main_address_free_form,
    main_address,
    delivery_address_free_form,
    delivery_address,
    notes,
    terms_and_conditions,
    shipping_net_amount,
    (shipping_tax_rate ->> 'displayed_as') AS shipping_tax_rate,
    (shipping_tax_rate ->> 'id') AS shipping_tax_rate_id,
    shipping_tax_amount,
    shipping_tax_breakdown,
    shipping_total_amount,
    net_amount,
    tax_amount,
    total_amount,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    exchange_rate,
    inverse_exchange_rate,
    base_currency_shipping_net_amount,
    base_currency_shipping_tax_amount,
    base_currency_shipping_tax_breakdown,
    base_currency_shipping_total_amount,
    total_quantity,
    total_discount_amount,
    base_currency_total_discount_amount,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_total_amount,
    payments_allocations_total_amount,
    payments_allocations_total_discount,
    total_paid,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    sent,
    sent_by_email,
    quote_lines,
    tax_analysis,
    detailed_tax_analysis,
    (tax_address_region ->> 'displayed_as') AS tax_address_region,
    (tax_address_region ->> 'id') AS tax_address_region_id,
    withholding_tax_rate,
    withholding_tax_amount,
    base_currency_withholding_tax_amount,
    profit_analysis,
    tax_reconciled,
    (invoice ->> 'displayed_as') AS invoice,
    (invoice ->> 'id') AS invoice_id,
    unconverted_values
FROM sage_raw.sales_quotes
WHERE is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.sales_quote_lines;
CREATE VIEW sage_views.sales_quote_lines AS
SELECT
    business_id,
    id,
    displayed_as,
    sales_quote_id,
    "date",
    (contact ->> 'displayed_as') AS contact,
    (contact ->> 'id') AS contact_id,
    (currency ->> 'displayed_as') AS currency,
    (currency ->> 'id') AS currency_id,
    (status ->> 'displayed_as') AS status,
    (status ->> 'id') AS status_id,
    updated_at,
    read_at,
    analysis_type_categories,
    description,
    (product ->> 'displayed_as') AS product,
    (product ->> 'id') AS product_id,
    (service ->> 'displayed_as') AS service,
    (service ->> 'id') AS service_id,
    (ledger_account ->> 'displayed_as') AS ledger_account,
    (ledger_account ->> 'id') AS ledger_account_id,
    trade_of_asset,
    quantity,
    unit_price,
    net_amount,
    (tax_rate ->> 'displayed_as') AS tax_rate,
    (tax_rate ->> 'id') AS tax_rate_id,
    tax_amount,
    tax_breakdown,
    total_amount,
    base_currency_unit_price,
    unit_price_includes_tax,
    base_currency_net_amount,
    base_currency_tax_amount,
    base_currency_tax_breakdown,
    base_currency_total_amount,
    (eu_goods_services_type ->> 'displayed_as') AS eu_goods_services_type,
    (eu_goods_services_type ->> 'id') AS eu_goods_services_type_id,
    discount_amount,
    base_currency_discount_amount,
    discount_percentage,
    (eu_sales_description ->> 'displayed_as') AS eu_sales_description,
    (eu_sales_description ->> 'id') AS eu_sales_description_id,
    unconverted_values
FROM (
    SELECT *, rank() OVER (PARTITION BY business_id, sales_quote_id ORDER BY updated_at DESC, read_at DESC) AS age
    FROM sage_raw.sales_quote_lines
) AS aged
WHERE age = 1 AND is_deleted IS NOT TRUE;

DROP VIEW IF EXISTS sage_views.unallocated_artefacts;
CREATE VIEW sage_views.unallocated_artefacts AS
SELECT
    business_id,
    id,
    displayed_as,
    unconverted_values
FROM sage_raw.unallocated_artefacts;
