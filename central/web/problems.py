"""One place where refusals of the domain become a status and a sentence people can act on."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from central.base.errors import ConflictError, DomainError, ForbiddenError, InvalidInputError, NotFoundError
from central.courts.rules import LockedOutError, WrongPasswordError
from central.web.context import LoginRequiredError
from central.web.i18n import Words
from central.web.i18n import note as _
from central.web.render import render, words_of

log = logging.getLogger(__name__)

# Most exact class first.
STATUSES: Final[tuple[tuple[type[DomainError], int], ...]] = (
    (LoginRequiredError, 401),
    (WrongPasswordError, 401),
    (LockedOutError, 429),
    (NotFoundError, 404),
    (ForbiddenError, 403),
    (ConflictError, 409),
    (InvalidInputError, 422),
    (DomainError, 409),
)

# What Chinese readers see, by the error's code; English readers see the error's own sentence.
SENTENCES: Final[dict[str, str]] = {
    "domain_error": "此操作被拒绝，请刷新页面后重试。",
    "refused": "此操作被拒绝，并已记录。",
    "not_found": "没有找到，或不在您的辖区内；请从列表重新进入。",
    "forbidden": "您的角色或所属法院无权进行此操作；如有需要，请联系本院管理员。",
    "conflict": "状态已被他人改变；请刷新页面查看最新情况。",
    "invalid_input": "填写的内容不符合要求；请检查后重试。",
    "login_required": "尚未登录或会话已结束；请重新登录。",
    "wrong_password": "用户名或密码不正确；请核对后重试。",
    "locked_out": "连续 %(failures)s 次密码错误，该用户已锁定；请 %(minutes)s 分钟后重试，或联系本院管理员。",
    "foreign_request": "该请求不是从本中心页面发出的；请刷新页面后重试。",
    "unknown_kit": "证书机构的登记册中没有该装备；请核对编号。",
    "stale_registry": "登记册版本旧于现行版本；请从证书机构复制最新登记册。",
    "identity_missing": "中心的解密密钥无法读取；请管理员按证书机构的移交材料恢复。",
    "receipt_key_missing": "中心的回执签名密钥无法读取；请管理员按证书机构的移交材料恢复。",
    "handover_missing": "缺少证书机构的移交文件；请证书机构重新移交后再导出。",
    "grant_invalid": "调阅用途已失效；请重新说明用途。",
    "already_acknowledged": "%(by)s 已先受理该告警；请打开事件查看进展。",
    "not_acknowledged": "请先受理告警再办结，以便警官得知。",
    "incident_closed": "该事件已办结；可打开查看时间线。",
    "purpose_missing": "请填写用途（1 至 %(limit)s 字）。",
    "segment_not_stored": "该段尚未从装备收到；请稍后重试。",
    "segment_damaged": "第 %(seq)s 段与签名记录不符或无法读取；请立即报告管理员核查证据库。",
    "nothing_to_export": "该录像尚无可供核验的记录，无法导出。",
    "foreign_recording": "该录像属于另一台装备。",
    "chain_record_missing": "该段的签名记录尚未收到。",
    "digest_mismatch": "该段与签名记录不一致。",
    "store_full": "证据库空间不足；请管理员清理或扩容。",
    "audit_broken": "审计链从第 %(seq)s 条起不一致；请立即与备份比对并上报。",
}


def say(error: DomainError, words: Words) -> str:
    """Return the sentence for `error` in the reader's language."""
    if words.language == "en" or error.code not in SENTENCES:
        return error.message
    try:
        return SENTENCES[error.code] % error.params
    except KeyError:
        return SENTENCES[error.code]


def status_of(error: DomainError) -> int:
    """Return the HTTP status for `error`."""
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def answer(request: Request, error: DomainError) -> Response:
    """Answer a refusal: a page, a fragment for htmx, or RFC 9457 problem details for scripts."""
    status = status_of(error)
    if status == 401 and isinstance(error, LoginRequiredError):
        return _send_to_login(request, error)
    return _show(request, status, say(error, words_of(request)), error.code)


def _send_to_login(request: Request, error: DomainError) -> Response:
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.headers.get("hx-request"):
        here = request.headers.get("hx-current-url", "/").partition("//")[2].partition("/")[2]
        return Response(status_code=401, headers={"HX-Redirect": f"/login?next={quote('/' + here)}"})
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/login?next={quote(target)}", status_code=303)
    return _show(request, 401, say(error, words_of(request)), error.code)


def _show(request: Request, status: int, sentence: str, code: str) -> Response:
    if request.headers.get("hx-request"):
        return render(request, "notice.html", status=status, sentence=sentence)
    if "text/html" in request.headers.get("accept", ""):
        return render(request, "problem.html", status=status, sentence=sentence, code=status)
    body = {"type": f"urn:zhixing:problem:{code.replace('_', '-')}", "status": status, "detail": sentence}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Register the handlers."""

    async def on_domain(request: Request, error: Exception) -> Response:
        assert isinstance(error, DomainError)  # noqa: S101 - registered for this class only
        return answer(request, error)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        sentence = words_of(request)(_("没有这个页面；请从菜单重新进入。"))
        if error.status_code != 404:
            sentence = words_of(request)(_("请求无法处理；请返回后重试。"))
        return _show(request, error.status_code, sentence, "http")

    async def on_invalid(request: Request, error: Exception) -> Response:
        return answer(request, InvalidInputError("The request lacks a field or holds a wrong value; correct it."))

    async def on_crash(request: Request, error: Exception) -> Response:
        log.error("unexpected error at %s", request.url.path, exc_info=error)
        sentence = words_of(request)(_("系统内部错误，已记录；请重试，若仍出现请联系管理员。"))
        return _show(request, 500, sentence, "internal")

    app.add_exception_handler(DomainError, on_domain)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_crash)
