"""Accounts, log-in, terminals, courts."""

from __future__ import annotations

from typing import Final

SENTENCES: Final[dict[str, str]] = {
    # courts
    "feature_off": "该功能尚未对本院启用；如需使用，请联系系统管理员。",
    "post_taken": "%(name)s 在该期间已有任命；请先终止该任命，或另选日期。",
    "court_changed": "该法院的信息刚被他人修改；请重新打开页面后再填写，您的修改未保存。",
    "court_exists": "%(court_code)s 已在法院名录中；请直接打开该院修改。",
    "superior_missing": "上级法院 %(superior)s 尚未设立；请先增设上级法院。",
    "later_change": "该日或之后已有变更记录；请填写更晚的日期，或更正已有记录。",
    "unit_changed": "该单位刚被他人修改或停用；请重新打开页面后再填写，您的修改未保存。",
    "centre_taken": "%(unit)s 在该期间是本院的指挥中心；请先将其停用，或直接修改其名称。",
    "court_code": "法院代码的写法不对；请写作 云2901、云29、云 或 最高法。",
    "division": "区划代码应为六位数字，如 532901（GB/T 2260）；请更正。",
    "text_length": "名称、原因和依据须填写 1 至 %(limit)s 字；请补全。",
    "phone": "电话号码只能含数字、空格、加号和连字符，最多 40 位；请更正。",
    "backdated": "不能从过去的日期起生效；请填写今日或以后的日期。",
    "term": "最后一日早于首日；请更正其中之一。",
    "coordinate_format": "坐标应为带小数的度数，如 25.592 和 100.230；请更正。",
    "seat_swapped": "纬度和经度似乎填反了；纬度（较小的数）在前，请对调。",
    "seat_outside": "%(lat)s，%(lon)s 不在中国境内：纬度应在 3 至 54 之间，经度应在 73 至 136 之间；请更正。",
    "seat_too_far": "该坐标相距 %(km)s 公里，超出合理的 %(limit)s 公里；请核对纬度和经度。",
    # appointments
    "unfit_for_post": "%(name)s 不能担任该职务：须为本院在用账户，且本职与该职务相容；请另选人员。",
    "self_appointment": "不能任命自己；请由上级法院院长任命。",
    "appointment_ended": "该任命届时已经终止；请核对其最后一日。",
    # log-in
    "wrong_code": "验证码不正确、已过期或已用过；请等下一个验证码再试。",
    "address_locked": "您所在地址的密码错误次数过多；请 %(minutes)s 分钟后重试，或联系本院管理员。",
    "not_admitted": "该账户尚待核准，暂不能登录；请联系本院安全管理员。",
    "login_unfinished": "登录尚未完成；请完成下一步。",
    "passkey_refused": "该通行密钥未被接受；请重试或改用其他方式。",
    "passkeys_unavailable": "通行密钥需要以 HTTPS 域名访问本中心；请管理员设置 web_public_url。",
    "directory_refused": "统一身份登录未获通过，或本中心没有为您设立账户；请联系本院管理员。",
    "directory_unreachable": "统一身份系统暂时无法使用；请改用密码登录或稍后再试。",
    "ceremony_expired": "操作用时过长或已经完成；请重新开始。",
    "too_many_exchanges": "您所在地址有过多未完成的登录；请 15 分钟后重试。",
    "reauth_required": "此操作须再次确认身份；请用密码、验证码或通行密钥确认。",
    "terminal_required": "此操作只能在本院登记终端上进行；请换用登记终端，或请安全管理员登记本机。",
    "weak_password": "密码须有至少 10 个字符，不含用户名，且不是常见词或有规律的字符；请另选。",
    "passwords_differ": "两次输入的新密码不一致；请重新输入。",
    "password_unchanged": "新密码不能与初始密码相同；请另选。",
    "last_way": "这是您唯一的第二步验证方式，而本中心要求至少一种；请先设置另一种。",
    # accounts
    "same_person": "提请与核准、起草与审批须由不同的人办理，也不得处理自己的账户；请由他人办理。",
    "login_form": "名称须为 3 至 32 个小写字母、数字、点、横线或下划线；请另选。",
    "text_form": "请填写 1 至 %(limit)s 个字符。",
    "login_taken": "该名称已被使用；请另选。",
    "proposal_pending": "该账户已有事项等待核准；请先由安全管理员核准或不予核准。",
    "account_changed": "该账户刚被他人处理，或已没有待办事项；请刷新页面查看最新情况。",
    # audit, keys, backup
    "audit_witness": "审计见证文件无法使用，或所载记录多于数据库；请检查介质并核验审计链。",
    "audit_export": "该文件不是完整的审计导出；请重新导出。",
    "trust_list": "证书机构移交的信任列表无法使用；请证书机构重新移交。",
    "keyring": "字段密钥无法读取或缺少所需密钥；请管理员从备份恢复 keys/fields.json。",
    "seal_broken": "加密字段被改动；请管理员与备份比对数据库。",
    "keys_in_use": "仍有内容由旧密钥加密；请待上传结束后再次更换密钥。",
    "archive_full": "空间不足，未留下任何文件；请清理空间或另选位置。",
    "archive_exists": "该文件已存在；请另取文件名。",
    "archive_damaged": "备份文件已损坏，未作任何改动；请使用另一份备份。",
    "restore_target": "恢复的目标不是空的；请恢复到新的数据库和目录。",
    "backup_unknown": "该文件不是本版本可以读取的备份；请使用制作它的版本。",
}
