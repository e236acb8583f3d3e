"""Runs one module of a unittest suite and reports each test on a line of its own, at once, so that a crash tells where it was.

Owns: the protocol between a guest and regrtest.py. usage: regrtest_guest.py MODULE [DONE]
/suite is put on sys.path. DONE is a file of test ids that are not to be run again. Lines: `@start ID`, `@OUTCOME ID DETAIL`,
`@end`, where OUTCOME is passed, failed, skipped or expected.
"""
import importlib
import os
import sys
import traceback
import unittest

report = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")


def say(outcome, test, detail=""):
    report.write(f"\n@{outcome} {test} {' '.join(detail.split())[:300]}\n")
    report.flush()


def last_line(error):
    return "".join(traceback.format_exception_only(*error[:2])).strip().splitlines()[-1]


class Result(unittest.TestResult):
    """Says what becomes of each test; a test with a failed subtest has failed."""

    def startTest(self, test):
        super().startTest(test)
        self.bad = None
        say("start", test.id())

    def stopTest(self, test):
        super().stopTest(test)
        if self.bad:
            say("failed", test.id(), self.bad)

    def fail(self, test, error):
        detail = last_line(error)
        if "PYDL_TRACE" in os.environ:
            report.write("".join(traceback.format_exception(*error)))
        if isinstance(test, unittest.TestCase) and hasattr(self, "bad"):
            self.bad = self.bad or detail
        else:
            say("failed", getattr(test, "id", lambda: str(test))(), detail)

    def addError(self, test, error):
        self.fail(test, error)

    def addFailure(self, test, error):
        self.fail(test, error)

    def addSubTest(self, test, subtest, error):
        if error:
            self.bad = self.bad or last_line(error)

    def addUnexpectedSuccess(self, test):
        self.fail(test, (AssertionError, AssertionError("unexpected success"), None))

    def addSuccess(self, test):
        if not self.bad:
            say("passed", test.id())

    def addSkip(self, test, reason):
        say("skipped", test.id(), reason)

    def addExpectedFailure(self, test, error):
        say("expected", test.id())


def flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


def main(module, done=None):
    sys.path.insert(0, "/suite")
    os.makedirs("/tmp/regrtest", exist_ok=True)
    os.chdir("/tmp/regrtest")
    skip = set(open(done).read().split("\n")) if done else set()
    try:
        importlib.import_module(module)
    except unittest.SkipTest as reason:
        return say("skipped", module, str(reason))
    except BaseException:
        return say("failed", module, last_line(sys.exc_info()))
    tests = [test for test in flat(unittest.defaultTestLoader.loadTestsFromName(module)) if test.id() not in skip]
    unittest.TestSuite(tests).run(Result())


main(*sys.argv[1:])
say("end", sys.argv[1])
report.close()
