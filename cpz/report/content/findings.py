"""The statuses of audits and checks, as marks."""

from cpz.report.values import Mark, Status

STATUS = {
    "unchecked": Status.INFO,
    "green": Status.OK,
    "amber": Status.CAUTION,
    "red": Status.STOP,
}


def marked(status: str) -> Mark:
    """Return a finding's own word in the colour that it stands for."""
    return Mark(status, STATUS[status])
