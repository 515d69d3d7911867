import threading

from jupyter_gpuctl.gpus.patience import Overdue, PatientCaller


def test_results_and_errors_come_back_by_key():
    error = ValueError("no")

    def fail():
        raise error

    caller = PatientCaller()
    assert caller.call([("a", lambda: 1), ("b", fail), ("c", lambda: None)]) == {
        "a": 1,
        "b": error,
        "c": None,
    }


def test_a_call_that_hangs_does_not_hold_up_the_others_and_is_not_called_again_until_it_is_back():
    release, entered = threading.Event(), []

    def hang():
        entered.append(threading.get_ident())
        release.wait()
        return "back"

    caller = PatientCaller(deadline=0.05)
    jobs = [("first", lambda: 1), ("stuck", hang), ("last", lambda: 2)]
    for _ in range(3):
        results = caller.call(jobs)
        assert results["first"] == 1
        assert results["last"] == 2
        assert isinstance(results["stuck"], Overdue)
    assert len(entered) == 1
    stuck = caller._stuck["stuck"]
    release.set()
    stuck.thread.join()
    assert caller.call(jobs) == {"first": 1, "stuck": "back", "last": 2}


def test_all_calls_may_hang_at_once():
    release = threading.Event()
    caller = PatientCaller(deadline=0.02)
    results = caller.call([(n, release.wait) for n in range(5)])
    release.set()
    assert all(isinstance(results[n], Overdue) for n in range(5))


def test_a_call_that_comes_back_late_leaves_nothing_in_later_results():
    release = threading.Event()

    def late():
        release.wait()
        return "late"

    caller = PatientCaller(deadline=0.02)
    first = caller.call([("late", late), ("next", lambda: threading.get_ident())])
    stuck = caller._stuck["late"].thread
    release.set()
    stuck.join()
    assert isinstance(first["late"], Overdue)
    assert caller.call([("other", lambda: 3)]) == {"other": 3}


def test_calls_run_off_the_thread_that_asks():
    assert PatientCaller().call([("who", threading.get_ident)])["who"] != threading.get_ident()
