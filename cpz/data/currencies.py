"""How many decimals an amount of a currency has: its minor units, by ISO 4217."""

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
#: The currencies whose minor unit is no hundredth.
UNUSUAL: dict[str, int] = {
    code: digits for codes, digits in ((_NONE, 0), (_THREE, 3)) for code in codes.split()
}
USUAL = 2


def minor_units_of(currency: str) -> int:
    """Return the decimals of a currency's amounts.

    >>> minor_units_of("EUR"), minor_units_of("JPY"), minor_units_of("KWD")
    (2, 0, 3)
    """
    return UNUSUAL.get(currency, USUAL)
