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
    "case_other_court": "案号 %(case_no)s 在本系统中属于另一法院；请核对案号与法院。",
    "case_court_unknown": "本系统中没有案号 %(case_no)s 的执行法院（%(court_code)s）；请核对案号或请管理员添加法院。",
    "case_of_other_source": "该案件不是由贵系统报送；请先读取，再携带所读版本报送，以免覆盖他人的修改。",
    "case_foreign_court": "该案号属于 %(court_code)s 法院，不在服务账号的法院范围内；请只报送本院及下级法院的案件。",
    "import_file": "文件无法导入；请检查文件后重试。",
    "import_wrong_form": "该文件不是可导入的表格；请用表格软件打开，另存为 XLSX 或 CSV 后重新上传。",
    "import_old_excel": "这是旧版或二进制工作簿（.xls、.xlsb）；请另存为 .xlsx 或 CSV 后重新上传。",
    "import_password": "该工作簿设有密码；请取消密码后重新上传。",
    "import_damaged": "文件已损坏或不完整；请重新导出后上传。",
    "import_overpacked": "该工作簿解压后过大；请只保留案件清单，或另存为 CSV（UTF-8）后上传。",
    "import_sheet_missing": "工作簿中没有工作表“%(sheet)s”；现有：%(sheets)s。",
    "import_date_system": "该工作簿使用 1904 日期系统；请在表格软件的选项中关闭后重新保存。",
    "import_columns_missing": "文件缺少以下列：%(columns)s；请补充，或提供列名对照文件。",
    "import_column_twice": "“%(first)s”和“%(second)s”两列都表示“%(column)s”；请删除或改名其中一列。",
    "import_mapping": "列名对照文件无法使用（%(detail)s）；请修正该行。",
    "import_expected": "核对数无法读取（%(detail)s）；请每行写一个，如“云2901 400”“合计 5000”。",
    "import_source": "来源系统名称须为 1 至 40 个字母、汉字、数字、空格、点、横线或下划线，并且每次导入保持一致。",
    "import_too_large": "文件超过上限（%(limit)s 字节）；请拆分，或请管理员调整上限。",
    "import_store_full": "中心磁盘空间不足；请管理员清理后重新上传。",
    "import_file_gone": "该次导入的文件已不再保存或已损坏；请重新上传。",
    "import_job_ended": "该次导入已经结束；如有需要，请重新发起。",
    "import_not_dry": "只有已完成的试运行才能转为正式导入；请等待完成，或重新发起。",
}
