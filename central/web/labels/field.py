"""Kits, alarms, recordings, mailbox."""

from __future__ import annotations

from typing import Final

from central.web.i18n import note as _
from central.web.labels.label import Label

PRESENCE: Final = {
    "live": Label(_("在线"), "live", "ok"),
    "late": Label(_("迟滞"), "late", "warn"),
    "stale": Label(_("失联"), "stale", "bad"),
    "dark": Label(_("离线"), "dark", "off"),
}
REASONS: Final = {
    "heard": Label(_("信号正常"), "link", "ok"),
    "delayed": Label(_("超过 7 秒没有新消息"), "link", "warn"),
    "link_lost": Label(_("链路中断，装备会自行补传"), "link-off", "bad"),
    "centre_deaf": Label(_("中心接收程序中断，装备情况不明"), "warning", "warn"),
    "restarting": Label(_("装备程序正在重新启动"), "link", "warn"),
    "switched_off": Label(_("装备已正常关机"), "link-off", "off"),
    "battery_empty": Label(_("电量耗尽"), "link-off", "bad"),
    "silent": Label(_("10 分钟以上没有任何消息"), "link-off", "off"),
    "off_duty": Label(_("已下勤"), "user", "off"),
    "no_fix": Label(_("在线但没有卫星定位"), "satellite", "warn"),
    "revoked": Label(_("证书已吊销，不再接入"), "shield-cross", "bad"),
    "never_heard": Label(_("从未接入"), "link-off", "off"),
}
ALARMS: Final = {
    "sos": Label(_("紧急求助"), "sos", "bad"),
    "sos_withdrawn": Label(_("撤回求助"), "withdrawn", "off"),
    "mark": Label(_("重点标记"), "mark", "info"),
    "watch_me": Label(_("请求观看"), "eye", "warn"),
    "watch_me_withdrawn": Label(_("撤回观看请求"), "eye", "off"),
    "fault": Label(_("装备故障"), "warning", "warn"),
    "tamper": Label(_("防拆报警"), "tamper", "bad"),
}
INCIDENT_STATES: Final = {
    "open": Label(_("待处置"), "sos", "bad"),
    "acknowledged": Label(_("处置中"), "check-circle", "warn"),
    "closed": Label(_("已办结"), "check-circle", "ok"),
}
STEPS: Final = {
    "opened": Label(_("告警接收"), "sos", "bad"),
    "withdrawn": Label(_("警官撤回"), "withdrawn", "off"),
    "repeated": Label(_("重复告警"), "bell", "warn"),
    "acknowledged": Label(_("已受理"), "check", "info"),
    "felt": Label(_("已被警官感知"), "felt", "ok"),
    "ack_failed": Label(_("受理回执未能送达"), "cross-circle", "bad"),
    "note": Label(_("处置记录"), "list", "info"),
    "together": Label(_("附近装备联动录像"), "users", "info"),
    "command": Label(_("远程指挥"), "eye", "info"),
    "together_end": Label(_("联动录像结束"), "camera-off", "off"),
    "closed": Label(_("已办结"), "check-circle", "ok"),
}
MAILBOX: Final = {
    "waiting": Label(_("待送达"), "waiting", "warn"),
    "received": Label(_("已送达装备"), "delivered", "info"),
    "felt": Label(_("已被警官感知"), "felt", "ok"),
    "read": Label(_("已查看"), "eye", "info"),
    "accepted": Label(_("已接受"), "check", "ok"),
    "refused": Label(_("已拒绝"), "cross-circle", "bad"),
    "done": Label(_("已执行"), "check-circle", "ok"),
    "failed": Label(_("执行失败"), "cross-circle", "bad"),
    "expired": Label(_("已过期"), "waiting", "off"),
}
# How a task stands (central.devices.task_rules): the mailbox, and what only tasks have.
TASKS: Final = {
    **MAILBOX,
    "done": Label(_("已完成"), "check-circle", "ok"),
    "recalling": Label(_("撤回途中"), "waiting", "warn"),
    "recalled": Label(_("已撤回"), "withdrawn", "off"),
}
URGENCIES: Final = {
    "normal": Label(_("一般"), "list", "off"),
    "urgent": Label(_("紧急"), "warning", "warn"),
    "most_urgent": Label(_("特急"), "warning", "bad"),
}
DIRECTIVES: Final = {
    "sos_ack": Label(_("求助已受理"), "felt", "info"),
    "record_start": Label(_("开始录像"), "record", "info"),
    "record_stop": Label(_("停止录像"), "camera-off", "info"),
    "task": Label(_("任务"), "list", "info"),
    "task_recall": Label(_("撤回任务"), "withdrawn", "warn"),
    "trust": Label(_("更新信任名单"), "certificate", "info"),
    "lost": Label(_("遗失处置"), "lock", "warn"),
    "originals": Label(_("补传原件"), "download", "info"),
    "live": Label(_("远程指挥"), "eye", "info"),
    "instruct": Label(_("编号口令"), "megaphone", "warn"),
    "link": Label(_("链路计费"), "link", "info"),
    "logs": Label(_("调取日志"), "download", "info"),
}
GPS: Final = {
    "3d": Label(_("三维定位"), "satellite", "ok"),
    "2d": Label(_("二维定位"), "satellite", "ok"),
    "fix": Label(_("已定位"), "satellite", "ok"),
    "ok": Label(_("已定位"), "satellite", "ok"),
    "none": Label(_("无定位"), "satellite", "warn"),
    "no_fix": Label(_("无定位"), "satellite", "warn"),
    "lost": Label(_("定位丢失"), "satellite", "bad"),
    "stale": Label(_("定位陈旧"), "satellite", "warn"),
    "off": Label(_("接收机未接"), "satellite", "off"),
    # as the kit's sources of positions say it (edge.uplink)
    "3D fix": Label(_("三维定位"), "satellite", "ok"),
    "2D fix": Label(_("二维定位"), "satellite", "ok"),
    "no fix": Label(_("无定位"), "satellite", "warn"),
    "no position in the fix": Label(_("无定位"), "satellite", "warn"),
    "waiting for a second fix": Label(_("正在确认定位"), "satellite", "warn"),
    "replayed track": Label(_("回放轨迹"), "satellite", "info"),
    "the track has ended": Label(_("轨迹已放完"), "satellite", "off"),
    "no source configured": Label(_("未配置定位来源"), "satellite", "off"),
    "gpsd not asked yet": Label(_("正在连接定位服务"), "satellite", "off"),
    "gpsd unreachable": Label(_("定位服务无法连接"), "satellite", "bad"),
    "gpsd silent": Label(_("定位服务无应答"), "satellite", "bad"),
    "no receiver": Label(_("没有接收机"), "satellite", "bad"),
}
# How a kit's clock stands, as it says itself (edge.reach.trusted_time).
CLOCKS: Final = {
    "ok": Label(_("与中心一致"), "clock", "ok"),
    "ok, not compared": Label(_("正常，尚未与中心核对"), "clock", "ok"),
    "off": Label(_("与中心不一致"), "clock", "bad"),
    "behind": Label(_("落后于可信时间"), "clock", "bad"),
    "far ahead, not believed": Label(_("远超可信时间，不予采信"), "clock", "bad"),
}
# On whose time a moment of a kit rests (central.devices.times.Told), and a kit's own belief (contract.health).
TIME_SOURCES: Final = {
    "gps": Label(_("按卫星时间"), "satellite", "ok"),
    "ntp": Label(_("按网络时间"), "clock", "ok"),
    "centre": Label(_("按中心时间"), "clock", "ok"),
    "rtc": Label(_("按电池时钟"), "clock", "warn"),
    "boots": Label(_("按前后两次开机推断"), "clock", "warn"),
    "kit_clock": Label(_("仅凭装备时钟"), "clock", "warn"),
    "none": Label(_("没有可信的时钟"), "clock", "bad"),
}
# Remarks that kits make by themselves, word for word.
REMARKS: Final = {
    "shown on the officer's page; this kit has no buzzer": Label(
        _("显示在警官页面上；该装备没有蜂鸣器"), "list", "off"
    ),
    "vibration only (quiet mode)": Label(_("静音模式，仅振动"), "felt", "off"),
    "sound, light and vibration": Label(_("声、光和振动"), "felt", "off"),
    "the order had expired before it reached the kit": Label(_("送达装备前已过期"), "waiting", "off"),
    # why a task is refused and how it went, chosen on the kit's page (contract.orders)
    "busy": Label(_("正在处置其他任务"), "list", "off"),
    "too_far": Label(_("距离过远"), "list", "off"),
    "unsafe": Label(_("现场有危险"), "list", "bad"),
    "unequipped": Label(_("人手或装备不足"), "list", "off"),
    "not_mine": Label(_("不属本人职责"), "list", "off"),
    "not_understood": Label(_("没有听清"), "list", "warn"),  # a numbered order (contract.orders.CANNOT)
    "other": Label(_("其他原因"), "list", "off"),
    "as_ordered": Label(_("按要求完成"), "list", "off"),
    "partly": Label(_("部分完成"), "list", "off"),
    "nobody_there": Label(_("被执行人不在"), "list", "off"),
    "resisted": Label(_("遇抗拒"), "list", "warn"),
    "handed_over": Label(_("已移交"), "list", "off"),
    "shown on the stand-in page; this kit has no buzzer": Label(
        _("显示在替代面板上；该装备没有蜂鸣器"), "list", "off"
    ),
}
# Causes of gaps and ends as kits sign them (contract.chain.CAUSES), and those the centre finds itself.
GAP_CAUSES: Final = {
    "power_loss": Label(_("断电"), "gap", "warn"),
    "crash": Label(_("程序异常重启"), "gap", "warn"),
    "reboot": Label(_("装备重启"), "gap", "warn"),
    "restart": Label(_("程序重启"), "gap", "warn"),
    "storage_full": Label(_("存储已满"), "storage", "bad"),
    "storage_low": Label(_("存储空间偏少"), "storage", "warn"),
    "storage_critical": Label(_("存储空间告急"), "storage", "bad"),
    "camera_stall": Label(_("摄像头中断"), "camera-off", "warn"),
    "camera_timeout": Label(_("摄像头超时"), "camera-off", "warn"),
    "encoder_stall": Label(_("编码器停滞"), "camera-off", "warn"),
    "memory": Label(_("内存不足"), "warning", "warn"),
    "card_slow": Label(_("存储卡写入过慢"), "storage", "warn"),
    "card_read_only": Label(_("存储卡变为只读"), "storage", "bad"),
    "card_failed": Label(_("存储卡读写出错"), "storage", "bad"),
    "disk_failed": Label(_("指挥中心磁盘读写出错"), "storage", "bad"),
    "no_keys": Label(_("指挥中心缺少封存密钥"), "key", "bad"),
    "clock_dispute": Label(_("时钟来源互相矛盾"), "clock", "warn"),
    "clock_step": Label(_("时钟跳变"), "clock", "warn"),
    "source_ended": Label(_("信号源结束"), "camera-off", "off"),
    "officer": Label(_("警官操作"), "user", "info"),
    "centre": Label(_("中心指令"), "court", "info"),
    "start": Label(_("开机即录"), "record", "info"),
    "sos": Label(_("紧急求助"), "sos", "bad"),
    "neighbour": Label(_("与邻近装备联动录像"), "users", "info"),
    "live": Label(_("远程指挥录像"), "camera", "info"),
    "watch_me": Label(_("应警官请求观看而录"), "eye", "info"),
    "shutdown": Label(_("正常关机"), "check-circle", "off"),
    "lost": Label(_("装备遗失，已锁定"), "lock", "warn"),
    "signing_key": Label(_("签名密钥不可用"), "key", "bad"),
    "not_received": Label(_("尚未收到"), "waiting", "warn"),
    "unstated": Label(_("无说明的间断"), "warning", "bad"),
    "records_missing": Label(_("缺少前序记录"), "waiting", "warn"),
}
LOSS_STATES: Final = {
    "locked": Label(_("已锁定"), "lock", "warn"),
    "asked": Label(_("待确认销毁"), "key", "warn"),
    "ordered": Label(_("已下达销毁"), "key", "bad"),
    "destroyed": Label(_("密钥已销毁"), "shield-check", "off"),
    "unlocked": Label(_("已解除锁定"), "check-circle", "ok"),
}
PROOFS: Final = {
    "verified": Label(_("签名核验通过"), "shield-check", "ok"),
    "foreign": Label(_("签名不是该装备的"), "shield-cross", "bad"),
    "malformed": Label(_("无法解析"), "warning", "bad"),
}
SET_ASIDE: Final = {
    "unparsable": Label(_("无法解析"), "warning", "warn"),
    "oversize": Label(_("超出大小上限"), "warning", "warn"),
    "out_of_range": Label(_("数值越界"), "warning", "warn"),
    "number_reused": Label(_("编号重复而内容不同"), "shield-cross", "bad"),
    "foreign": Label(_("主题与证书不符"), "shield-cross", "bad"),
    "forged": Label(_("签名不符"), "shield-cross", "bad"),
    "seal_broken": Label(_("未加密封装或封装不符"), "shield-cross", "bad"),
}

