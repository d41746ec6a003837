"""What an exported network's card says of the search; that its instructions work is for `test_export.py`."""

from run_files import CONFIG, finished, write

from nas_jax.record import read_record
from nas_jax.report.card import how_it_was_found

PARTS = CONFIG | {"strategy": {"name": "asha"}, "surrogate": {"name": "gaussian_process"}}


def said(workdir, records, **sections):
    return how_it_was_found(read_record(write(workdir, records, PARTS | sections))).replace("\\", "")


def test_an_architecture_that_had_several_budgets_is_one(tmp_path):
    records = [finished(id, [1 + id, 1, 1, 1], 0.5, budget={"epochs": 1}) for id in range(3)]
    records.append(finished(3, [3, 1, 1, 1], 0.7, budget={"epochs": 3}, continues=2))
    records += [finished(4, [3, 1, 1, 1], 0.8, "final"), finished(5, [9, 1, 1, 1], 0.7, "final")]
    text = said(tmp_path / "run", records)
    assert "asha tried 3 architectures of the space chain." in text
    assert "A surrogate (gaussian_process) then chose" in text
    assert text.endswith("Of 2 with the full training this one had the best val_accuracy.")


def test_incumbents_were_chosen_by_no_surrogate(tmp_path):
    records = [finished(0, [1, 1, 1, 1], 0.5), finished(1, [1, 1, 1, 1], 0.6, "final")]
    text = said(tmp_path / "run", records, finalists=CONFIG["finalists"] | {"pick": "incumbent"})
    assert "surrogate" not in text
    assert "The best of them had the full training." in text


def test_a_point_of_a_front_is_not_the_best_of_all(tmp_path):
    objectives = [{"metric": "val_accuracy"}, {"metric": "num_params", "maximize": False}]
    records = [finished(0, [1, 1, 1, 1], 0.5), finished(1, [1, 1, 1, 1], 0.6, "final")]
    text = said(tmp_path / "run", records, objectives=objectives, objective=None)
    assert text.endswith("no other one beat this one in val_accuracy and num_params together.")
