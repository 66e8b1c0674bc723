"""The little script of a run's page: it shows the JSON of the object that is chosen, and saves the bundle as a file.

Without it the page says the same, but for these two. Its hash is what the page's Content-Security-Policy allows.
"""

import base64
import hashlib
from typing import Final

SCRIPT: Final = r"""
(() => {
  "use strict";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const source = document.getElementById("bundle");
  if (!source) return;
  const bundle = read("bundle");
  const objects = new Map(bundle.objects.map((object) => [object.id, object]));
  const detail = document.getElementById("stix-detail");
  const heading = detail.querySelector("h3");
  const code = detail.querySelector("pre");
  const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
  const escaped = (text) => text.split("\n").map((line) => line.replace(unseen, (found) => found.split("")
    .map((unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0")).join(""))).join("\n");

  const choose = (element) => {
    const object = objects.get(element.dataset.object);
    if (!object) return;
    for (const other of document.querySelectorAll("[data-object]")) {
      other.classList.toggle("chosen", other === element);
      other.setAttribute("aria-pressed", String(other === element));
    }
    heading.textContent = element.getAttribute("aria-label");
    code.textContent = escaped(JSON.stringify(object, null, 2));
    code.scrollTop = 0;
  };
  for (const element of document.querySelectorAll("[data-object]")) {
    element.setAttribute("aria-pressed", "false");
    element.addEventListener("click", () => choose(element));
    element.addEventListener("focus", () => choose(element));
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        choose(element);
      }
    });
  }
  detail.hidden = false;

  const save = document.getElementById("save-bundle");
  save.hidden = false;
  save.addEventListener("click", () => {
    const text = JSON.stringify(bundle, null, 2);
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = save.dataset.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  });
})();
"""

HASH: Final = "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
