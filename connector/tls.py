"""One TLS context for one appliance: which certificates are trusted, and the pin that is checked before any byte.

Nothing is taken from the environment: no key log, and no CA store that a variable names. Trusted is what the system
trusts, from where OpenSSL was built to look for it. TLS 1.2 or later.
"""

import hashlib
import re
import ssl
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from connector.errors import ConfigError, TlsError

_KINDS: Final = {
    "self-signed": "its certificate is self-signed and not in ca_file",
    "self signed": "its certificate is self-signed and not in ca_file",
    "unable to get local issuer": "its certificate comes from an unknown CA; name it in ca_file",
    "hostname mismatch": "its certificate is for another host name",
    "ip address mismatch": "its certificate is for another address",
    "expired": "its certificate has expired",
    "not yet valid": "its certificate is not yet valid; check the clock",
    "wrong version number": "it does not speak TLS on this port",
    "protocol version": "it offers TLS versions older than 1.2 only",
    "pin": "its certificate is not the pinned one (certificate_sha256)",
}


class PinMismatch(ssl.SSLError):
    """The certificate shown is not the one that certificate_sha256 names."""


@lru_cache(maxsize=32)
def context(
    ca_file: str | None, ca_pem: str | None, pin: str | None, verify: bool, client_cert: str | None
) -> ssl.SSLContext:
    """The context for these settings; the same settings share one, as building it takes 25 ms.

    A pin alone proves the appliance; with a CA beside it both must hold. ca_file may hold the appliance's own
    certificate (partial chain), which is what ``spectra trust`` writes.

    Raises:
        ConfigError: naming the setting whose file or text cannot be read.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # create_default_context would heed SSLKEYLOGFILE and SSL_CERT_FILE
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if not (ca_file or ca_pem or pin):
        _trust_the_system(made)
    try:
        if ca_file or ca_pem:
            made.load_verify_locations(cafile=ca_file, cadata=ca_pem)
            made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if client_cert:
            made.load_cert_chain(client_cert)
    except (OSError, ValueError):
        name = "client_cert" if not (ca_file or ca_pem) else "ca_file, ca_pem or client_cert"
        raise ConfigError(f"{name} is not a readable PEM certificate; nothing was sent") from None
    if not verify or (pin and not (ca_file or ca_pem)):
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if pin:
        _require_pin(made, pin)
    return made


_USUAL: Final = (  # where distributions keep the CAs, for an OpenSSL that was built to look elsewhere
    *("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"),
    *("/etc/ssl/cert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
)


def _trust_the_system(made: ssl.SSLContext) -> None:
    """Trust the CAs of the system; where there are none, nobody is trusted until ca_file names one.

    ``load_default_certs`` is not used: it lets SSL_CERT_FILE and SSL_CERT_DIR replace them (OpenSSL,
    SSL_CTX_set_default_verify_paths).
    """
    if sys.version_info >= (3, 13):
        made.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python's own default context from then on
    stores: Any = getattr(ssl, "enum_certificates", None)  # on Windows only
    if stores is not None:
        _trust_windows(made, stores)
        return
    built = ssl.get_default_verify_paths()
    folder = Path(built.openssl_capath)
    hashed = any(folder.glob("*.0"))  # as OpenSSL looks a CA up in a folder
    if hashed:
        made.load_verify_locations(capath=folder)
    for file in map(Path, (built.openssl_cafile, *(() if hashed else _USUAL))):
        if file.is_file():
            made.load_verify_locations(cafile=file)
            return


def _trust_windows(made: ssl.SSLContext, stores: Any) -> None:
    """Trust what Windows trusts for servers (the stores CA and ROOT, as Python itself does)."""
    for store in ("CA", "ROOT"):
        for der, encoding, purposes in stores(store):
            if encoding == "x509_asn" and (purposes is True or ssl.Purpose.SERVER_AUTH.oid in purposes):
                with suppress(ssl.SSLError):  # one that OpenSSL cannot read
                    made.load_verify_locations(cadata=der)


def _require_pin(made: ssl.SSLContext, pin: str) -> None:
    def check(connection: Any) -> None:
        shown = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
        if shown != pin:
            raise PinMismatch(f"pin mismatch: the appliance shows {shown}, certificate_sha256 is {pin}")

    class PinnedSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            super().do_handshake(block)
            check(self)

    class PinnedObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            check(self)

    made.sslsocket_class = PinnedSocket
    made.sslobject_class = PinnedObject


def explain(text: str) -> TlsError:
    """A TlsError that says what is wrong with the certificate, from OpenSSL's words."""
    lowered = text.lower()
    reason = next((words for key, words in _KINDS.items() if key in lowered), "the TLS handshake failed")
    shown = re.search(r"pin mismatch: (.* is [0-9a-f]{64})", text)
    detail = f" ({shown[1]})" if shown else ""
    return TlsError(f"the appliance could not prove who it is: {reason}{detail}; no token was sent")


def readable(path: Path | None) -> str | None:
    """A path as the context wants it: absolute, or None."""
    return str(path.expanduser().absolute()) if path is not None else None
