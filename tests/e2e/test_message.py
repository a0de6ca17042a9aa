"""What a message becomes on its way: whatever a body is, what arrives says the same."""
import email
import email.policy
import random

import pytest

from test_send import A, field, headers_and_body, mailer  # noqa: F401 (a fixture)

ALPHABET = [b"a", b"Z", b" ", b"\t", b"=", b".", b"\n", b"\n", b"\r\n", b"\r", b"\0", b"\xc3\xbc", b"\xff", b"From "]


def body_of(seed):
    chance = random.Random(seed)
    body = b"".join(chance.choice(ALPHABET) for _ in range(chance.randrange(300)))
    if seed % 5 == 0:
        body += b"x" * chance.choice([998, 999, 70_000]) + b"\n"
    return body


def canonical(body):
    return body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def decoded(mail):
    """The body as the reader's program sees it."""
    return email.message_from_bytes(mail["bytes"], policy=email.policy.SMTP).get_payload(decode=True)


@pytest.mark.parametrize("extensions", ["SIZE 8BITMIME ENHANCEDSTATUSCODES PIPELINING CHUNKING SMTPUTF8", "SIZE"])
@pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", "application/octet-stream"])
def test_the_decoded_body_is_the_body_given(mailer, extensions, kind):
    mailer.google.set({"smtp.extensions": ["STARTTLS", "AUTH", *extensions.split()]})
    for seed in range(15):
        body = body_of(seed)
        head = f"Subject: {seed}\nMIME-Version: 1.0\nContent-Type: {kind}\n\n".encode()
        assert mailer.send("-i", A, message=head + body).code == 0, body
        mail = mailer.mails()[-1]
        encoding = email.message_from_bytes(mail["bytes"])["Content-Transfer-Encoding"]
        expected = {
            "base64": body,
            "quoted-printable": canonical(body),
            None: canonical(body) + (b"" if body.endswith(b"\n") or not body else b"\r\n"),
        }[encoding]
        assert decoded(mail) == expected, (seed, body)
        if encoding:
            _, raw = headers_and_body(mail)
            assert raw.isascii() and all(len(line) <= 76 for line in raw.split(b"\r\n"))
    assert len(mailer.mails()) == 15


def test_what_cron_mails_of_curl_arrives(mailer):
    """A bar of progress is full of bare carriage returns."""
    bar = b"  % Total    % Received\n\r  0     0\r 45   100\r100   220\n"
    sent = mailer.send("-FCronDaemon", "-i", "-B8BITMIME", "-oem", A, message=b"Subject: Cron <me@host> curl\n\n" + bar)
    assert sent.code == 0
    assert decoded(mailer.mail()) == canonical(bar)
    assert field(mailer.mail(), "Content-Transfer-Encoding") == "quoted-printable"


def test_several_parts_are_not_touched(mailer):
    head = b"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n"
    refused = mailer.send("-i", A, message=head + b"x" * 999 + b"\n--b--\n")
    assert refused.code == 65 and "line 6 of the message is longer than 998" in refused.err
    assert mailer.mails() == []


def test_headers_beyond_ascii_are_readable_everywhere(mailer):
    message = "From: Jürgen <jürgen@bücher.example>\nSubject: Grüße aus Köln\nTo: Zoë <a@example.com>\n\nx\n"
    mailer.send(A, message=message.replace("jürgen@", "juergen@").encode()).ok()
    head = b"\n".join(mailer.mail()["bytes"].split(b"\r\n\r\n")[:1])
    assert head.isascii()
    parsed = email.message_from_bytes(mailer.mail()["bytes"], policy=email.policy.SMTP)
    assert (parsed["Subject"], parsed["To"]) == ("Grüße aus Köln", "Zoë <a@example.com>")
    assert parsed["From"] == "Jürgen <juergen@xn--bcher-kva.example>"


def test_a_domain_beyond_ascii_goes_in_its_ascii_form(mailer):
    mailer.send("info@bücher.example").ok()
    assert mailer.mail()["recipients"] == ["info@xn--bcher-kva.example"]


def test_what_it_does_to_a_message_is_repeatable(mailer):
    """The same message, given again, is repaired in the same way."""
    text = "Date: Thu, 1 Jan 2026 00:00:00 +0000\nMessage-ID: <1@x.example>\nFrom: me@example.com\nSubject: ü\n\nü\rü\n"
    for _ in range(2):
        mailer.send(A, message=text.encode()).ok()
    one, two = mailer.mails()
    assert one["bytes"] == two["bytes"]
