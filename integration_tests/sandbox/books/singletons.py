"""The settings objects of a business, its own row, and the user."""

from __future__ import annotations

from typing import Any, Final

from ..wire.facts import filled, resources
from ..wire.values import Reference, instant
from .chart import Chart
from .reference import coded, coded_lists, country, currency

AREAS: Final = (
    "Sales",
    "Purchases",
    "Contacts",
    "Bank",
    "Journals",
    "Products & Services",
    "Settings",
    "Statutory reporting",
    "Reporting",
)
PLAN_IDS: Final = {"Start": "START", "Standard": "ACCOUNTS", "Plus": "ACCOUNTING"}
USER: Final = {
    "created_at": "2019-03-04T09:12:00Z",
    "updated_at": "2024-05-13T08:02:03Z",
    "displayed_as": "Ada Tester",
    "id": "6f1c9a52-8a8e-4f0e-9d57-2b7a7f2f6d10",
    "first_name": "Ada",
    "last_name": "Tester",
    "initials": "AT",
    "email": "ada@example.com",
    "locale": "en-GB",
}


def settings_objects(
    chart: Chart, country_code: str, base: str, bank: Reference, first_day: str, made: int
) -> dict[str, dict[str, Any]]:
    """Every settings singleton in full, by resource name."""
    known = resources()

    def whole(name: str, **values: Any) -> dict[str, Any]:
        return {**known[name].blank, "$path": known[name].path, **values}

    controls = chart.controls
    defaults = {
        "bank_charges_ledger_account": controls["BANK_CHARGES"].ref,
        "bank_interest_received_ledger_account": controls["BANK_INTEREST"].ref,
        "sales_ledger_account": controls["SALES"].ref,
        "purchase_ledger_account": controls["PURCHASES"].ref,
        "product_sales_ledger_account": controls["SALES"].ref,
        "service_sales_ledger_account": controls["SALES_SERVICES"].ref,
        "other_receipt_ledger_account": controls["OTHER_INCOME"].ref,
    }
    limited = next(t for t in coded_lists()["business_types"] if t["id"] == "LIMITED_COMPANY")
    return {
        "business_settings": whole(
            "business_settings",
            default_ledger_accounts=filled("DefaultLedgerAccounts", **defaults),
            business_type={k: limited[k] for k in ("id", "displayed_as", "$path")},
            country_of_registration=coded("countries_of_registration", "ENGLAND_AND_WALES")
            if country_code == "GB"
            else None,
            business_created_at=instant(made),
            updated_at=instant(made),
            wizard_complete=True,
            # Not in the Swagger, yet on the wire.
            smart_transaction_enabled=False,
        ),
        "cis_settings": whole("cis_settings", contractor=False, subcontractor=False),
        "financial_settings": whole(
            "financial_settings",
            year_end_date="2025-03-31",
            accounting_type="accrual",
            accounts_start_date=first_day,
            base_currency=currency(base),
            multi_currency_enabled=True,
            mtd_activation_status="not_activated",
            # An empty text where a date should be null.
            mtd_authenticated_date="",
            tax_scheme=coded("tax_schemes", "STANDARD"),
            tax_return_frequency=coded("tax_return_frequencies", "QUARTERLY"),
            tax_number="123456789",
            sales_tax_calculation="invoice",
            purchase_tax_calculation="invoice",
            updated_at=instant(made),
            exempt_from_vat=False,
        ),
        "invoice_settings": whole(
            "invoice_settings",
            next_invoice_number=1,
            next_credit_note_number=1,
            sales_invoice_number_prefix="SI-",
            sales_credit_note_number_prefix="SCN-",
            quote_number_prefix="SQ-",
            estimate_number_prefix="SE-",
            quote_default_days_to_expiry=30,
            estimate_default_days_to_expiry=30,
            invoice_terms_and_conditions="",
            payment_bank_account=bank,
            document_headings=filled("InvoiceSettingsDocumentHeadings", sales_invoice="Invoice"),
            line_item_titles=filled("InvoiceSettingsLineItemTitles", quantity="Qty"),
            footer_details=filled("FooterDetails"),
            print_contact_details=filled("PrintContactDetails"),
            print_statements=filled("PrintStatements"),
            customer_credit_days=30,
            vendor_credit_days=30,
            updated_at=instant(made),
        ),
    }


def business_row(
    ref: Reference,
    country_code: str,
    plan: str,
    plan_id: str,
    active: bool,
    status: str,
    roles: dict[str, str] | None,
    made: int,
) -> dict[str, Any]:
    """`/businesses/{id}`: with subscription and rights, which its schema does not mention, so they may be missing."""
    rights = {
        "user_roles": [{"id": "OWNER", "displayed_as": "Business Owner"}],
        "user_permissions": [{"area": area, "role": role} for area, role in (roles or {}).items()],
    }
    return {
        **resources()["businesses"].blank,
        **ref,
        "created_at": instant(made),
        "updated_at": instant(made),
        "name": ref["displayed_as"],
        "address_line_1": "1 Market Square",
        "city": {"GB": "Leeds", "IE": "Dublin", "CA": "Toronto"}[country_code],
        "postal_code": "AB1 2CD",
        "country": {k: country(country_code)[k] for k in ("id", "displayed_as")},
        "telephone": "01632 960001",
        "website": "",
        "is_demo": True,
        "subscriptions": [
            {
                "id": plan_id,
                "displayed_as": f"Accounting {plan}",
                "active": active,
                "status": status,
                "accountant_pays": False,
                "created_at": instant(made),
                "updated_at": instant(made),
            }
        ],
        **(rights if roles is not None else {}),
    }
