"""Shares on the command line: `5%` and `0.05` are the same."""

from cpz.data.errors import UsageError


def parse_share(text: str, option: str) -> float:
    """Return a share between 0 and 1.

    Raises:
        UsageError: no number, or one outside; 5 alone might mean either.

    >>> parse_share("5%", "--max-rejects"), parse_share("0.05", "--max-rejects")
    (0.05, 0.05)
    """
    number = text.strip().removesuffix("%")
    try:
        value = float(number) / (100 if number != text.strip() else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(
            f"{option}: expected a share such as 5% or 0.05, got {text!r}",
            hint="write it with a percent sign, or between 0 and 1",
        )
    return value