# What is worth a look in a kit's health: contract.health.WARNINGS, and what the centre finds itself.
WARNINGS: Final = {
    "battery_critical": Label(_("电量即将耗尽"), "battery", "bad"),
    "battery_low": Label(_("电量偏低"), "battery", "warn"),
    "too_hot": Label(_("温度过高"), "thermometer", "bad"),
    "hot": Label(_("温度偏高"), "thermometer", "warn"),
    "under_voltage": Label(_("供电电压不足"), "battery", "bad"),
    "throttled": Label(_("处理器已降速"), "speed", "warn"),
    "card_failing": Label(_("存储卡读写出错"), "storage", "bad"),
    "card_read_only": Label(_("存储卡变为只读"), "storage", "bad"),
    "card_slow": Label(_("存储卡写入过慢"), "storage", "warn"),
    "card_worn_out": Label(_("存储卡寿命已尽"), "storage", "bad"),
    "card_worn": Label(_("存储卡损耗较大"), "storage", "warn"),
    "storage_full": Label(_("存储已满"), "storage", "bad"),
    "storage_critical": Label(_("存储空间告急"), "storage", "bad"),
    "storage_low": Label(_("存储空间偏少"), "storage", "warn"),
    "memory_low": Label(_("内存不足"), "warning", "warn"),
    "queue_old": Label(_("有消息久未送达"), "waiting", "warn"),
    "segments_many": Label(_("积压录像较多"), "waiting", "warn"),
    "upload_trouble": Label(_("上传受阻"), "upload", "warn"),
    "segments_damaged": Label(_("有录像段与签名不符"), "shield-cross", "bad"),
    "spool_set_aside": Label(_("装备数据库曾损坏，已换新"), "warning", "warn"),
    "restarts": Label(_("程序近期重启过"), "warning", "warn"),
    "clock_unsure": Label(_("时钟不可靠"), "clock", "warn"),
    "clock_wrong": Label(_("时钟存疑"), "clock", "warn"),
    "certificate_ending": Label(_("证书即将到期"), "certificate", "warn"),
    "certificate_ended": Label(_("证书已到期"), "certificate", "bad"),
}
HEALTH: Final = {
    "ok": Label(_("良好"), "check-circle", "ok"),
    "warn": Label(_("注意"), "warning", "warn"),
    "bad": Label(_("异常"), "cross-circle", "bad"),
    "off": Label(_("未知"), "list", "off"),
}
POWER: Final = {
    "battery": Label(_("电池供电"), "battery", "info"),
    "charging": Label(_("充电中"), "battery", "ok"),
    "external": Label(_("外接供电"), "battery", "ok"),
}
CARDS: Final = {
    "ok": Label(_("良好"), "storage", "ok"),
    "slow": Label(_("过慢"), "storage", "warn"),
    "read_only": Label(_("只读"), "storage", "bad"),
    "failing": Label(_("出错"), "storage", "bad"),
}
STORAGE: Final = {
    "ok": Label(_("充足"), "storage", "ok"),
    "low": Label(_("偏少"), "storage", "warn"),
    "critical": Label(_("告急"), "storage", "bad"),
    "full": Label(_("已满"), "storage", "bad"),
}
THROTTLE: Final = {
    "under_voltage": Label(_("电压不足"), "battery", "bad"),
    "throttled": Label(_("已降速"), "speed", "warn"),
    "frequency_capped": Label(_("主频受限"), "speed", "warn"),
    "soft_temperature_limit": Label(_("温度限速"), "thermometer", "warn"),
}

# Filter name in templates -> table.
TABLES: Final[dict[str, dict[str, Label]]] = {
    "as_presence": PRESENCE,
    "as_reason": REASONS,
    "as_alarm": ALARMS,
    "as_incident_state": INCIDENT_STATES,
    "as_step": STEPS,
    "as_mailbox": MAILBOX,
    "as_task": TASKS,
    "as_task_urgency": URGENCIES,
    "as_directive": DIRECTIVES,
    "as_gps": GPS,
    "as_clock": CLOCKS,
    "as_time_source": TIME_SOURCES,
    "as_gap": GAP_CAUSES,
    "as_set_aside": SET_ASIDE,
    "as_loss": LOSS_STATES,
    "as_proof": PROOFS,
    "as_warning": WARNINGS,
    "as_health": HEALTH,
    "as_power": POWER,
    "as_card": CARDS,
    "as_storage": STORAGE,
    "as_throttle": THROTTLE,
}
