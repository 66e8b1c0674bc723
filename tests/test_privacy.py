"""What may become public: nothing marked, no internal host, no secret, and no word about a secret that repeats it."""

import base64
import time
import uuid
from itertools import product
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.privacy import cloud_refusal, secret_in_url, stricter
from connector.zones import LONGEST_URL, inner_reason
from tests.test_zones import PIECES, PUBLIC

MARKS = ["clear", "green", "amber", "amber+strict", "red"]
marks = st.sampled_from([None, *MARKS])


def token(size=24, seed=7):
    """Text that is random, and the same in each run."""
    return base64.urlsafe_b64encode(
        uuid.UUID(int=seed * 0x9E3779B97F4A7C15F39CC0605CEDC834 % 2**128).bytes * 9
    ).decode()[:size]


def joined(*parts):
    """A specimen in the shape of a credential; put together here, so that no scanner takes the file for a leak."""
    return "".join(parts)


JWT = ".".join([joined("ey", "JhbGciOiJIUzI1NiJ9"), joined("ey", "JzdWIiOiIxIn0"), "c2lnbmF0dXJl"])
CREDENTIALS = {
    "a JSON Web Token": [JWT],
    "an AWS key id": [joined("AK", "IA", "Q" * 16), joined("AS", "IA", "Z234567" * 2, "AB")],
    "a GitHub token": [joined("gh", kind, "_", "a1" * 18) for kind in "opsur"] + [joined("github", "_pat_", "A1" * 20)],
    "a GitLab token": [joined("gl", kind, "-", "a1" * 10) for kind in ("pat", "dt", "rt", "cbt", "ptt", "ft", "soat")],
    "a Slack token": [joined("xo", "xb-", "1234567890-abc"), joined("xa", "pp-", "1-A0123456789")],
    "a Google key": [
        joined("AI", "za", "a1" * 17, "b"),
        joined("ya", "29.", "a1" * 12),
        joined("GOC", "SPX-", "a1" * 10),
    ],
    "a Stripe key": [joined("sk", "_live_", "a1" * 12), joined("rk", "_test_", "a1" * 12)],
    "a SendGrid key": [joined("S", "G.", "a1" * 11, ".", "b2" * 21, "c")],
    "a token": [joined("np", "m_", "a1" * 18), joined("hv", "s.", "a1" * 12), joined("dop", "_v1_", "a1" * 32)],
    "a Telegram token": [joined("bot", "123456789", ":", "Aa1" * 11, "bc")],
}
SECRET_NAMES = """token access_token id_token refresh_token auth key api_key apikey api-key sig signature Signature
 X-Amz-Signature X-Amz-Credential x-goog-signature code otp password passwd pwd pass secret client_secret session
 sessionid session_id sid JSESSIONID PHPSESSID jwt ticket reset invite csrf_token user[password] user[pwd] SAMLResponse
 oobCode X-Amz-Security-Token upload_token authkey""".split()  # fmt: skip # noqa: SIM905
INNOCENT = [
    "https://www.example.com/download?id=7",
    "https://www.example.com/?page=2&sort=asc&lang=en&v=1.2.3",
    "https://www.example.com/?utm_source=a&utm_medium=b&utm_campaign=reset_2024&gclid=EAIaIQobChMIx5",
    f"https://cdn.example.com/files/{'e3b0c44298fc1c14' * 4}/setup.exe",
    f"https://cdn.example.com/{'e3b0c44298fc1c14' * 4}",
    f"https://www.example.com/?sha256={'e3b0c44298fc1c14' * 4}",
    "https://www.example.com/static/app.3f2a9c0b1d2e4f5a6b7c.js",
    "https://github.com/python/cpython/archive/refs/tags/v3.11.7.tar.gz",
    "https://www.example.com/share/setup-v1.2.3-x86_64-linux-gnu.tar.gz",
    "https://www.example.com/blog/how-to-reset-your-password/why-this-takes-10-minutes-in-windows-11",
    "https://www.example.com/reset/ResetPasswordConfirmationPageOfTheShop",
    "https://www.example.com/reset/2024-01-31-2024-02-28",
    "https://www.example.com/verify/00000000000000000000",
    "https://www.example.com/share",
    "https://www.example.com/invite/short7",
    "https://medium.com/@user/a-story",
    "https://unpkg.com/react@18.2.0/umd/react.production.min.js",
    "https://www.google.com/search?q=reset+password+token",
    "https://www.example.com/?key=&token=&password",
    "https://www.example.com/?reset=1&auth=true&invite=no&code=null&session=0",
    "https://www.example.com/?pageToken=CAUQAA&nextToken=abc&continuation_token=1",
    "https://www.example.com/?monkey=1&keyword=2&passenger=3&design=4&authors=5&decode=6&barcode=7&tokens=8&resident=9",
    "https://www.example.com/tokens/list?assignment=1",
    "https://www.example.com/?time=12:30@noon",
    "https://www.dropbox.com/install",
    "https://www.dropbox.com/",
    "https://docs.google.com/",
    "https://example.sharepoint.com/",
    "https://mydropbox.com/s/abcdef",
    "https://www.icloud.com/",
    "https://example.com/dropbox.com/s/abc",
]


