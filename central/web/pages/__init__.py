"""One module per page; each holds its routes and the small view it renders."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from central.web.pages import catalogue, events, incidents, login, screen

ROUTERS: Final[tuple[APIRouter, ...]] = (
    login.router,
    screen.router,
    events.router,
    incidents.router,
    catalogue.router,
)
