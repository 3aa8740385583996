"""Roles, rights, courts."""

from __future__ import annotations

from typing import Final

from central.web.i18n import note as _
from central.web.labels.label import Label

ROLES: Final = {
    "president": Label(_("院长"), "scales", "info"),
    "commander": Label(_("指挥长"), "user", "info"),
    "bureau_chief": Label(_("执行局长"), "user", "info"),
    "judge": Label(_("执行法官"), "scales", "info"),
    "clerk": Label(_("书记员"), "user", "info"),
    "police": Label(_("司法警察"), "shield-check", "info"),
    "duty_operator": Label(_("值班员"), "user", "info"),
    "seal_keeper": Label(_("印章管理员"), "certificate", "info"),
    "system_admin": Label(_("系统管理员"), "key", "info"),
    "security_admin": Label(_("安全管理员"), "shield-check", "info"),
    "audit_admin": Label(_("审计管理员"), "audit", "info"),
    "liaison": Label(_("协助单位联络员"), "link", "info"),
    "supervisor": Label(_("监督员"), "search", "info"),
}
COURT_LEVELS: Final = {
    "supreme": Label(_("最高法院"), "court", "info"),
    "high": Label(_("高级法院"), "court", "info"),
    "intermediate": Label(_("中级法院"), "court", "info"),
    "basic": Label(_("基层法院"), "court", "info"),
}
UNIT_KINDS: Final = {
    "command_centre": Label(_("指挥中心"), "screen", "info"),
    "rapid_force": Label(_("快速反应力量"), "shield", "ok"),
    "standby_team": Label(_("备勤组"), "users", "info"),
    "inquiry_room": Label(_("查控中心"), "search", "info"),
    "other": Label(_("其他单位"), "list", "off"),
}
POSTS: Final = {
    "commander": Label(_("指挥长"), "user", "info"),
    "bureau_chief": Label(_("代理执行局长"), "user", "info"),
    "duty_operator": Label(_("代班值班员"), "user", "info"),
    "seal_keeper": Label(_("代管印章"), "certificate", "info"),
}
CUSTODY_LEVELS: Final = {
    "high": Label(_("高级法院"), "court", "info"),
    "intermediate": Label(_("中级法院"), "court", "info"),
    "basic": Label(_("各院自行查询"), "court", "info"),
}
# Categories of inquiry, A to M (seed 18(1)).
INQUIRY_CATEGORIES: Final = {
    "A": Label(_("户籍、居住、住宿、出入境"), "search", "info"),
    "B": Label(_("市场主体登记"), "search", "info"),
    "C": Label(_("银行账户"), "search", "info"),
    "D": Label(_("土地使用权"), "search", "info"),
    "E": Label(_("房屋"), "search", "info"),
    "F": Label(_("税务"), "search", "info"),
    "G": Label(_("社会保险"), "search", "info"),
    "H": Label(_("证券、基金"), "search", "info"),
    "I": Label(_("组织机构代码"), "search", "info"),
    "J": Label(_("车辆"), "search", "info"),
    "K": Label(_("手机定位"), "search", "info"),
    "L": Label(_("林权"), "search", "info"),
    "M": Label(_("其他"), "search", "info"),
}
RIGHTS: Final = {
    "see_screen": Label(_("查看大屏"), "screen", "info"),
    "see_kits": Label(_("查看装备"), "device", "info"),
    "see_trail": Label(_("查看轨迹"), "pin", "info"),
    "see_incidents": Label(_("查看突发事件"), "sos", "info"),
    "acknowledge_alarm": Label(_("受理告警"), "check", "info"),
    "close_incident": Label(_("办结事件"), "check-circle", "info"),
    "order_recording": Label(_("指令录像"), "record", "info"),
    "see_tasks": Label(_("查看任务"), "list", "info"),
    "assign_tasks": Label(_("派发任务"), "list", "info"),
    "request_command": Label(_("申请远程指挥"), "users", "info"),
    "decide_command": Label(_("决定远程指挥"), "stamp", "info"),
    "start_command": Label(_("发起远程指挥"), "play", "info"),
    "watch_live": Label(_("观看实时画面"), "eye", "info"),
    "talk_live": Label(_("参与实时通话"), "users", "info"),
    "give_instruction": Label(_("下达编号口令"), "list", "info"),
    "join_live": Label(_("受邀加入远程会商"), "camera", "info"),
    "grant_outlet": Label(_("授权画面外送"), "share", "info"),
    "manage_cameras": Label(_("管理外部摄像机"), "camera", "info"),
    "lock_kit": Label(_("锁定遗失装备"), "lock", "info"),
    "ask_destruction": Label(_("提请销毁密钥"), "key", "info"),
    "confirm_destruction": Label(_("确认销毁密钥"), "key", "info"),
    "see_recordings": Label(_("查看录像目录"), "camera", "info"),
    "play_recording": Label(_("调阅录像"), "play", "info"),
    "export_recording": Label(_("导出证据包"), "download", "info"),
    "see_health": Label(_("查看运行状况"), "thermometer", "info"),
    "fetch_logs": Label(_("调取装备日志"), "download", "warn"),
    "manage_devices": Label(_("管理装备"), "device", "info"),
    "manage_users": Label(_("管理用户"), "user", "info"),
    "see_set_aside": Label(_("查看未接收消息"), "inbox", "info"),
    "read_audit": Label(_("查阅审计"), "audit", "info"),
    "see_work": Label(_("我的工作"), "list", "info"),
    "search_cases": Label(_("检索案件"), "list", "info"),
    "see_case": Label(_("查看案件"), "list", "info"),
    "unmask_party": Label(_("查看完整证件号码"), "list", "info"),
    "register_case": Label(_("登记案件"), "list", "info"),
    "edit_case": Label(_("修改案件"), "list", "info"),
    "record_node": Label(_("登记流程节点"), "list", "info"),
    "add_document": Label(_("添加文书"), "list", "info"),
    "assign_case": Label(_("分配承办人"), "list", "info"),
    "flag_case": Label(_("标记大要案"), "list", "info"),
    "request_case_act": Label(_("提请延期或结案"), "list", "info"),
    "approve_case_act": Label(_("审核延期或结案"), "list", "info"),
    "sign_case_act": Label(_("院长签批"), "list", "info"),
    "set_recusal": Label(_("决定回避"), "list", "info"),
    "share_case": Label(_("授权他院查阅"), "list", "info"),
    "export_cases": Label(_("导出案件清单"), "list", "info"),
    "import_cases": Label(_("导入案件"), "list", "info"),
    "release_import": Label(_("核准导入"), "list", "info"),
    "see_courts": Label(_("查看法院"), "list", "info"),
    "manage_units": Label(_("维护指挥单位"), "list", "info"),
    "appoint_commander": Label(_("任命指挥长"), "list", "info"),
    "manage_courts": Label(_("维护法院信息"), "list", "info"),
    "manage_features": Label(_("切换功能"), "list", "info"),
    "see_users": Label(_("查看用户"), "list", "info"),
    "admit_users": Label(_("核准用户与角色"), "list", "info"),
    "manage_sessions": Label(_("管理会话"), "list", "info"),
    "manage_terminals": Label(_("管理终端"), "list", "info"),
    "manage_service_accounts": Label(_("管理接口账户"), "list", "info"),
    "admit_service_accounts": Label(_("核准接口账户"), "list", "info"),
    "see_roles": Label(_("查看权限表"), "list", "info"),
    "export_audit": Label(_("导出审计"), "list", "info"),
    "verify_audit": Label(_("核验审计链"), "list", "info"),
}

