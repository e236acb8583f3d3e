"""Runs one file of a pytest suite and reports each test on a line of its own, at once, with regrtest_guest.py's protocol.

Owns: what pytest's outcomes are called. usage: pytest_guest.py FILE [DONE]
/suite is put on sys.path; FILE is a path in it. DONE is a file of test ids that are not to be run again.
"""
import os
import sys

sys.path.insert(0, "/suite")
os.makedirs("/tmp/regrtest", exist_ok=True)
os.chdir("/tmp/regrtest")
import pytest

report = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")


def say(outcome, test, detail=""):
    report.write(f"\n@{outcome} {test.replace(' ', '_')} {' '.join(detail.split())[:300]}\n")
    report.flush()


class Reporter:
    """A test is what its worst phase is."""

    def __init__(self, skip):
        self.skip = skip

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if item.nodeid.replace(" ", "_") not in self.skip]

    def pytest_collectreport(self, report):
        if report.failed:
            say("failed", report.nodeid or sys.argv[1], str(report.longrepr).strip().splitlines()[-1])
        elif report.skipped and report.nodeid.endswith(".py"):
            say("skipped", report.nodeid, str(report.longrepr[-1]))

    def pytest_runtest_logstart(self, nodeid, location):
        say("start", nodeid)

    def pytest_runtest_logreport(self, report):
        detail = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr or "")
        crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", detail)
        if hasattr(report, "wasxfail"):
            say("expected" if report.skipped else "passed", report.nodeid)
        elif report.skipped:
            say("skipped", report.nodeid, detail)
        elif report.failed:
            say("failed", report.nodeid, f"{report.when}: {crash}")
        elif report.when == "call":
            say("passed", report.nodeid)


done = set(open(sys.argv[2]).read().split("\n")) if len(sys.argv) > 2 else set()
options = ["-q", "-p", "no:cacheprovider", "--rootdir=/suite", "--tb=short", "--no-header", "--disable-warnings"]
pytest.main([*options, f"/suite/{sys.argv[1]}"], plugins=[Reporter(done)])
say("end", sys.argv[1])
report.close()
