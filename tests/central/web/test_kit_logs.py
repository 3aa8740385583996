"""The page of a kit's logs and the fleet's health without a browser: refusals said in Chinese, scope, downloads."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contract import envelope

PAGE = "/kits/dl-2901-01"


def test_asked_for_on_the_page_with_a_reason(log_in, kits, settings):
    Path(settings.keys_dir).mkdir()
    (Path(settings.keys_dir) / "centre.age").write_text(envelope.identity_to_text(X25519PrivateKey.generate()))
    admin = log_in("guanli")
    refused = admin.post(f"{PAGE}/logs", data={"reason": " ", "hours": 24})
    assert refused.status_code == 422 and "填写的内容不符合要求" in refused.text
    assert admin.post(f"{PAGE}/logs", data={"reason": "样例", "hours": 169}).status_code == 422
    answer = admin.post(f"{PAGE}/logs", data={"reason": "样例：<反复重启>", "hours": 6})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#logs")
    text = admin.get(PAGE).text
    assert "样例：&lt;反复重启&gt;" in text and "等待装备送达" in text and "调取日志" in text
    gone = admin.get(f"{PAGE}/logs/1")
    assert gone.status_code == 404 and "日志尚未送达" in gone.text
    assert log_in("zhihui").post(f"{PAGE}/logs", data={"reason": "样例", "hours": 6}).status_code == 403


def test_the_fleet_s_health_is_for_who_may_see_it_and_within_scope(log_in, kits):
    assert "yb-2922-01" in log_in("guanli").get("/health").text
    county = log_in("linxian").get("/health").text
    assert "yb-2922-01" in county and "dl-2901-01" not in county
    assert log_in("faguan").get("/health").status_code == 403
    for query in ("show=attention", "version=9.9", "court=云2922"):
        answer = log_in("guanli").get(f"/health?{query}")
        assert answer.status_code == 200 and "dl-2901-01" not in answer.text
