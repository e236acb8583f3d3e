"""Runs a command in a terminal of its own and plays a person at it.

Owns: the terminal. usage: terminal.py [alone] STEP... -- COMMAND [ARGUMENT...]
The command has a shell that can stop it and let it go on; `alone` it has none, as under `docker run -it`. Steps, in order: `wait:TEXT` until the output since the last wait has it, `type:TEXT` (Python's escapes), `sleep:SECONDS`,
`settings` (prints which of echo, lines and signals are on), `size:ROWS:COLUMNS`, `signal:NAME`, `stopped` (until the command is stopped, and
whether the settings are those of the beginning then). At the end it prints the exit status and whether the settings are those of the beginning,
and the output, on stdout. Exits with 1 when a step is not fulfilled in three minutes.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 180

steps, command = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
is_alone = steps[:1] == ["alone"]
steps = steps[is_alone:]


def run():
    # Python starts with some signals ignored, and whoever started it may have had others.
    for number in signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGTSTP, signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)


def shell(told):
    """Runs the command in the foreground, stops when it does, and ends as it does."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        run()
    os.write(told, b"%d\n" % job)
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            os.kill(os.getpid(), signal.SIGSTOP)
            os.kill(job, signal.SIGCONT)
        elif os.WIFSIGNALED(status):
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
            os.kill(os.getpid(), os.WTERMSIG(status))
        else:
            os._exit(os.WEXITSTATUS(status))


telling, told = os.pipe()
child, master = pty.fork()
if child == 0:
    run() if is_alone else shell(told)
job = child if is_alone else int(os.read(telling, 20))
# The settings are asked for by the master, which is there when the command is gone.
before = termios.tcgetattr(master)
output, seen = b"", 0


def read(patience):
    global output
    if not select.select([master], [], [], patience)[0]:
        return True
    try:
        data = os.read(master, 65536)
    except OSError:
        data = b""
    output += data
    return bool(data)


def fail(step):
    print(f"not fulfilled: {step}\n{output.decode(errors='replace')}")
    os.kill(job, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    sys.exit(1)


def wait(text, step):
    global seen
    end = time.monotonic() + PATIENCE
    while (at := output.find(text, seen)) < 0:
        if not read(0.1) or time.monotonic() > end:
            fail(step)
    seen = at + len(text)


def settings():
    flags = termios.tcgetattr(master)[3]
    names = {"echo": termios.ECHO, "lines": termios.ICANON, "signals": termios.ISIG}
    return " ".join(f"{name}={'on' if flags & flag else 'off'}" for name, flag in names.items())


def restored():
    return "restored" if termios.tcgetattr(master) == before else f"changed: {settings()}"


for step in steps:
    kind, _, text = step.partition(":")
    raw = text.encode().decode("unicode_escape").encode("latin-1")
    if kind == "wait":
        wait(raw, step)
    elif kind == "type":
        os.write(master, raw)
    elif kind == "sleep":
        end = time.monotonic() + float(text)
        while time.monotonic() < end:
            read(0.05)
    elif kind == "settings":
        print(settings())
    elif kind == "size":
        rows, columns = map(int, text.split(":"))
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    elif kind == "signal":
        os.kill(child if text == "SIGCONT" else job, getattr(signal, text))
    elif kind == "stopped":
        end = time.monotonic() + PATIENCE
        while os.waitpid(child, os.WNOHANG | os.WUNTRACED) == (0, 0):
            if not read(0.05) or time.monotonic() > end:
                fail(step)
        print("stopped,", restored())
end = time.monotonic() + PATIENCE
while read(0.1):
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        while select.select([master], [], [], 0)[0] and read(0):
            pass
        break
    if time.monotonic() > end:
        fail("the end")
else:
    ended, status = os.waitpid(child, 0)
try:
    state = restored()
except termios.error as error:
    state = f"gone: {error}"
print("status", os.waitstatus_to_exitcode(status), state)
print(output.decode(errors="replace").replace("\r\n", "\n"))
