import pytest

from nfvae.experiments.storage.same_run import changes_numbers, differences

BOTH_WAYS = pytest.mark.parametrize("turn", [lambda *pair: pair, lambda a, b: (b, a)])


@BOTH_WAYS
@pytest.mark.parametrize("off", [None, False])
def test_an_option_missing_on_one_side_counts_as_off(turn, off):
    older, newer = {"trainer": {"batch_size": 100}}, {"trainer": {"batch_size": 100, "new": off}}
    assert list(differences(*turn(older, newer))) == []


@BOTH_WAYS
@pytest.mark.parametrize("used", [True, 0, 0.0])  # 0 == False, but a decay of 0 is no null
def test_an_option_used_on_one_side_only_is_a_difference(turn, used):
    older, newer = {"trainer": {}}, {"trainer": {"new": used}}
    ((key, *values),) = differences(*turn(older, newer))
    assert key == "trainer.new"
    assert values in ([None, used], [used, None])


def test_null_and_false_differ_where_both_sides_say_so():
    assert list(differences({"a": None}, {"a": False})) == [("a", None, False)]


def test_the_folder_and_the_display_of_a_run_change_no_number():
    left = {"run": {"dir": "a"}, "trainer": {"progress": True, "num_threads": 1}}
    right = {"run": {"dir": "b"}, "trainer": {"progress": False, "num_threads": 2}}
    assert list(differences(left, right)) == []
    free = ("run", "run.dir", "trainer.progress", "device", "data.root", "flow.fused")
    assert not any(map(changes_numbers, free))
    assert changes_numbers("optim.lr")


def test_the_fused_form_within_compose_changes_no_number():
    left, right = (
        {"flow": {"name": "compose", "flows": [{"name": "planar", "K": k, "fused": fused}]}}
        for k, fused in ((2, True), (2, False))
    )
    assert list(differences(left, right)) == []
    right["flow"]["flows"][0]["K"] = 3
    assert list(differences(left, right)) == [("flow.flows.0.K", 2, 3)]
