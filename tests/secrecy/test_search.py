"""The search finds what is planted for it: each form, each sink, each way to leak that a client could have."""

import asyncio
import base64
import contextlib
import logging
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import Settings
from connector.quiet import quiet
from tests.laboratory import run
from tests.secrecy.canaries import CANARIES, TOKEN, Search, forms, packed
from tests.secrecy.peers import Echo, echoing
from tests.secrecy.sinks import feed_error, feed_files, feed_value, watched


def names_in(search):
    return {hit.canary for hit in search.hits}


@pytest.mark.parametrize("canary", CANARIES)
def test_every_form_is_found(canary):
    for form in forms(CANARIES[canary]):
        search = Search()
        search.feed("sink", b"before " + form + b" after")

        assert names_in(search) == {canary}, form


@given(before=st.binary(max_size=20), after=st.binary(max_size=20), canary=st.sampled_from(sorted(CANARIES)))
def test_base64_is_found_at_every_offset(before, after, canary):
    search = Search()
    search.feed("sink", base64.b64encode(before + CANARIES[canary].encode() + after))

    assert names_in(search) == {canary}


@pytest.mark.parametrize("canary", CANARIES)
def test_compressed_streams_are_unpacked(canary):
    search = Search()
    search.feed("sink", packed(CANARIES[canary]))

    assert names_in(search) == {canary}


@given(st.binary(max_size=300))
def test_what_holds_none_has_no_hits(content):
    search = Search()
    search.feed("sink", content)

    assert search.hits == []


class TestPlanted:
    """A leak in every kind of sink."""

    @pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
    @pytest.mark.parametrize("name", ["httpcore.http11", "aiohttp.client", "h11", "anything", "asyncio"])
    def test_a_log(self, name, level):
        search = Search()
        with watched(search):
            logging.getLogger(name).log(level, "sent %s", {"authorization": f"Token {TOKEN}"})

        assert names_in(search) == {"token"}

    def test_what_is_attached_to_a_record(self):
        search = Search()
        with watched(search):
            logging.getLogger("anything").warning("sent", extra={"request": TOKEN})

        assert names_in(search) == {"token"}

    def test_a_warning(self):
        search = Search()
        with watched(search):
            warnings.warn(f"not closed: {TOKEN}", ResourceWarning, stacklevel=1)

        assert names_in(search) == {"token"}

    def test_a_value_of_a_frame(self, tmp_path):
        """The frames of tests are left out, so this one is of another file."""
        search = Search()
        leaking = "def leak(value):\n    held = [value]\n    raise KeyError('nothing')\n"
        names: dict = {}
        exec(compile(leaking, "elsewhere.py", "exec"), names)
        with pytest.raises(KeyError) as raised:
            names["leak"](TOKEN)
        feed_error(search, raised.value)

        assert names_in(search) == {"token"}

    @pytest.mark.parametrize("suppressed", [True, False])
    def test_what_is_behind_an_error(self, suppressed):
        search = Search()
        error = ValueError("something else")
        error.__context__ = ValueError(f"Illegal header value {TOKEN}")
        error.__suppress_context__ = suppressed
        feed_error(search, error)

        assert names_in(search) == {"token"}

    def test_an_attribute_a_note_and_a_group(self):
        noted, held = ValueError("x"), ValueError("x")
        noted.add_note(f"it was {TOKEN}")
        held.response = {"headers": TOKEN}
        for error in (noted, held, ExceptionGroup("several", [noted])):
            search = Search()
            feed_error(search, error)

            assert names_in(search) == {"token"}

    def test_a_repr_and_a_pickle(self):
        class Held(str):
            def __repr__(self):
                return "***"

        for value in ({"a": TOKEN}, Held(TOKEN)):
            search = Search()
            feed_value(search, value, "value")

            assert names_in(search) == {"token"}

    def test_a_file(self, tmp_path):
        search = Search()
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "journal").write_bytes(b"\0" * 5000 + TOKEN.encode())
        feed_files(search, tmp_path)

        assert names_in(search) == {"token"}

    def test_a_client_that_leaks_is_found(self):
        """What httpcore logs of an answer is what the connector keeps out of the logs; without that it is found."""
        search = Search()
        with pytest.MonkeyPatch.context() as patch, Echo(echoing(500)) as appliance, watched(search):
            patch.setattr("connector.driver.quiet", contextlib.nullcontext)
            with pytest.raises(Exception, match="500"):
                run(Settings(url=appliance.url, token=TOKEN), "test_connection", lane="sync")

        assert names_in(search) == {"token", "header"}
        assert {hit.sink for hit in search.hits} == {"log httpcore.http11"}

    def test_an_asynchronous_client_that_leaks_is_found(self):
        import aiohttp

        async def ask(url):
            jar = aiohttp.CookieJar(unsafe=True)  # as for a host that has a name
            async with aiohttp.ClientSession(cookie_jar=jar) as session, session.get(url) as answer:
                await answer.read()

        search = Search()
        with Echo(echoing(200)) as appliance, watched(search):
            asyncio.run(ask(appliance.url))

        assert {hit.sink for hit in search.hits} == {"log aiohttp.internal"}


class TestQuiet:
    """Only what is logged of our exchanges is kept short."""

    def test_others_log_as_before(self, caplog):
        import httpx

        caplog.set_level(logging.DEBUG)
        with Echo(echoing(200)) as appliance, httpx.Client(trust_env=False) as client:
            client.get(appliance.url, headers={"authorization": TOKEN})

        assert TOKEN in caplog.text

    def test_what_happened_is_still_told(self, caplog):
        caplog.set_level(logging.DEBUG)
        with Echo(echoing(500)) as appliance, pytest.raises(Exception, match="500"):
            run(Settings(url=appliance.url, token=TOKEN), "test_connection", lane="sync")

        assert {"connect_tcp.started", "receive_response_headers.complete"} <= set(caplog.messages)

    def test_a_traceback_of_asyncio_is_left_out_of_ours_only(self):
        """In its debug mode asyncio logs a failed write with the frames that hold what was to be written."""
        for ours in (True, False):
            search = Search()
            names: dict = {}
            exec(compile("def write(data):\n    raise ConnectionResetError\n", "elsewhere.py", "exec"), names)
            with watched(search), quiet() if ours else contextlib.nullcontext():
                try:
                    names["write"](TOKEN)
                except ConnectionResetError:
                    logging.getLogger("asyncio").debug("Fatal write error", exc_info=True)

            assert names_in(search) == (set() if ours else {"token"})
            assert "log asyncio" in search.sinks
