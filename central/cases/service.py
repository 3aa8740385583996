"""The writers of the cases room under one name; each takes (uow, actor, ...) and never commits.

Every act checks the actor's right on this case (rights.py), keeps a line of the timeline and of the change feed, and
audits with the case number; readings of one case are audited too.
"""

from __future__ import annotations

from central.cases.acts import approve_act, draft_act, refuse_act, sign_act, withdraw_act
from central.cases.documents import (
    DocumentMeta,
    add_document,
    read_document,
    sweep_documents,
    withdraw_document,
)
from central.cases.edits import PartyEdit, assign_case, edit_case, register_case
from central.cases.nodes import record_node, start_node
from central.cases.pauses import end_due_pauses, end_pause, start_pause
from central.cases.reading import look_at_case, unmask_party
from central.cases.record import refresh_dues
from central.cases.shares import (
    clear_flag,
    end_recusal,
    end_share,
    set_flag,
    set_recusal,
    share_case,
)

__all__ = [
    "DocumentMeta",
    "PartyEdit",
    "add_document",
    "approve_act",
    "assign_case",
    "clear_flag",
    "draft_act",
    "edit_case",
    "end_due_pauses",
    "end_pause",
    "end_recusal",
    "end_share",
    "look_at_case",
    "read_document",
    "record_node",
    "refresh_dues",
    "refuse_act",
    "register_case",
    "set_flag",
    "set_recusal",
    "share_case",
    "sign_act",
    "start_node",
    "start_pause",
    "sweep_documents",
    "unmask_party",
    "withdraw_act",
    "withdraw_document",
]
