"""Runs a program on a pseudo-terminal, as a person would.

Usage: pseudo_terminal.py STEPS PROGRAM [ARGUMENT]...

STEPS is a JSON list of [TEXT, KEYS]: wait until TEXT is on the screen, then press KEYS. Prints JSON: the
exit code, everything that was written, and whether the terminal's modes are as they were. Standard library
only.
"""

import json
import os
import pty
import select
import signal
import struct
import fcntl
import sys
import termios
import time

PATIENCE_S = 60

steps = json.loads(sys.argv[1])
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
before = termios.tcgetattr(master)
written = b""
seen = 0
deadline = time.monotonic() + PATIENCE_S
status = None
while time.monotonic() < deadline:
    if steps and steps[0][0].encode() in written[seen:]:
        seen = len(written)
        os.write(master, steps.pop(0)[1].encode())
    ready, _, _ = select.select([master], [], [], 0.05)
    if ready:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            chunk = b""
        written += chunk
    if status is None:
        ended, code = os.waitpid(pid, os.WNOHANG)
        status = code if ended else None
    elif not ready or not chunk:
        break
if status is None:
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
after = termios.tcgetattr(master)
print(
    json.dumps(
        {
            "exit": os.waitstatus_to_exitcode(status),
            "screen": written.decode(errors="replace"),
            "restored": before[:4] == after[:4],
            "steps_left": steps,
        }
    )
)
