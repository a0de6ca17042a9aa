"""The way from the clients to the server, with a delay that can be set and what passed counted: a line of packets in a
network of our own (line.c), or, where the machine lets nobody have that, a relay."""
import asyncio
import json
import os
import socket
import threading
import time


class Line:
    """This process runs under line.c: "localhost" is at the other end, 127.0.0.1 is not delayed."""
    what = "a line of packets in a network of its own"
    address = "10.9.0.2"

    def __init__(self):
        self.socket = socket.socket(fileno=int(os.environ["LINE_FD"]))
        self.answers = self.socket.makefile()

    def _ask(self, request):
        self.socket.sendall(request.encode())
        return self.answers.readline()

    def delay(self, ms):
        """Of a round trip."""
        assert self._ask(f"delay {ms * 500}") == "ok\n"

    def count(self):
        """What passed since the last time: see line.c."""
        return json.loads(self._ask("count"))

    def port(self, server_port):
        """Where a client finds what listens on this port of the loopback."""
        return server_port


class Relay:
    """The same for TCP's bytes alone, on ports of its own: what the kernels would wait for (Nagle, a slow start) is
    not seen. A connection's first round trip is waited for behind its accept."""
    what = "a relay (no namespaces, or no /dev/net/tun): Nagle's waits and slow starts are not seen"
    address = "127.0.0.1"

    def __init__(self):
        self.ports = {}
        self.one_way_s = 0
        self.counters = self._zero()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    @staticmethod
    def _zero():
        return {"connections": 0, "round_trips": 0, "sent": 0, "received": 0}

    def delay(self, ms):
        self.one_way_s = ms / 2000

    def count(self):
        counters, self.counters = self.counters, self._zero()
        return counters

    def port(self, server_port):
        if server_port not in self.ports:
            made = asyncio.run_coroutine_threadsafe(asyncio.start_server(
                lambda reader, writer: self._carry(server_port, reader, writer), "127.0.0.1"), self.loop).result()
            self.ports[server_port] = made.sockets[0].getsockname()[1]
        return self.ports[server_port]

    async def _carry(self, server_port, from_client, to_client):
        talk = {"has_asked": True, "has_closed": False}  # a greeting takes a round trip, too
        up, down = asyncio.Queue(1024), asyncio.Queue(1024)

        def asked(data):
            self.counters["sent"] += len(data)
            talk.update(has_asked=talk["has_asked"] or data != b"", has_closed=talk["has_closed"] or data == b"")

        def heard(data):
            self.counters["received"] += len(data)
            if data and talk["has_asked"] and not talk["has_closed"]:
                talk["has_asked"] = False
                self.counters["round_trips"] += 1

        self.counters["connections"] += 1
        self.counters["round_trips"] += 1
        await asyncio.sleep(2 * self.one_way_s)
        taking = asyncio.create_task(self._take(from_client, up, asked))
        await asyncio.sleep(self.one_way_s)  # the handshake's last packet
        from_server, to_server = await asyncio.open_connection("127.0.0.1", server_port)
        await asyncio.gather(taking, self._deliver(up, to_server, lambda data: None),
                             self._take(from_server, down, lambda data: None), self._deliver(down, to_client, heard),
                             return_exceptions=True)  # who has gone has gone

    async def _take(self, reader, on_their_way, note):
        data = True
        while data:
            try:
                data = await reader.read(65536)
            except ConnectionError:
                data = b""
            note(data)
            await on_their_way.put((time.monotonic() + self.one_way_s, data))

    @staticmethod
    async def _deliver(on_their_way, writer, note):
        data = True
        while data:
            due, data = await on_their_way.get()
            await asyncio.sleep(due - time.monotonic())
            note(data)
            writer.write(data) if data else writer.close()
            if data:
                await writer.drain()


def wire():
    return Line() if "LINE_FD" in os.environ else Relay()
