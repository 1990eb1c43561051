"""Lists whose ids are codes: the same in every business."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from ..wire.values import reference

# name -> "CODE Shown as|CODE Shown as|..."; a code alone is shown as its own words.
_CODED: Final = {
    "ledger_account_classifications": "ASSETS Assets|LIABILITIES Liabilities|EQUITY Equity|INCOME Income|"
    "EXPENSES Expenses",
    "ledger_account_types": "CURRENT_ASSETS|FIXED_ASSETS|BANK|CURRENT_LIABILITIES|FUTURE_LIABILITIES|EQUITY|"
    "SALES|OTHER_INCOME|DIRECT_EXPENSES|OVERHEADS|DEPRECIATION",
    "transaction_types": "SALES_INVOICE|SALES_CREDIT_NOTE|SALES_QUICK_INVOICE|SALES_QUICK_CREDIT_NOTE|"
    "PURCHASE_INVOICE|PURCHASE_CREDIT_NOTE|PURCHASE_QUICK_INVOICE|PURCHASE_QUICK_CREDIT_NOTE|"
    "CUSTOMER_RECEIPT|CUSTOMER_REFUND|VENDOR_PAYMENT|VENDOR_REFUND|CUSTOMER_ALLOCATION|VENDOR_ALLOCATION|"
    "OTHER_PAYMENT|OTHER_RECEIPT|BANK_TRANSFER|BANK_DEPOSIT|BANK_OPENING_BALANCE|CONTACT_OPENING_BALANCE|"
    "LEDGER_OPENING_BALANCE|OPENING_BALANCE_JOURNAL|JOURNAL|CORRECTION",
    "attachment_context_types": "SALES_INVOICE|PURCHASE_INVOICE|CONTACT|JOURNAL|OTHER_PAYMENT",
    "bank_account_types": "CURRENT|SAVINGS|CREDIT_CARD|CASH_IN_HAND|LOAN|OTHER",
    "address_types": "SALES|DELIVERY|PURCHASING|ACCOUNTS|ADDRESS_TYPE_6 Other",
    "contact_types": "CUSTOMER|VENDOR",
    "contact_person_types": "ACCOUNTS|SALES|PURCHASING|DELIVERY|OTHER",
    "country_groups": "GBIE UK and Ireland|EU European Union|NA North America|ALL Rest of the world",
    "currencies": "GBP Pound Sterling (GBP)|EUR Euro (EUR)|USD US Dollar (USD)|CAD Canadian Dollar (CAD)|"
    "AUD Australian Dollar (AUD)|CHF Swiss Franc (CHF)|CNY Yuan Renminbi (CNY)|DKK Danish Krone (DKK)|"
    "HKD Hong Kong Dollar (HKD)|INR Indian Rupee (INR)|JPY Yen (JPY)|MXN Mexican Peso (MXN)|"
    "NOK Norwegian Krone (NOK)|NZD New Zealand Dollar (NZD)|PLN Zloty (PLN)|SEK Swedish Krona (SEK)|"
    "SGD Singapore Dollar (SGD)|THB Baht (THB)|TRY Turkish Lira (TRY)|ZAR Rand (ZAR)|CZK Czech Koruna (CZK)|"
    "HUF Forint (HUF)|ILS New Shekel (ILS)|RON Romanian Leu (RON)",
    "quick_entry_types": "INVOICE|CREDIT_NOTE",
    "artefact_statuses": "UNPAID|PART_PAID|PAID|VOID|DRAFT|DISPUTED|DECLINED|PRO_FORMA Pro forma",
    "eu_goods_services_types": "GOODS|SERVICES",
    "eu_sales_descriptions": "NOT_APPLICABLE|STANDARD|TRIANGULATION|SERVICES|CALL_OFF_STOCK",
    "contact_opening_balance_types": "CUSTOMER_INVOICE|CUSTOMER_CREDIT_NOTE|VENDOR_INVOICE|VENDOR_CREDIT_NOTE",
    "payment_methods": "CASH|CHEQUE|CREDIT_DEBIT Card|ELECTRONIC|OTHER",
    "catalog_item_types": "PRODUCT|SERVICE|STOCK_ITEM",
    "business_activity_types": "COMMERCE|SERVICES|CRAFT",
    "legal_form_types": "SARL|SAS|EURL",
    "tax_return_frequencies": "MONTHLY|QUARTERLY|ANNUALLY",
    "countries_of_registration": "ENGLAND_AND_WALES England and Wales|SCOTLAND|NORTHERN_IRELAND|IRELAND|CANADA",
    "tax_schemes": "STANDARD|CASH|FLAT_RATE_INVOICE Flat rate (invoice)|FLAT_RATE_CASH Flat rate (cash)",
    "countries": "AT Austria|AU Australia|BE Belgium|BG Bulgaria|BR Brazil|CA Canada|CH Switzerland|CN China|"
    "CY Cyprus|CZ Czechia|DE Germany|DK Denmark|EE Estonia|ES Spain|FI Finland|FR France|GB United Kingdom|"
    "GR Greece|HR Croatia|HU Hungary|IE Ireland|IN India|IT Italy|JP Japan|LT Lithuania|LU Luxembourg|"
    "LV Latvia|MT Malta|NL Netherlands|NO Norway|NZ New Zealand|PL Poland|PT Portugal|RO Romania|SE Sweden|"
    "SG Singapore|SI Slovenia|SK Slovakia|US United States|ZA South Africa",
}
_BUSINESS_TYPES: Final = "SOLE_TRADER|PARTNERSHIP|LIMITED_COMPANY|LLP Limited liability partnership|CHARITY"
_REGIONS: Final = {
    "GB": "ENG England|SCT Scotland|WLS Wales|NIR Northern Ireland",
    "IE": "C Cork|D Dublin|G Galway|LK Limerick",
    "CA": "ON Ontario|QC Quebec|BC British Columbia|AB Alberta|NS Nova Scotia",
}


def _split(text: str) -> list[tuple[str, str]]:
    """Codes and what they are shown as."""
    pairs = (entry.partition(" ") for entry in text.split("|"))
    return [(code, shown or code.replace("_", " ").capitalize()) for code, _, shown in pairs]


@cache
def coded(name: str, code: str) -> dict[str, Any]:
    """The reference to one coded row, as other rows carry it."""
    shown = dict(_split(_CODED[name]))[code]
    return reference(f"/{name}", code, shown)


@cache
def coded_lists() -> dict[str, list[dict[str, Any]]]:
    """Every coded list in full."""
    lists = {name: [coded(name, code) for code, _ in _split(text)] for name, text in _CODED.items()}
    lists["address_regions"] = [
        {**reference("/address_regions", f"{country}-{code}", shown), "code": code, "name": shown}
        for country, text in _REGIONS.items()
        for code, shown in _split(text)
    ]
    lists["business_types"] = [
        {
            **reference("/business_types", code, shown),
            "name": shown,
            "description": f"A business run as: {shown.lower()}",
        }
        for code, shown in _split(_BUSINESS_TYPES)
    ]
    return lists


def currency(code: str) -> dict[str, Any]:
    """The reference to a currency."""
    return coded("currencies", code)


def country(code: str) -> dict[str, Any]:
    """The reference to a country."""
    return coded("countries", code)
