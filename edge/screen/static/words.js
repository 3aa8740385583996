// Every word of the page in both languages: code -> [Simplified Chinese, English]. What has no entry is shown as it stands.

export const WORDS = {
  // tabs, buttons
  home: ["首页", "Home"], tasks: ["任务", "Tasks"], state: ["状态", "State"], more: ["设置", "Settings"],
  back: ["返回", "Back"], record_start: ["开始录像", "Record"], record_stop: ["停止录像", "Stop"],
  mark: ["标记", "Mark"], category: ["类别", "Category"], category_none: ["未选类别", "No category"],
  duty_on: ["在勤", "On duty"], duty_off: ["已下勤", "Off duty"],
  once_more: ["再按一次确认", "tap again"],
  duty_on_hint: ["点按下勤", "tap to end"], duty_off_hint: ["点按上勤", "tap to begin"],
  sos: ["紧急求助", "SOS"], sos_hint: ["按住 1 秒", "hold for 1 s"], sos_held: ["继续按住…", "keep holding…"],
  withdraw: ["撤回", "Withdraw"],
  // recording
  idle: ["待机", "Standby"], starting: ["正在启动", "Starting"], recording: ["录像中", "Recording"],
  storage_full: ["存储已满，未录像", "Storage full, not recording"], camera_fault: ["摄像头故障，未录像", "Camera fault, not recording"],
  camera_stall: ["摄像头故障，未录像", "Camera fault, not recording"], stopped: ["录像程序已停", "Recorder stopped"],
  no_recorder: ["录像程序未启动", "Recorder not started"], post_event: ["延时录像中", "Recording on"],
  cause_officer: ["本人操作", "by you"], cause_sos: ["求助触发", "for the SOS"], cause_centre: ["中心指令", "by the centre"],
  cause_neighbour: ["邻近求助", "for a colleague"], cause_start: ["开机即录", "at start"],
  // SOS
  sos_writing: ["正在记下求助…", "Noting the SOS…"], sos_kept: ["求助已记下，等待发出", "SOS noted, waiting to be sent"],
  sos_sending: ["求助已记下，发送中", "SOS noted, sending"], sos_receipted: ["中心已收到求助", "The centre has the SOS"],
  sos_acked: ["已受理", "has taken it"], sos_withdrawn: ["求助已撤回", "SOS withdrawn"],
  sos_dark: ["无网络：连上即发，也请用电台呼叫", "No network: sent as soon as there is one; use the radio too"],
  sos_unsent: ["页面未能记下：请按机身红键", "Not noted: press the red button on the kit"],
  // signs
  position: ["定位", "Position"], link: ["链路", "Link"], queue: ["待传", "Waiting"], battery: ["电量", "Battery"],
  storage: ["存储", "Storage"], clock: ["时钟", "Clock"], card: ["存储卡", "Card"], certificate: ["证书", "Certificate"],
  version: ["版本", "Version"], restarts: ["重启", "Restarts"], none: ["无", "none"], unknown: ["未知", "unknown"],
  connected: ["已连接", "connected"], dark: ["未连接", "not connected"], metered: ["计费链路", "metered"], thin: ["弱网", "thin"],
  free: ["可录约", "about"], minutes: ["分钟", "min"], hours: ["小时", "h"], days: ["天", "d"], seconds: ["秒", "s"], ago: ["前", " ago"],
  messages: ["条消息", "messages"], segments: ["段录像", "segments"], oldest: ["最早", "oldest"], nothing_waits: ["已全部传完", "all sent"],
  charging: ["充电中", "charging"], no_battery: ["外接供电", "external power"], until: ["有效至", "valid until"],
  source_gps: ["卫星时间", "satellite time"], source_ntp: ["网络授时", "network time"], source_centre: ["中心时间", "the centre's time"],
  source_rtc: ["板载时钟", "board clock"], source_none: ["无可信时间", "no trusted time"],
  level_ok: ["充足", "enough"], level_low: ["偏低", "low"], level_critical: ["即将用尽", "nearly full"], level_full: ["已满", "full"],
  card_ok: ["正常", "sound"], card_slow: ["过慢", "slow"], card_read_only: ["只读，写不进", "read-only"], card_failing: ["出错", "failing"],
  // the machine, and what it is warned of (contract.health.WARNINGS)
  temperature: ["温度", "Temperature"], power: ["供电", "Power"], memory: ["内存占用", "Memory in use"], wear: ["存储卡损耗", "Card wear"],
  no_sensor: ["无传感器", "no sensor"], pi_under_voltage: ["电压不足", "under-voltage"], pi_throttled: ["已降速", "throttled"],
  pi_frequency_capped: ["主频受限", "frequency capped"], pi_soft_temperature_limit: ["温度限速", "slowed by heat"],
  warn_battery_critical: ["电量即将耗尽", "Battery nearly empty"], warn_battery_low: ["电量偏低", "Battery low"],
  warn_too_hot: ["温度过高", "Too hot"], warn_hot: ["温度偏高", "Hot"], warn_under_voltage: ["供电电压不足", "Under-voltage"],
  warn_throttled: ["处理器已降速", "Processor slowed down"], warn_card_worn_out: ["存储卡寿命已尽", "Card worn out"],
  warn_card_worn: ["存储卡损耗较大", "Card much worn"], warn_memory_low: ["内存不足", "Memory short"],
  warn_queue_old: ["有消息久未送达中心", "Messages wait long for the centre"], warn_upload_trouble: ["上传受阻", "Upload hindered"],
  warn_segments_damaged: ["有录像段与签名不符", "Segments no longer equal what was signed"],
  warn_spool_set_aside: ["数据库曾损坏，已换新", "The database was damaged and replaced"], warn_restarts: ["程序近期重启过", "A process was restarted lately"],
  warn_clock_unsure: ["时钟不可靠", "Clock unsure"], warn_certificate_ending: ["证书即将到期", "Certificate ends soon"],
  // GPS as the position sources say it
  "3D fix": ["三维定位", "3D fix"], "2D fix": ["二维定位", "2D fix"], "no fix": ["无定位", "no fix"],
  "no position in the fix": ["无定位", "no fix"], "waiting for a second fix": ["正在确认", "confirming"],
  "replayed track": ["回放轨迹", "replayed track"], "the track has ended": ["轨迹已放完", "the track has ended"],
  "no source configured": ["未配置", "not configured"], "gpsd not asked yet": ["正在连接", "connecting"],
  "gpsd unreachable": ["接收程序无法连接", "receiver unreachable"], "gpsd silent": ["接收程序无应答", "receiver silent"],
  // tasks
  no_tasks: ["没有任务", "No tasks"], task_received: ["待查看", "new"], task_read: ["待答复", "answer"],
  task_accepted: ["已接受", "accepted"], task_refused: ["已拒绝", "refused"], task_done: ["已完成", "done"],
  task_recalled: ["中心已撤回", "taken back"], accept: ["接受", "Accept"], refuse: ["拒绝", "Refuse"], finish: ["完成", "Done"],
  give_up: ["无法完成", "Impossible"], why: ["拒绝的原因", "Why not"], how: ["办理结果", "How it went"],
  at_centre: ["中心已收到", "at the centre"], here_only: ["已记在本机，连上即报", "kept here, told as soon as there is a link"],
  case_no: ["案号", "Case"], place: ["地点", "Place"], due: ["期限", "Due"], by: ["派出", "From"], issued: ["发出", "Sent"],
  overdue: ["已过期限", "overdue"], urgent: ["紧急", "urgent"], most_urgent: ["特急", "most urgent"], now_on: ["当前任务", "Current task"],
  busy: ["正在处置其他任务", "Busy with another task"], too_far: ["距离过远", "Too far away"], unsafe: ["现场有危险", "Unsafe there"],
  unequipped: ["人手或装备不足", "No hands or tools"], not_mine: ["不属本人职责", "Not my duty"], other: ["其他原因", "Another reason"],
  as_ordered: ["按要求完成", "As ordered"], partly: ["部分完成", "Partly"], nobody_there: ["被执行人不在", "Nobody there"],
  resisted: ["遇抗拒", "Resisted"], handed_over: ["已移交", "Handed over"],
  // remote command
  cause_live: ["远程指挥", "remote command"], cause_watch_me: ["请求观看", "you asked to be watched"],
  command: ["远程指挥", "Remote command"], no_command: ["目前没有远程指挥", "No remote command now"],
  nobody_watches: ["远程指挥中，暂无人观看", "Remote command: nobody watches now"], watched_by: ["正在被观看：", "Watched by"],
  watched_people: ["人", "now"], watchers: ["观看者", "Watched by"], is_talking: ["正在讲话", "is talking"],
  purpose: ["事由", "Purpose"], decided_by: ["决定", "Decided by"], since: ["开始", "Since"], until_then: ["至迟", "Until at most"],
  picture: ["画面", "Picture"], voice: ["语音", "Voice"], relay_away: ["未接通，正在重试", "not through, trying again"], not_flowing: ["未传送", "not sent"],
  note_thin: ["弱网，只传语音", "too thin a link: voice alone"], note_metered: ["计费链路，低清", "metered: small picture"],
  note_sos_first: ["求助优先，画面暂停", "the SOS goes first"], note_voice_first: ["语音优先，画面暂停", "voice goes first"],
  note_no_camera: ["没有画面", "no camera"], note_no_key_frame: ["等待画面", "waiting for a picture"],
  mode_off: ["未开通", "off"], mode_ptt: ["按键通话", "push to talk"], mode_duplex: ["双向通话", "full duplex"],
  reason_thin: ["弱网，改为按键通话", "thin link: push to talk"], reason_late: ["链路拥挤，改为按键通话", "late link: push to talk"],
  voice_no_microphone: ["没有麦克风声音", "no sound from the microphone"], voice_no_speaker: ["扬声器不可用", "no speaker"],
  voice_nobody_there: ["中心无人收听", "nobody listens at the centre"], voice_not_heard: ["讲话人数已满，未接通", "too many talk: not heard"],
  talk_to: ["对", "To"], to_centre: ["指挥中心", "the centre"], to_all: ["全体", "everybody"],
  talk_hold: ["按住讲话", "Hold to talk"], talk_tap: ["点按讲话", "Tap to talk"], talk_open: ["话筒已开", "Microphone open"],
  talk_partly: ["话筒对一方已开，按住各方都听到", "Open to one hall: hold for all"],
  talking: ["正在讲话", "Talking"], talk_let_go: ["松开结束", "let go to end"],
  orders: ["命令", "Orders"], order_no: ["第", "Order "], order_no_end: ["号命令", ""], read_back_now: ["请复诵", "read it back"],
  read_back: ["复诵确认", "Read back"], cannot: ["无法执行", "Cannot"], more_orders: ["其后还有命令", "Orders after it:"],
  order_accepted: ["已复诵", "read back"], order_refused: ["无法执行", "cannot"], not_understood: ["没有听清", "Not understood"],
  watch_me: ["请求观看", "Watch me"], watch_me_hint: ["请中心看现场，同时录像", "asks the centre to look, and records"],
  watch_asked_for: ["已请求观看", "Asked to be watched"], watch_here: ["已记下，等待发出", "kept here"],
  watch_at_centre: ["中心已收到，尚无人应答", "at the centre, nobody yet"], watch_again: ["再按撤回", "press to take back"],
  watch_taken: ["已应答", "has taken it"],
  // settings
  quiet: ["静音模式", "Quiet mode"], quiet_hint: ["无光无声，只振动", "no light, no sound, vibration alone"],
  metered_hint: ["只传消息、告警与预览", "messages, alarms and previews only"], theme: ["显示", "Display"], theme_auto: ["自动", "automatic"],
  theme_day: ["日间", "day"], theme_night: ["夜间", "night"], language: ["English", "中文"], on: ["开", "on"], off: ["关", "off"], auto: ["自动", "automatic"],
  hands: ["按键：标记键按住 1 秒换类别，3 秒静音；录像键按住 2 秒上下勤；红键连按 3 次请求观看；远程指挥中按住标记键讲话", "Buttons: hold Mark 1 s for the next category, 3 s for quiet; hold Record 2 s for duty; tap SOS 3 times to be watched; in a session hold Mark to talk"],
  // what was felt, what became of a press
  sos_sent: ["求助已记下", "SOS noted"], centre_has_it: ["中心已收到求助", "The centre has the SOS"],
  person_has_it: ["值班员已受理求助", "The duty officer has the SOS"], withdrawn: ["求助已撤回", "SOS withdrawn"], marked: ["已标记", "Marked"],
  recording_on: ["录像已开", "Recording on"], recording_off: ["录像已停", "Recording off"], quiet_on: ["静音模式已开", "Quiet mode on"],
  quiet_off: ["静音模式已关", "Quiet mode off"], task_new: ["收到新任务", "A new task"], task_urgent: ["收到紧急任务", "An urgent task"],
  live_begun: ["远程指挥已开始", "Remote command has begun"], live_ended: ["远程指挥已结束", "Remote command has ended"],
  watched: ["有人开始观看", "Somebody watches now"], instruction: ["收到命令，请复诵", "An order: read it back"],
  watch_asked: ["已请求中心观看", "The centre is asked to watch"], watch_withdrawn: ["已撤回观看请求", "No longer asked to watch"],
  code_no_session: ["没有可讲话的远程指挥", "No session to talk in"], code_watch_taken: ["中心已应答，由中心结束", "Taken: the centre ends it"],
  code_not_asked: ["没有观看请求", "Nobody was asked to watch"], code_order_accepted: ["该命令已复诵", "Read back already"],
  task_taken_back: ["任务已被中心撤回", "A task was taken back"], fault: ["故障，请看状态", "Fault: see State"],
  little_room: ["存储空间或存储卡告警", "Storage or card: see State"], recording_lost: ["录像已中断", "Recording has stopped"], refused: ["未执行", "Not done"],
  code_withdraw_late: ["已超过可撤回时间，请告知中心", "Too late to withdraw: tell the centre"],
  code_late: ["按键程序来不及执行，请再按一次", "Too late: press again"], code_card: ["存储卡写不进，请再按一次", "The card refuses: press again"],
  code_no_answer: ["没有应答，请再按一次", "No answer: press again"], code_locked: ["装备已锁定，只能求助", "Locked: SOS alone works"],
  code_task_recalled: ["该任务已被中心撤回", "This task was taken back"], code_task_done: ["该任务已完成", "This task is done"],
  code_unknown_category: ["本机没有这个类别", "No such category here"], waiting: ["已记下，稍候执行", "Noted, will be done"],
  stale: ["画面未更新；机身按键照常可用", "Not up to date; the kit's buttons work"],
  locked: ["装备已锁定", "This kit is locked"], destroying: ["正在销毁密钥", "Destroying the keys"], destroyed: ["密钥已销毁", "The keys are destroyed"],
  locked_hint: ["请联系指挥中心。按住下方红键仍可求助。", "Call the command centre. SOS below still works."],
  destroyed_hint: ["本机不能再连接、签名或录像，请交回指挥中心。", "It can no longer connect, sign or record. Hand it in."],
  trouble: ["上传受阻", "Upload hindered"], metered_held: ["计费链路，录像暂缓", "metered: recordings wait"],
};

