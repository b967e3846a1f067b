"""Joins two TUN devices, made here, and holds every packet for a while: a link with a delay.

Usage: tun_bridge.py NAME NAME DELAY_MS. Prints `ready` once the devices exist, and ends with its
standard input. The devices can be moved to other network namespaces afterwards.
"""

import collections
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x0001 | 0x1000
WAITING_PACKETS_MAX = 10_000


def tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN_NO_PI))
    return device


def main():
    one, other = tun(sys.argv[1]), tun(sys.argv[2])
    delay = float(sys.argv[3]) / 1000
    peer = {one: other, other: one}
    waiting = collections.deque()
    print("ready", flush=True)
    while True:
        pause = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select([one, other, sys.stdin], [], [], pause)
        if sys.stdin in readable:
            return
        now = time.monotonic()
        for device in (one, other):
            while device in readable and len(waiting) < WAITING_PACKETS_MAX:
                try:
                    waiting.append((now + delay, peer[device], os.read(device, 65536)))
                except OSError:
                    break
        while waiting and waiting[0][0] <= now:
            _, device, packet = waiting.popleft()
            try:
                os.write(device, packet)
            except OSError:
                pass  # the device is down, so the packet is lost


main()
