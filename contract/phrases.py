"""What the verifier says to people, Chinese first: one sentence for each finding, cause and remark."""

from __future__ import annotations

from typing import Final

from contract.findings import Finding

LANGUAGES: Final = ("zh", "en")

VERDICTS: Final[dict[str, tuple[str, str]]] = {
    "genuine": ("真实完整", "genuine"),
    "unproven": ("内容完整，但签署者未经证实", "intact, signer unproven"),
    "broken": ("已被破坏", "broken"),
}

WHAT: Final[dict[str, tuple[str, str]]] = {
    "dropped": ("缺失", "dropped"),
    "swapped": ("调换", "swapped"),
    "cut": ("截断", "cut"),
    "flipped": ("改动", "flipped"),
    "added": ("添加", "added"),
    "altered": ("改动", "altered"),
    "foreign": ("来源不符", "foreign"),
}

# {seq}: number of the record or segment; {other}, {name}: as the code needs them.
FINDINGS: Final[dict[str, tuple[str, str]]] = {
    "file_missing": ("数据包中缺少 {name}", "{name} is missing from the package"),
    "file_damaged": ("{name} 的字节已被改动", "bytes of {name} were changed"),
    "file_added": ("{name} 不属于该数据包，系后来添加", "{name} does not belong to the package; it was added"),
    "certificates_unreadable": ("证书文件无法读取", "the certificates cannot be read"),
    "certificates_do_not_join": (
        "证书之间不能相互衔接",
        "the certificates do not lead from one to the next",
    ),
    "foreign_signer": (
        "签署者不是所给信任锚的设备管理机构：该数据包由他人签署",
        "the signer does not belong to the given trust anchor: the package was signed by somebody else",
    ),
    "certificate_not_valid": (
        "录制时及指挥中心声明时，设备证书均不在有效期内或不得用于此用途",
        "the kit's certificate was not valid for this use at the time of recording, nor when the centre stated it",
    ),
    "not_a_kit_certificate": ("证书不是执法设备的证书", "the certificate is not that of a kit"),
    "other_kit": (
        "录像写明设备为 {name}，与证书不符",
        "the recording names kit {name}, the certificate another",
    ),
    "trust_foreign": (
        "信任清单不是由同一设备管理机构签署",
        "the trust list is not signed by the same device authority",
    ),
    "trust_unreadable": ("信任清单无法读取", "the trust list cannot be read"),
    "head_foreign": (
        "指挥中心的链尾声明不是由可信的回执密钥签署",
        "the centre's statement of the chain's end is not signed by a trusted receipt key",
    ),
    "head_unreadable": ("指挥中心的链尾声明无法读取", "the centre's statement cannot be read"),
    "absences_foreign": (
        "未收到片段的声明不是由可信的回执密钥签署",
        "the statement of absent segments is not signed by a trusted receipt key",
    ),
    "absences_unreadable": (
        "未收到片段的声明无法读取",
        "the statement of absent segments cannot be read",
    ),
    "absences_of_another": (
        "未收到片段的声明针对的是另一条链",
        "the statement of absent segments is about another chain",
    ),
    "record_unreadable": ("第 {seq} 号记录无法读取", "record {seq} cannot be read"),
    "chain_unreadable": (
        "链文件的结构已被改动，各条记录无法按序读取",
        "the chain's file was changed around its records, so that it cannot be read in order",
    ),
    "record_altered": (
        "第 {seq} 号记录与设备签名不符，内容已被改动",
        "record {seq} does not match the kit's signature: it was changed",
    ),
    "forged_record": (
        "第 {seq} 号位置插入了并非该设备签署的记录",
        "a record that the kit did not sign was put in at place {seq}",
    ),
    "after_end": (
        "录像已结束，第 {seq} 号记录系后来添加",
        "the recording had ended; record {seq} was added after it",
    ),
    "other_recording": (
        "第 {seq} 号位置的记录属于另一段录像",
        "the record at place {seq} belongs to another recording",
    ),
    "records_swapped": (
        "第 {seq} 号记录与第 {other} 号记录被调换",
        "record {seq} was swapped: record {other} stands in its place",
    ),
    "record_dropped": (
        "第 {seq} 号记录缺失，其后为第 {other} 号",
        "record {seq} was dropped; record {other} follows",
    ),
    "record_repeated": (
        "第 {seq} 号位置重复出现第 {other} 号记录",
        "record {other} was added again at place {seq}",
    ),
    "other_branch": (
        "第 {seq} 号记录所接续的不是它前面的记录",
        "record {seq} does not continue the record before it",
    ),
    "segment_missing": (
        "第 {seq} 号片段在链中有记录，但数据包中缺失",
        "segment {seq} is in the chain but was dropped from the package",
    ),
    "segments_swapped": (
        "第 {seq} 号片段的文件实为第 {other} 号片段",
        "segment {seq} was swapped: its file is that of segment {other}",
    ),
    "segment_cut": (
        "第 {seq} 号片段被截短 {other} 字节",
        "segment {seq} was cut: {other} bytes are missing",
    ),
    "segment_longer": (
        "第 {seq} 号片段被添加了 {other} 字节",
        "{other} bytes were added to segment {seq}",
    ),
    "segment_altered": (
        "第 {seq} 号片段的字节已被改动",
        "segment {seq} was changed: bytes of it were flipped",
    ),
    "segment_without_record": (
        "第 {seq} 号片段在链中没有记录，系后来添加",
        "segment {seq} was added: no record of the chain names it",
    ),
    "disclosure_without_record": (
        "所披露的第 {seq} 号片段在链中没有记录，系后来添加",
        "the disclosed segment {seq} was added: no record of the chain names it",
    ),
    "disclosure_incomplete": (
        "所披露的第 {seq} 号片段缺少画面或盐值",
        "of the disclosed segment {seq} the picture or the salt was dropped",
    ),
    "disclosure_altered": (
        "所披露的第 {seq} 号片段与设备签名不符，内容已被改动",
        "the disclosed segment {seq} does not match the kit's signature: it was changed",
    ),
    "tail_cut": (
        "自第 {seq} 号记录起的链尾被截去：指挥中心存有 {other} 条记录",
        "the tail was cut from record {seq} on: the centre holds {other} records",
    ),
    "beyond_head": (
        "第 {seq} 号记录起超出指挥中心声明的 {other} 条记录",
        "records were added from {seq} on: the centre states {other} records",
    ),
    "other_head": (
        "链尾（第 {seq} 号记录）与指挥中心的声明不符",
        "the chain's end (record {seq}) is not the one the centre states",
    ),
    "session_record_altered": (
        "第 {seq} 号记录与指挥中心签名不符，内容已被改动",
        "record {seq} does not match the centre's signature: it was changed",
    ),
    "session_forged_record": (
        "第 {seq} 号位置插入了并非指挥中心签署的记录",
        "a record that the centre did not sign was put in at place {seq}",
    ),
    "session_disclosure_altered": (
        "所披露的第 {seq} 号片段与指挥中心签名不符，内容已被改动",
        "the disclosed segment {seq} does not match the centre's signature: it was changed",
    ),
    "session_other": (
        "记录所写的指挥会话与指挥中心的声明不符",
        "the record names another session than the centre's statement",
    ),
    "manifest_disagrees": (
        "说明文件 {name} 与已签名的链不一致",
        "{name} says something else than the signed chain",
    ),
}

