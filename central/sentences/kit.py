"""What kits say in sentences of their own, in Chinese: English pattern -> Chinese.

A kit's software speaks English; its sentences reach people through faults, health notes and receipts. In a pattern
`{n...}` is a number, `{said...}` is translated in its turn, any other `{name}` stays as it is. A test holds every
pattern against the kit's code, so that none outlives the sentence it translates.
"""

from __future__ import annotations

from typing import Final

SENTENCES: Final[dict[str, str]] = {
    # room and card
    "The card has {n} MB left, less than its reserve: let the kit upload.": (
        "存储卡仅余 {n} MB，低于保留量：请让装备尽快上传。"
    ),
    "The vault holds {n} MB, its whole share: let the kit upload.": (
        "待传录像已占 {n} MB，达到上限：请让装备尽快上传。"
    ),
    "Room for {n} minutes of recording: let the kit upload now.": "只够再录 {n} 分钟：请让装备立即上传。",
    "Room for {n} minutes of recording: let the kit upload soon.": "还可再录 {n} 分钟：请让装备尽快上传。",
    "Room for {said} of recording.": "还可再录 {said}。",
    "no room for segment {n} of {id}": "存储空间不足，录像 {id} 第 {n} 段未能存下",
    "no room for record {n} of {id}": "存储空间不足，录像 {id} 第 {n} 条记录未能存下",
    "The card takes {n_took} s to store {n_length} s: use a quicker one.": (
        "存储卡存 {n_length} 秒录像要 {n_took} 秒：请换用更快的卡。"
    ),
    "The card took nothing for a while and works again: check or replace it.": (
        "存储卡一度无法写入，现已恢复：请检查或更换。"
    ),
    # camera
    "{name} did not get ready within {n} s.": "{name} 在 {n} 秒内未能就绪。",
    "{name} gave no picture for {n} s.": "{name} 有 {n} 秒没有画面。",
    "The times of {name}'s pictures {said} for {n} s.": "{name} 的画面时间{said}，已 {n} 秒。",
    "leap ahead": "跳跃",
    "do not go on": "停滞不前",
    "{name} gave no key frame for {n} s.": "{name} 有 {n} 秒没有关键帧。",
    "{name} gave nothing for {n} s: check its cable, power and network.": (
        "{name} 有 {n} 秒没有信号：请检查线缆、电源和网络。"
    ),
    "{name} broke off ({error}): check the device.": "{name} 中断（{error}）：请检查设备。",
    "{name} cannot be opened ({error}): check camera.address and that nothing else uses the device.": (
        "{name} 无法打开（{error}）：请检查 camera.address，并确认设备未被占用。"
    ),
    "{name} holds no picture: name a video in camera.address.": "{name} 中没有画面：请在 camera.address 中指定视频。",
    "{name} gives only damaged packets: replace the file or camera.": "{name} 只有损坏的数据：请更换文件或摄像头。",
    "{name} ended by itself: check the camera and its network.": "{name} 自行结束：请检查摄像头和网络。",
    "{name} does not let go: the recorder starts anew.": "{name} 无法释放：录像程序将重新启动。",
    "{name} failed ({error}): check the camera.": "{name} 出错（{error}）：请检查摄像头。",
    "The Pi's camera cannot be opened ({error}): check its ribbon cable, that nothing else uses it{others}.": (
        "板载摄像头无法打开（{error}）：请检查排线，并确认未被占用。"
    ),
    "The Pi's camera gave nothing for {n} s although it says that it runs: the recorder starts anew.": (
        "板载摄像头自称运行，却有 {n} 秒没有画面：录像程序将重新启动。"
    ),
    "The encoder announced no AAC sound: set camera.audio = false.": (
        "编码器没有 AAC 声音：请设 camera.audio = false。"
    ),
    "The stream goes on without a key frame at which a segment could end: set the camera to one every second or two.": (  # noqa: E501
        "码流迟迟没有可供分段的关键帧：请把摄像头设为每一两秒一个关键帧。"
    ),
    # what the recorder says of itself
    "this kit was reported lost": "装备已报遗失",
    "the camera's input is at its end": "摄像头输入已结束",
    "the recording goes on until the centre has taken the SOS": "求助受理之前录像不停",
    "the end was asked for by {said}; it goes on for a while": "应{said}停止，延时录像中",
    "centre": "中心指令",
    "neighbour": "联动结束",
    "live": "远程指挥结束",
    "sos": "求助结束",
    "sound is wanted, but the source gives none": "需要声音，但信号源没有声音",
    "the microphone has gone silent": "麦克风没有声音",
    # health and upload
    "{n} segments no longer equal what was signed": "{n} 段录像与签名不符",
    "upload: {said}": "上传受阻：{said}",
    "{said_parcel}: {n_status} {detail}": "{said_parcel}，中心答复 {n_status}（{detail}）",
    "{name} restarted {n} times": "{name} 已重启 {n} 次",
    "the spool was damaged and set aside": "数据库曾损坏，已换新",
    "segment {n}": "第 {n} 段",
    "proxy {n}": "第 {n} 段的低清预览",
    "{said}: the sealed file is missing on the card": "{said}：卡上的密封文件不见了",
    "{said}: the sealed file cannot be read ({error})": "{said}：卡上的密封文件无法读取（{error}）",
    "{said}: the sealed file was changed on the card": "{said}：卡上的密封文件被改动",
    "{said} of {id}: the sealed file is missing on the card": "录像 {id} {said}：卡上的密封文件不见了",
    "{said} of {id}: the sealed file cannot be read ({error})": "录像 {id} {said}：卡上的密封文件无法读取（{error}）",
    "{said} of {id}: the sealed file was changed on the card": "录像 {id} {said}：卡上的密封文件被改动",
    "{said} is too large for the centre's door and stays on the kit": "{said}超过中心接收上限，留在装备上",
    "the centre offers a trust list that is not the authority's ({error})": (
        "中心给出的信任名单不是证书机构签发的（{error}）"
    ),
    "nothing is on its way to {host}": "没有正在发往 {host} 的内容",
    "the certificate ends on {day} and was not renewed: {error}": "证书于 {day} 到期，尚未续期：{error}",
    # clocks
    "no clock can be believed": "没有可信的时钟",
    "{said_clock}, ±{said_span}": "以{said_clock}为准，误差 {said_span}",
    "{said_clock} says a time that has passed": "{said_clock}给出的时间已经过去",
    "{said_clock} says a time that has passed ({sign}{said_span})": (
        "{said_clock}给出的时间已经过去（{sign}{said_span}）"
    ),
    "{said_clock} is off by whole leap seconds ({sign}{said_span})": "{said_clock}相差整数闰秒（{sign}{said_span}）",
    "{said_clock} disagrees ({sign}{said_span})": "{said_clock}不一致（{sign}{said_span}）",
    "gps": "卫星时间",
    "ntp": "网络时间",
    "rtc": "电池时钟",
    "off by {n} s against the centre": "与中心相差 {n} 秒",
    "behind by at least {n} s": "至少落后 {n} 秒",
    "{n} s": "{n} 秒",
    "{n} min": "{n} 分钟",
    "{n} days": "{n} 天",
    "{n} minutes": "{n} 分钟",
    "{n} hours": "{n} 小时",
    # positions
    "gpsd unreachable ({error})": "定位服务无法连接（{error}）",
    "gpsd silent ({error})": "定位服务无应答（{error}）",
    "no receiver": "没有接收机",
    # receipts of orders
    "handed to the recorder": "已交录像程序",
    "already recording, for another reason": "已因其他原因在录",
    "already recording for this call": "已为这次联动在录",
    "already recording; it now ends with this call too": "已在录，将随这次联动结束",
    "was not recording": "当时没有录像",
    "goes on: recorded for another reason": "因其他原因继续录像",
    "goes on for another call": "为另一次联动继续录像",
    "this kit does not know {kind}: update its software": "装备不认识指令 {kind}：请升级其软件",
    "task {n} was already done": "任务 {n} 此前已完成",
    "task {n} had not been put before the officer": "任务 {n} 尚未送到警官面前",
    "trust list of epoch {n} in force": "第 {n} 期信任名单已生效",
    "the link counts as metered": "链路按计费处理",
    "the link counts as free": "链路按不计费处理",
    "the kit judges the link": "由装备自行判断链路",
    "{n} segments of it are on the card and go first": "其中 {n} 段在卡上，将优先上传",
    "{n} bytes sealed": "已密封 {n} 字节",
    "the keys go as soon as this is receipted": "中心确认收到后即销毁密钥",
    # alarms
    "by {said_hand}": "由{said_hand}",
    "page": "警官页面",
    "button": "机身按键",
    "keyboard": "键盘",
    "from memory, the card refuses it": "存储卡写不进，直接从内存发出",
    "from memory, the card refuses it; {place}": "存储卡写不进，直接从内存发出；位置 {place}",
    # the signing key
    "The PIN of token {token} is locked: unlock it with its security officer's PIN.": (
        "签名介质 {token} 的口令已锁死：请用管理口令解锁。"
    ),
    "The PIN in {path} is not that of token {token}: {error}": "{path} 中的口令不是签名介质 {token} 的：{error}",
    "Token {token} is not there: put it in, or correct keys.token_label.": (
        "签名介质 {token} 不在：请插入，或更正 keys.token_label。"
    ),
    "Token {token} holds no key {key}: enrol this kit anew with [keys].": (
        "签名介质 {token} 中没有密钥 {key}：请按 [keys] 重新登记装备。"
    ),
    "{path} is not of the token's key: another token is in, or enrol this kit anew.": (
        "{path} 与介质中的密钥不符：插入的是另一介质，或请重新登记装备。"
    ),
    "{path} cannot be used ({error}): enrol the kit anew.": "{path} 无法使用（{error}）：请重新登记装备。",
}
