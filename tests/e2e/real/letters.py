"""Messages that are hard to carry, and whether they came through."""
import re

from small_google import ME


def whole(subject, body=b"", to=ME):
    """A message that has all it needs, so that nothing has to be added."""
    head = f"From: {ME}\nTo: {to}\nSubject: {subject}\nDate: Sun, 29 Nov 2026 10:00:00 +0000\n" \
           f"Message-ID: <{subject}@gmail.test>\n\n"
    return head.encode() + body


def as_sent(message):
    return message.replace(b"\n", b"\r\n")


def assert_unchanged(mail, message):
    """What Postfix and Dovecot put on top, and then the message, byte for byte."""
    sent = as_sent(message)
    assert mail.endswith(sent), mail[-len(sent):]
    on_top = re.sub(rb"\r\n[ \t]", b" ", mail[:-len(sent)]).decode().splitlines()
    assert {line.split(":")[0] for line in on_top} <= {"Received", "Return-Path", "Delivered-To"}, on_top


# Dots that have to be stuffed, all octets of the upper half, a line of 998, no line end at the end but one.
HARD = b".\n..\n.hidden\n\nFrom here on\n" + "Grüße, 你好\n".encode() + bytes(range(128, 256)) + b"\n" + b"x" * 998 + b"\n"
