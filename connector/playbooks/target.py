"""Where a command is sent, and which variables let it in: targets and authentication of a playbook."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from connector.playbooks.asking import Credentials
from connector.playbooks.cacao import AgentTarget, Authentication, Playbook
from connector.playbooks.extension import needs_of
from connector.playbooks.filling import Value, fill_target, fill_text, references
from connector.playbooks.variables import BadValue

SERVER_VARIABLE: Final = "__action_server__"  # what a playbook without the needs extension calls the action server by
# A host and perhaps a port: no user, and nothing that would end it, so that no value can lead somewhere else.
_AUTHORITY: Final = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


ACTIONS: Final = "/actions/"  # the action server's routes of actions, each by its name


def action_of(target: str) -> str:
    """The name of the action that a request's target is for at the action server; empty where it is for none."""
    route = target.partition("?")[0]
    return route.removeprefix(ACTIONS) if route.startswith(ACTIONS) else ""


class BadTarget(ValueError):
    """A target that cannot be called; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A target as a base URL, None for the action server, and how it lets a call in."""

    base: str | None
    credentials: Credentials | None


def is_action_server(playbook: Playbook, name: str) -> bool:
    """Whether a target is the action server: as the needs extension says, or by the variable of its address."""
    needs = needs_of(playbook)
    if needs is not None:
        return needs.action_server == name
    target = playbook.target_definitions.get(name)
    addresses = [str(a) for given in ((target.address or {}) if target else {}).values() for a in given]
    return any(SERVER_VARIABLE in references(address) for address in addresses)


def where_to(playbook: Playbook, name: str, values: Mapping[str, Value]) -> Place:
    """The place of a target.

    Raises:
        BadTarget: when there is none of this name, or it has no address that is called over HTTP.
        BadValue: when its address uses a variable that has no value, or one that cannot stand there.
    """
    target = playbook.target_definitions.get(name)
    if target is None:
        raise BadTarget(f"has no target {name}" if name else "has no target, so it is not known where to send it")
    credentials = _credentials(playbook, target)
    if is_action_server(playbook, name):
        return Place(None, credentials)
    return Place(_filled(target, address_of(target), values), credentials)


def credentials(playbook: Playbook) -> frozenset[str]:
    """The variables that hold secrets: those that authentication refers to. They are never part of a run's state."""
    parts = [part for one in playbook.authentication_info_definitions.values() for part in _parts(one)]
    return frozenset(name for part in parts for name in references(part))


def _credentials(playbook: Playbook, target: AgentTarget) -> Credentials | None:
    if target.authentication_info is None:
        return None
    found = playbook.authentication_info_definitions.get(target.authentication_info)
    if found is None:
        raise BadTarget(f"has the authentication {target.authentication_info}, which is not defined")
    scheme = (found.oauth_header or "Bearer") if found.type == "oauth2" else "Basic"
    return Credentials(scheme, _parts(found))


def _parts(found: Authentication) -> tuple[str, ...]:
    if found.type == "oauth2":
        return (found.token or "",)
    return (found.user_id or found.username or "", found.password or "")


def _filled(target: AgentTarget, address: str, values: Mapping[str, Value]) -> str:
    """An address with its variables filled in, which may name a host, a port and parts of the path."""
    scheme, _, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    made = fill_text(authority, values)
    if _AUTHORITY.fullmatch(made) and not {"?", "#"} & set(path):
        return f"{scheme}://{made}{fill_target(slash + path, values)}"
    used = references(authority)
    if not used:
        raise BadTarget(f"has the target {target.name!r}, whose address must be of a host, perhaps a port, and a path")
    raise BadValue(f"{', '.join(used)} stands in the address of a target and must be the name of a host, or a port")


def address_of(target: AgentTarget) -> str:
    """The address at which a target is called over HTTP, as it is written.

    Raises:
        BadTarget: when it has none.
    """
    address = target.address or {}
    for url in address.get("url", ()):
        if str(url).lower().startswith(("http://", "https://")):
            return str(url).rstrip("/")
    for kind, form in (("dname", "{}"), ("ipv4", "{}"), ("ipv6", "[{}]")):
        for host in address.get(kind, ()):  # type: ignore[call-overload]  # the kinds are its keys
            port = target.port or "80"  # the default of CACAO 2.0, section 7.6
            return f"{'http' if port == '80' else 'https'}://{form.format(host)}:{port}"
    raise BadTarget(f"has the target {target.name!r}, which has no address for HTTP: url, dname, ipv4 or ipv6")