CAUSES: Final[dict[str, tuple[str, str]]] = {
    "power_loss": ("断电", "power loss"),
    "crash": ("程序崩溃", "crash"),
    "reboot": ("重新启动", "reboot"),
    "storage_full": ("存储已满", "storage full"),
    "camera_stall": ("摄像中断", "camera stall"),
    "camera_timeout": ("摄像头超时", "camera time-out"),
    "encoder_stall": ("编码器停滞", "encoder stall"),
    "memory": ("内存不足", "out of memory"),
    "card_slow": ("存储卡写入过慢", "memory card too slow"),
    "card_read_only": ("存储卡变为只读", "memory card turned read-only"),
    "card_failed": ("存储卡读写出错", "memory card failed"),
    "disk_failed": ("指挥中心磁盘读写出错", "the centre's disk failed"),
    "no_keys": ("指挥中心缺少封存密钥", "the centre lacked the keys to seal with"),
    "clock_step": ("时钟跳变", "clock step"),
    "officer": ("执法人员操作", "officer"),
    "centre": ("指挥中心指令", "centre"),
    "sos": ("紧急报警", "SOS"),
    "neighbour": ("邻近装备报警联动", "recording together with a neighbouring kit"),
    "live": ("远程指挥", "remote command"),
    "watch_me": ("执法人员请求观看", "officer asks to be watched"),
    "shutdown": ("关机", "shutdown"),
    "lost": ("装备遗失，已锁定", "kit lost and locked"),
    "restart": ("程序重启", "restart"),
    "start": ("开机即录", "recording from start-up"),
    "source_ended": ("信号源结束", "end of the camera's input"),
    "unstated": ("未说明", "not stated by the kit"),
}

