"""What is told about a row, in Chinese and English: one table for worker, command line, report and page. Pure.

`%(name)s` are the problem's params; `value` has its digits hidden (rules.hide_numbers) before it gets here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from central.imports.columns import BY_CODE
from central.sentences import SENTENCES

Language = Literal["zh", "en"]

# code -> (Chinese, English)
PROBLEMS: Final[dict[str, tuple[str, str]]] = {
    # the row cannot be read
    "encoding": (
        "该行含有无法识别的字符（既不是 UTF-8 也不是 GB18030）；请重新导出该行。",
        "The row holds characters that are neither UTF-8 nor GB18030: export it again.",
    ),
    "nul": (
        "该行含有空字节，传输中已损坏；请重新导出该行。",
        "The row holds zero bytes, damaged on its way: export it again.",
    ),
    "line_too_long": (
        "该行过长（超过 128 KB），可能缺少换行；请检查该行。",
        "The row is longer than 128 KB; a line end may be missing: correct it.",
    ),
    "csv_quote": (
        "该行的引号不成对；请检查该行的引号和换行。",
        "The quotes of this row do not match: correct its quotes and line ends.",
    ),
    "too_many_cells": ("该行超过 300 列；请检查分隔符。", "The row has more than 300 cells: check its delimiters."),
    "column_count": (
        "该行有 %(found)s 列，表头只有 %(wanted)s 列；某个单元格可能含有未加引号的分隔符。",
        "The row has %(found)s cells, the heading %(wanted)s: a cell may hold a delimiter without quotes.",
    ),
    "column_twice": ("该条目中“%(column)s”出现两次；请只保留一个。", "The entry names %(column)s twice: keep one."),
    "json_line": ("该行不是完整的 JSON 对象；请重新导出该行。", "The line is no whole JSON object: export it again."),
    "json_object": (
        "该条目不是 JSON 对象；请按一案一个对象导出。",
        "The entry is no JSON object: export one for each case.",
    ),
    "json_value": (
        "该条目的某个字段是列表或对象，应为文字；请按说明导出。",
        "A field of the entry is a list or an object where a text belongs: export it as described.",
    ),
    # values
    "value_missing": ("此项必填但为空；请补充。", "This value is required and empty: add it."),
    "excel_error": (
        "单元格是公式错误或尚未计算的公式；请在表格软件中修正并重新保存。",
        "The cell holds a formula error, or a formula without result: correct it in the spreadsheet and save it.",
    ),
    "case_number": (
        "“%(value)s”不是规范的案号；请按“（2026）云2901执123号”的格式填写。",
        "%(value)s is no case number: write it like （2026）云2901执123号.",
    ),
    "case_number_document": (
        "这是案件中文书的编号（之一、之二等），不是案号；请填写案号本身。",
        "This number names a paper of the case (之一 and the like): give the case's own number.",
    ),
    "case_number_year": (
        "案号的年份不符合其格式：新案号自 2016 年起，“执字第…号”为 2015 年及以前。",
        "The year does not go with the form of the number: the new form begins in 2016, 执字第…号 ends in 2015.",
    ),
    "case_type_unknown": (
        "案件类型“%(value)s”不在类型表中；请核对案号，或由管理员补充类型。",
        "The case type %(value)s is not in the catalogue: check the number, or have the type added.",
    ),
    "court_unknown": (
        "没有法院“%(value)s”；请核对法院名称、代码或案号。",
        "There is no court %(value)s: check its name, code or the case number.",
    ),
    "court_missing": (
        "旧案号不含法院代码，且“执行法院”为空；请填写执行法院。",
        "A number of before 2016 names no court, and the court column is empty: fill it in.",
    ),
    "court_mismatch": (
        "案号中的法院（%(number)s）与“执行法院”（%(value)s）不一致；请核对。",
        "The number is of court %(number)s, the court column says %(value)s: correct one of them.",
    ),
    "court_outside": (
        "法院 %(value)s 不在本次导入的范围（%(job)s 及下级）内；请在该法院导入。",
        "Court %(value)s is outside this import (%(job)s and below): import it there.",
    ),
    "day_unreadable": (
        "“%(value)s”不是有效日期；请按 2026-11-23 的格式填写。",
        "%(value)s is no day: write it like 2026-11-23.",
    ),
    "day_in_future": ("日期 %(value)s 在将来；请核对。", "The day %(value)s lies in the future: correct it."),
    "day_too_early": ("日期 %(value)s 早于 1980 年；请核对。", "The day %(value)s is before 1980: correct it."),
    "closed_before_filed": (
        "结案日期 %(value)s 早于立案日期 %(filed_on)s；请核对。",
        "The case closed on %(value)s, before it was filed on %(filed_on)s: correct one of them.",
    ),
    "amount_unreadable": (
        "“%(value)s”不是有效金额；请填写数字，如 12345.60，或“1.2万元”。",
        "%(value)s is no amount: write a number such as 12345.60, or 1.2万元.",
    ),
    "text_too_long": ("文字过长；最多 %(limit)s 字。", "The text is too long: give at most %(limit)s characters."),
    "state_unknown": (
        "案件状态“%(value)s”无法识别；请用：已立案、已分案、执行中、中止、已结案。",
        "The state %(value)s is not known: use filed, assigned, active, suspended or closed.",
    ),
    "closing_unknown": (
        "结案方式“%(value)s”无法识别，或不适用于该类案件；请核对。",
        "The closing %(value)s is not known, or not for this type of case: correct it.",
    ),
    "closing_missing": ("案件已结案但没有结案方式；请补充。", "The case is closed without a way of closing: add it."),
    "closed_on_missing": ("案件已结案但没有结案日期；请补充。", "The case is closed without a day: add it."),
    "closing_too_soon": (
        "有结案方式或结案日期，但状态不是已结案；请核对。",
        "A closing or its day is given, but the state is not closed: correct one of them.",
    ),
    "duplicate_in_file": (
        "案号与第 %(first)s 行重复；已采用先出现的一行，请只保留一行。",
        "The case number stands in row %(first)s too, which was taken: keep one of the two.",
    ),
    # the case that is here already
    "case_unknown": (
        "该案件不能由您导入或更新；如确需更新，请由其他人员办理。",
        "You cannot import or update this case: if it must be updated, let somebody else do it.",
    ),
    "case_of_other_source": (
        "该案件不是由此来源系统导入的（在本系统登记，或来自其他来源），未作更改；请核对来源系统名称，"
        "或在案件页面修改。",
        "The case was not imported from this source (it was registered here or came from another one) and was left "
        "as it is: check the name of the source, or correct the case on its page.",
    ),
    "case_worked_here": (
        "该案件已在本系统办理，以下各项不能由文件更改：%(fields)s；整行未导入。请在源系统改为与本系统一致，"
        "或在案件页面提请办理。",
        "The case was worked on here; a file cannot change: %(fields)s. The row was left out: let the source say "
        "what stands here, or draft the act on the case's page.",
    ),
    "case_other_court": (
        "该案号在本系统中属于另一法院；请核对案号与法院。",
        "The number is that of a case of another court here: correct the number or the court.",
    ),
    "handler_unfit": (
        "承办人账号不是该案所属法院法官的账号；请更正，或只填写承办人姓名。",
        "The handler's log-in is not that of a judge of the case's court: correct it, or give the name only.",
    ),
    # parties; `position` counts within the cell
    "party_missing": ("没有申请执行人也没有被执行人；请补充当事人。", "The row names no party: add the parties."),
    "executee_missing": ("实施类案件必须有被执行人；请补充。", "An implementing case needs an executee: add one."),
    "pieces_misaligned": (
        "有 %(names)s 个姓名或名称，此列却有 %(found)s 项；请按顺序一一对应，未知的写“/”。",
        "There are %(names)s names and %(found)s values here: put them in the same order, with / for unknown ones.",
    ),
    "too_many_parties": (
        "当事人超过 %(limit)s 个；请分开登记。",
        "More than %(limit)s parties: register them by hand.",
    ),
    "id_scientific": (
        "第 %(position)s 个证件号码被表格软件变成了科学计数，后几位已丢失；请把该列设为“文本”格式后重新填入。",
        "ID number %(position)s was turned into scientific notation, its last digits are lost: "
        "format the column as text and enter it again.",
    ),
    "id_form_unknown": (
        "第 %(position)s 个证件号码的位数不符合任何证件；请与证件核对。",
        "ID number %(position)s has the length of no ID: compare it with the paper.",
    ),
    "id_kind_unknown": (
        "证件类型“%(value)s”无法识别；请用：身份证、统一社会信用代码、组织机构代码、护照、通行证、其他。",
        "The ID kind %(value)s is not known: use resident_id, uscc, org_code, passport, permit or other.",
    ),
    "id_form": (
        "第 %(position)s 个证件号码的位数或字符与证件类型不符；请与证件核对。",
        "ID number %(position)s has not the length or characters of its kind: compare it with the paper.",
    ),
    "id_birth_date": (
        "第 %(position)s 个身份证号码中的出生日期不存在；请与证件核对。",
        "The birth date in ID number %(position)s does not exist: compare it with the paper.",
    ),
    "id_check_digit": (
        "第 %(position)s 个身份证号码的校验位不正确；请与证件逐位核对。",
        "The check digit of ID number %(position)s does not match: compare it with the paper.",
    ),
    "uscc_check_digit": (
        "第 %(position)s 个统一社会信用代码的校验位不正确；请与营业执照逐位核对。",
        "The check character of USCC %(position)s does not match: compare it with the licence.",
    ),
    "org_code_check_digit": (
        "第 %(position)s 个组织机构代码的校验位不正确；请与证件逐位核对。",
        "The check character of organisation code %(position)s does not match: compare it with the paper.",
    ),
    "name_empty": (
        "第 %(position)s 个姓名或名称为空，或只有符号；请填写。",
        "Name %(position)s is empty or only signs: give the name.",
    ),
    "name_too_long": (
        "第 %(position)s 个姓名或名称过长；最多 200 字。",
        "Name %(position)s is too long: give at most 200 characters.",
    ),
    "party_field_too_long": (
        "第 %(position)s 个当事人的某项内容过长；请缩短。",
        "A value of party %(position)s is too long: shorten it.",
    ),
    "party": (
        "第 %(position)s 个当事人无法采用；请检查其证件类型。",
        "Party %(position)s cannot be taken: check its ID kind.",
    ),
    # taken, but noted
    "number_legacy": ("2016 年以前的旧案号，按原样保留。", "A number of before 2016, kept as it is."),
    "id_old_15": (
        "第 %(position)s 个是 15 位旧身份证号码，无校验位可核；建议换成 18 位。",
        "ID number %(position)s is an old one of 15 digits without check digit: better use the one of 18.",
    ),
    "id_missing": (
        "第 %(position)s 个当事人没有证件号码；查询和比对时只能用姓名。",
        "Party %(position)s has no ID number: it is found by its name only.",
    ),
    "id_kind_other": (
        "第 %(position)s 个证件号码不属于已知证件，按“其他证件”保存，未校验。",
        "ID number %(position)s is of no known kind; it is kept as other, unchecked.",
    ),
    "year_differs": (
        "案号年份与立案日期 %(value)s 的年份不同；请核对。",
        "The year of the number is not that of the filing day %(value)s: check it.",
    ),
    "day_before_filing": (
        "日期 %(value)s 早于立案日期，未采用该节点日期。",
        "The day %(value)s is before the filing; the step's day was left out.",
    ),
    "amount_rounded": ("金额的分以下部分已四舍五入。", "The amount was rounded to whole fen."),
    "columns_unknown": (
        "以下列未导入（不认识其表头）：%(columns)s。如需导入，请提供列名对照文件。",
        "These columns mean nothing here and were left out: %(columns)s. Name them in a mapping to import them.",
    ),
    "row_not_stored": (
        "数据库未接受该行；请核对各项内容是否过长或异常，或联系管理员。",
        "The database did not take this row: look for values that are too long or odd, or ask the administrator.",
    ),
    # the job itself
    "import_internal": (
        "导入中断：系统内部错误，已记录；请联系管理员。",
        "The import stopped by an internal error, which was logged: tell the administrator.",
    ),
    "import_attempts": (
        "导入反复中断（%(attempts)s 次），已放弃；请联系管理员检查文件。",
        "The import broke off %(attempts)s times and was given up: have the administrator look at the file.",
    ),
}


def tell(code: str, params: Mapping[str, Any], language: Language, *, fallback: str = "") -> str:
    """Return what is to be said of a problem; `fallback` for a code that neither table knows."""
    zh, en = PROBLEMS.get(code, (SENTENCES.get(code, ""), ""))
    text = (zh if language == "zh" else en) or fallback or zh or code
    shown = {name: _show(name, value, language) for name, value in params.items()}
    try:
        return text % shown
    except (KeyError, ValueError, TypeError):
        return text


def _show(name: str, value: Any, language: Language) -> Any:
    if name == "fields":  # several columns, by their codes
        return ("、" if language == "zh" else ", ").join(column_name(code, language) for code in value.split(","))
    return column_name(value, language) if name == "column" else value


def column_name(code: str, language: Language) -> str:
    """Return how people call a column; a heading that is none of ours stays as it is."""
    column = BY_CODE.get(code)
    if column is None:
        return code
    return column.zh if language == "zh" else column.en
