"""Turn bare Ubuntu and Debian machines into verified Docker hosts."""

__version__ = "0.1.0"
