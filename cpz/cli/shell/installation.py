"""What cpz is called where packages are installed, and how to install what is missing."""

#: The distribution's name; the name `cpz` on the public index is another project's. The package
#: and the command are cpz.
DISTRIBUTION = "cpz-checkout"


def install_command(extra: str = "") -> str:
    """Return what installs cpz with an extra. It is on no index yet, so it starts from a clone.

    >>> install_command("serve")
    "in a clone of cpz: pip install '.[serve]'"
    >>> install_command()
    'in a clone of cpz: pip install .'
    """
    target = f"'.[{extra}]'" if extra else "."
    return f"in a clone of cpz: pip install {target}"