ACCOUNT_STATES: Final = {
    "active": Label(_("正常"), "check-circle", "ok"),
    "waiting": Label(_("全部待核准"), "waiting", "warn"),
    "proposed": Label(_("待核准"), "waiting", "warn"),
    "changing": Label(_("变更待核准"), "waiting", "warn"),
    "due": Label(_("待发放密码"), "key", "warn"),
    "disabled": Label(_("已停用"), "lock", "off"),
}
METHODS: Final = {
    "password": Label(_("密码"), "key", "info"),
    "password+totp": Label(_("密码与验证码"), "totp", "info"),
    "password+recovery": Label(_("密码与恢复码"), "key", "info"),
    "password+passkey": Label(_("密码与通行密钥"), "passkey", "info"),
    "passkey": Label(_("通行密钥"), "passkey", "info"),
    "oidc": Label(_("统一身份"), "users", "info"),
    "oidc+directory": Label(_("统一身份（含第二步）"), "users", "info"),
    "oidc+totp": Label(_("统一身份与验证码"), "totp", "info"),
    "oidc+recovery": Label(_("统一身份与恢复码"), "key", "info"),
    "oidc+passkey": Label(_("统一身份与通行密钥"), "passkey", "info"),
}
TERMINAL_STATES: Final = {
    "bound": Label(_("使用中"), "check-circle", "ok"),
    "waiting": Label(_("待登记"), "waiting", "warn"),
    "revoked": Label(_("已撤销"), "cross-circle", "off"),
}
SERVICE_STATES: Final = {
    "proposed": Label(_("待核准"), "waiting", "warn"),
    "changing": Label(_("变更待核准"), "waiting", "warn"),
    "due": Label(_("待发放令牌"), "key", "warn"),
    "active": Label(_("正常"), "check-circle", "ok"),
    "expired": Label(_("已到期"), "clock", "warn"),
    "revoked": Label(_("已撤销"), "cross-circle", "off"),
}
SCOPES: Final = {
    "courts:read": Label(_("查看法院"), "court", "info"),
    "cases:read": Label(_("查看案件"), "folder", "info"),
    "cases:write": Label(_("登记与修改案件"), "edit", "info"),
    "personal:read": Label(_("查看完整证件号码"), "eye", "info"),
    "changes:read": Label(_("读取变更流"), "list", "info"),
    "imports:write": Label(_("导入案件"), "upload", "info"),
}

TABLES: Final[dict[str, dict[str, Label]]] = {
    "as_role": ROLES,
    "as_court_level": COURT_LEVELS,
    "as_right": RIGHTS,
    "as_account_state": ACCOUNT_STATES,
    "as_method": METHODS,
    "as_terminal_state": TERMINAL_STATES,
    "as_service_state": SERVICE_STATES,
    "as_scope": SCOPES,
    "as_unit_kind": UNIT_KINDS,
    "as_post": POSTS,
    "as_custody_level": CUSTODY_LEVELS,
    "as_inquiry_category": INQUIRY_CATEGORIES,
}
