"""A slow network on one machine: two network namespaces, and a process that carries packets between them, late, or not at all.

It stands in for `tc netem`, which not every kernel has. Linux, and root.
"""

import fcntl
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_TUNSETIFF, _IFF_TUN_WITHOUT_HEADER = 0x400454CA, 0x1001
_LARGEST = 65536
HOSTS = (("hebb-a", "10.77.0.1", "hebb-ta"), ("hebb-b", "10.77.0.2", "hebb-tb"))


class Link(threading.Thread):
    """Carries packets between two interfaces.

    Parameters
    ----------
    ends
        File descriptors of the interfaces.
    delay
        Seconds, one way.
    loss
        Share of packets that do not arrive.
    """

    def __init__(self, ends: tuple[int, int], delay: float, loss: float) -> None:
        super().__init__(daemon=True)
        self.delay, self.loss, self.cut = delay, loss, False
        self.carried = self.lost = 0
        self._ends, self._stopped = ends, threading.Event()

    def run(self) -> None:
        chance = random.Random(0)  # noqa: S311
        waiting: deque[tuple[float, int, bytes]] = deque()
        other = dict(zip(self._ends, reversed(self._ends), strict=True))
        while not self._stopped.is_set():
            until = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.05
            for end in select.select(self._ends, [], [], until)[0]:
                packet = os.read(end, _LARGEST)
                if self.cut or chance.random() < self.loss:
                    self.lost += 1
                else:
                    waiting.append((time.monotonic() + self.delay, other[end], packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, end, packet = waiting.popleft()
                os.write(end, packet)
                self.carried += len(packet)

    def stop(self) -> None:
        self._stopped.set()
        self.join()


@contextmanager
def slow_network(delay: float, loss: float) -> Iterator[Link]:
    """Make the namespaces in `HOSTS` and a link between them."""
    ends = []
    try:
        for namespace, address, interface in HOSTS:
            _ip("netns", "add", namespace)
            ends.append(os.open("/dev/net/tun", os.O_RDWR))
            fcntl.ioctl(ends[-1], _TUNSETIFF, struct.pack("16sH", interface.encode(), _IFF_TUN_WITHOUT_HEADER))
            _ip("link", "set", interface, "netns", namespace)
            _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", interface)
            for name in ("lo", interface):
                _ip("-n", namespace, "link", "set", name, "up")
        link = Link((ends[0], ends[1]), delay, loss)
        link.start()
        try:
            yield link
        finally:
            link.stop()
    finally:
        for end in ends:
            os.close(end)
        for namespace, _, _ in HOSTS:
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)  # noqa: S607


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)  # noqa: S607
