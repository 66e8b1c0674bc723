"""Every defect that the proof plants fits the product as it is, so that none is planted beside it."""

import pytest

from tests.prove.planted import DEFECTS, ROOT


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.gate)
def test_its_text_stands_once_in_its_file(defect):
    text = (ROOT / "connector" / defect.file).read_text("utf-8")

    assert text.count(defect.sound) == 1
    assert text.replace(defect.sound, defect.broken) != text


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.gate)
def test_the_tests_of_its_gate_exist(defect):
    assert all((ROOT / path).exists() for path in defect.tests)
