"""Specimen people of every role, by log-in: name, role, court; the tests of pages and browsers log in as them."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from argon2 import PasswordHasher

from central.people import passwords

PASSWORD = "样例密码-only-for-tests"
CAST = {
    "zhiban": ("样例值班员", "duty_operator", "云29"),
    "zhihui": ("样例指挥长", "commander", "云29"),
    "guanli": ("样例管理员", "system_admin", "云29"),
    "anquan": ("样例安全员", "security_admin", "云29"),
    "shenji": ("样例审计员", "audit_admin", "云29"),
    "yuanzhang": ("样例院长", "president", "云29"),
    "dayuanzhang": ("样例大理市院长", "president", "云2901"),
    "juzhang": ("样例执行局长", "bureau_chief", "云2901"),
    "faguan": ("样例执行法官", "judge", "云2901"),
    "shuji": ("样例书记员", "clerk", "云2901"),
    "jiandu": ("样例监督员", "supervisor", "云29"),
    "fajing": ("样例司法警察", "police", "云2901"),
    "yinzhang": ("样例印章员", "seal_keeper", "云29"),
    "lianluo": ("样例联络员", "liaison", "云29"),
}


@contextmanager
def cheap_hashes() -> Iterator[None]:
    """A hash made meanwhile is cheap to make and, for good, to check: in earnest every log-in would take 0.1 s more.

    What it costs in service is in tests/central/people/test_service.py.
    """
    with mock.patch.object(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)):
        yield
