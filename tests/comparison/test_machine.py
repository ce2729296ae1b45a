import json

import keras

from fcn.comparison.machine import describe_machine


def test_the_machine_is_described_in_json_values() -> None:
    found = json.loads(json.dumps(describe_machine()))
    assert found["cpu"]
    assert found["cores"] >= 1
    assert found["keras"] == keras.__version__
