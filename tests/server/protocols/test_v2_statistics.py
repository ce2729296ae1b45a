from fcn.server.interface import VersionState, VersionStatistics
from fcn.server.protocols.v2_statistics import describe_statistics, describe_versions


def test_statistics_are_worked_by_hand():
    values = {
        ("fcn_images_total",): 5.0,
        ("fcn_batch_seconds_count", "4"): 1.0,
        ("fcn_batch_seconds_sum", "4"): 0.5,
        ("fcn_batch_seconds_count", "1"): 1.0,
        ("fcn_batch_seconds_sum", "1"): 0.25,
        ("fcn_batch_seconds_count", "8"): 0.0,  # of the version before
        ("fcn_batch_seconds_sum", "8"): 0.0,
        ("fcn_engine_seconds_count",): 2.0,
        ("fcn_engine_seconds_sum",): 0.75,
        ("fcn_inference_seconds_count", "failure"): 3.0,
        ("fcn_inference_seconds_sum", "failure"): 0.125,
    }
    document = describe_statistics("fcn", VersionStatistics(2, 1700000000.5, values)).model_dump()
    assert document["last_inference"] == 1700000000500
    assert (document["inference_count"], document["execution_count"]) == (5, 2)
    assert document["batch_stats"] == [
        {"batch_size": 1, "compute_infer": {"count": 1, "ns": 250_000_000}},
        {"batch_size": 4, "compute_infer": {"count": 1, "ns": 500_000_000}},
    ]
    assert document["inference_stats"]["compute_infer"] == {"count": 2, "ns": 750_000_000}
    assert document["inference_stats"]["fail"] == {"count": 3, "ns": 125_000_000}
    assert document["inference_stats"]["success"] == {"count": 0, "ns": 0}


def test_a_version_that_answered_nothing_has_no_last_time():
    assert describe_statistics("fcn", VersionStatistics(2, 1.0, {})).last_inference == 0


def test_the_index_has_every_state():
    states = [
        VersionState(4, "LOADING"),
        VersionState(3, "AVAILABLE"),
        VersionState(2, "UNLOADING"),
        VersionState(1, "END"),
        VersionState(0, "END", "damaged"),
    ]
    index = describe_versions("fcn", states, only_ready=False)
    assert [(one.version, one.state, one.reason) for one in index] == [
        ("4", "LOADING", ""),
        ("3", "READY", ""),
        ("2", "UNLOADING", ""),
        ("1", "UNAVAILABLE", "unloaded"),
        ("0", "UNAVAILABLE", "damaged"),
    ]
    assert describe_versions("fcn", states, only_ready=True) == index[1:2]
