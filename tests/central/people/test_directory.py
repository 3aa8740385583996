"""Log-in by a real OpenID Connect provider: whom it lets in, and what it refuses."""

import base64
import hashlib
import json
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlmodel import select

from central.audit.models import AuditEntry
from central.people import accounts, queries, resets, rules
from central.people.directory import Directory
from central.people.models import Ceremony
from central.people.sessions import Visit
from tests.fakes.small_directory import SmallDirectory

VISIT = Visit("203.0.113.7", "Chrome 150 · Windows")
PEOPLE = (
    {"sub": "d-1", "preferred_username": "FaGuan", "name": "样例执行法官"},
    {"sub": "d-2", "preferred_username": "anquan", "amr": ["pwd", "otp"]},
    {"sub": "d-3", "preferred_username": "nobody"},
    {"sub": "d-4", "preferred_username": "faguan"},
)


@pytest.fixture(scope="module")
def provider():
    with SmallDirectory(PEOPLE) as provider:
        yield provider


@pytest.fixture
def settings(settings, provider, tmp_path):
    secret = tmp_path / "oidc.secret"
    secret.write_text("only-for-tests\n")
    return msgspec.structs.replace(
        settings, oidc_issuer=provider.issuer, oidc_client_id="zhixing", oidc_client_secret_file=str(secret)
    )


def travel(store, settings, provider, sub, directory=None):
    directory = directory or Directory(settings)
    journey = directory.depart(store, "/cases")
    back = provider.let_through(journey.url, sub)
    return directory.arrive(store, state=back["state"], cookie=journey.state, code=back["code"], visit=VISIT)


def audited(store, action):
    with store.read() as session:
        return session.exec(select(AuditEntry).where(AuditEntry.action == action)).all()


def test_a_prepared_account_is_linked_at_the_first_log_in(store, settings, provider, people):
    issued, target = travel(store, settings, provider, "d-1")
    assert (issued.actor.login, issued.stage, target) == ("faguan", "full", "/cases")
    with store.read() as session:
        assert queries.get_user(session, "faguan").oidc_subject == "d-1"
    assert [row.subject for row in audited(store, "people:directory:link")] == ["faguan"]
    travel(store, settings, provider, "d-1")
    assert len(audited(store, "people:directory:link")) == 1


def test_the_link_is_to_the_subject_not_to_the_name(store, settings, provider, people):
    travel(store, settings, provider, "d-1")
    with pytest.raises(rules.DirectoryRefusedError):
        travel(store, settings, provider, "d-4")  # another person under the same name


def test_nobody_gets_an_account_by_it(store, settings, provider, people):
    with pytest.raises(rules.DirectoryRefusedError, match="has no account for you"):
        travel(store, settings, provider, "d-3")
    with store.read() as session:
        assert queries.find_user(session, "nobody") is None
    assert [row.detail["reason"] for row in audited(store, "people:session:refuse")] == ["directory"]


def test_a_disabled_account_stays_out(store, settings, provider, people):
    travel(store, settings, provider, "d-1")
    with store.write() as uow:
        accounts.disable(uow, people["guanli"], "faguan", version=1, reason="调离")
    with pytest.raises(rules.DirectoryRefusedError):
        travel(store, settings, provider, "d-1")


def test_resetting_second_ways_ends_the_link(store, settings, provider, people):
    travel(store, settings, provider, "d-1")
    with store.write() as uow:
        resets.propose_reset(uow, people["guanli"], "faguan", what="second", version=1)
    with store.write() as uow:
        accounts.admit(uow, people["anquan"], "faguan", version=2)
    with store.read() as session:
        assert queries.get_user(session, "faguan").oidc_subject is None


@pytest.mark.parametrize(("sub", "stage"), [("d-1", "enrol"), ("d-2", "full")])
def test_the_directorys_own_second_way_counts_else_ours_is_asked_for(store, settings, provider, people, sub, stage):
    required = msgspec.structs.replace(settings, second_factor="required")
    assert travel(store, required, provider, sub)[0].stage == stage


