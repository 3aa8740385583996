"""Examples for the description: specimens, never a real person's. Pure data."""

from __future__ import annotations

from typing import Any, Final

# The region 999999 does not exist: no real number can be this one.
CASE_INPUT: Final[dict[str, Any]] = {
    "filed_on": "2026-11-02",
    "parties": [
        {"role": "applicant", "kind": "organisation", "name": "样例贸易有限公司"},
        {
            "role": "executee",
            "kind": "natural",
            "name": "样例甲",
            "id_kind": "resident_id",
            "id_no": "999999199001010016",
        },
    ],
    "basis_doc_no": "（2026）云2901民初45号",
    "cause": "买卖合同纠纷",
    "claim_fen": 12500000,
    "handler_name": "样例法官",
    "nodes_done": {"notice": "2026-11-05"},
}
