"""A TAXII 2.1 server takes our bundles and gives every object back, over a real connection."""

import json
import logging
import sys
import threading
from pathlib import Path
from typing import Any

from medallion import application_instance, register_blueprints, set_config
from taxii2client.v21 import Collection
from werkzeug.serving import make_server

HERE = "collection"
COLLECTION = "365fed99-08fa-4fed-a1b3-fb247eb41d01"
DATA = {
    "/discovery": {"title": "test", "default": "http://127.0.0.1/root/", "api_roots": ["http://127.0.0.1/root/"]},
    "root": {
        "information": {
            "title": "root",
            "versions": ["application/taxii+json;version=2.1"],
            "max_content_length": 10**7,
        },
        "status": [],
        "collections": [
            {
                "id": COLLECTION,
                "title": HERE,
                "can_read": True,
                "can_write": True,
                "media_types": ["application/stix+json;version=2.1"],
                "objects": [],
                "manifest": [],
            }
        ],
    },
}


def served(folder: str) -> Any:
    """The server on a free port of this machine, with an empty collection."""
    data = Path(folder, "taxii-server.data")
    data.write_text(json.dumps(DATA), "utf-8")
    backend = {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend", "filename": str(data)}
    for name, value in {"users": {"user": "pass"}, "taxii": {"max_page_size": 1000}, "backend": backend}.items():
        set_config(application_instance, name, {name: value})
    register_blueprints(application_instance)
    server = make_server("127.0.0.1", 0, application_instance, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def check(collection: Collection, path: Path, already: dict[str, Any]) -> int:
    """Push one bundle; the server accepts each object that it does not hold yet, and gives all of them back."""
    objects = json.loads(path.read_text("utf-8"))["objects"]
    new = [o for o in objects if o["id"] not in already]
    if new:
        status = collection.add_objects({"objects": new}, wait_for_completion=True, poll_interval=0.05)
        assert (status.status, status.failure_count, status.success_count) == ("complete", 0, len(new)), status.failures
        already.update({o["id"]: o for o in new})
    back = {o["id"]: o for o in collection.get_objects()["objects"]}
    assert {o["id"] for o in objects} <= set(back)
    assert all(back[o["id"]] == o for o in new)
    return len(new)


def main(folder: str) -> None:
    """Every bundle in the folder into one collection, one after the other."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    paths = sorted(Path(folder).glob("*.json"))
    assert paths
    server = served(folder)
    url = f"http://127.0.0.1:{server.server_port}/root/collections/{COLLECTION}/"
    already: dict[str, Any] = {}
    pushed = sum(check(Collection(url, user="user", password="pass"), path, already) for path in paths)
    server.shutdown()
    sys.stdout.write(f"taxii: {len(paths)} bundles, {pushed} objects pushed and read back" + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
