"""No secret comes out: every scene, every action and every lane, with everything logged and every frame's values shown."""

import ast
import faulthandler
import json

import pytest

from connector import Connector, Settings
from connector.network import Stream
from tests.laboratory import ROOT, run
from tests.secrecy.canaries import ARCHIVE_PASSWORD, CANARIES, PASSWORD, PROXY_PASSWORD, TOKEN, USERNAME, Search
from tests.secrecy.peers import Echo, answering, echoing
from tests.secrecy.running import LANES, PARAMS, play
from tests.secrecy.scenes import LOGIN, SCENES, Scene, with_password
from tests.secrecy.sinks import feed_files

ACTIONS = list(PARAMS)
every_lane = pytest.mark.parametrize("lane", LANES)


@pytest.mark.parametrize("number", range(len(SCENES)), ids=[scene.name for scene in SCENES])
def test_no_secret_comes_out_of_a_scene(world, number):
    """Each scene with a submission and three other actions; tests/prove/canary.py takes them all."""
    search, scene = Search(), SCENES[number]
    for at, lane in enumerate(LANES):
        play(world, scene, ACTIONS[(number + 4 * at) % len(ACTIONS)], lane, search)
    play(world, scene, ("submit_file", "submit_url")[number % 2], LANES[number % 2], search)

    assert search.hits == []
    assert {"settings: text", "wire: text", "connector: text", "settings JSON"} <= search.sinks


@every_lane
@pytest.mark.parametrize("action", ACTIONS)
def test_no_secret_comes_out_of_an_action_that_is_echoed(world, action, lane):
    search = Search()
    for status in (200, 400, 500):
        made = echoing(status)
        play(world, Scene("echo", lambda world, made=made: {"url": world.echo(made).url}), action, lane, search)

    assert search.hits == []


def test_no_secret_is_in_the_journal(world):
    search, folder = Search(), world.state / "journal"
    for action in ("submit_file", "submit_url", "bulk_delete", "add_tags", "remove_tags"):
        for scene in SCENES[:1]:
            play(world, scene, action, "sync", search)

    assert feed_files(search, folder) >= 1
    assert search.hits == []


class TestTheSecretsAreUsed:
    """What is looked for in vain elsewhere is on the wire, or the search would prove nothing."""

    @every_lane
    def test_the_token_and_the_archive_password(self, lane):
        for action in ("submit_file", "submit_url"):
            with Echo(answering(500, {})) as appliance:
                settings = Settings(url=appliance.url, token=TOKEN, allow_internal_urls=True, api_generation="legacy")
                with pytest.raises(Exception, match="answered 500"):
                    run(settings, action, PARAMS[action], lane=lane)

                assert appliance.was_told(TOKEN)
                assert appliance.was_told(ARCHIVE_PASSWORD)

    @every_lane
    def test_the_user_name_and_the_password(self, lane):
        with Echo(answering(400, {})) as appliance, pytest.raises(Exception, match="user name or password"):
            run(Settings(url=appliance.url, **LOGIN), "test_connection", lane=lane)

        assert appliance.was_told(USERNAME)
        assert appliance.was_told(PASSWORD)

    @every_lane
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_the_password_of_the_proxy(self, lane, scheme):
        with Echo(answering(407, {})) as proxy:
            settings = Settings(url=f"{scheme}://appliance.example.com", token=TOKEN, proxy=with_password(proxy.url))
            with pytest.raises(Exception, match=r"407|proxy"):
                run(settings, "test_connection", lane=lane)

        assert proxy.was_told(PROXY_PASSWORD)
        assert proxy.was_told(TOKEN) is (scheme == "http"), "through a tunnel the proxy sees nothing of it"


class TestEchoes:
    """An appliance that repeats a secret in its words is still quoted, without the secret."""

    @every_lane
    def test_the_words_of_a_refusal_are_told_without_the_secret(self, world, lane):
        with Echo(echoing(400)) as appliance:
            settings = Settings(url=appliance.url, token=TOKEN, allow_internal_urls=True, api_generation="legacy")
            with pytest.raises(Exception, match=r"refused: \*\*\* \| \*\*\* \| \*\*\*"):
                run(settings, "submit_url", PARAMS["submit_url"], lane=lane)


class TestDumps:
    """What the interpreter can be made to write of a process."""

    def test_a_dump_in_the_middle_of_an_exchange(self, tmp_path, monkeypatch):
        dump, search, read = tmp_path / "dump", Search(), Stream.read

        def dumping(self, *given, **more):
            with dump.open("a") as file:
                faulthandler.dump_traceback(file, all_threads=False)
            return read(self, *given, **more)

        monkeypatch.setattr(Stream, "read", dumping)
        with Echo(answering(200, {"results": []})) as appliance:
            run(Settings(url=appliance.url, token=TOKEN), "test_connection", lane="sync")

        assert "in handle_request" in dump.read_text(), "the exchange was under way"
        search.feed("dump", dump.read_bytes())
        assert search.hits == []

    def test_the_product_makes_none_and_shows_no_values_of_frames(self):
        """A core dump holds the memory, and so the token: nothing of the product makes one, or prints locals."""
        forbidden = {"faulthandler", "cgitb", "pickle", "excepthook", "show_locals", "capture_locals", "set_debuglevel"}
        forbidden |= {"dump_traceback", "RLIMIT_CORE", "shelve"}
        found = {}
        for path in (ROOT / "connector").rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = [getattr(node, key, None) for key in ("id", "attr", "arg", "name", "module")]
                if forbidden.intersection(name for name in names if isinstance(name, str)):
                    found[path.name] = node.lineno

        assert found == {}


def test_a_connector_is_never_pickled():
    import pickle

    with Connector(Settings(url="http://127.0.0.1:1", token=TOKEN)) as connector:
        for value in (connector, connector._session.wire, connector._session.settings):
            with pytest.raises(TypeError):
                pickle.dumps(value)


def test_every_canary_is_another():
    """None is a part of another, so that a hit names the secret that came out."""
    told = list(CANARIES.values())

    assert not [(a, b) for a in told for b in told if a != b and a in b]
    assert not [secret for secret in told if secret in json.dumps([scene.name for scene in SCENES])]
