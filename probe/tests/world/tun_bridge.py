"""Joins two TUN devices, made here: a link that delays every packet and loses some of them.

Usage: tun_bridge.py NAME NAME. Prints `ready` once the devices exist; they can be moved to other
network namespaces afterwards. Then it obeys its standard input, one command a line, each answered
by a line, and ends with it:

  link DELAY_MS LOSS_PERMILLE SEED   how long a packet is held, how many of 1,000 are lost, and the
                                     seed of that choice; counters start again; answers `ready`
  counts                             answers `PASSED DROPPED`, packets since the last `link`

Whether a packet is lost depends on the seed, on the number of its TCP or UDP flow (in the order in
which the flows were first seen), on its direction, and on its number in the flow: so many flows at
once have the same fates in every run, however they interleave.
"""

import collections
import fcntl
import hashlib
import os
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x0001 | 0x1000
WAITING_PACKETS_MAX = 10_000
FLOWS_MAX = 100_000
TCP, UDP = 6, 17


def tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN_NO_PI))
    return device


class Loss:
    """Which packets are lost."""

    def __init__(self, permille, seed):
        self.permille = permille
        self.seed = seed
        self.flows = {}
        self.seen = collections.Counter()
        self.passed = 0
        self.dropped = 0

    def takes(self, packet, direction):
        flow = self.number_of(packet)
        number = self.seen[flow, direction]
        self.seen[flow, direction] += 1
        text = f"{self.seed}/{flow}/{direction}/{number}".encode()
        drawn = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
        is_lost = drawn * 1000 < self.permille << 64
        if is_lost:
            self.dropped += 1
        else:
            self.passed += 1
        return is_lost

    def number_of(self, packet):
        """The number of a TCP or UDP flow; anything else is told by its protocol alone."""
        if packet[0] >> 4 == 4:
            protocol, start, addresses = packet[9], (packet[0] & 15) * 4, packet[12:20]
            size = 4
        else:
            protocol, start, addresses = packet[6], 40, packet[8:40]
            size = 16
        if protocol not in (TCP, UDP) or len(packet) < start + 4:
            return f"protocol {protocol}"
        one = (addresses[:size], packet[start : start + 2])
        other = (addresses[size:], packet[start + 2 : start + 4])
        if len(self.flows) >= FLOWS_MAX:
            self.flows.clear()
        return self.flows.setdefault((protocol, *sorted((one, other))), len(self.flows))


def answer(line, link):
    words = line.split()
    if words[:1] == ["link"]:
        link["delay"] = float(words[1]) / 1000
        link["loss"] = Loss(int(words[2]), words[3])
        print("ready", flush=True)
    elif words == ["counts"]:
        print(link["loss"].passed, link["loss"].dropped, flush=True)


def main():
    one, other = tun(sys.argv[1]), tun(sys.argv[2])
    try:
        # Timely on a busy machine, where this is allowed.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        pass
    peer = {one: other, other: one}
    link = {"delay": 0, "loss": Loss(0, "0")}
    waiting = collections.deque()
    commands = ""
    print("ready", flush=True)
    while True:
        pause = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select([one, other, 0], [], [], pause)
        if 0 in readable:
            text = os.read(0, 4096).decode()
            if not text:
                return
            *lines, commands = (commands + text).split("\n")
            for line in lines:
                answer(line, link)
        now = time.monotonic()
        for device in (one, other):
            while device in readable and len(waiting) < WAITING_PACKETS_MAX:
                try:
                    packet = os.read(device, 65536)
                except OSError:
                    break
                if not link["loss"].takes(packet, device == one):
                    waiting.append((now + link["delay"], peer[device], packet))
        while waiting and waiting[0][0] <= now:
            _, device, packet = waiting.popleft()
            try:
                os.write(device, packet)
            except OSError:
                pass  # the device is down, so the packet is lost


main()