// Case types of the wheel (contract.categories).
export const CATEGORIES = {
  search: ["搜查", "Search"], seizure: ["查封扣押", "Seizure"], eviction: ["强制迁出", "Eviction"], detention: ["拘留", "Detention"],
  summons: ["拘传", "Summons"], service: ["送达", "Service"], handover: ["交付", "Handover"], inspection: ["现场勘查", "Inspection"],
  investigation: ["调查询问", "Inquiry"], mediation: ["执行和解", "Settlement"], auction: ["拍卖看样", "Auction"],
  visitation: ["探视子女", "Visitation"], rally: ["集中行动", "Joint action"], other: ["其他", "Other"],
};

// Beginnings of sentences by which the link says why it is down.
export const REASONS = [
  ["starting", ["正在启动", "starting"]],
  ["the kit was stopped", ["程序已停止", "stopped"]],
  ["the broker refuses this kit", ["中心拒绝本机，请联系中心", "the centre refuses this kit: call it"]],
  ["the broker refuses", ["中心拒绝指令通道，请联系中心", "the centre refuses the orders' channel: call it"]],
  ["the connection to the broker was lost", ["连接已断，正在重连", "connection lost, trying again"]],
];

let language = localStorage.getItem("language") === "en" ? 1 : 0;

export const isEnglish = () => language === 1;

export function setEnglish(on) {
  language = on ? 1 : 0;
  localStorage.setItem("language", on ? "en" : "zh");
  document.documentElement.lang = on ? "en" : "zh-CN";
}

export const word = (code) => WORDS[code]?.[language] ?? code;
export const categoryWord = (code) => (code ? CATEGORIES[code]?.[language] ?? code : word("category_none"));
export const reasonWord = (text) => REASONS.find(([head]) => text.startsWith(head))?.[1][language] ?? text;
setEnglish(language === 1);
