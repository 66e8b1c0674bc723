"""The address of a Redis: read whole, or refused in a sentence that holds no secret."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.enrichment.redis_streams.address import Address, read_address
from connector.errors import ConfigError


def test_every_part_of_an_address_is_read():
    read = read_address("redis://siem:p%40ss%2F@[::1]:6380/3?stream=raw%20events", stream=True)
    assert read == Address("redis", "::1", 6380, "", 3, "siem", "p@ss/", None, "raw events")
    assert read.shown == "redis://[::1]:6380/3"


def test_what_is_left_out_has_the_defaults_of_redis():
    assert read_address("redis://cache.example", stream=False) == Address("redis", "cache.example")
    assert read_address("redis://:secret@cache.example", stream=False).password == "secret"


def test_a_unix_socket_is_named_by_its_path():
    read = read_address("unix:///run/redis/redis.sock?db=2&stream=events", stream=True)
    assert (read.path, read.database, read.stream) == ("/run/redis/redis.sock", 2, "events")
    assert read.shown == "unix:///run/redis/redis.sock"


def test_the_ca_of_the_address_goes_before_the_option():
    assert read_address("rediss://a?ssl_ca_certs=/a.pem", stream=False, ca="/b.pem").ca == "/a.pem"
    assert read_address("rediss://a", stream=False, ca="/b.pem").ca == "/b.pem"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://u:hunter2@a", "redis://"),
        ("redis://u:hunter2@", "host is missing"),
        ("redis://u:hunter2@a:70000", "host and port"),
        ("redis://u:hunter2@a:port", "host and port"),
        ("redis://u:hunter2@[::1", "host and port"),
        ("redis://u:hunter2@a/b", "database"),
        ("redis://u:hunter2@a/-1", "database"),
        ("redis://u:hunter2@a/0", "stream is missing"),
        ("redis://u:hunter2@a/0?stream=", "stream is missing"),
        ("redis://u:hunter2@a/0?stream=a&stream=b", "twice"),
        ("redis://u:hunter2@a/0?stream=a&ssl_cert_reqs=none", "'ssl_cert_reqs' is no option"),
        ("rediss://u:hunter2@a/0?stream=a&ssl_cert_reqs=none", "ssl_ca_certs or stream"),
        ("redis://u:1#hunter2@a/0?stream=a", "%23"),
        ("redis://u:1?hunter2@a/0?stream=a", "%3F"),
        ("redis://u:1/hunter2@a/0?stream=a", "%2F"),
        ("redis://u:hunter2/x@a/0?stream=a", "host and port"),
        ("unix://host/path?stream=a", "whole path"),
        ("unix://?stream=a", "whole path"),
    ],
)
def test_an_address_that_is_not_accepted_is_refused_without_its_password(text, why):
    with pytest.raises(ConfigError) as caught:
        read_address(text, stream=True)
    assert why in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_no_form_of_an_address_shows_its_password():
    read = read_address("redis://siem:hunter2@a/0?stream=a", stream=True)
    assert "hunter2" not in f"{read} {read!r} {read.shown}"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["redis://", "rediss://", "unix://", "unix:///", ""]))
def test_any_text_is_an_address_or_refused(text, head):
    try:
        read = read_address(head + text, stream=False)
    except ConfigError:
        return
    assert read.host or read.path