def test_the_request_has_code_pkce_nonce_and_state(store, settings, provider, people):
    journey = Directory(settings).depart(store, "/")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(journey.url).query).items()}
    with store.read() as session:
        kept = session.exec(select(Ceremony)).one().state
    digest = hashlib.sha256(kept["verifier"].encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert (asked["nonce"], asked["state"]) == (kept["nonce"], journey.state)
    assert asked["redirect_uri"] == "https://centre.example/login/directory/back"


def test_the_way_back_is_walked_once_and_by_the_same_browser(store, settings, provider, people):
    directory = Directory(settings)
    journey = directory.depart(store, "/")
    back = provider.let_through(journey.url, "d-1")
    for cookie in ("", "another-browser"):
        with pytest.raises(rules.CeremonyExpiredError):
            directory.arrive(store, state=back["state"], cookie=cookie, code=back["code"], visit=VISIT)
    directory.arrive(store, state=back["state"], cookie=journey.state, code=back["code"], visit=VISIT)
    with pytest.raises(rules.CeremonyExpiredError):
        directory.arrive(store, state=back["state"], cookie=journey.state, code=back["code"], visit=VISIT)


def test_an_unreachable_directory_is_told(store, settings, people):
    lost = msgspec.structs.replace(settings, oidc_issuer="http://localhost:9")
    with pytest.raises(rules.DirectoryUnreachableError, match="log in with your password"):
        Directory(lost).depart(store, "/")


class Forger:
    """Passes everything on to the real provider but the ID token, which it makes itself."""

    def __init__(self, issuer, make):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._issuer, self._make = issuer, make
        self._real = httpx.Client()

    def client(self):
        return httpx.Client(transport=httpx.MockTransport(self._answer))

    def _answer(self, request):
        answer = self._real.request(request.method, request.url, headers=request.headers, content=request.content)
        if not request.url.path.endswith("/token"):
            return httpx.Response(answer.status_code, json=answer.json())
        body = answer.json()
        body["id_token"] = self._make(self, body["id_token"])
        return httpx.Response(200, json=body)

    def sign(self, token, *, key=None, algorithm="RS256", **changes):
        claims = jwt.decode(token, options={"verify_signature": False})
        return jwt.encode({**claims, **changes}, key or self.key, algorithm=algorithm)


def unsigned(forger, token):
    _header, body, _signature = token.split(".")
    bare = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    return f"{bare}.{body}."


@pytest.mark.parametrize(
    "make",
    [
        lambda forger, token: forger.sign(token),
        lambda forger, token: forger.sign(token, key="only-for-tests-only-for-tests-only", algorithm="HS256"),
        unsigned,
        lambda forger, token: token[:-8] + "AAAAAAAA",
        lambda forger, token: "no.token.at-all",
    ],
    ids=["foreign-key", "shared-secret", "unsigned", "altered", "no-token"],
)
def test_a_token_the_directory_did_not_sign_is_refused(store, settings, provider, people, make):
    directory = Directory(settings, Forger(provider.issuer, make).client())
    with pytest.raises(rules.DirectoryRefusedError):
        travel(store, settings, provider, "d-1", directory)
    assert audited(store, "people:session:refuse")


def test_a_token_for_another_log_in_is_refused(store, settings, provider, people):
    """A right token, but of an earlier exchange: its nonce is another."""
    seen = []

    def keep(forger, token):
        seen.append(token)
        return seen[0]

    directory = Directory(settings, Forger(provider.issuer, keep).client())
    travel(store, settings, provider, "d-1", directory)
    with pytest.raises(rules.DirectoryRefusedError):
        travel(store, settings, provider, "d-1", directory)


def test_a_token_for_another_client_is_refused(store, settings, provider, people):
    directory = Directory(settings)
    journey = directory.depart(store, "/")
    back = provider.let_through(journey.url, "d-1")
    other = Directory(msgspec.structs.replace(settings, oidc_client_id="another"))
    with pytest.raises((rules.DirectoryRefusedError, rules.DirectoryUnreachableError)):
        other.arrive(store, state=back["state"], cookie=journey.state, code=back["code"], visit=VISIT)
