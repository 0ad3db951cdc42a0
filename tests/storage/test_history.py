from nfvae.storage.history import Series, read_history


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


def test_nothing_logged_is_nothing(tmp_path):
    assert read_history(tmp_path / "metrics.jsonl") == {}
