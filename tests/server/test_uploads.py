"""Files over HTTP: as a form or as base64 the same, by path only where the operator opened a folder."""

import base64
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.actions import find
from connector.server.forms import Form, params_of
from tests.laboratory import Lab
from tests.server.served import Served, pointers, problem, settings_of, started

CONTENT = b"SPECTRA-LAB-MALICIOUS " + bytes(range(256))
BASE64 = base64.b64encode(CONTENT).decode()


def submissions(lab: Lab):
    """What the appliance was sent, without what differs from one submission to the next."""
    return [
        {name: value for name, value in entry.items() if name not in {"id", "task_id", "at", "created", "time"}}
        for entry in lab.ledger["submissions"]
    ]


def same(answer) -> dict:
    """An outcome without what differs from one submission to the next."""
    body = answer.json()
    assert answer.status_code == 200, body
    body["result"] = {name: value for name, value in body["result"].items() if name not in {"task_id", "created"}}
    return {name: value for name, value in body.items() if name != "operation_id"}


@pytest.mark.parametrize(
    ("fields", "params"),
    [
        ({}, {}),
        ({"tags": ["phishing", "case 4711"]}, {"tags": ["phishing", "case 4711"]}),
        ({"tags": "phishing,case 4711"}, {"tags": "phishing,case 4711"}),
        ({"comment": "case 4711", "tlp": "red"}, {"comment": "case 4711", "tlp": "red"}),
        ({"filename": "other.exe"}, {"filename": "other.exe"}),
        ({"wait": "False"}, {"wait": False}),
    ],
)
def test_a_form_and_base64_are_the_same(lab: Lab, server: Served, fields, params):
    form = server.upload(CONTENT, data=fields)
    entries = submissions(lab)
    lab.as_new()
    text = server.run("submit_file", {"content_base64": BASE64, "filename": "sample.exe"} | params)

    assert same(form) == same(text)
    assert entries == submissions(lab)
    assert entries[0]["sha1"] == hashlib.sha1(CONTENT).hexdigest()


def test_a_form_may_wait_for_the_verdict(lab: Lab, server: Served):
    lab.product.clock.run()
    lab.state(processing_seconds=0)

    answer = server.upload(CONTENT, data={"wait": "true"}).json()

    assert (answer["branch"], answer["verdicts"][0]["subject"]["sha1"]) == (
        "malicious",
        hashlib.sha1(CONTENT).hexdigest(),
    )


def test_a_part_without_a_name_is_called_as_bytes_are(lab: Lab, server: Served):
    boundary = "b"
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="file"\r\n\r\nhello\r\n--{boundary}--\r\n'
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}

    form = server.http.post("/actions/submit_file", content=body, headers=headers)
    text = server.run("submit_file", {"content_base64": base64.b64encode(b"hello").decode()})

    assert form.json()["result"]["filename"] == text.json()["result"]["filename"]
    assert [entry["filename"] for entry in submissions(lab)] == [hashlib.sha1(b"hello").hexdigest()] * 2