class TestMarkings:
    @given(st.lists(marks))
    def test_the_stricter_is_at_least_as_strict_as_each(self, some):
        result = stricter(*some)
        given_ones = [mark for mark in some if mark is not None]

        assert result is None if not given_ones else result in given_ones
        assert all(MARKS.index(result) >= MARKS.index(mark) for mark in given_ones)

    @given(marks, marks, marks)
    def test_the_order_and_the_grouping_of_markings_do_not_matter(self, a, b, c):
        assert stricter(a, b) == stricter(b, a)
        assert stricter(a, stricter(b, c)) == stricter(stricter(a, b), c) == stricter(a, b, c)

    def test_an_unknown_marking_is_an_error_and_never_taken_for_none(self):
        with pytest.raises(ValueError, match="must be one of clear, green"):
            stricter("white")
        with pytest.raises(ValueError, match="must be one of"):
            cloud_refusal(tlp="AMBER")


class TestRefusal:
    @pytest.mark.parametrize("url", [None, "https://www.example.com/"])
    @pytest.mark.parametrize("tlp", [None, *MARKS])
    def test_amber_and_above_stay_private(self, tlp, url):
        reason = cloud_refusal(tlp=tlp, url=url)

        assert (reason is None) == (tlp in {None, "clear", "green"})
        assert reason is None or reason.startswith(f"it is marked TLP:{tlp.upper()}, which forbids to make it public; ")

    @pytest.mark.parametrize(
        "url", ["http://10.0.0.1/", "http://wiki.corp/", "http://u:p@example.com/", "nonsense", ""]
    )
    def test_what_is_internal_or_unreadable_stays_private(self, url):
        assert cloud_refusal(url=url).startswith(inner_reason(url))

    def test_a_host_in_a_private_zone_stays_private(self):
        url = "https://wiki.example.com/"

        assert "private zone example.com" in cloud_refusal(url=url, private_zones=["*.example.com"])
        assert cloud_refusal(url=url, private_zones=["example.org"]) is None

    def test_a_secret_stays_private_and_the_refusal_says_what_to_do(self):
        reason = cloud_refusal(tlp="clear", url="https://www.example.com/?token=abcdef")

        assert reason.startswith(
            "it holds what looks like a secret: its query parameter token; take that out, or keep it"
        )
        assert reason.endswith("crawler local, no cloud analysis and no cloud sandbox")

    @given(st.sampled_from(INNOCENT), st.sampled_from([None, "clear", "green"]))
    def test_what_is_public_may_go(self, url, tlp):
        assert cloud_refusal(tlp=tlp, url=url) is None


