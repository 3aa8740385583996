"""What recordings are about, and what happened while they ran."""

from __future__ import annotations

from typing import Final

from central.web.i18n import note as _
from central.web.labels.label import Label

# contract.categories
CATEGORIES: Final = {
    "search": Label(_("搜查"), "search", "info"),
    "seizure": Label(_("查封、扣押"), "lock", "info"),
    "eviction": Label(_("强制迁出"), "logout", "info"),
    "detention": Label(_("拘留"), "shield", "info"),
    "summons": Label(_("拘传"), "user", "info"),
    "service": Label(_("送达"), "document", "info"),
    "handover": Label(_("交付财物、票证"), "share", "info"),
    "inspection": Label(_("现场勘查、评估"), "eye", "info"),
    "investigation": Label(_("调查、询问"), "list", "info"),
    "mediation": Label(_("执行和解"), "users", "info"),
    "auction": Label(_("拍卖、看样"), "money", "info"),
    "visitation": Label(_("探视、交付子女"), "users", "info"),
    "rally": Label(_("集中执行行动"), "megaphone", "info"),
    "other": Label(_("其他"), "folder", "off"),
}
# contract.notes
NOTES: Final = {
    "mark": Label(_("重点标记"), "mark", "info"),
    "category": Label(_("选定类别"), "folder", "info"),
    "task": Label(_("变更任务"), "list", "info"),
    "wish": Label(_("录制起因变更"), "record", "info"),
    "stop": Label(_("要求停止，继续录制一段时间"), "camera-off", "info"),
    "hold": Label(_("装备上要求停止；求助未受理，录像继续"), "shield", "warn"),
    "sound": Label(_("声音变化"), "sound", "warn"),
}
# How the sound of a recording stands, as its kit signs it.
SOUNDS: Final = {
    "on": Label(_("有声音"), "sound", "ok"),
    "off": Label(_("按设置不录声音"), "sound-off", "off"),
    "missing": Label(_("应录声音，但麦克风没有信号"), "sound-off", "warn"),
    "lost": Label(_("麦克风中断"), "sound-off", "warn"),
}

# Filter name in templates -> table.
TABLES: Final[dict[str, dict[str, Label]]] = {
    "as_category": CATEGORIES,
    "as_note": NOTES,
    "as_sound": SOUNDS,
}
