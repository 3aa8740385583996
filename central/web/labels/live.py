"""Remote command, live picture and voice."""

from __future__ import annotations

from typing import Final

from central.web.i18n import note as _
from central.web.labels.label import Label

REQUEST_STATES: Final = {
    "asked": Label(_("待决定"), "waiting", "warn"),
    "granted": Label(_("已同意"), "check-circle", "ok"),
    "refused": Label(_("不同意"), "cross-circle", "bad"),
    "withdrawn": Label(_("已撤回"), "withdrawn", "off"),
    "lapsed": Label(_("逾期失效"), "waiting", "off"),
}
GROUNDS: Final = {
    "incident": Label(_("突发事件"), "sos", "bad"),
    "watch_me": Label(_("警官请求观看"), "eye", "warn"),
    "task": Label(_("执行任务"), "list", "info"),
    "other": Label(_("其他事由"), "list", "info"),
}
DECISION_KINDS: Final = {
    "ordinary": Label(_("依申请决定"), "stamp", "info"),
    "own_motion": Label(_("指挥长依职权决定"), "stamp", "info"),
    "emergency": Label(_("紧急先行发起"), "warning", "warn"),
}
RATIFIED: Final = {
    "": Label(_("待确认"), "waiting", "warn"),
    "confirmed": Label(_("已确认"), "check-circle", "ok"),
    "disapproved": Label(_("不予确认"), "cross-circle", "bad"),
}
VOICES: Final = {
    "ptt": Label(_("按键通话"), "users", "info"),
    "duplex": Label(_("双向通话"), "users", "info"),
    "off": Label(_("不通话"), "users", "off"),
}
SESSION_STATES: Final = {
    "open": Label(_("进行中"), "live", "ok"),
    "ended": Label(_("已结束"), "check-circle", "off"),
}
ENTRIES: Final = {
    "requested": Label(_("提出申请"), "users", "info"),
    "decided": Label(_("作出决定"), "stamp", "info"),
    "ratified": Label(_("事后确认"), "stamp", "info"),
    "begun": Label(_("开始指挥"), "play", "ok"),
    "kit_joined": Label(_("装备加入"), "device", "info"),
    "kit_left": Label(_("装备离开"), "device", "off"),
    "called_again": Label(_("再次呼叫"), "bell", "warn"),
    "invited": Label(_("邀请加入"), "plus", "info"),
    "uninvited": Label(_("移出"), "withdrawn", "off"),
    "voice_set": Label(_("改变通话方式"), "users", "info"),
    "watch_begun": Label(_("开始观看"), "eye", "info"),
    "watch_ended": Label(_("停止观看"), "eye", "off"),
    "talk_begun": Label(_("开始讲话"), "users", "info"),
    "talk_ended": Label(_("停止讲话"), "users", "off"),
    "listen_begun": Label(_("开始收听"), "users", "info"),
    "listen_ended": Label(_("停止收听"), "users", "off"),
    "published": Label(_("打开本机摄像头"), "camera", "info"),
    "unpublished": Label(_("关闭本机摄像头"), "camera-off", "off"),
    "ordered": Label(_("下达口令"), "list", "warn"),
    "read_back": Label(_("复诵"), "check", "ok"),
    "told": Label(_("装备回报"), "delivered", "info"),
    "outlet_granted": Label(_("授权画面外送"), "share", "warn"),
    "outlet_ended": Label(_("停止画面外送"), "share", "off"),
    "ended": Label(_("结束指挥"), "check-circle", "off"),
    "record_sealed": Label(_("记录封存"), "lock", "ok"),
}
# How a kit's call stands (the `live` directive's state in the mailbox).
CALLS: Final = {
    "waiting": Label(_("正在呼叫"), "waiting", "warn"),
    "received": Label(_("装备已收到"), "delivered", "info"),
    "felt": Label(_("警员已知悉"), "felt", "ok"),
    "read": Label(_("警员已知悉"), "felt", "ok"),
    "accepted": Label(_("警员已知悉"), "felt", "ok"),
    "done": Label(_("已接通"), "check-circle", "ok"),
    "refused": Label(_("装备拒绝"), "cross-circle", "bad"),
    "failed": Label(_("装备无法接通"), "cross-circle", "bad"),
    "expired": Label(_("一分钟内未联系上"), "link-off", "bad"),
}
# How a numbered order stands at one kit.
ORDERS: Final = {
    "waiting": Label(_("待送达"), "waiting", "warn"),
    "received": Label(_("已送达装备"), "delivered", "info"),
    "felt": Label(_("已被警官感知"), "felt", "info"),
    "read": Label(_("已查看"), "eye", "info"),
    "accepted": Label(_("已复诵"), "check-circle", "ok"),
    "done": Label(_("已复诵"), "check-circle", "ok"),
    "refused": Label(_("无法执行"), "cross-circle", "bad"),
    "failed": Label(_("装备无法显示"), "cross-circle", "bad"),
    "expired": Label(_("已过期"), "waiting", "off"),
    "heard": Label(_("口头复诵"), "check", "ok"),
}
GUESTS: Final = {
    "court": Label(_("指挥大厅"), "court", "info"),
    "person": Label(_("受邀人员"), "user", "info"),
    "camera": Label(_("外部摄像机"), "camera", "info"),
}
CAMERA_STATES: Final = {
    "untried": Label(_("尚未测试"), "waiting", "off"),
    "trying": Label(_("正在测试"), "waiting", "info"),
    "seen": Label(_("画面正常"), "check-circle", "ok"),
    "unreachable": Label(_("无法连接"), "link-off", "bad"),
    "unauthorised": Label(_("用户名或密码不正确"), "lock", "bad"),
    "no_picture": Label(_("该地址没有画面"), "camera-off", "bad"),
    "stalled": Label(_("画面中断"), "camera-off", "warn"),
    "address_sealed": Label(_("地址无法解密"), "key", "bad"),
    "retired": Label(_("已停用"), "withdrawn", "off"),
}
OUTLET_STATES: Final = {
    "held": Label(_("有效"), "check-circle", "ok"),
    "over": Label(_("已结束"), "check-circle", "off"),
}

TABLES: Final[dict[str, dict[str, Label]]] = {
    "as_request_state": REQUEST_STATES,
    "as_ground": GROUNDS,
    "as_decision_kind": DECISION_KINDS,
    "as_ratified": RATIFIED,
    "as_voice": VOICES,
    "as_session_state": SESSION_STATES,
    "as_session_entry": ENTRIES,
    "as_call": CALLS,
    "as_session_order": ORDERS,
    "as_guest": GUESTS,
    "as_camera_state": CAMERA_STATES,
    "as_outlet_state": OUTLET_STATES,
}
