"""The version of the product; the changelog has an entry for each."""

__version__ = "0.1.0"
