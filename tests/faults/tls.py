"""TLS peers that a client must refuse, made on the spot, and a peer that keeps every byte it was sent."""

import hashlib
import socket
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv4Address
from typing import Final, Literal, get_args

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.faults.listener import HOST, Listener
from tests.faults.peer import shut

Form = Literal["good", "changed_leaf", "unknown_ca", "wrong_host", "expired", "not_yet_valid", "self_signed", "tls_1_1"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
# What a client with the right CA refuses; changed_leaf is refused by a pin on the leaf of "good" only.
BAD: Final = tuple(form for form in FORMS if form not in {"good", "changed_leaf"})
_DAY: Final = timedelta(days=1)


class Certificates:
    """One CA that clients are to trust, and what a server shows in each form; leaves are for 127.0.0.1."""

    def __init__(self) -> None:
        self._trusted, self._unknown = trustme.CA(), trustme.CA()
        self.ca_pem: str = self._trusted.cert_pem.bytes().decode()

    def pem(self, form: Form) -> str:
        """The key and the chain of a form, made once."""
        return self._made(form)

    def sha256(self, form: Form) -> str:
        """The fingerprint of the leaf, in hexadecimal digits, as a pin has it."""
        leaf = x509.load_pem_x509_certificates(self.pem(form).encode())[0]
        return hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest()

    def context(self, form: Form) -> ssl.SSLContext:
        """A server's context that shows this form."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf = trustme.Blob(self.pem(form).encode())
        with leaf.tempfile() as path:
            made.load_cert_chain(path)
        return only_1_1(made) if form == "tls_1_1" else made

    def client(self) -> ssl.SSLContext:
        """A client's context that trusts the CA, as strictly as Python does by default."""
        return ssl.create_default_context(cadata=self.ca_pem)

    @cache  # noqa: B019  # as many as there are forms, for one object in a run
    def _made(self, form: Form) -> str:
        now = datetime.now(UTC)
        if form == "self_signed":
            return _self_signed(now)
        authority = self._unknown if form == "unknown_ca" else self._trusted
        name = "another.example" if form == "wrong_host" else HOST
        if form == "expired":
            leaf = authority.issue_cert(name, not_before=now - 2 * _DAY, not_after=now - _DAY)
        elif form == "not_yet_valid":
            leaf = authority.issue_cert(name, not_before=now + _DAY, not_after=now + 2 * _DAY)
        else:
            leaf = authority.issue_cert(name)
        pem: str = leaf.private_key_and_cert_chain_pem.bytes().decode()
        return pem


def _self_signed(now: datetime) -> str:
    """A leaf that vouches for itself, as appliances have it on their first day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "appliance")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - _DAY, now + 30 * _DAY)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    shown = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    return shown.decode()


def only_1_1(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, which speaks TLS 1.1 and nothing else; OpenSSL 3 does so at security level 0 only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def speaks_1_1(certificates: Certificates) -> bool:
    """Whether this OpenSSL can speak TLS 1.1 at all; where it cannot, the form tls_1_1 proves nothing."""
    client = only_1_1(certificates.client())
    with ByteCounter(certificates.context("tls_1_1")) as peer:
        try:
            with socket.create_connection(peer.address, 5) as plain, client.wrap_socket(plain, server_hostname=HOST):
                return True
        except OSError:
            return False


class ByteCounter(Listener):
    """Keeps every byte that arrives: ``wire`` as it came, ``received`` as it was decrypted.

    With a context it speaks TLS; without one it is what answers plain HTTP on a port where TLS was expected (``url`` is
    https for both, ``plain_url`` is not). It gives ``answer`` once a request's head has come.
    """

    def __init__(self, context: ssl.SSLContext | None = None, answer: bytes = b"") -> None:
        super().__init__("https")
        self.plain_url = self.url.replace("https://", "http://")
        self.address = (HOST, int(self.url.rpartition(":")[2]))
        self.context, self.answer = context, answer
        self.wire, self.received = bytearray(), bytearray()
        self.connections = self.handshakes = 0
        self.refusals: list[str] = []

    def saw(self, secret: str) -> bool:
        """Whether a secret arrived, in the clear or decrypted."""
        return secret.encode() in self.wire or secret.encode() in self.received

    def serve(self, connection: socket.socket) -> None:
        self.connections += 1
        connection.settimeout(10)
        if self.context is None:
            self._plain(connection)
        else:
            self._secured(connection, self.context)

    def _plain(self, connection: socket.socket) -> None:
        came, answer = b"", self.answer
        while piece := connection.recv(65536):
            came += piece
            self.wire += piece
            self.received += piece
            if answer and (b"\r\n\r\n" in came or came[0] == 0x16):  # 0x16: a ClientHello, answered as by nginx
                connection.sendall(answer)
                shut(connection, socket.SHUT_WR)
                answer = b""

    def _secured(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        goes_on = True
        while goes_on:
            goes_on = self._step(tls)
            connection.sendall(outgoing.read())
            if goes_on:
                piece = connection.recv(65536)
                self.wire += piece
                incoming.write(piece)
                goes_on = bool(piece)
        shut(connection, socket.SHUT_WR)
        while piece := connection.recv(65536):
            self.wire += piece

    def _step(self, tls: ssl.SSLObject) -> bool:
        """Go as far as what has come allows; False at the end of the connection."""
        try:
            if tls.version() is None:
                tls.do_handshake()
                self.handshakes += 1
            while piece := tls.read(65536):
                self.received += piece
                if self.answer and b"\r\n\r\n" in self.received:
                    tls.write(self.answer)
                    return False
        except ssl.SSLWantReadError:
            return True
        except ssl.SSLError as error:
            self.refusals.append(str(error.reason))
        return False
