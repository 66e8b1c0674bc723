"""How to reach one appliance and what is allowed there: from arguments, the environment, or a TOML file.

Arguments win over the environment (``SPECTRA_URL``, ``SPECTRA_TOKEN``, ...), which wins over the file.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from connector.errors import ConfigError
from connector.vocabulary import Generation, Tlp, Unpickled, Veiled
from connector.zones import check_zone

PREFIX: Final = "SPECTRA_"
NO_URL: Final = (
    "export SPECTRA_URL=https://appliance.example.com and SPECTRA_TOKEN, or name a TOML file in SPECTRA_CONFIG"
)
FILE_VARIABLE: Final = "SPECTRA_CONFIG"
IN_MEMORY: Final = "memory"
APPLICATION: Final = "spectra-analyze-connector"


def state_folder(state: str | None) -> Path:
    """The folder of the journal and the cache: the setting ``state``, or the user's own for programs' state.

    That is ``$XDG_STATE_HOME/spectra-analyze-connector`` on Linux (XDG Base Directory 0.8), and the like elsewhere.
    """
    if state:
        return Path(state).expanduser()
    from platformdirs import user_state_path  # noqa: PLC0415  # only who changes something needs it

    return user_state_path(APPLICATION, appauthor=False)


def _origin(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL such as https://appliance.example.com") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"[\s\\]", value):
        raise ValueError("must start with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password; use token, token_file, or username and password")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("must be the bare address of the appliance, without a path, query or fragment")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def check_token(value: SecretStr) -> SecretStr:
    """A token as a header can carry it; ValueError with what is accepted, and never the value."""
    if not re.fullmatch(r"[!-~]{8,256}", value.get_secret_value()):
        raise ValueError(
            "must be 8 to 256 visible ASCII characters, without spaces or line breaks; "
            "to read it from a file, name the file in token_file"
        )
    return value


class ProxyUrl(str):
    """The address of a proxy, whose repr leaves out the user name and password that may stand in it."""

    __slots__ = ()

    def shown(self) -> str:
        return re.sub("//.*@", "//***@", self, flags=re.DOTALL)

    def __repr__(self) -> str:
        return repr(self.shown())


def _proxy(value: str) -> ProxyUrl:
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or re.search(r"[\s\\]", value):
        raise ValueError("must be the address of an HTTP proxy, such as http://proxy.example.com:3128")
    return ProxyUrl(value)


def _fingerprint(value: str) -> str:
    plain = value.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise ValueError("must be a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons")
    return plain


def _zones(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(check_zone(value) for value in values)


_SECRET = {"type": "string", "format": "password", "writeOnly": True}
Secret = Annotated[SecretStr, WithJsonSchema(_SECRET)]


class Settings(Unpickled, BaseModel):
    """Settings of one appliance. Secrets are shown as asterisks everywhere and never serialised."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        title="Settings of the Spectra Analyze connector",
    )

    url: Annotated[
        str,
        AfterValidator(_origin),
        Field(
            description="Address of the appliance: scheme, host, port.",
            examples=["https://appliance.example.com"],
        ),
    ]
    token: Annotated[Secret, AfterValidator(check_token)] | None = Field(
        None, description="API token (Administration, Users and Personalization, Tokens)."
    )
    token_file: Path | None = Field(None, description="File that holds the token; spaces around it are ignored.")
    username: str | None = Field(None, repr=False, description="User name, where no token is at hand.")
    password: Secret | None = Field(None, description="Password of username; exchanged once for a token.")
    ca_file: Path | None = Field(None, description="PEM file of the CA, or of the appliance's own certificate.")
    ca_pem: str | None = Field(None, description="The same as text.")
    certificate_sha256: Annotated[str, AfterValidator(_fingerprint)] | None = Field(
        None,
        description="SHA-256 fingerprint of the one certificate to accept, checked before the first byte.",
    )
    verify_tls: bool = Field(True, description="False accepts any certificate: each outcome carries a notice then.")
    proxy: Annotated[str, AfterValidator(_proxy), PlainSerializer(ProxyUrl.shown, when_used="json")] | None = Field(
        None, description="http proxy to use; the environment's proxies are ignored."
    )
    client_cert: Path | None = Field(None, description="PEM file with a client certificate and its key.")
    deadline_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        60.0, description="Seconds for a whole action, retries included; uploads get 1 s more for each MB."
    )
    api_generation: Generation = Field(
        "auto", description="Which endpoints: current, legacy (deprecated), or auto: what the release has."
    )
    allow_cloud: bool = Field(
        False,
        description="Allows what shows files or URLs to the cloud: crawling, analysis, sandbox, URL reputation.",
    )
    allow_internal_urls: bool = Field(
        False,
        description="Allows submit_url to send the appliance to internal addresses; they never become public.",
    )
    private_zones: Annotated[tuple[str, ...], AfterValidator(_zones)] = Field(
        (),
        description="Your own domains, addresses and networks (CIDR): URLs inside are internal.",
        examples=[["corp.example.com", "198.51.100.0/24"]],
    )
    allow_delete: bool = Field(False, description="Allows bulk_delete to confirm a plan.")
    max_delete: Annotated[int, Field(ge=1, le=1000)] = Field(
        100, description="Most samples that one bulk_delete may plan and confirm."
    )
    file_roots: tuple[Path, ...] | None = Field(
        None,
        description="Folders that the parameter file may read from. Left out: no limit, for a program that names "
        "its own files; an empty list: none. Hosts and servers set an empty list, the command line its folder.",
    )
    tlp: Tlp = Field("amber", description="TLP 2.0 marking of everything in STIX.")
    stix_profile: Literal["core", "full", "none"] = Field(
        "core", description="How much STIX: core, full, or none where only the verdicts are wanted."
    )
    stix_target: Literal["generic", "opencti", "misp", "sentinel", "taxii"] = Field(
        "generic", description="The product that reads the STIX."
    )
    state: str | None = Field(
        None,
        description="Folder of the journal of submissions and deletions. Left out: the user's folder for programs' "
        "state. The word memory keeps the journal in the process only: what a crash interrupts is forgotten then.",
    )

    if not TYPE_CHECKING:  # type checkers see the fields as keyword arguments

        def __init__(self, **values: Any) -> None:
            """Check every setting; raises ConfigError, which repeats no value, nor does its traceback."""
            values = Veiled(values)
            try:
                super().__init__(**values)
            except ValidationError as error:
                refusal = _refusal(error)
            else:
                return
            raise refusal

    @model_validator(mode="after")
    def _one_credential(self) -> "Settings":
        given = [self.token is not None, self.token_file is not None, self.username is not None]
        if sum(given) > 1:
            raise ValueError("give one of token, token_file, or username with password")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if self.ca_file is not None and self.ca_pem is not None:
            raise ValueError("give one of ca_file and ca_pem")
        return self

    @classmethod
    def load(
        cls,
        arguments: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        file: Path | None = None,
    ) -> "Settings":
        """Settings from arguments, then ``SPECTRA_*``, then the TOML file (``SPECTRA_CONFIG`` or ``file``).

        Raises:
            ConfigError: naming each setting that is missing or not accepted; the values are never repeated.
        """
        arguments, environ = Veiled(arguments or {}), Veiled(os.environ if environ is None else environ)
        return cls(**_layered(arguments, environ, file))

    def credential(self) -> SecretStr | None:
        """The token to send, read from ``token_file`` where one is named; None when it must be asked for."""
        if self.token is not None:
            return self.token
        if self.token_file is None:
            return None
        try:
            return check_token(SecretStr(self.token_file.read_text("utf-8").strip()))
        except (OSError, UnicodeDecodeError):
            problem = "cannot be read; nothing was sent. Name a readable text file"
        except ValueError as error:
            problem = f"holds a token that {error}; nothing was sent"
        raise ConfigError(f"token_file {problem}")


