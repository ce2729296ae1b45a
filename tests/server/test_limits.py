import pytest

from fcn.errors import ConfigError
from fcn.server.limits import Limits, check_limits

MAY_BE_NOTHING = ("batch_wait_seconds", "drain_seconds")


@pytest.mark.parametrize("name", [name for name in Limits._fields if name not in MAY_BE_NOTHING])
def test_a_limit_of_nothing_is_refused_by_its_name(name):
    with pytest.raises(ConfigError, match=f"{name}.*Received: 0"):
        check_limits(Limits()._replace(**{name: 0}))


def test_no_wait_is_fine_and_a_negative_one_is_not():
    for name in MAY_BE_NOTHING:
        check_limits(Limits(**{name: 0}))
        with pytest.raises(ConfigError, match=name):
            check_limits(Limits(**{name: -1}))


def test_a_request_larger_than_all_together_is_refused():
    with pytest.raises(ConfigError, match="request_bytes"):
        check_limits(Limits(request_bytes=2, body_bytes=1))


def test_a_request_that_may_wait_longer_than_a_server_takes_to_stop_is_refused():
    check_limits(Limits(answer_seconds=5, stop_seconds=5))
    with pytest.raises(ConfigError, match="answer_seconds: expected at most stop_seconds=5"):
        check_limits(Limits(answer_seconds=6, stop_seconds=5))