class TestSecrets:
    @pytest.mark.parametrize("url", INNOCENT)
    def test_ordinary_urls_hold_none(self, url):
        assert secret_in_url(url) is None

    def test_few_public_urls_are_taken_for_secret(self):
        flagged = {url for url in PUBLIC if secret_in_url(url)}

        assert {urlsplit(url).query or urlsplit(url).fragment for url in flagged} == {
            "user=a@b.example",
            "u=http://user:password@localhost/",
        }

    @pytest.mark.parametrize("name", SECRET_NAMES)
    def test_a_parameter_of_a_secret_name_is_named(self, name):
        said = f"parameter {name}"

        assert secret_in_url(f"https://www.example.com/a?x=1&{name}=v4lue&y=2") == f"its query {said}"
        assert secret_in_url(
            f"https://www.example.com/a#x=1&{name.upper()}=v4lue"
        ) == f"its fragment {said.upper()}".replace("PARAMETER", "parameter")
        assert secret_in_url(f"https://www.example.com/#/page?{name}=v4lue") == f"its fragment {said}"
        assert secret_in_url(f"https://www.example.com/a;{name}=v4lue/b?x=1") == f"its path {said}"
        assert secret_in_url(f"https://www.example.com?{name}=v4lue") == f"its query {said}"
        assert secret_in_url(f"https://www.example.com/?x=1&amp;{name}=v4lue") == f"its query {said}"

    @pytest.mark.parametrize("name", SECRET_NAMES)
    def test_encoding_once_or_twice_hides_no_parameter(self, name):
        inner = f"https://b.example.com/?{name}=v4lue"

        assert secret_in_url(f"https://www.example.com/?u={quote(inner, safe='')}") == f"its query parameter {name}"
        twice = quote(quote(inner, safe=""), safe="")
        assert secret_in_url(f"https://www.example.com/?u={twice}") == f"its query parameter {name}"
        letters = "".join(f"%{ord(char):02x}" for char in name)
        assert secret_in_url(f"https://www.example.com/?{letters}=v4lue") == f"its query parameter {name}"

    @pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, them in CREDENTIALS.items() for value in them])
    def test_a_credential_is_known_by_its_shape_wherever_it_stands(self, kind, value):
        assert secret_in_url(f"https://www.example.com/?x={value}") == f"its query parameter x, which holds {kind}"
        assert secret_in_url(f"https://www.example.com/?{value}") == f"its query, which holds {kind}"
        assert secret_in_url(f"https://www.example.com/?{value}=1") == f"a query parameter, which holds {kind}"
        assert secret_in_url(f"https://www.example.com/#{value}") == f"its fragment, which holds {kind}"
        assert secret_in_url(f"https://www.example.com/a/{quote(value, safe='')}/b") == f"its path, which holds {kind}"
        assert secret_in_url(f"https://www.example.com/aaaa{value[:6]}/") is None

    @pytest.mark.parametrize("word", ["reset", "reset-password", "verify", "Verification", "invite", "confirm_email"])
    @pytest.mark.parametrize(
        "value", [token(), token(43, 3), str(uuid.UUID(int=3**80)), "4f" * 3 + "0a9b8c7d6e5f1a2b3c4d"]
    )
    def test_long_random_text_after_a_telling_word_is_a_personal_link(self, word, value):
        said = "which completes a personal link"

        assert secret_in_url(f"https://www.example.com/{word}/{value}").startswith(f"its path, {said}")
        assert secret_in_url(f"https://www.example.com/{word}/a/b/{value}/c").startswith(f"its path, {said}")
        assert secret_in_url(f"https://www.example.com/{word}?u={value}").startswith(f"its query parameter u, {said}")
        assert secret_in_url(f"https://www.example.com/?{word}={value}")
        assert secret_in_url(f"https://www.example.com/a/{value}") is None

    @pytest.mark.parametrize(
        "word", ["unsubscribe", "activate", "share", "magic", "signin", "recover", "login", "accept"]
    )
    def test_each_telling_word_counts_in_the_path(self, word):
        assert secret_in_url(f"https://www.example.com/{word}/{token()}")
        assert secret_in_url(f"https://www.example.com/{word}/someone%40example.com")

    def test_a_telling_word_in_the_host_counts(self):
        assert secret_in_url(f"https://unsubscribe.mail.example.com/{token()}")
        assert secret_in_url(f"https://login.example.com/{token()}") is None
        assert secret_in_url(f"https://reset.com/{token()}") is None

    @pytest.mark.parametrize("address", ["someone@example.com", "some.one+tag@mail.example.co.uk", "a@b.de"])
    def test_an_e_mail_address_in_a_parameter_is_personal(self, address):
        for written in (address, quote(address), quote(quote(address))):
            assert secret_in_url(f"https://www.example.com/?e={written}") == (
                "its query parameter e, which holds an e-mail address"
            )
            assert secret_in_url(f"https://www.example.com/#{written}") == "its fragment, which holds an e-mail address"

    @pytest.mark.parametrize("front", ["https://user:pw@", "https://user@", "https://a.com/?u=https://user:pw@"])
    def test_a_user_name_is_a_secret(self, front):
        assert secret_in_url(f"{front}example.com/") == "the user name or password before its host"
        assert (
            secret_in_url(f"https://a.com/?u={quote(front, safe='')}host/")
            == "the user name or password before its host"
        )

    @pytest.mark.parametrize(
        "url",
        [
            "https://example.sharepoint.com/:x:/s/team/Eabcdef",
            "https://example-my.sharepoint.com/:b:/g/personal/a_b/Eabcdef?e=abcdef",
            "https://example.sharepoint.com/%3Aw%3A/r/sites/a",
            "https://docs.google.com/document/d/1a2B3c4D5e6F7g8H9i0J/edit",
            "https://docs.google.com/forms/d/e/1FAIpQLSabcdefghij/viewform",
            "https://drive.google.com/file/d/1a2B3c4D5e6F7g8H9i0J/view",
            "https://drive.google.com/drive/folders/1a2B3c4D5e6F7g8H9i0J",
            "https://drive.google.com/open?id=1a2B3c4D5e6F7g8H9i0J",
            "https://www.dropbox.com/s/abcdefghijklmno/report.pdf?dl=0",
            "https://www.dropbox.com/scl/fi/abcdefghijklmno/report.pdf",
            "https://WWW.DROPBOX.COM./sh/abcdefghijklmno",
            "https://1drv.ms/w/s!Aabcdef",
            "https://onedrive.live.com/?cid=1A2B&resid=1A2B%21123",
            "https://app.box.com/s/abcdefghijklmno",
            "https://www.icloud.com/iclouddrive/0abcdef#report",
            "https://we.tl/t-abcdefghij",
            "https://wetransfer.com/downloads/abcdef/123",
            "https://mega.nz/file/abcdef#ghijkl",
            "https://hooks.slack.com/services/T000/B000/XXX",
            "https://discord.com/api/webhooks/123/abc",
            "https://discord.com/api/v10/webhooks/123/abc",
            "https://example.webhook.office.com/webhookb2/a",
        ],
    )
    def test_a_link_by_which_a_document_or_a_channel_is_shared_is_a_secret(self, url):
        assert secret_in_url(url)

    def test_a_name_that_is_not_plain_is_not_repeated(self):
        for name in ("a" * 36 + "token", "<script>token", "t%C3%B6token", "x\u202etoken", token(30) + "token"):
            assert secret_in_url(f"https://www.example.com/?{name}=v4lue") == "a query parameter"
            assert secret_in_url(f"https://www.example.com/;{name}=v4lue") == "a path parameter"
        assert (
            secret_in_url(f"https://www.example.com/?{'a' * 35}token=v4lue") == f"its query parameter {'a' * 35}token"
        )

    def test_a_url_that_is_too_long_is_not_looked_through_and_not_let_through(self):
        url = "https://www.example.com/".ljust(LONGEST_URL, "a")

        assert secret_in_url(url) is None
        assert secret_in_url(url + "a").startswith("a URL of more than 8192 characters")

    @given(
        st.sampled_from(["https://u:{}@example.com/", "https://example.com/?token={}", "https://example.com/reset/{}"])
        | st.sampled_from(
            ["https://example.com/?x={}a@example.com", "https://example.com/?a={}#key={}", "https://a/?{}=" + JWT]
        )
        | st.sampled_from(["https://www.dropbox.com/s/{}", "http://{}.corp/?{}", "https://example.com;sid={}?{}"]),
        st.lists(st.sampled_from("abcdefgh0123456789ABCDEF"), min_size=24, max_size=24, unique=True).map("".join),
    )
    def test_no_value_is_ever_repeated(self, form, secret):
        url = form.replace("{}", secret)

        assert secret not in f"{secret_in_url(url)} {cloud_refusal(url=url)}"

    @given(
        st.text(max_size=200)
        | st.text("http:/?#&;=@%.token2540ey J-_", max_size=80).map("https://example.com/".__add__)
    )
    def test_any_text_gives_a_part_in_plain_words_or_none(self, text):
        part = secret_in_url(text)

        assert part is None or (part.isascii() and part.isprintable() and len(part) < 200)

    def test_the_time_is_bounded_whatever_the_text(self):
        hard = [
            "reset/",
            "eyJ",
            "eyJaaaaaa.",
            "a@b.",
            f"{'a' * 64}@{'b.' * 9}1",
            "%252525",
            "aB1-",
            "://a",
            "token=",
            "=&",
        ]
        for piece, front, size in product([*PIECES, *hard], ["", "https://example.com/?x="], [8100, 1_000_000]):
            url = front + piece * (size // len(piece))
            began = time.process_time()
            secret_in_url(url)
            assert time.process_time() - began < 1


def test_an_address_of_mail_in_the_path_is_no_secret_by_itself():
    assert secret_in_url("https://www.example.com/people/jane.doe@example.org/") is None
