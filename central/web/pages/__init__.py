"""One module per page; each holds its routes and the small view it renders."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from central.web.pages import (
    admin,
    audit,
    catalogue,
    devices,
    events,
    incidents,
    kits,
    login,
    profile,
    recordings,
    screen,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    login.router,
    screen.router,
    events.router,
    incidents.router,
    kits.router,
    recordings.router,
    devices.router,
    audit.router,
    admin.router,
    profile.router,
    catalogue.router,
)
