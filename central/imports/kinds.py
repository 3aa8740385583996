"""What the kinds of problems are called where they are counted, in Chinese and English. Pure."""

from __future__ import annotations

from typing import Final

from central.imports.words import Language

# code -> (Chinese, English)
KINDS: Final[dict[str, tuple[str, str]]] = {
    "encoding": ("字符无法识别", "Encoding"),
    "nul": ("含空字节", "Zero bytes"),
    "line_too_long": ("行过长", "Line too long"),
    "csv_quote": ("引号不成对", "Quotes"),
    "too_many_cells": ("列过多", "Too many cells"),
    "column_count": ("列数不符", "Number of cells"),
    "column_twice": ("列重复", "Column twice"),
    "json_line": ("JSON 行不完整", "JSON line"),
    "json_object": ("不是 JSON 对象", "Not an object"),
    "json_value": ("JSON 值不是文字", "Not a text"),
    "value_missing": ("必填项为空", "Value missing"),
    "excel_error": ("公式错误", "Formula error"),
    "case_number": ("案号不规范", "Case number"),
    "case_number_document": ("文书编号", "Number of a paper"),
    "case_number_year": ("案号年份不符", "Year of the number"),
    "case_type_unknown": ("案件类型不明", "Case type"),
    "court_unknown": ("法院不明", "Court unknown"),
    "court_missing": ("缺少法院", "Court missing"),
    "court_mismatch": ("法院与案号不一致", "Court differs"),
    "court_outside": ("不在导入范围", "Court outside"),
    "day_unreadable": ("日期无效", "Not a day"),
    "day_in_future": ("日期在将来", "Day in the future"),
    "day_too_early": ("日期过早", "Day too early"),
    "closed_before_filed": ("结案早于立案", "Closed before filed"),
    "amount_unreadable": ("金额无效", "Not an amount"),
    "text_too_long": ("文字过长", "Text too long"),
    "state_unknown": ("状态不明", "State unknown"),
    "closing_unknown": ("结案方式不明", "Closing unknown"),
    "closing_missing": ("缺少结案方式", "Closing missing"),
    "closed_on_missing": ("缺少结案日期", "Closing day missing"),
    "closing_too_soon": ("未结案却有结案信息", "Closing while open"),
    "duplicate_in_file": ("文件内案号重复", "Twice in the file"),
    "case_unknown": ("不能由您更新", "Not yours to update"),
    "case_of_other_source": ("其他来源的案件", "Of another source"),
    "case_worked_here": ("已在本系统办理", "Worked on here"),
    "case_other_court": ("属于另一法院", "Of another court"),
    "handler_unfit": ("承办人不符", "Handler not fit"),
    "party_missing": ("没有当事人", "No party"),
    "executee_missing": ("没有被执行人", "No executee"),
    "pieces_misaligned": ("与姓名不对应", "Not one for each name"),
    "too_many_parties": ("当事人过多", "Too many parties"),
    "id_scientific": ("证件号码成科学计数", "ID lost its digits"),
    "id_form_unknown": ("证件号码位数不符", "ID of no known length"),
    "id_kind_unknown": ("证件类型不明", "ID kind unknown"),
    "id_form": ("证件号码形式不符", "ID of another form"),
    "id_birth_date": ("身份证出生日期不存在", "Birth date in the ID"),
    "id_check_digit": ("身份证校验位不符", "ID check digit"),
    "uscc_check_digit": ("信用代码校验位不符", "USCC check character"),
    "org_code_check_digit": ("机构代码校验位不符", "Organisation code check"),
    "name_empty": ("姓名为空", "Name empty"),
    "name_too_long": ("姓名过长", "Name too long"),
    "party_field_too_long": ("当事人内容过长", "Party value too long"),
    "party": ("当事人无法采用", "Party not taken"),
    "number_legacy": ("旧案号", "Old number"),
    "id_old_15": ("15 位身份证", "ID of 15 digits"),
    "id_missing": ("没有证件号码", "ID missing"),
    "id_kind_other": ("其他证件", "Other ID"),
    "year_differs": ("年份不同", "Year differs"),
    "day_before_filing": ("早于立案", "Before the filing"),
    "amount_rounded": ("金额已取整", "Amount rounded"),
    "columns_unknown": ("未导入的列", "Columns left out"),
    "row_not_stored": ("数据库未接受", "Not stored"),
}


def kind_name(code: str, language: Language) -> str:
    """Return what problems of this code are called."""
    zh, en = KINDS.get(code, (code, code))
    return zh if language == "zh" else en
