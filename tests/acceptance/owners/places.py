"""Everywhere that something a caller has said could turn up, as text to be searched."""

import base64
import binascii
import contextlib
import re
import socket
import threading
import zlib
from collections.abc import Iterator
from typing import Self
from uuid import uuid4

import psutil
import redis
from sqlalchemy import select

from shared.store import tables
from shared.store.engine import Database
from tests.scripted_upstream import wait_until
from tests.stack import Stack

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")


class Monitor:
    """Every command that this Redis is given, as it says them itself."""

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(redis_url)
        self._commands: list[bytes] = []
        self._told = threading.Condition()

    def __enter__(self) -> Self:
        self._monitor = self._client.monitor().__enter__()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._monitor.connection._sock.shutdown(socket.SHUT_RDWR)
        self._reading.join()
        self._monitor.__exit__(None, None, None)
        self._client.close()

    def commands(self) -> list[bytes]:
        """All of them up to now, with what they hold in base64 spelled out behind them."""
        mark = uuid4().hex
        self._client.echo(mark)
        with self._told:
            wait_until(self._told, lambda: mark.encode() in b"".join(self._commands[-100:]), 10, "the monitor")
            return [command + b"".join(_opened(command)) for command in self._commands]

    def _read(self) -> None:
        with contextlib.suppress(redis.ConnectionError):
            while True:
                command = self._monitor.connection.read_response()
                with self._told:
                    self._commands.append(command)
                    self._told.notify_all()


def rows(database: Database) -> str:
    """Every row of every table, journals unpacked."""
    with database.read() as connection:
        found = [row for table in tables.METADATA.sorted_tables for row in connection.execute(select(table))]
        kept = [zlib.decompress(frames) for frames in connection.execute(select(tables.JOURNAL.c.frames)).scalars()]
    return repr(found) + repr(kept)


def command_lines(stack: Stack) -> str:
    """How each process was started, and its children."""
    parents = [psutil.Process(process.pid) for process in stack.processes]
    running = [one for parent in parents for one in (parent, *parent.children(recursive=True))]
    return repr([process.cmdline() for process in running])


def _opened(line: bytes) -> Iterator[bytes]:
    for word in _BASE64.findall(line):
        try:
            yield base64.b64decode(word, validate=True)
        except binascii.Error:
            continue
