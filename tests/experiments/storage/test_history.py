import pytest

from nfvae.experiments.storage.history import Series, latest, read_history


def test_series_by_name_and_the_last_of_a_repeated_step(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text(
        '{"step": 10, "a": 1.5, "b": 2}\n{"step": 20, "a": 3}\n{"step": 10, "a": 7}\n'
        'no record\n[1]\n{"a": 3}\n{"step": 30, "a": "x"}\n{"step": 40, "a": 4}\n{"step": 50, "a'
    )
    assert read_history(file) == {
        "a": Series([10, 20, 40], [7, 3, 4]),
        "b": Series([10], [2]),
    }


def test_without_a_log_the_history_is_empty(tmp_path):
    assert read_history(tmp_path / "metrics.jsonl") == {}


@pytest.mark.parametrize(
    "line",
    [
        '{"step": Infinity, "a": 1}',
        '{"step": 1e400, "a": 1}',
        '{"step": -3, "a": 1}',
        '{"step": true, "a": 1}',
        f'{{"step": {10**400}, "a": 1}}',
        f'{{"step": 3, "a": {10**400}}}',
        '{"step": 3, "a": NaN}',
        '{"step": 3, "a": 1e308}',
        "[" * 9999,
    ],
)
def test_numbers_that_no_figure_can_show_are_skipped(tmp_path, line):
    file = tmp_path / "metrics.jsonl"
    file.write_text(f'{{"step": 1, "a": 2}}\n{line}\n')
    assert read_history(file) == {"a": Series([1], [2])}
    assert [step for step, _ in latest(file)][-1] == 1
