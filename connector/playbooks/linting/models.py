"""Agents, targets, data markings and signatures in full, as CACAO 2.0 has each of their types.

A run reads little of them (``cacao.AgentTarget``); the linter reads all, so that what it passes other tools take.
"""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from connector.playbooks.cacao import Extensions, Identifier, Reference, Some, Timestamp
from connector.vocabulary import Message


def _ipv6(text: str) -> str:
    ipaddress.IPv6Address(text)
    return text


Texts = Annotated[list[str], Some]
Region = Literal[
    "africa",
    "eastern-africa",
    "middle-africa",
    "northern-africa",
    "southern-africa",
    "western-africa",
    "americas",
    "caribbean",
    "central-america",
    "latin-america-caribbean",
    "northern-america",
    "south-america",
    "asia",
    "central-asia",
    "eastern-asia",
    "southern-asia",
    "south-eastern-asia",
    "western-asia",
    "europe",
    "eastern-europe",
    "northern-europe",
    "southern-europe",
    "western-europe",
    "oceania",
    "antarctica",
    "australia-new-zealand",
    "melanesia",
    "micronesia",
    "polynesia",
]
# What the published schemas take for a URL: a dotted name that ends in letters stands somewhere in it.
Web = Annotated[str, Field(pattern=r"[a-zA-Z0-9@:%._+~#=()?/]{2,256}\.[a-z]{2,6}\b")]
_OCTET: Final = r"(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
IPv4 = Annotated[str, Field(pattern=rf"^{_OCTET}(\.{_OCTET}){{3}}$")]
IPv6 = Annotated[str, AfterValidator(_ipv6)]
Mac = Annotated[str, Field(pattern=r"^[a-fA-F0-9]{2}(:[a-fA-F0-9]{2}){5}$")]


class CivicLocation(Message):
    """civic-location, section 10.3."""

    name: str | None = None
    description: str | None = None
    building_details: str | None = None
    network_details: str | None = None
    region: Region | None = None
    country: str | None = None
    administrative_area: str | None = None
    city: str | None = None
    street_address: str | None = None
    postal_code: str | None = None
    latitude: str | None = None
    longitude: str | None = None
    precision: str | None = None


class Contact(Message):
    """contact, section 10.5."""

    email: dict[str, str] | None = None
    phone: dict[str, str] | None = None
    contact_details: str | None = None


class Address(Message):
    """The addresses of one agent or target, by their kinds."""

    url: list[Web] | None = None
    dname: list[str] | None = None
    ipv4: list[IPv4] | None = None
    ipv6: list[IPv6] | None = None
    l2mac: list[Mac] | None = None
    vlan: list[Annotated[int, Field(ge=0, le=4095)]] | None = None


class Named(Message):
    """What every agent and target has, section 7.1."""

    type: str
    name: str
    description: str | None = None
    location: CivicLocation | None = None
    agent_target_extensions: Annotated[Extensions, Some] | None = None


class Person(Named):
    """group, individual and organization."""

    contact: Contact | None = None


class Place(Named):
    logical: Texts | None = None


class Sector(Named):
    sector: str


class SecurityCategory(Named):
    category: Texts


class Addressed(Named):
    """http-api, linux, net-address and ssh."""

    address: Address
    port: str | None = None
    authentication_info: Identifier | None = None
    category: Texts | None = None


class Marking(Message):
    """What every data marking has, section 9.1."""

    type: str
    id: Identifier
    name: str | None = None
    description: str | None = None
    created_by: Identifier
    created: Timestamp
    revoked: bool | None = None
    valid_from: Timestamp | None = None
    valid_until: Timestamp | None = None
    labels: Texts | None = None
    external_references: Annotated[list[Reference], Some] | None = None
    marking_extensions: Annotated[Extensions, Some] | None = None


class Statement(Marking):
    statement: str


class TlpMarking(Marking):
    tlpv2_level: Literal["TLP:RED", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:GREEN", "TLP:CLEAR"]


class IepMarking(Marking):
    """marking-iep, section 9.4; the published schema is satisfied by none, as it wants references both text and not."""

    name: str
    description: str
    tlp: str
    iep_version: int
    start_date: Timestamp
    end_date: Timestamp | None
    encrypt_in_transit: str
    permitted_actions: str
    affected_party_notifications: str
    attribution: str
    unmodified_resale: str
    external_references: list[Any] | None = None


class Signature(Message):
    """signature, section 10.15."""

    type: Literal["jss"]
    id: Identifier
    created_by: Identifier | None = None
    created: Timestamp
    modified: Timestamp
    revoked: bool | None = None
    signee: str
    valid_from: Timestamp | None = None
    valid_until: Timestamp | None = None
    related_to: Identifier
    related_version: Timestamp
    hash_algorithm: str
    algorithm: str
    public_key: str | None = None
    public_cert_chain: Texts | None = None
    cert_url: str | None = None
    thumbprint: str | None = None
    value: str
    signature: "Signature | None" = None

    @model_validator(mode="after")
    def _one_key(self) -> "Signature":
        ways = (self.public_key, self.public_cert_chain, self.cert_url, self.thumbprint)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("has exactly one of public_key, public_cert_chain, cert_url and thumbprint")
        return self


AGENTS: Final[Mapping[str, type[BaseModel]]] = {
    **dict.fromkeys(("group", "individual", "organization"), Person),
    **dict.fromkeys(("http-api", "linux", "net-address", "ssh"), Addressed),
    "location": Place,
    "sector": Sector,
    "security-category": SecurityCategory,
}
MARKINGS: Final[Mapping[str, type[BaseModel]]] = {
    "marking-statement": Statement,
    "marking-tlp": TlpMarking,
    "marking-iep": IepMarking,
}
