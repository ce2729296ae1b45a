from fcn.labels.choices import EXPORT_FORMATS
from fcn.labels.exporting.forms import FORMS


def test_each_format_has_a_form() -> None:
    assert tuple(FORMS) == EXPORT_FORMATS
