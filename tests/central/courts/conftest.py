"""Who changes courts: the high court's administrator, who may add to any intermediate court."""

import pytest

from central.courts.permissions import Actor


@pytest.fixture
def keeper() -> Actor:
    """System administrator of the high court."""
    return Actor("k", "gaoyuan", "样例省院管理员", "system_admin", "云")
