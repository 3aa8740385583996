"""Remote command, live picture and voice."""

from __future__ import annotations

from typing import Final

SENTENCES: Final = {
    "command_draft": "填写的内容不符合要求：装备、指挥法院、时长、通话方式从列表选择，文字不超过限定长度。",
    "command_kit": "该装备不能连线：证书已吊销、已按遗失锁定，或不在指挥法院辖区内；请查看装备页面。",
    "command_request_state": "该申请已被他人处理；请刷新页面查看。",
    "command_no_decision": "没有有效的决定，不能发起远程指挥；请先申请并由指挥法院决定。",
    "command_other_court": "须由指挥法院本院人员进行；请与该院联系。",
    "command_own_request": "您本人提出的申请须由本院其他有权人员决定。",
    "command_no_emergency": "只有在求助未办结或警官请求观看时，才能先行发起；请先申请。",
    "command_emergency_kit": "装备 %(name)s 与本次警情无关，不能一并紧急呼叫；请先发起，再逐一加入并写明理由。",
    "command_ratified": "该紧急发起已经确认，或无需确认；请刷新页面查看。",
    "command_session_ended": "该远程指挥已经结束；可查看其记录。",
    "command_in_session": "该装备、人员或法院已在本次远程指挥中。",
    "command_live_off": "本中心未开通实时画面与通话；请联系管理员。",
    "camera_address": "请填写 RTSP 取流地址，如 rtsp://用户名:密码@主机:554/路径，不超过 %(limit)s 个字符。",
    "camera_name": "请填写名称、地点或用途（不超过 %(limit)s 字），不含无法显示的字符。",
    "outlet_off": "本中心未开通画面外送；请联系管理员。",
    "outlet_limit": "已有 %(limit)s 个系统在取用画面；请先停止其中一个。",
    "live_no_channel": "该画面已不在本次远程指挥中；请刷新页面查看。",
    "command_entries_broken": "该远程指挥的记录从第 %(seq)s 条起前后不符；请立即报告管理员核查。",
    "session_record_missing": "该会话尚无记录；请稍后再看。",
    "session_record_damaged": "会话记录第 %(seq)s 段与签名不符，未予显示；请检查证据存储并报告管理员。",
    "session_record_full": "指挥中心磁盘已满，会话无法记录；请立即清理数据目录。",
    "session_record_keys": "缺少设备管理机构交付的信任清单或根证书，无法封存或导出；请重新交付。",
    "session_record_purpose": "请说明调阅会话记录的用途（1 至 %(limit)s 字）。",
    "session_record_empty": "所选时段没有该画面或通话；请另选时段。",
}
