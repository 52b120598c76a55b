"""Amounts of money with the currency that stands beside them."""

import re
from dataclasses import dataclass
from functools import lru_cache

from feeds.values.amounts import NUMBER, Amount, OpenAmount, read_amount

CURRENCIES = frozenset(
    (  # noqa: SIM905
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD "
        "CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ "
        "GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR "
        "LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN "
        "PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS "
        "TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG "
    ).split()
)
_SYMBOLS = {
    "€": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "₹": "INR", "us$": "USD", "$us": "USD", "a$": "AUD",
    "au$": "AUD", "c$": "CAD", "ca$": "CAD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD", "nt$": "TWD", "mx$": "MXN",
    "r$": "BRL", "zł": "PLN", "zl": "PLN", "kč": "CZK", "₽": "RUB", "руб": "RUB", "руб.": "RUB", "₺": "TRY",
    "tl": "TRY", "₩": "KRW", "₪": "ILS", "₫": "VND", "đ": "VND", "฿": "THB", "₴": "UAH", "₱": "PHP", "₦": "NGN",
    "ft": "HUF", "lei": "RON", "лв": "BGN", "лв.": "BGN", "fr.": "CHF", "sfr.": "CHF", "sfr": "CHF", "円": "JPY",
    "元": "CNY", "rmb": "CNY", "cn¥": "CNY", "jp¥": "JPY", "dh": "MAD", "rm": "MYR",
}  # fmt: skip
# Signs that several currencies share; which one is for the shop to say (`--currency`).
_SHARED_SIGNS = frozenset({"$", "¥", "￥", "kr", "kr.", "rs", "rs.", "р.", "р"})
_NO_DECIMALS = re.compile(r"(?<=[0-9])\s*(?:[.,]\s*[-\u2013\u2014]{1,2}|/-)(?![0-9])\s*")  # 12,- and 500/-
_REMEMBERED = 1 << 16  # texts; prices are read twice, and many products have the same one
_BESIDE = re.compile(r"[\s\u00a0\u202f:]+")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount and its currency.

    Attributes:
        amount: the number.
        currency: ISO code; None where none stands there, or only a sign that several have.
        shared_sign: such a sign, for example $; None where there is none.
    """

    amount: Amount | OpenAmount
    currency: str | None = None
    shared_sign: str | None = None


@lru_cache(_REMEMBERED)
def read_money(text: str) -> Money | str:
    """Return the amount of money that a text is, or the reason why it is none: one of a fixed set of phrases."""
    bare = text.strip()
    plain = read_amount(bare)
    if plain is not None:
        return Money(plain)
    if bare.startswith(("-", "\u2212")) or (bare.startswith("(") and bare.endswith(")")):
        return "a price below zero" if NUMBER.search(bare) else "not a price"
    bare = _NO_DECIMALS.sub(" ", bare).strip()
    numbers = NUMBER.findall(bare)
    if not numbers:
        return "not a price"
    if len(numbers) > 1:
        return "several numbers in place of a price"
    amount = read_amount(numbers[0])
    if amount is None:
        return "a number whose separators do not go together"
    before, after = (_BESIDE.sub("", part) for part in bare.split(numbers[0], 1))
    if before.endswith(("-", "\u2212")) or after in ("-", "\u2212"):
        return "a price below zero"
    return _with_currency(amount, [beside for beside in (before, after) if beside])


def currency_of(text: str) -> str | None:
    """Return the ISO code of a currency that a text names; None if it names none, or several have its sign."""
    code = _BESIDE.sub("", text).upper()
    return code if code in CURRENCIES else _SYMBOLS.get(code.lower())


def _with_currency(amount: Amount | OpenAmount, beside: list[str]) -> Money | str:
    currency = shared = None
    for word in beside:
        named = currency_of(word)
        if named is not None:
            if currency not in (None, named):
                return "two currencies beside one price"
            currency = named
        elif word.lower() in _SHARED_SIGNS:
            shared = word
        else:
            return "words beside the price"
    return Money(amount, currency, None if currency else shared)