def test_the_parameters_may_be_one_part_of_json(lab: Lab, server: Served):
    params = json.dumps({"tags": ["a"], "wait": False})

    answer = server.upload(CONTENT, data={"params": params})

    assert answer.json()["result"]["filename"] == "sample.exe"
    assert submissions(lab)[0]["fields"] == {"filename": "sample.exe", "tags": "a"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\Users\\a\\sample.exe", "/tmp/sample.exe"])
def test_of_a_path_as_a_name_the_last_part_counts(lab: Lab, server: Served, name):
    answer = server.upload(CONTENT, name)

    assert "/" not in answer.json()["result"]["filename"]
    assert "\\" not in answer.json()["result"]["filename"]


def test_a_large_file_goes_through_the_disk(lab: Lab):
    content = os.urandom(3_000_000)
    with started(settings_of(lab)) as server:
        answer = server.upload(content)

    assert answer.json()["result"]["sent_sha256"] == hashlib.sha256(content).hexdigest()


class TestRefused:
    @pytest.mark.parametrize(
        ("data", "places"),
        [
            ({"wait": "perhaps"}, ["/wait"]),
            ({"nothing": "x"}, ["/nothing"]),
            ({"analysis": "local"}, ["/analysis"]),
            ({"comment": ["a", "b"]}, ["/comment"]),
            ({"params": "{}", "wait": "true"}, ["/params"]),
            ({"params": ["{}", "{}"]}, ["/params"]),
            ({"params": '{"file": "/etc/passwd"}'}, ["/file"]),
            ({"params": "[]"}, [""]),
            ({"content_base64": BASE64}, [""]),
        ],
    )
    def test_fields_that_do_not_fit(self, lab: Lab, server: Served, data, places):
        body = problem(server.upload(CONTENT, data=data), 422, "input_refused")

        assert pointers(body) == places
        assert submissions(lab) == []

    def test_a_form_without_a_file(self, server: Served):
        answer = server.http.post("/actions/submit_file", files={"comment": (None, b"x")})

        assert pointers(problem(answer, 422, "input_refused")) == ["/file"]

    def test_a_form_with_two_files(self, server: Served):
        files = [("file", ("a", b"x")), ("file", ("b", b"y"))]

        assert pointers(problem(server.http.post("/actions/submit_file", files=files), 422, "input_refused")) == [
            "/file"
        ]

    def test_another_part_that_is_a_file(self, server: Served):
        files = [("file", ("a", b"x")), ("other", ("b", b"y"))]

        assert pointers(problem(server.http.post("/actions/submit_file", files=files), 422, "input_refused")) == [
            "/other"
        ]

    def test_an_empty_file(self, server: Served):
        assert pointers(problem(server.upload(b""), 422, "input_refused")) == ["/file"]

    def test_a_name_that_is_too_long(self, server: Served):
        assert pointers(problem(server.upload(CONTENT, "x" * 256), 422, "input_refused")) == ["/filename"]

    @pytest.mark.parametrize(
        ("media", "body"),
        [
            ("multipart/form-data", b"--b\r\n"),
            ("multipart/form-data; boundary=b", b""),
            ("multipart/form-data; boundary=b", b"nonsense"),
            ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\ncut'),
            ("multipart/form-data; boundary=" + "b" * 2000, b"--b\r\n"),
            ("multipart/form-data; boundary=b", b"--b\r\n" + b"x: y\r\n" * 1000 + b"\r\n\r\n--b--\r\n"),
            ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\r\n--b--'),
            (
                "multipart/form-data; boundary=b",
                b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 65 + b"--b--\r\n",
            ),
        ],
        ids=["no boundary", "empty", "nonsense", "cut", "long boundary", "many headers", "bytes", "many parts"],
    )
    def test_what_is_no_whole_form(self, lab: Lab, server: Served, media, body):
        answer = server.http.post("/actions/submit_file", content=body, headers={"content-type": media})

        problem(answer, 400, "malformed_request")
        assert submissions(lab) == []

    def test_too_much_beside_the_file(self, lab: Lab):
        with started(settings_of(lab)) as server:
            problem(server.upload(CONTENT, data={"comment": "x" * (1 << 20) + "x"}), 413, "body_too_large")

    @pytest.mark.parametrize("text", ["!!!!", "aGVsbG8"])
    def test_what_is_no_base64(self, server: Served, text):
        assert pointers(problem(server.run("submit_file", {"content_base64": text}), 422, "input_refused")) == [
            "/content_base64"
        ]


class TestSpool:
    @pytest.fixture(autouse=True)
    def temporary(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        self.parent = tmp_path

    def folders(self) -> list[Path]:
        return list(self.parent.glob("spectra-serve-*"))

    def test_a_server_without_uploads_makes_none(self, lab: Lab):
        with started(settings_of(lab)) as server:
            server.run("submit_file", {"content_base64": BASE64})
            server.upload(CONTENT, path="/hashes")
            assert self.folders() == []

    def test_it_is_private_and_empty_after_every_request(self, lab: Lab):
        lab.state(memory_percent=99)
        with started(settings_of(lab, deadline_seconds=1)) as server:
            server.upload(CONTENT, data={"nothing": "x"})
            server.upload(CONTENT)
            headers = {"content-type": "multipart/form-data; boundary=b"}
            server.http.post("/actions/submit_file", content=b"--b\r\nbroken", headers=headers)
            [folder] = self.folders()
            assert folder.stat().st_mode & 0o777 == 0o700
            assert [path.name for path in folder.iterdir()] == ["lock"]
        assert self.folders() == []

    def test_a_path_into_it_is_not_taken(self, lab: Lab):
        with started(settings_of(lab, file_roots=(self.parent,))) as server:
            server.upload(CONTENT)
            lab.as_new()
            [folder] = self.folders()
            (folder / "left.txt").write_text("of another request")
            (self.parent / "link").symlink_to(folder)
            for path in (folder / "left.txt", folder / "x" / ".." / "left.txt", self.parent / "link" / "left.txt"):
                for place in ("/actions/submit_file", "/hashes"):
                    body = problem(server.http.post(place, json={"file": str(path)}), 422, "input_refused")
                    assert pointers(body) == ["/file"]
        assert submissions(lab) == []

    def test_a_disk_that_takes_nothing_is_told(self, lab: Lab):
        with started(settings_of(lab)) as server:
            server.upload(CONTENT)
            [folder] = self.folders()
            (folder / "lock").unlink()
            folder.rmdir()
            body = problem(server.upload(CONTENT), 500, "state")

        assert body["outcome"] == "not_sent"
        assert "disk" in body["detail"]

    def left(self, name: str, *, seconds: float = 3600.0) -> Path:
        """A folder as a server that was killed leaves it."""
        folder = self.parent / f"spectra-serve-{name}"
        (folder / "request").mkdir(parents=True)
        (folder / "request" / "upload").write_bytes(CONTENT)
        (folder / "lock").touch()
        os.utime(folder, (0, time.time() - seconds))
        return folder

    def test_what_a_killed_server_left_is_removed_by_the_next(self, lab: Lab):
        old, young = self.left("old"), self.left("young", seconds=1)
        elsewhere = self.left("x").rename(self.parent / "elsewhere")
        (self.parent / "spectra-serve-link").symlink_to(elsewhere)
        with started(settings_of(lab)) as server:
            assert server.upload(CONTENT).status_code == 200

        assert not old.exists()
        assert (young / "request" / "upload").exists()
        assert (elsewhere / "request" / "upload").exists()

    def test_what_a_living_server_has_is_left_alone(self, lab: Lab):
        with started(settings_of(lab)) as one:
            one.upload(CONTENT)
            [folder] = self.folders()
            os.utime(folder, (0, 0))
            with started(settings_of(lab)) as other:
                other.upload(CONTENT)
                assert folder.exists()
            assert one.upload(CONTENT).status_code == 200


class TestPaths:
    @pytest.mark.parametrize("place", ["/actions/submit_file", "/hashes"])
    @pytest.mark.parametrize("path", ["/etc/hostname", "sample.exe", "~/.ssh/id_rsa", "\x00", "/tmp"])
    def test_a_path_is_refused_unless_its_folder_was_opened(self, lab: Lab, server: Served, place, path):
        body = problem(server.http.post(place, json={"file": path}), 422, "input_refused")

        assert pointers(body) == ["/file"]
        assert "file_roots" in body["detail"]
        assert lab.requests == []

    def test_settings_that_name_no_roots_open_none(self, lab: Lab):
        with started(settings_of(lab, file_roots=None)) as server:
            body = problem(server.run("submit_file", {"file": "/etc/hostname"}), 422, "input_refused")

        assert "names no folder" in body["detail"]

    def test_below_an_opened_folder_it_is_taken(self, lab: Lab, tmp_path):
        (tmp_path / "sample.exe").write_bytes(CONTENT)
        with started(settings_of(lab, file_roots=(tmp_path,))) as server:
            answer = server.run("submit_file", {"file": str(tmp_path / "sample.exe")})
            problem(server.run("submit_file", {"file": "/etc/hostname"}), 422, "input_refused")
            problem(server.run("submit_file", {"file": str(tmp_path / ".." / "x")}), 422, "input_refused")

        assert answer.json()["result"]["filename"] == "sample.exe"


class TestHashes:
    def expected(self, filename):
        kinds = ("md5", "sha1", "sha256", "sha512")
        return {kind: hashlib.new(kind, CONTENT).hexdigest() for kind in kinds} | {
            "size": len(CONTENT),
            "filename": filename,
        }

    def test_of_a_form(self, lab: Lab, server: Served):
        assert server.upload(CONTENT, path="/hashes").json() == self.expected("sample.exe")
        assert lab.requests == []

    def test_of_base64(self, lab: Lab, server: Served):
        assert server.http.post("/hashes", json={"content_base64": BASE64}).json() == self.expected(None)
        assert lab.requests == []

    def test_of_a_path(self, lab: Lab, tmp_path):
        (tmp_path / "sample.exe").write_bytes(CONTENT)
        with started(settings_of(lab, file_roots=(tmp_path,))) as server:
            answer = server.http.post("/hashes", json={"file": str(tmp_path / "sample.exe")})

        assert answer.json() == self.expected("sample.exe")
        assert lab.requests == []

    @pytest.mark.parametrize(
        "body",
        [{}, {"file": "x", "content_base64": BASE64}, {"content_base64": "!!!!"}, {"content_base64": 1}, {"other": 1}],
    )
    def test_of_something_else_are_refused(self, server: Served, body):
        problem(server.http.post("/hashes", json=body), 422, "input_refused")

    def test_of_nothing_are_refused(self, server: Served):
        problem(server.upload(b"", path="/hashes"), 422, "input_refused")

    def test_of_a_form_with_more_are_refused(self, server: Served):
        problem(server.upload(CONTENT, path="/hashes", data={"comment": "x"}), 422, "input_refused")

    def test_of_another_media_type_are_refused(self, server: Served):
        problem(server.http.post("/hashes", content=b"x", headers={"content-type": "text/plain"}), 415, "media_type")


@given(st.dictionaries(st.sampled_from(["wait", "tags", "comment"]), st.lists(st.text(), min_size=1, max_size=3)))
def test_whatever_a_form_holds_becomes_params_that_are_checked_like_any(fields):
    import asyncio

    schema = find("submit_file").params.model_json_schema()

    made = asyncio.run(params_of(Form(None, True, fields), schema))

    assert made.keys() == fields.keys()
    for name, texts in fields.items():
        assert made[name] in (texts, texts[0], True, False)
