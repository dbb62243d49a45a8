"""The demo's page for programs: how to call its API, ready to copy, in Python and in a shell."""

from __future__ import annotations

import re
from typing import Literal

import gradio as gr

HEAD = """# API
`/label` gives the garments of a photo as JSON, `/explain` its maps as pictures. Calls wait in line for
the models; where twenty wait already, the answer is a 503."""
PASSWORD_NOTE = """The commands read the demo's password from `LAPEL_DEMO_PASSWORD`; any user name will do."""
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,260}")  # nothing that a shell would take for more
PROGRAMS: tuple[tuple[str, Literal["python", "shell"], str], ...] = (
    ("client", "python", "Python with gradio_client"),
    ("curl", "shell", "Shell with curl"),
    ("http", "python", "Python with plain HTTP"),
)

CLIENT = """# pip install gradio_client
{imports}
from gradio_client import Client, handle_file

demo = Client("{address}"{auth})
labels = demo.predict(photo=handle_file("photo.jpg"), api_name="/label")
for garment in labels["garments"]:
    print(garment["category"], garment["score"], garment["box"], garment["top5"][0])

index, files = demo.predict(photo=handle_file("photo.jpg"), threshold=0.5, api_name="/explain")
print(index["garments"][0]["maps"] if index["garments"] else "no garment", files)
"""

HTTP = """# pip install httpx
import json
{imports}
import httpx

with httpx.Client(base_url="{address}", timeout=120) as demo, open("photo.jpg", "rb") as photo:
{login}    path = demo.post("/gradio_api/upload", files={{"files": photo}}).raise_for_status().json()[0]
    sent = {{"path": path, "orig_name": "photo.jpg", "meta": {{"_type": "gradio.FileData"}}}}
    threshold = None  # the model card's
    call = demo.post("/gradio_api/call/label", json={{"data": [sent, threshold]}}).raise_for_status().json()
    answer = demo.get(f"/gradio_api/call/label/{{call['event_id']}}").text
event, data = answer.strip().split("\\n\\n")[-1].split("\\n", 1)
labels = json.loads(data.removeprefix("data: "))
print(labels[0] if event == "event: complete" else f"refused: {{labels}}")
"""

CURL = """DEMO={address}
{login}FILE=$(curl -sSf{cookies} -F "files=@photo.jpg" "$DEMO/gradio_api/upload" | cut -d '"' -f 2)
PHOTO='{{"path": "'$FILE'", "meta": {{"_type": "gradio.FileData"}}}}'
CALL=$(curl -sSf{cookies} -H "Content-Type: application/json" -d '{{"data": ['"$PHOTO"', null]}}' \\
  "$DEMO/gradio_api/call/label" | cut -d '"' -f 4)
curl -sSfN{cookies} "$DEMO/gradio_api/call/label/$CALL" | sed -n 's/^data: //p'
"""
CURL_LOGIN = """curl -sSf -o answer.json -c cookies.txt -d username=me \\
  --data-urlencode "password=$LAPEL_DEMO_PASSWORD" "$DEMO/login"
"""


def commands(address: str, has_password: bool) -> dict[str, str]:
    """The programs by name, ``client``, ``http`` and ``curl``; the address comes without a last slash."""
    password = 'os.environ["LAPEL_DEMO_PASSWORD"]'
    login = f'    demo.post("/login", data={{"username": "me", "password": {password}}}).raise_for_status()\n'
    if not has_password:
        return {
            "client": CLIENT.format(address=address, imports="", auth=""),
            "http": HTTP.format(address=address, imports="", login=""),
            "curl": CURL.format(address=address, login="", cookies=""),
        }
    return {
        "client": CLIENT.format(address=address, imports="import os\n", auth=f', auth=("me", {password})'),
        "http": HTTP.format(address=address, imports="import os\n", login=login),
        "curl": CURL.format(address=address, login=CURL_LOGIN, cookies=" -b cookies.txt"),
    }


def address_of(origin: str | None, otherwise: str) -> str:
    """The address by which a visitor came, from the browser's ``Origin``; behind a proxy only it knows."""
    return origin if origin and _ORIGIN.fullmatch(origin) else otherwise


def add_programs_page(page: gr.Blocks, address: str, has_password: bool) -> None:
    """Add the page to the Blocks' route that is being built; ``address`` is where the server listens."""
    gr.Markdown(HEAD)
    if has_password:
        gr.Markdown(PASSWORD_NOTE)
    shown = commands(address, has_password)
    programs = [
        gr.Code(shown[name], language=language, label=label, interactive=False, elem_id=name)
        for name, language, label in PROGRAMS
    ]

    def by_its_address(request: gr.Request) -> list[str]:
        came_by = commands(address_of(request.headers.get("origin"), address), has_password)
        return [came_by[name] for name, _, _ in PROGRAMS]

    page.load(by_its_address, None, programs, queue=False, show_progress="hidden", api_visibility="private")
