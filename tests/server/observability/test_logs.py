import json
import logging
import sys

from fcn.server.observability.logs import REQUEST_ID, JsonFormatter


def written(record):
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert text.isascii()
    return json.loads(text)


def test_a_line_says_when_how_grave_who_and_what():
    record = logging.makeLogRecord(
        {
            "name": "fcn.server",
            "levelname": "WARNING",
            "msg": "%d of %s",
            "args": (2, "three"),
            "created": 1.5,
            "_of_a_library": 3,
        }
    )
    assert written(record) == {
        "time": "1970-01-01T00:00:01.500+00:00",
        "level": "warning",
        "logger": "fcn.server",
        "message": "2 of three",
    }


def test_what_else_is_given_is_kept_whatever_it_is():
    record = logging.makeLogRecord({"msg": "two\nlines, ä", "version": 3, "path": sys, "client": None})
    line = written(record)
    assert line["message"] == "two\nlines, ä"
    assert (line["version"], line["client"]) == (3, None)
    assert "module 'sys'" in line["path"]


def test_a_traceback_is_one_field():
    try:
        raise ValueError("why")
    except ValueError:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})
    assert written(record)["traceback"].endswith("ValueError: why")


def test_lines_of_a_request_bear_its_name():
    token = REQUEST_ID.set("seven")
    try:
        assert written(logging.makeLogRecord({"msg": "x"}))["request_id"] == "seven"
    finally:
        REQUEST_ID.reset(token)
    assert "request_id" not in written(logging.makeLogRecord({"msg": "x"}))
