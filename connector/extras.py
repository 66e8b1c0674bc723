"""What an extra of this package does is refused where the extra is not installed, always in the same words."""

from importlib.util import find_spec

from connector.errors import ConfigError


def require(module: str, extra: str, what: str) -> None:
    """Refuse ``what`` where ``module`` is missing, which the extra brings.

    Raises:
        ConfigError: saying how to install it.
    """
    if find_spec(module) is None:
        told = f"{what} needs the extra [{extra}], which is not installed"
        raise ConfigError(told, hint=f"pip install 'spectra-analyze-connector[{extra}]'")
