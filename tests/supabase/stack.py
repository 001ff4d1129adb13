"""The written stack as tests read it: `docker-compose.yml` by a strict model, and what Docker would fill in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from ecluse.supabase.compose import content
from ecluse.supabase.keys import new_env, rotated_env

NOW = datetime.now(UTC)
ENV = new_env("https://api.example.com", NOW)
VALUES = ENV.values
ROTATED = rotated_env(ENV, NOW).values


class Strict(BaseModel):
    """Nothing but what is named: a word that Docker does not know is a mistake in writing."""

    model_config = ConfigDict(extra="forbid", strict=True)


class HealthCheck(Strict):
    test: list[str]
    interval: str = Field(pattern=r"^\d+s$")
    timeout: str = Field(pattern=r"^\d+s$")
    retries: int
    start_period: str = "0s"


class Condition(Strict):
    condition: Literal["service_started", "service_healthy"]


class Network(Strict):
    aliases: list[str]


class Service(Strict):
    image: str
    restart: Literal["unless-stopped"]
    environment: dict[str, str]
    healthcheck: HealthCheck
    depends_on: dict[str, Condition] = {}
    ports: list[str] = []
    volumes: list[str] = []
    profiles: list[str] = []
    networks: dict[str, Network] = {}
    entrypoint: list[str] = []
    command: list[str] = []


class Compose(Strict):
    name: str
    services: dict[str, Service]
    volumes: dict[str, None]


COMPOSE = Compose.model_validate(yaml.safe_load(content("docker-compose.yml")))
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>[A-Z_0-9]+)(?::(?P<how>[-?])(?P<rest>[^}]*))?\})")


def filled(text: str, values: dict[str, str]) -> str:
    """A value as Docker fills it in."""

    def one(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        value = values.get(found["name"], "")
        if found["how"] == "-" and not value:
            return found["rest"]
        assert value or found["how"] != "?", f"{found['name']} is required"
        assert found["name"] in values, f"{found['name']} is nowhere"
        return value

    return _VARIABLE.sub(one, text)


def environment(service: str, values: dict[str, str] | None = None) -> dict[str, str]:
    """What a service gets."""
    return {n: filled(v, values or VALUES) for n, v in COMPOSE.services[service].environment.items()}