REMARKS: Final[dict[str, tuple[str, str]]] = {
    "kit_clock_off": (
        "设备时钟当时不准，或证书当时已到期而未及更换：证书有效期以指挥中心签署的时间为准",
        "the kit's clock was wrong, or its certificate had ended in darkness: it was valid by the centre's signed "
        "time only",
    ),
    "no_root": (
        "数据包未附机构根证书，且未给出信任锚：证书链与信任清单均未核对到根",
        "no root travels in the package and no anchor was given: certificates and trust list end unproven",
    ),
}

LINES: Final[dict[str, tuple[str, str]]] = {
    "verdict": ("结论：{verdict}", "verdict: {verdict}"),
    "finding": ("原因：[{what}] {sentence}。", "reason:  [{what}] {sentence}."),
    "anchor_hint": (
        "提示：请用 --anchor root.crt 或 --fingerprint 给出设备管理机构的信任锚。",
        "remedy:  give the device authority's trust anchor with --anchor root.crt or --fingerprint.",
    ),
    "kit": ("设备：{kit}   录像：{recording}", "kit:     {kit}   recording: {recording}"),
    "session": ("远程指挥会话：{session}", "session: {session}"),
    "session_span": (
        "记录：{start} 至 {end}（指挥中心时钟，北京时间），有画面或声音 {seconds} 秒",
        "record:  {start} to {end} (the centre's clock, UTC+8), {seconds} s of them with picture, voice or log",
    ),
    "root": ("根证书 SHA-256：{root}", "root:    SHA-256 {root}"),
    "counts": (
        "链上记录 {records} 条，加密片段 {segments} 个，披露片段 {disclosed} 个",
        "chain:   {records} records, {segments} sealed segments, {disclosed} disclosed in clear",
    ),
    "absent": (
        "未收到：指挥中心签署声明，从未收到 {count} 个片段（第 {numbers} 号）",
        "absent:  the centre states under its signature that it never received {count} segments ({numbers})",
    ),
    "span": (
        "连续性：{start} 至 {end}（设备时钟，北京时间），共录制 {seconds} 秒",
        "span:    {start} to {end} (kit's clock, UTC+8), {seconds} s recorded",
    ),
    "no_gap": ("间断：无", "gaps:    none"),
    "gap": (
        "间断：第 {seq} 号前后，{cause}，自 {start} 起 {seconds} 秒",
        "gap:     at {seq}, {cause}, {seconds} s from {start}",
    ),
    "end": ("结尾：录像已封闭（{cause}）", "end:     the recording was closed ({cause})"),
    "open_end": (
        "结尾：开放，录像未封闭，其后可能还有内容",
        "end:     open; the recording was not closed, more may follow",
    ),
    "remark": ("注意：{sentence}。", "note:    {sentence}."),
    "note": ("备注（未签名）：{key}：{value}", "unsigned remark: {key}: {value}"),
}


def say(texts: tuple[str, str], language: str, /, **values: object) -> str:
    """The text in the language, filled in."""
    return texts[LANGUAGES.index(language)].format(**values)


def make_plain(text: str) -> str:
    """Foreign text, shortened and without anything that a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text[:200])


def say_finding(finding: Finding, language: str) -> str:
    """One sentence that names the first thing wrong."""
    return say(FINDINGS[finding.code], language, seq=finding.seq, other=finding.other, name=make_plain(finding.name))


def say_cause(cause: str, language: str) -> str:
    """The cause of a gap or end; one this program does not know is given as it was written."""
    return say(CAUSES[cause], language) if cause in CAUSES else cause
