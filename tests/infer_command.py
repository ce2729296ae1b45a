"""`fcn infer` in this process."""

import pytest
from progress_lines import without_progress

from fcn.cli.main import main


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["infer", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, without_progress(captured.err)
