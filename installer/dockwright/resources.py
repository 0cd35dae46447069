"""The one place that knows where ``playbooks/`` and ``templates/`` lie."""

from pathlib import Path

_PACKAGED = Path(__file__).parent / "_data"
_CHECKOUT = Path(__file__).parent.parent.parent


def directory(name: str) -> Path:
    """``playbooks`` or ``templates``: from the wheel if installed, else from the checkout."""
    return (_PACKAGED if _PACKAGED.is_dir() else _CHECKOUT) / name
