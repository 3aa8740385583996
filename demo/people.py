"""Who may log in to the demo: one person of every role, and a judge and a clerk at each court. All are specimens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Login:
    """A specimen user of the demo; `is_told` ones are printed with `ready:`."""

    login: str
    name: str
    role: str
    court_code: str
    is_told: bool = True


LOGINS: Final = (
    Login("duty", "样例值班员", "duty_operator", "云29"),
    Login("commander", "样例指挥长", "commander", "云29"),
    Login("commander2901", "样例2901指挥长", "commander", "云2901", is_told=False),
    Login("police", "样例法警", "police", "云2901"),
    Login("sealkeeper", "样例印章管理员", "seal_keeper", "云29"),
    Login("supervisor", "样例监督员", "supervisor", "云29"),
    Login("liaison", "样例联络员", "liaison", "云29"),
    Login("admin", "样例系统管理员", "system_admin", "云29"),
    Login("security", "样例安全管理员", "security_admin", "云29"),
    Login("auditor", "样例审计管理员", "audit_admin", "云29"),
    Login("xiangyun", "样例祥云值班员", "duty_operator", "云2923"),
)
COUNTIES: Final = tuple(f"云29{number}" for number in ("01", *range(22, 33)))


def handlers_of(court_code: str) -> tuple[Login, ...]:
    """Return the specimen judge, clerk, chief and president of a court; the fictitious cases name this judge."""
    number, is_told = court_code.removeprefix("云"), court_code == "云2901"
    return (
        Login(f"judge{number}", f"样例{number}法官", "judge", court_code, is_told),
        Login(f"clerk{number}", f"样例{number}书记员", "clerk", court_code, is_told),
        Login(f"chief{number}", f"样例{number}执行局长", "bureau_chief", court_code, is_told),
        Login(f"president{number}", f"样例{number}院长", "president", court_code, is_told),
    )


def all_logins() -> list[Login]:
    """Return everybody."""
    return [*LOGINS, *(login for court in ("云29", *COUNTIES) for login in handlers_of(court))]
