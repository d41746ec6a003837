"""The section of predictions: the words of the task, escaped, and the classes, worst first."""

import base64
import json

from made_runs import make_parts

from nas_jax.record import Record
from nas_jax.report.examples import section
from nas_jax.report.page import render
from nas_jax.report.subject import Subject


def subject_of(workdir, classes):
    parts = make_parts()
    record = Record(workdir, {}, {}, [], {"classes": classes} if classes else {})
    return Subject(record, parts.objectives, parts.space, parts.learner)


def write(workdir, *examples):
    (workdir / "best").mkdir()
    (workdir / "best" / "examples.json").write_text(json.dumps({"num_examples": 1234, "examples": examples}))


def example(kind, lines, picture=None):
    return {"kind": kind, "place": 3, "score": 0.25, "lines": lines, "picture": picture}


def test_examples_come_with_their_pictures_and_words(tmp_path):
    picture = base64.b64encode(b"a picture").decode()
    write(tmp_path, example("worst", ["It is: <b>cat</b>", "dog  0.9"], picture), example("best", ["a line"]))
    found = section(subject_of(tmp_path, {}))
    assert found.verdict == "What the exported network says of 2 of 1,234 validation examples."
    page = render("a run", "It has finished.", (), [found])
    assert f'src="data:image/png;base64,{picture}"' in page
    assert page.count("<img") == 1
    assert "It is: &lt;b&gt;cat&lt;/b&gt;" in page
    assert "<b>cat" not in page
    assert page.index("Worst, score 0.25") < page.index("Best, score 0.25")


def test_the_worst_class_comes_first(tmp_path):
    classes = {"val_iou": {"sky": 0.9, "road": 0.2, "tree": 0.5}, "test_iou": {"sky": 0.8, "road": 0.3, "pole": 0.1}}
    (part,) = section(subject_of(tmp_path, classes)).parts
    (table,) = part.tables
    assert table.header == ("Class", "Validation IoU", "Test IoU")
    assert table.rows == (
        ("pole", "-", "10.00 %"),
        ("road", "20.00 %", "30.00 %"),
        ("tree", "50.00 %", "-"),
        ("sky", "90.00 %", "80.00 %"),
    )


def test_of_many_classes_only_the_worst_are_listed(tmp_path):
    classes = {"val_f1": {f"class {number}": number / 100 for number in range(50)}}
    (table,) = section(subject_of(tmp_path, classes)).parts[0].tables
    assert len(table.rows) == 30
    assert table.rows[-1][0] == "class 29"
    assert table.caption == "The 30 worst of 50 classes."


def test_a_run_that_left_neither_has_no_section(tmp_path):
    assert section(subject_of(tmp_path, {})) is None
