"""Where commands go, and by which credentials."""

import pytest

from connector.playbooks.cacao import Playbook
from connector.playbooks.filling import Value
from connector.playbooks.target import BadTarget, credentials, is_action_server, where_to
from connector.playbooks.variables import BadValue
from tests.playbooks.making import LOGIN, SERVER, changed, key, simple, without

OTHER = key("http-api", "a ticket system")
BASIC = key("http-basic", "its login")


def playbook(address: dict, **more) -> Playbook:
    target = {"type": "http-api", "name": "Tickets", "address": address, **more}
    made = changed(simple(), "target_definitions", OTHER, to=target)
    login = {"type": "http-basic", "username": "robot", "password": "__ticket_password__:value"}
    return Playbook.model_validate(changed(made, "authentication_info_definitions", BASIC, to=login))


def base(address: dict, texts: dict[str, str] | None = None, **more) -> str | None:
    values = {f"__{name}__": Value("string", text) for name, text in (texts or {}).items()}
    return where_to(playbook(address, **more), OTHER, values).base


@pytest.mark.parametrize(
    ("address", "more", "made"),
    [
        ({"url": ["https://tickets.example.com"]}, {}, "https://tickets.example.com"),
        ({"url": ["https://tickets.example.com/api/"]}, {}, "https://tickets.example.com/api"),
        ({"url": ["ldap://x", "http://127.0.0.1:8080"]}, {}, "http://127.0.0.1:8080"),
        ({"url": ["https://[2001:db8::1]:8443/a"]}, {}, "https://[2001:db8::1]:8443/a"),
        ({"url": ["https://bücher.example/"]}, {}, "https://bücher.example"),
        ({"dname": ["tickets.example.com"]}, {}, "http://tickets.example.com:80"),
        ({"dname": ["tickets.example.com"]}, {"port": "443"}, "https://tickets.example.com:443"),
        ({"ipv4": ["192.0.2.1"]}, {"port": "8443"}, "https://192.0.2.1:8443"),
        ({"ipv6": ["2001:db8::1"]}, {"port": "443"}, "https://[2001:db8::1]:443"),
    ],
)
def test_an_address_is_a_base_url(address, more, made):
    assert base(address, **more) == made


@pytest.mark.parametrize("address", [{"vlan": ["5"]}, {"url": ["ldap://x"]}, {"url": []}])
def test_a_target_without_an_address_for_http_is_refused(address):
    if not any(address.values()):
        address = {**address, "vlan": ["5"]}
    with pytest.raises(BadTarget, match="has no address for HTTP"):
        base(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pass@example.com/",
        "https://example.com/?a=b",
        "https://example.com/#a",
        "https://",
        "https://a b/",
        "https://a:b/",
        "https://example.com\\@evil.example/",
    ],
)
def test_an_address_is_of_a_host_a_port_and_a_path_only(url):
    with pytest.raises(BadTarget, match="whose address must be of a host, perhaps a port, and a path"):
        base({"url": [url]})


def test_a_variable_may_name_the_host_the_port_or_a_part_of_the_path():
    url = "https://__host__:value:__port__:value/__tenant__:value/api"
    made = base({"url": [url]}, {"host": "tickets.example.com", "port": "8443", "tenant": "a/../b?c"})
    assert made == "https://tickets.example.com:8443/a%2F..%2Fb%3Fc/api"
    assert base({"dname": ["__host__:value"]}, {"host": "a.example"}, port="443") == "https://a.example:443"


@pytest.mark.parametrize(
    "text",
    [
        "evil.example/",
        "evil.example/x?",
        "x@evil.example",
        "evil.example#",
        "evil.example\\",
        "@",
        " evil.example",
        "evil.example\r\nX: y",
        "evil.example:1/",
        "[::1]/",
    ],
)
def test_a_value_never_makes_an_address_one_of_somewhere_else(text):
    with pytest.raises(BadValue, match="__host__ stands in the address of a target and must be the name of a host"):
        base({"url": ["https://__host__:value.example.com/"]}, {"host": text})


def test_an_address_with_a_variable_that_has_no_value_is_refused():
    with pytest.raises(BadValue, match="__host__ is declared nowhere"):
        base({"url": ["https://__host__:value/"]})


def test_the_action_server_is_wherever_it_runs():
    made = Playbook.model_validate(simple())
    place = where_to(made, SERVER, {})
    assert place.base is None
    assert is_action_server(made, SERVER)
    assert not is_action_server(playbook({"url": ["https://x.example"]}), OTHER)


def test_a_playbook_of_others_names_the_action_server_by_a_variable():
    made = without(simple(), "playbook_extensions")
    made = Playbook.model_validate(
        changed(made, "target_definitions", SERVER, "address", to={"url": ["__action_server__:value"]})
    )
    assert is_action_server(made, SERVER)
    assert where_to(made, SERVER, {}).base is None


def test_a_target_that_is_not_there_is_refused():
    made = Playbook.model_validate(simple())
    with pytest.raises(BadTarget, match="has no target http-api--x"):
        where_to(made, "http-api--x", {})
    with pytest.raises(BadTarget, match="has no target, so it is not known where to send it"):
        where_to(made, "", {})


def test_credentials_are_those_of_the_target_and_hold_no_secret():
    made = where_to(playbook({"url": ["https://x.example"]}, authentication_info=BASIC), OTHER, {})
    assert made.credentials is not None
    assert (made.credentials.scheme, made.credentials.parts) == ("Basic", ("robot", "__ticket_password__:value"))
    bearer = where_to(playbook({"url": ["https://x.example"]}, authentication_info=LOGIN), OTHER, {}).credentials
    assert bearer is not None
    assert (bearer.scheme, bearer.parts) == ("Bearer", ("__api_key__:value",))
    assert where_to(playbook({"url": ["https://x.example"]}), OTHER, {}).credentials is None


def test_the_scheme_of_an_oauth_header_is_what_the_playbook_says():
    made = playbook({"url": ["https://x.example"]}, authentication_info=LOGIN)
    login = made.authentication_info_definitions[LOGIN].model_copy(update={"oauth_header": "Token"})
    place = where_to(made.model_copy(update={"authentication_info_definitions": {LOGIN: login}}), OTHER, {})
    assert place.credentials is not None
    assert place.credentials.scheme == "Token"


def test_a_target_that_is_not_there_is_not_the_action_server():
    made = Playbook.model_validate(without(simple(), "playbook_extensions"))
    assert not is_action_server(made, "http-api--x")


def test_authentication_that_is_not_defined_is_refused():
    with pytest.raises(BadTarget, match="which is not defined"):
        base({"url": ["https://x.example"]}, authentication_info=key("oauth2", "nothing"))


def test_the_credential_variables_are_known():
    assert credentials(playbook({"url": ["https://x.example"]})) == {"__api_key__", "__ticket_password__"}
