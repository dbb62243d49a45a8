"""compose.yaml and Containerfile, as far as they can be checked without a container engine."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from sqlalchemy.engine import make_url

from app.__main__ import parse
from app.auth.middleware import READY
from core.__main__ import app as commands
from core.addresses import Address
from core.jobs.status import serve_metrics
from core.jobs.worker import STOP_SECONDS
from tests.core.store.conftest import fresh_store, fresh_url, sqlite_template

ROOT = Path(__file__).parents[1]
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")
CONTAINER = (ROOT / "Containerfile").read_text("utf-8")
__all__ = ["fresh_store", "fresh_url", "sqlite_template"]
NOT_WANTED = ("minio", "garage")
"""Object stores under the AGPL."""


@pytest.fixture
def services() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(COMPOSE)["services"]


def options_of(service: dict[str, Any], module: str) -> list[str]:
    command = list(service["command"])
    assert command[:3] == ["python", "-m", module]
    return command[3:]


def test_database_objects_app_and_workers_are_there(services):
    assert set(services) == {"database", "objects", "bucket", "app", "worker"}
    assert not [name for name in NOT_WANTED if name in COMPOSE.lower()]
    whole = yaml.safe_load(COMPOSE)
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        for other, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[other]
        named = [volume.partition(":")[0] for volume in service.get("volumes", ())]
        assert set(named) <= set(whole["volumes"]) and set(service.get("secrets", ())) <= set(
            whole["secrets"]
        )
        assert {entry["source"] for entry in service.get("configs", ())} <= set(whole["configs"])


def test_the_commands_are_the_programs_own(services):
    asked = parse(options_of(services["app"], "app"))
    assert (asked.port, asked.no_worker, asked.no_browser) == (8501, True, True)
    kind, *options = options_of(services["worker"], "core")
    known = typer.main.get_command(commands).commands[kind]
    given = known.make_context(kind, options).params
    assert (given["metrics"], given["metrics_address"]) == (9100, "0.0.0.0")
    assert json.loads(CONTAINER.rpartition("CMD ")[2])[:3] == ["python", "-m", "app"]
    assert parse(json.loads(CONTAINER.rpartition("CMD ")[2])[3:]).no_worker


def test_variables_are_those_that_the_code_reads(services):
    code = "".join(
        path.read_text("utf-8") for room in ("core", "app") for path in (ROOT / room).rglob("*.py")
    )
    used = {name for service in services.values() for name in service.get("environment", {})}
    used |= set(re.findall(r"(LAPEL_\w+)=", CONTAINER))
    assert {name for name in used if name.startswith("LAPEL_") and f'"{name}"' not in code} == set()
    assert {"LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL", "LAPEL_LOG", "LAPEL_DATA"} <= used
    asked = set(re.findall(r"\$\{(\w+):\?", COMPOSE))
    readme = (ROOT / "README.md").read_text("utf-8")
    assert asked and all(name in COMPOSE.partition("name: lapel")[0] and name in readme for name in asked)


def test_addresses_are_of_the_services(services, monkeypatch):
    environment = services["worker"]["environment"]
    url = make_url(re.sub(r"\$\{[^}]+\}", "secret", environment["LAPEL_DATABASE_URL"]))
    assert (url.get_backend_name(), url.host) == ("postgresql", "database") and url.host in services
    assert url.database == services["database"]["environment"]["POSTGRES_DB"]
    host, _, port = environment["AWS_ENDPOINT_URL"].removeprefix("http://").partition(":")
    assert host in services and f"-s3.port={port}" in services[host]["command"]
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.setenv(name, environment[name])
    blobs = Address.of(environment["LAPEL_BLOBS_URL"])
    assert f"s3.bucket.create -name {blobs.path.partition('/')[0]}" in services["bucket"]["command"][0]
    assert services["app"]["environment"].items() >= environment.items() - {("LAPEL_WORKER_NICE", "0")}


def test_health_is_asked_where_it_is_answered(services, fresh_store):
    port = serve_metrics(fresh_store("sqlite"), 0)
    for name, own in (("app", 8501), ("worker", 9100)):
        check = services[name]["healthcheck"]["test"]
        assert check[:3] == ["CMD", "python", "-c"] and f"127.0.0.1:{own}{READY}'" in check[3]
        asked = check[3].replace(f":{own}/", f":{port}/")
        assert subprocess.run([sys.executable, "-c", asked], capture_output=True).returncode == 0
        gone = asked.replace(READY, "/none")
        assert subprocess.run([sys.executable, "-c", gone], capture_output=True).returncode != 0
    seconds = int(services["worker"]["stop_grace_period"].removesuffix("s"))
    assert seconds > STOP_SECONDS


def test_the_image_gets_what_the_programs_need():
    copied = [shlex.split(line)[1:-1] for line in CONTAINER.splitlines() if line.startswith("COPY ")]
    names = {name for line in copied for name in line}
    assert all((ROOT / name).exists() for name in names)
    assert {"core", "app", "pages", "assets", "streamlit_config.toml", "requirements.txt"} <= names
    ignored = set((ROOT / ".dockerignore").read_text().split())
    assert not names & ignored and {".venv", ".env", "auth.toml"} <= ignored
    assert "USER lapel" in CONTAINER
