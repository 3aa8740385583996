"""The description is true: generated requests of every operation, right and wrong, never find it lying."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.config import (
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
    StatefulPhaseConfig,
)
from schemathesis.specs.openapi.checks import positive_data_acceptance

from central.api.app import write_description
from central.api.imports import XLSX
from tests.central.api.conftest import Account, Server, add_account, serve_copy, token_of
from tests.central.api.test_changes import add_changes

IS_CI = os.environ.get("CI") == "true"
EXAMPLES = 12
DESCRIPTION = Path(__file__).parents[3] / "docs" / "openapi.json"
# What fits the description may still be wrong: check digits, a closing without its day, a number of another court.
EXCLUDED = [positive_data_acceptance]
BOUNDED = settings(
    max_examples=EXAMPLES, derandomize=IS_CI, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def fuzzed(migrated_database, tmp_path_factory) -> Iterator[Server]:
    """A server of this module's own: generated requests change what lies behind it."""
    with serve_copy(migrated_database, tmp_path_factory.mktemp("fuzzed")) as (server, store):
        add_account(store, "fuzzer")
        add_changes(store, [1, 2])  # a feed with something in it answers at once
        yield server


@pytest.fixture
def base_url(fuzzed) -> str:
    return fuzzed.url


def load_schema():
    project = ProjectConfig(
        phases=PhasesConfig(stateful=StatefulPhaseConfig(enabled=False)),
        generation=GenerationConfig(
            modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE],
            max_examples=EXAMPLES,
            deterministic=IS_CI,
            allow_extra_parameters=False,
        ),
    )
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    return schemathesis.openapi.from_dict(json.loads(DESCRIPTION.read_text(encoding="utf-8")), config=config)


@schemathesis.serializer(XLSX, "application/x-ndjson", "text/csv")
def send_as_it_is(_context, value):
    """Files are bytes of whatever kind."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()


schema, without_token = load_schema(), load_schema()


@schema.auth(refresh_interval=None)
class TokenShown:
    """The account's token, where schemathesis does not leave it out or replace it on purpose."""

    def get(self, _case, _context):
        return Account("fuzzer", token_of("fuzzer")).headers

    def set(self, case, data, _context):
        case.headers.update(data)


def test_the_committed_description_is_the_served_one(fuzzed):
    committed = DESCRIPTION.read_text(encoding="utf-8")
    remedy = "run: .venv/bin/python -m central.api.app > docs/openapi.json"
    assert committed == write_description(), remedy
    assert httpx.get(fuzzed.url + "/api/v1/openapi.json").json() == json.loads(committed)


@schema.parametrize()
@BOUNDED
def test_with_a_token_the_description_holds(case, base_url):
    case.call_and_validate(base_url=base_url, excluded_checks=EXCLUDED)


@without_token.parametrize()
@settings(BOUNDED, max_examples=3)
def test_without_a_token_it_holds_too(case, base_url):
    answer = case.call_and_validate(base_url=base_url, excluded_checks=EXCLUDED)
    is_open = case.path in ("/api/v1", "/api/v1/health")
    assert is_open or answer.status_code in (401, 405), answer.status_code
