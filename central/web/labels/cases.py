"""Cases: states, closings, nodes, parties, acts, flags, documents, imports."""

from __future__ import annotations

from typing import Final

from central.web.i18n import note as _
from central.web.labels.label import Label

CASE_STATES: Final = {
    "filed": Label(_("已立案"), "folder", "info"),
    "assigned": Label(_("已分案"), "user", "info"),
    "active": Label(_("执行中"), "next", "info"),
    "suspended": Label(_("中止"), "pause", "warn"),
    "closed": Label(_("已结案"), "check-circle", "off"),
}
PARTY_ROLES: Final = {
    "applicant": Label(_("申请执行人"), "user", "info"),
    "executee": Label(_("被执行人"), "user", "warn"),
    "third_party": Label(_("案外人"), "user", "off"),
    "other": Label(_("其他当事人"), "user", "off"),
}
PARTY_KINDS: Final = {
    "natural": Label(_("自然人"), "user", "off"),
    "organisation": Label(_("法人或组织"), "court", "off"),
    "other": Label(_("其他主体"), "user", "off"),
}
ID_KINDS: Final = {
    "resident_id": Label(_("居民身份证"), "certificate", "off"),
    "old_resident_id": Label(_("15 位身份证"), "certificate", "off"),
    "uscc": Label(_("统一社会信用代码"), "certificate", "off"),
    "org_code": Label(_("组织机构代码"), "certificate", "off"),
    "passport": Label(_("护照"), "certificate", "off"),
    "permit": Label(_("通行证"), "certificate", "off"),
    "other": Label(_("其他证件"), "certificate", "off"),
}
ACTS: Final = {
    "extend": Label(_("延长执行期限"), "calendar", "info"),
    "close": Label(_("结案"), "check-circle", "info"),
    "reopen": Label(_("恢复办理"), "history", "info"),
}
ACT_STATES: Final = {
    "submitted": Label(_("待审批"), "waiting", "warn"),
    "approved": Label(_("待院长签发"), "stamp", "warn"),
    "done": Label(_("已生效"), "check-circle", "ok"),
    "refused": Label(_("已退回"), "withdrawn", "bad"),
    "withdrawn": Label(_("已撤回"), "withdrawn", "off"),
}
# How near a day is: never a colour without its word.
URGENCIES: Final = {
    "overdue": Label(_("已超期"), "warning", "bad"),
    "today": Label(_("今日到期"), "clock", "bad"),
    "soon": Label(_("7 日内"), "clock", "warn"),
    "later": Label(_("期限内"), "check-circle", "ok"),
    "paused": Label(_("停止计算"), "pause", "off"),
    "none": Label(_("无期限"), "list", "off"),
    "closed": Label(_("已结案"), "check-circle", "off"),
}
# What the text of a search was taken for (cases.search).
SEARCH_HOW: Final = {
    "number": Label(_("按案号检索"), "folder", "info"),
    "name": Label(_("按姓名或名称检索"), "user", "info"),
    "identity": Label(_("按证件号码检索（号码不再显示，也不留在地址中）"), "certificate", "info"),
}
# Lines of a case's timeline, by kind.
CASE_STEPS: Final = {
    "registered": Label(_("登记立案"), "folder", "info"),
    "imported": Label(_("导入案件"), "upload", "info"),
    "updated": Label(_("来源更新"), "upload", "info"),
    "edited": Label(_("修改案件"), "edit", "info"),
    "assigned": Label(_("分案"), "user", "info"),
    "node_started": Label(_("启动节点"), "clock", "info"),
    "node_done": Label(_("节点完成"), "check", "ok"),
    "pause_started": Label(_("暂停计算"), "pause", "warn"),
    "pause_ended": Label(_("恢复计算"), "play", "info"),
    "document_added": Label(_("录入文书"), "document", "info"),
    "document_withdrawn": Label(_("撤下文书"), "withdrawn", "off"),
    "act_drafted": Label(_("提请审批"), "edit", "info"),
    "act_approved": Label(_("审批同意"), "check", "ok"),
    "act_signed": Label(_("院长签发"), "stamp", "ok"),
    "act_refused": Label(_("退回提请"), "withdrawn", "bad"),
    "act_withdrawn": Label(_("撤回提请"), "withdrawn", "off"),
    "extended": Label(_("延长期限"), "calendar", "info"),
    "closed": Label(_("结案"), "check-circle", "ok"),
    "reopened": Label(_("恢复办理"), "history", "warn"),
    "resumed": Label(_("另立恢复执行案件"), "split", "info"),
    "flag_set": Label(_("标记大要案"), "flag", "bad"),
    "flag_cleared": Label(_("取消标记"), "flag", "off"),
    "share_set": Label(_("授权他院查阅"), "share", "info"),
    "share_ended": Label(_("收回授权"), "share", "off"),
    "recusal_set": Label(_("决定回避"), "shield", "warn"),
    "recusal_ended": Label(_("解除回避"), "shield", "off"),
}
# Imports (central.imports.rules.TRANSITIONS).
IMPORT_STATES: Final = {
    "waiting": Label(_("待核准"), "waiting", "warn"),
    "refused": Label(_("已驳回"), "cross-circle", "bad"),
    "queued": Label(_("等待处理"), "waiting", "info"),
    "running": Label(_("正在处理"), "upload", "info"),
    "cancelling": Label(_("正在取消"), "pause", "warn"),
    "done": Label(_("已完成"), "check-circle", "ok"),
    "failed": Label(_("无法导入"), "cross-circle", "bad"),
    "cancelled": Label(_("已取消"), "withdrawn", "off"),
}
# What else to tell about a search (cases.search).
SEARCH_HINTS: Final = {
    "begins_with": Label(_("只输入了一个字，按姓氏检索"), "user", "info"),
    "more": Label(_("检索范围较大，可继续列出或补充条件"), "search", "info"),
    "id_form": Label(_("像是证件号码，但位数或字符不对，请核对"), "warning", "warn"),
    "id_check_digit": Label(_("身份证号码的校验码不对，请核对"), "warning", "warn"),
    "id_birth_date": Label(_("身份证号码中的出生日期不存在，请核对"), "warning", "warn"),
    "uscc_check_digit": Label(_("统一社会信用代码的校验码不对，请核对"), "warning", "warn"),
    "org_code_check_digit": Label(_("组织机构代码的校验码不对，请核对"), "warning", "warn"),
}

TABLES: Final[dict[str, dict[str, Label]]] = {
    "as_case_state": CASE_STATES,
    "as_import_state": IMPORT_STATES,
    "as_party_role": PARTY_ROLES,
    "as_party_kind": PARTY_KINDS,
    "as_id_kind": ID_KINDS,
    "as_act": ACTS,
    "as_act_state": ACT_STATES,
    "as_urgency": URGENCIES,
    "as_case_step": CASE_STEPS,
}