def _layered(arguments: Veiled, environ: Veiled, file: Path | None) -> Veiled:
    """Arguments over the environment over the file; a credential in one layer replaces those below it."""
    chosen = file or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    values = Veiled(_from_file(chosen) if chosen else {})
    given = {name: value for name, value in arguments.items() if value is not None}
    for layer in (_from_environment(environ), given):
        if layer.keys() & {"token", "token_file", "username"}:
            for name in ("token", "token_file", "username", "password"):
                values.pop(name, None)
        values.update(layer)
    return values


def _refusal(error: ValidationError) -> ConfigError:
    """One sentence for each setting that is not accepted; the values are never repeated."""
    told = "; ".join(
        f"{'/'.join(str(part) for part in e['loc']) or 'settings'}: {e['msg'].removeprefix('Value error, ')}"
        for e in error.errors(include_input=False, include_url=False)
    )
    return ConfigError(
        f"the settings were refused and nothing was sent: {told}",
        hint=NO_URL if "url: Field" in told else None,
    )


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        text = environ.get(PREFIX + name.upper())
        if text is None or text == "":
            continue
        values[name] = text.split(_LISTS[name]) if name in _LISTS else text
    return values


_LISTS: Final = {"file_roots": os.pathsep, "private_zones": ","}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            values = Veiled(tomllib.load(stream))
    except OSError:
        refused = "the settings file cannot be read; nothing was sent. Check SPECTRA_CONFIG"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        refused = f"the settings file is not valid TOML ({problem}); nothing was sent"
    else:
        return _known(values)
    raise ConfigError(refused)  # out here, where the parser's frames, which hold the file's text, are not behind it


def _known(values: Veiled) -> Veiled:
    unknown = sorted(values.keys() - Settings.model_fields.keys())
    if unknown:
        raise ConfigError(
            f"the settings file holds the unknown setting {unknown[0]}; known: {', '.join(Settings.model_fields)}"
        )
    return values
