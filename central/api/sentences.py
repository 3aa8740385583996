"""What `/api/v1` says of its own refusals: code -> (English, Chinese), each with the remedy. Pure data."""

from __future__ import annotations

from typing import Final

TITLES: Final = {
    0: "Refused",
    400: "Bad request",
    401: "Token missing or not valid",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    410: "Cursor no longer valid",
    411: "Length required",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid input",
    428: "Precondition required",
    429: "Too many requests",
    500: "Internal error",
    503: "Busy",
    507: "Store full",
}
# Status of the framework's own refusals -> code.
HTTP_CODES: Final = {404: "no_such_resource", 405: "method_not_allowed"}

SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "refused": ("The request was refused.", "请求被拒绝。"),
    "bad_request": (
        "The request cannot be read; see /api/v1/openapi.json for its form.",
        "请求无法读取；格式见 /api/v1/openapi.json。",
    ),
    "malformed_json": (
        "The body is not valid JSON in UTF-8: %(fact)s. Correct it and send it again.",
        "请求正文不是有效的 UTF-8 JSON；请更正后重新发送。",
    ),
    "token_invalid": (
        "Send the service account's token as 'Authorization: Bearer <token>'; if you did, it is unknown, expired or "
        "revoked: ask the court's system administrator for a new one.",
        "请以 Authorization: Bearer <令牌> 出示服务账号令牌；若已出示，则该令牌不存在、已过期或已吊销，"
        "请向法院系统管理员申请新令牌。",
    ),
    "scope_missing": (
        "The service account lacks the scope %(scope)s: ask the court's system administrator for it.",
        "该服务账号没有 %(scope)s 权限范围；请向法院系统管理员申请。",
    ),
    "no_such_resource": (
        "There is no such resource; GET /api/v1 lists what there is.",
        "没有这个资源；GET /api/v1 列出全部资源。",
    ),
    "method_not_allowed": (
        "This resource does not take that method; the header Allow lists those it takes.",
        "该资源不支持此方法；可用方法见 Allow 头。",
    ),
    "too_large": (
        "The body is too large: the limit is %(limit)s bytes. Send less, or a whole file by POST /api/v1/imports.",
        "请求正文超过 %(limit)s 字节；请分次发送，或用 POST /api/v1/imports 上传文件。",
    ),
    "media_type": (
        "Send one of these as Content-Type: %(wanted)s.",
        "请求的 Content-Type 应为：%(wanted)s。",
    ),
    "too_slow": (
        "The body paused for too long; send it again.",
        "请求正文传送中断过久；请重新发送。",
    ),
    "invalid_input": (
        "Some fields are missing or hold values that cannot be; `errors` names each.",
        "部分字段缺失或取值不正确；errors 中逐项列出。",
    ),
    "cursor_invalid": (
        "This is no cursor of this feed: use `next` of the last answer as it is, or begin again without `after`.",
        "游标无效；请原样使用上次返回的 next，或不带 after 重新开始。",
    ),
    "cursor_gone": (
        "The feed no longer knows this cursor (the centre was restored from a backup): take a new one with "
        "after=latest and read the cases again.",
        "游标已失效（中心已从备份恢复）；请以 after=latest 取得新游标并重新读取案件。",
    ),
    "too_many_requests": (
        "Too many requests of this account: come again in %(seconds)s s.",
        "请求过于频繁；请 %(seconds)s 秒后重试。",
    ),
    "too_many_waiting": (
        "Too many long polls of this account are waiting: let one end, or come again in %(seconds)s s.",
        "该账号等待中的长轮询过多；请先结束一个，或 %(seconds)s 秒后重试。",
    ),
    "unavailable": (
        "The centre is busy: the same request may be sent again shortly.",
        "中心繁忙；请稍后重发同一请求。",
    ),
    "internal": (
        "The centre has a fault, logged as %(reference)s: try again later, or tell its administrator this number.",
        "中心内部错误，编号 %(reference)s；请稍后重试，或将编号告知管理员。",
    ),
}
# Chinese for what is wrong with a field, by the finding's type; the empty key stands for all others.
FIELD_SENTENCES: Final = {
    "": "取值不符合要求。",
    "missing": "必填字段缺失。",
    "extra_forbidden": "未知字段；请核对名称。",
    "string_too_short": "内容过短。",
    "string_too_long": "内容过长。",
    "string_pattern_mismatch": "格式不正确或含有控制字符。",
    "string_type": "应为字符串。",
    "int_type": "应为整数。",
    "int_parsing": "应为整数。",
    "int_from_float": "应为整数。",
    "bool_type": "应为 true 或 false。",
    "bool_parsing": "应为 true 或 false。",
    "date_type": "应为 YYYY-MM-DD 形式的日期。",
    "date_parsing": "应为 YYYY-MM-DD 形式的日期。",
    "date_from_datetime_parsing": "应为 YYYY-MM-DD 形式的日期。",
    "greater_than_equal": "数值过小。",
    "less_than_equal": "数值过大。",
    "literal_error": "不是允许的取值。",
    "list_type": "应为数组。",
    "too_long": "项目过多。",
    "too_short": "项目过少。",
    "dict_type": "应为对象。",
    "model_type": "应为对象。",
    "model_attributes_type": "应为对象。",
    "repeated": "参数重复；每个参数只能出现一次。",
}
