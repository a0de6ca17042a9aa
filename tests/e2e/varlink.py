"""Varlink over a Unix socket, by hand: nothing here knows how postkey does it."""
import json
import select
import socket

from processes import PATIENCE

BROKER = "org.postkey.Broker."
SERVICE = "org.varlink.service."


class Varlink:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    @staticmethod
    def message(method, flags=(), **parameters):
        name = method if "." in method else BROKER + method
        return json.dumps(dict(method=name, parameters=parameters, **{f: True for f in flags})).encode() + b"\0"

    def send(self, method, flags=(), **parameters):
        self.socket.sendall(self.message(method, flags, **parameters))

    def receive(self):
        """The next reply; None when the broker has closed the connection."""
        while b"\0" not in self.received:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.received += data
        message, _, self.received = self.received.partition(b"\0")
        return json.loads(message)

    def call(self, method, flags=(), **parameters):
        self.send(method, flags, **parameters)
        return self.receive()

    def ask(self, method, **parameters):
        """The parameters of a reply that has to be a success."""
        reply = self.call(method, **parameters)
        assert reply is not None and "error" not in reply, reply
        return reply.get("parameters", {})

    def is_open(self):
        """Nothing has come from the broker, not even an end."""
        looking = select.poll()  # select() knows no descriptor above 1023
        looking.register(self.socket, select.POLLIN)
        return not looking.poll(0)

    def wait_closed(self, patience=PATIENCE):
        self.socket.settimeout(patience)
        try:
            while self.socket.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
