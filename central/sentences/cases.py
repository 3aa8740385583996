"""Cases and their import."""

from __future__ import annotations

from typing import Final

SENTENCES: Final[dict[str, str]] = {
    "case_number": "不是规范的案号；请按“（2026）云2901执123号”的格式填写。",
    "case_number_document": "这是案件中文书的编号，不是案号；请填写案号 %(case_no)s。",
    "case_number_year": "%(case_no)s 的年份不符合该格式；此类案号的年份为 %(first)s 至 %(last)s。",
    "party": "当事人信息不符合要求；请检查诉讼地位、类型和证件类型。",
    "name_empty": "姓名或名称为空，或只有符号；请填写姓名或名称。",
    "name_too_long": "姓名或名称过长；最多 %(limit)s 字。",
    "party_field_too_long": "电话、地址、账号、代表人或证件号码过长；最多 %(limit)s 字。",
    "id_form": "证件号码的位数或字符与证件类型不符；请与证件核对。",
    "id_birth_date": "身份证号码中的出生日期不存在；请与证件核对。",
    "id_check_digit": "身份证号码的校验位不正确；请与证件逐位核对。",
    "uscc_check_digit": "统一社会信用代码的校验位不正确；请与营业执照逐位核对。",
    "org_code_check_digit": "组织机构代码的校验位不正确；请与证件逐位核对。",
    "case_duplicate": "同一批数据中案号 %(case_no)s 重复；请只保留一条。",
    "case_court_unknown": "本系统中没有案号 %(case_no)s 的执行法院（%(court_code)s）；请核对案号或请管理员添加法院。",
    "case_of_other_source": "该案件不是由贵系统报送；请先读取，再携带所读版本报送，以免覆盖他人的修改。",
    "case_foreign_court": "该案号属于 %(court_code)s 法院，不在服务账号的法院范围内；请只报送本院及下级法院的案件。",
}
