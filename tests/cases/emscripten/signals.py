"""Signals: handlers, raise_signal, KeyboardInterrupt, what cannot be caught."""
import errno
import os
import signal

seen = []
previous = signal.signal(signal.SIGTERM, lambda number, frame: seen.append((signal.Signals(number).name, frame.f_code.co_name)))
print(previous == signal.SIG_DFL, signal.getsignal(signal.SIGTERM).__name__)


def here():
    signal.raise_signal(signal.SIGTERM)


here()
print(seen)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.raise_signal(signal.SIGUSR1)
try:
    signal.raise_signal(signal.SIGINT)
    print("not interrupted")
except KeyboardInterrupt:
    print("interrupted")


def raising(number, frame):
    raise LookupError(number)


signal.signal(signal.SIGINT, raising)
try:
    signal.raise_signal(signal.SIGINT)
except LookupError as error:
    print("raised", error)
signal.signal(signal.SIGINT, signal.default_int_handler)
for number, handler in [(0, raising), (9999, raising), (signal.SIGTERM, 5)]:
    try:
        signal.signal(number, handler)
    except (OSError, ValueError, TypeError) as error:
        print(type(error).__name__, errno.errorcode.get(getattr(error, "errno", None)))
print(signal.strsignal(signal.SIGSEGV), signal.SIGINT in signal.valid_signals(), signal.Signals(15))
os.kill(os.getpid(), 0)
print(os.getpid() > 0)
os.kill(os.getpid(), signal.SIGTERM)
print(len(seen))
