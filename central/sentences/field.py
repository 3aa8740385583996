"""Ground floor, log-in, kits, incidents and evidence."""

from __future__ import annotations

from typing import Final

SENTENCES: Final = {
    "domain_error": "此操作被拒绝，请刷新页面后重试。",
    "refused": "此操作被拒绝，并已记录。",
    "not_found": "没有找到，或不在您的辖区内；请从列表重新进入。",
    "forbidden": "您的角色或所属法院无权进行此操作；如有需要，请联系本院管理员。",
    "conflict": "状态已被他人改变；请刷新页面查看最新情况。",
    "invalid_input": "填写的内容不符合要求；请检查后重试。",
    "login_required": "尚未登录或会话已结束；请重新登录。",
    "wrong_password": "用户名或密码不正确；请核对后重试。",
    "locked_out": "连续 %(failures)s 次密码错误，该用户已锁定；请 %(minutes)s 分钟后重试，或联系本院管理员。",
    "body_too_large": "发送的内容超过此处的上限（%(limit)s KB）；请缩小后重试。",
    "body_too_slow": "内容传输过慢，已中断；请检查网络后重试。",
    "unreadable_text": "内容含有无法保存的字符（空字符或不完整的字符）；请删去后重试。",
    "foreign_request": "该请求不是从本中心页面发出的；请刷新页面后重试。",
    "unknown_kit": "证书机构的登记册中没有该装备；请核对编号。",
    "kit_lost_already": "该装备已被锁定；请刷新页面查看。",
    "loss_state": "该遗失装备的处置状态已变；请刷新页面查看最新情况。",
    "destruction_under_way": "销毁指令已送达装备，无法撤回；装备找回后须重新登记。",
    "loss_reason": "请填写事由（1 至 %(limit)s 字）。",
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
