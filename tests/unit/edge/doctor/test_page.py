"""What doctor says of the technician's page."""

from datetime import UTC, datetime, timedelta

import pytest

from edge.config import users
from edge.doctor.page import page
from tests.certs import issue

HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aaaa"
DAY = timedelta(days=1)


def test_at_this_machine_alone(configured):
    findings = list(page(configured()))
    assert [each.grade.value for each in findings] == ["ok", "ok"]
    assert "this machine alone" in findings[0].text


@pytest.mark.parametrize(("end", "grade"), [(365 * DAY, "ok"), (20 * DAY, "warn"), (-DAY / 2, "fail")])
def test_with_a_certificate(configured, tmp_path, end, grade):
    issue(tmp_path, end=end)
    for name, role in (("ama", "technician"), ("kofi", "viewer"), ("esi", "viewer")):
        user = users.User(role=users.Role(role), password=HASH, since=datetime.now(UTC))
        users.put(tmp_path / "users.toml", name, user)
    findings = list(page(configured(web='0.0.0.0:8443"\ncert_file = "page.pem"\nkey_file = "page.key')))
    assert [each.grade.value for each in findings] == [grade, "ok", "ok"]
    assert findings[-1].text.endswith("users.toml: 1 technician, 2 viewer")
    assert findings[0].mend or grade == "ok"


def test_a_page_that_is_not_served(configured):
    assert [each.grade.value for each in page(configured(web=""))] == ["ok"]
    (only,) = page(configured(web="0.0.0.0:8443"))
    assert (only.grade.value, "goes on" in only.mend) == ("fail", True)
