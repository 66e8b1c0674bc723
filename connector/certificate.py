"""The certificate that a server shows, looked at without trusting it: a TLS handshake, and not a byte more.

Python decodes a certificate only when it verified it. So the one that was shown is made the only one that is trusted,
and a second handshake verifies the server against it; where even that fails, the reason is what can be shown.
"""

import hashlib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from connector import tls
from connector.errors import ConnectFailed, InputRefused, TlsError, Violation
from connector.settings import Settings

TIMEOUT: Final = 10.0
_WRONG_NAME: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_SHORT: Final = {
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "commonName": "CN",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def shown(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Details:
    """What a certificate says of itself; times in seconds of the epoch."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins: float
    ends: float

    @property
    def self_signed(self) -> bool:
        return self.subject == self.issuer


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate as a server showed it. Without details, ``problem`` says why there are none."""

    address: Address
    protocol: str
    pem: str
    sha256: str
    for_this_host: bool | None
    details: Details | None
    problem: str | None = None


def address_of(url: str) -> Address:
    """The host and port of an https URL.

    Raises:
        ConfigError: when it is no bare address of a server.
        InputRefused: when it is not https.
    """
    parts = urlsplit(Settings(url=url).url)
    if parts.scheme != "https":
        raise InputRefused.of([Violation("/url", "must start with https://; http has no certificate")])
    return Address(parts.hostname or "", parts.port or 443)


def look(address: Address, timeout: float = TIMEOUT, client_cert: str | None = None) -> Shown:
    """The certificate that the server shows now. Nothing is verified and no request is sent.

    Raises:
        ConnectFailed: when there is no connection.
        TlsError: when the other side does not speak TLS, or refuses to.
    """
    untrusting = _context(None, client_cert)
    with connected(address, untrusting, timeout) as connection:
        der = connection.getpeercert(binary_form=True) or b""
        protocol = connection.version() or "TLS"
    pem = ssl.DER_cert_to_PEM_cert(der)
    for_this_host, details, problem = _decoded(address, pem, timeout, client_cert)
    return Shown(address, protocol, pem, hashlib.sha256(der).hexdigest(), for_this_host, details, problem)


def _context(trusted: str | None, client_cert: str | None) -> ssl.SSLContext:
    """A context that trusts nobody and accepts anybody, or one that trusts a single certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if client_cert:
        made.load_cert_chain(client_cert)
    if trusted is None:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    else:
        made.load_verify_locations(cadata=trusted)
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return made


def _decoded(
    address: Address, pem: str, timeout: float, client_cert: str | None
) -> tuple[bool | None, Details | None, str | None]:
    """Whether it is for this host, what it says, and why that cannot be told."""
    trusting = _context(pem, client_cert)
    for_this_host = True
    for _ in range(2):
        try:
            with connected(address, trusting, timeout) as connection:
                return for_this_host, _details(connection.getpeercert() or {}), None
        except ssl.SSLCertVerificationError as error:
            if error.verify_code not in _WRONG_NAME:
                return None, None, error.verify_message
        except (TlsError, ConnectFailed) as error:
            return None, None, error.message
        for_this_host = trusting.check_hostname = False
    return None, None, "it cannot be decoded"


@contextmanager
def connected(address: Address, context: ssl.SSLContext, timeout: float = TIMEOUT) -> Iterator[ssl.SSLSocket]:
    """A connection after its handshake.

    Raises:
        ConnectFailed: when there is no connection.
        ssl.SSLCertVerificationError: when the context does not accept the certificate.
        TlsError: when the handshake fails for another reason.
    """
    with reached(address, timeout) as plain:
        try:
            connection = context.wrap_socket(plain, server_hostname=address.host)
        except ssl.SSLCertVerificationError:
            raise
        except tls.PinMismatch as error:
            raise tls.explain(str(error)) from None
        except (OSError, ValueError) as error:
            raise tls.explain(str(error)) from None
        with connection:
            yield connection


def accepted(address: Address, context: ssl.SSLContext) -> str:
    """The protocol of a handshake in which the context accepts the server.

    Raises:
        TlsError: saying what it does not accept.
        ConnectFailed: when there is no connection.
    """
    try:
        with connected(address, context) as connection:
            return connection.version() or "TLS"
    except ssl.SSLCertVerificationError as error:
        raise tls.explain(str(error)) from None


def reached(address: Address, timeout: float = TIMEOUT) -> socket.socket:
    """A plain connection; raises ConnectFailed, saying whether the name or the port is at fault."""
    try:
        return socket.create_connection((address.host, address.port), timeout)
    except (socket.gaierror, UnicodeError):
        raise ConnectFailed(
            f"the host name {address.host} cannot be resolved; nothing was sent",
            retryable=False,
            hint="check the address for a typing error, and the name server of this machine",
        ) from None
    except TimeoutError:
        raise ConnectFailed(
            f"{address.shown} does not answer; nothing was sent",
            hint="check the address, the network and the firewall between here and the appliance",
        ) from None
    except OSError as problem:
        reason = (problem.strerror or "no connection").lower()
        raise ConnectFailed(
            f"{address.shown} takes no connection ({reason}); nothing was sent",
            hint="check the port, and that the appliance is running",
        ) from None


def _details(decoded: Any) -> Details:
    names = tuple(f"{kind}:{value}" for kind, value in decoded.get("subjectAltName", ()))
    return Details(
        subject=_name(decoded.get("subject", ())),
        issuer=_name(decoded.get("issuer", ())),
        names=names,
        begins=ssl.cert_time_to_seconds(decoded["notBefore"]),
        ends=ssl.cert_time_to_seconds(decoded["notAfter"]),
    )


def _name(parts: Any) -> str:
    """A distinguished name in one line, in the order of the certificate."""
    return ", ".join(f"{_SHORT.get(key, key)}={value}" for part in parts for key, value in part) or "(empty)"


def days_left(details: Details, now: float | None = None) -> int:
    return int((details.ends - (time.time() if now is None else now)) // 86400)


def colons(sha256: str) -> str:
    """A fingerprint as other tools print it, to be compared by eye."""
    return ":".join(sha256[at : at + 2] for at in range(0, len(sha256), 2)).upper()
