"""postkey-send: what the server gets, byte for byte, and what the caller is told when it does not."""
import contextlib
import email.header
import email.utils
import os
import time

import pytest

from small_google import ME
from world import World, refused_port

A, B, C = "a@example.com", "b@example.com", "c@example.com"

# What a client that keeps to the protocol never makes the server count.
FAULTS = ("auth_malformed", "challenge_answer_wrong", "bare_newlines", "long_lines", "overlong_commands",
          "early_input", "plain_after_starttls", "unannounced_8bit", "cut_off")


class Mailer:
    """A world with an account, and the mails that came since the test began."""

    def __init__(self, world):
        self.world = world
        self.google = world.google
        self.send = world.send
        self.seen = len(self.google.mails())

    def mails(self):
        return self.google.mails()[self.seen:]

    def mail(self):
        mail, = self.mails()
        return mail

    def route(self, *servers, **provider):
        self.world.configure(smtp=";".join(servers or (self.world.submissions, self.world.submission)), **provider)
        self.world.reload()


@pytest.fixture
def mailer(shared_ready):
    shared_ready.google.reset()
    with contextlib.suppress(FileNotFoundError):  # what another test's server could not do
        os.remove(shared_ready.path("state", "postkey", "servers.json"))
    mailer = Mailer(shared_ready)
    mailer.route()
    yield mailer
    faults = [name for name in FAULTS if mailer.google.count(f"smtp.{name}")]
    assert not faults, f"the server saw {faults}"


@pytest.fixture
def own(ready):
    """For tests that use the account's one forced refresh up."""
    return Mailer(ready)


def headers_and_body(mail):
    head, _, body = mail["bytes"].partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


def field(mail, name):
    values = [line.split(": ", 1)[1] for line in headers_and_body(mail)[0]
              if line.lower().startswith(name.lower() + ": ")]
    assert len(values) == 1, (name, values)
    return values[0]


# ---- roads to the server ----


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("port", ["submissions", "submission"])
def test_both_ports_take_mail_with_both_mechanisms(mailer, port, mechanism):
    mailer.route(getattr(mailer.world, port), mechanisms=mechanism)
    assert mailer.send(A).code == 0
    mail = mailer.mail()
    assert (mail["user"], mail["mechanism"], mail["mail_from"], mail["recipients"]) == (ME, mechanism, ME, [A])
    assert mail["port"] == port and mail["tls_version"] in ("TLS1.2", "TLS1.3")
    assert mailer.google.count("smtp.initial_response") == 1


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_long_token_is_given_in_two_steps(mechanism):
    with World() as world:
        world.google.set({"token.padding": 1900})
        world.configure(mechanisms=mechanism)
        world.authorize()
        mailer = Mailer(world)
        assert mailer.send(A).code == 0
        assert mailer.mail()["mechanism"] == mechanism
        assert world.google.count("smtp.two_step") == 1 and world.google.count("smtp.initial_response") == 0
        assert world.google.count("smtp.overlong_commands") == 0


def test_the_first_mechanism_that_the_server_has_is_used(mailer):
    mailer.google.set({"smtp.auth": "PLAIN OAUTHBEARER"})
    assert mailer.send(A).code == 0
    assert mailer.mail()["mechanism"] == "OAUTHBEARER"


def test_a_first_port_that_is_dead_leads_to_the_second(mailer):
    held, port = refused_port()
    with held:
        mailer.route(f"localhost:{port} tls", mailer.world.submission)
        assert mailer.send(A).code == 0
    assert mailer.mail()["port"] == "submission"


def test_when_every_port_is_dead_the_caller_is_told_to_try_again(mailer):
    held, port = refused_port()
    with held:
        mailer.route(f"localhost:{port} tls")
        mailer.send(A).failed(75, str(port), "refused")


# ---- the message ----


def test_the_body_arrives_as_it_was_given_and_the_header_is_completed(mailer):
    lines = [b".", b"..", b".hidden", b"text", b"", b"From here on"]
    message = b"Subject: dots\nTo: a@example.com\n\n" + b"".join(line + b"\n" for line in lines)
    before = int(time.time())
    assert mailer.send("-i", A, message=message).code == 0
    mail = mailer.mail()
    head, body = headers_and_body(mail)
    assert body == b"".join(line + b"\r\n" for line in lines)
    assert "Subject: dots" in head and "To: a@example.com" in head
    assert field(mail, "From") == ME
    assert field(mail, "Message-ID").startswith("<") and field(mail, "Message-ID").endswith(">")
    assert before - 2 <= email.utils.parsedate_to_datetime(field(mail, "Date")).timestamp() <= time.time() + 2


def test_without_i_a_lone_dot_ends_the_message(mailer):
    assert mailer.send(A, message=b"Subject: x\n\nfirst\n.\nsecond\n").code == 0
    assert headers_and_body(mailer.mail())[1] == b"first\r\n"


def test_line_ends_of_all_kinds_become_crlf_and_a_missing_one_is_added(mailer):
    assert mailer.send(A, message=b"Subject: x\r\nX-Other: y\n\r\none\r\ntwo\nthree").code == 0
    assert mailer.mail()["bytes"].endswith(b"\r\n\r\none\r\ntwo\r\nthree\r\n")


def test_what_is_there_is_not_added_again(mailer):
    given = ["From: Some Body <you@gmail.test>", "Date: Mon, 02 Nov 2026 10:00:00 +0100", "Message-ID: <1@example.com>"]
    assert mailer.send(A, message="\n".join(given).encode() + b"\n\nbody\n").code == 0
    mail = mailer.mail()
    for line in given:
        assert field(mail, line.split(":")[0]) == line.split(": ", 1)[1]


def test_recipients_come_from_the_header_and_bcc_is_removed(mailer):
    message = (b"From: you@gmail.test\nTo: A <a@example.com>,\n b@example.com\nBcc: c@example.com,\n"
               b"\td@example.com\nCc: e@example.com\nSubject: x\n\nbody\n")
    assert mailer.send("-t", message=message).code == 0
    mail = mailer.mail()
    assert mail["recipients"] == [A, B, C, "d@example.com", "e@example.com"] or \
        sorted(mail["recipients"]) == [A, B, C, "d@example.com", "e@example.com"]
    assert b"Bcc" not in mail["bytes"] and C.encode() not in mail["bytes"] and b"d@example" not in mail["bytes"]
    assert b"To: A <a@example.com>,\r\n b@example.com\r\n" in mail["bytes"]


def test_arguments_add_to_the_header_and_nobody_gets_it_twice(mailer):
    assert mailer.send("-t", B, A, message=f"To: {A}\n\nbody\n".encode()).code == 0
    assert sorted(mailer.mail()["recipients"]) == [A, B]


def test_without_t_the_header_names_nobody(mailer):
    assert mailer.send(B, message=f"To: {A}\nBcc: {C}\n\nbody\n".encode()).code == 0
    assert mailer.mail()["recipients"] == [B]
    assert b"Bcc" not in mailer.mail()["bytes"]


def test_f_is_the_envelope_sender_and_F_the_name(mailer):
    assert mailer.send("-f", "me@example.com", "-F", "Jörg Mustermann", "--account", ME, A).code == 0
    mail = mailer.mail()
    assert mail["mail_from"] == "me@example.com" and mail["user"] == ME
    name, address = email.utils.parseaddr(field(mail, "From"))
    assert str(email.header.make_header(email.header.decode_header(name))) == "Jörg Mustermann"
    assert address == "me@example.com"


def test_f_with_nothing_is_the_null_sender(mailer):
    assert mailer.send("-f", "<>", A).code == 0
    assert mailer.mail()["mail_from"] == "" and field(mailer.mail(), "From") == ME


@pytest.mark.parametrize("arguments", [["-oi", "-oem", "-FCronDaemon", "-B8BITMIME"], ["-i", "-f", ME, "--"], ["-bm"]])
def test_what_callers_of_a_sendmail_say_is_understood(mailer, arguments):
    assert mailer.send(*arguments, A).code == 0
    assert mailer.mail()["recipients"] == [A]


def test_a_large_message_with_8_bit_text_arrives_whole(mailer):
    body = "".join(f"{n} Grüße aus Köln\n" for n in range(100000)).encode()
    assert mailer.send(A, message=b"Subject: x\n\n" + body).code == 0
    mail = mailer.mail()
    assert headers_and_body(mail)[1] == body.replace(b"\n", b"\r\n")


# ---- recipients that are refused ----


def test_one_refused_recipient_does_not_stop_the_others(mailer):
    mailer.google.smtp("RCPT", "reply", match="b@", reply="550-5.1.1 There is no\n550 5.1.1 such user")
    result = mailer.send(A, B, C).failed(67, B, "5.1.1")
    assert f"sent to {A}, {C}" in result.err
    assert mailer.mail()["recipients"] == [A, C]


def test_when_all_recipients_are_refused_nobody_gets_it(mailer):
    mailer.google.smtp("RCPT", "reply", reply="550 5.1.1 No such user")
    result = mailer.send(A, B).failed(67, A, B)
    assert "nobody got the message" in result.err
    assert mailer.mails() == []


def test_a_recipient_that_has_to_wait_is_no_reason_to_send_a_second_copy_to_the_others(mailer):
    mailer.google.smtp("RCPT", "reply", match="b@", reply="450 4.2.1 Receiving mail at a rate")
    mailer.send(A, B).failed(69, B, f"sent to {A}; do not send it to them again")
    assert mailer.mail()["recipients"] == [A]


def test_a_recipient_that_has_to_wait_alone_is_a_reason_to_try_again(mailer):
    mailer.google.smtp("RCPT", "reply", match="b@", reply="450 4.2.1 Receiving mail at a rate")
    mailer.send(B).failed(75, B)
    assert mailer.mails() == []


NO_ADDRESSES = {
    "no recipient": ([], b"\n\nbody\n", 64),
    "no recipient in the header": (["-t"], b"Subject: x\n\nbody\n", 64),
    "malformed": (["a@b@c"], b"\n\nbody\n", 64),
    "malformed in the header": (["-t"], b"To: a@@example.com\n\nbody\n", 65),
    "CR LF": (["a@example.com\r\nRCPT TO:<c@example.com>"], b"\n\nbody\n", 64),
    "LF": (["a@example.com\n"], b"\n\nbody\n", 64),
    "CR LF in the sender": (["-f", "a@example.com\r\nDATA", A], b"\n\nbody\n", 64),
    "CR in the header": (["-t"], b"To: a@example.com\rRCPT TO:<c@example.com>\n\nbody\n", 65),
}


@pytest.mark.parametrize("arguments,message,code", NO_ADDRESSES.values(), ids=NO_ADDRESSES)
def test_what_is_no_address_is_not_sent_to(mailer, arguments, message, code):
    result = mailer.send(*arguments, message=message)
    assert result.code == code and "What to do:" in result.err
    assert mailer.mails() == [] and mailer.google.count("smtp.connections") == 0


# ---- messages that are refused ----


def test_a_message_over_size_is_not_even_begun(mailer):
    mailer.google.set({"smtp.size": 2000})
    mailer.send(A, message=b"Subject: x\n\n" + b"0123456789\n" * 300).failed(65, "2000")
    assert mailer.mails() == [] and mailer.google.commands("data") == 0


def test_a_message_that_the_server_refuses_is_told_in_its_words(mailer):
    mailer.google.smtp("BODY", "reply", reply="552 5.7.0 This message was blocked")
    mailer.send(A).failed(65, "5.7.0 This message was blocked")
    assert mailer.mails() == []


def test_a_quota_that_is_used_up_is_no_bounce(mailer):
    mailer.google.smtp("MAIL", "reply", reply="550 5.4.5 Daily user sending limit exceeded.")
    result = mailer.send(A)
    assert result.code in (75, 77) and "5.4.5" in result.err and "What it means:" in result.err
    assert mailer.mails() == []


# ---- logins that are refused ----

BAD_LOGIN = "535-5.7.8 Username and Password not accepted.\n535 5.7.8 BadCredentials"


def test_a_token_that_died_early_is_renewed_once_and_the_mail_goes_out(own):
    own.google.expire_access()
    assert own.send(A).code == 0
    assert own.mail()["recipients"] == [A]
    assert own.world.refreshes() == 1
    assert (own.google.count("smtp.auth_refused"), own.google.count("smtp.auth_ok")) == (1, 1)
    assert own.google.count("smtp.challenge_answer_wrong") == 0


def test_a_535_once_costs_one_refresh_and_one_more_try(own):
    own.google.smtp("AUTH-VERDICT", "reply", reply=BAD_LOGIN, times=1)
    assert own.send(A).code == 0
    assert own.world.refreshes() == 1 and own.google.commands("auth") == 2
    assert own.mail()


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_535_always_is_told_after_one_more_try(own, mechanism):
    own.route(mechanisms=mechanism)
    own.google.smtp("AUTH-VERDICT", "reply", reply=BAD_LOGIN)
    own.send(A).failed(77, "5.7.8", f"postkey authorize {ME}")
    assert own.world.refreshes() == 1 and own.google.commands("auth") == 2
    assert own.mails() == []
    own.send(A).failed(77, "5.7.8")
    assert own.world.refreshes() == 1, "a server that refuses everything makes no storm"


def test_too_many_logins_are_a_reason_to_wait_and_not_to_refresh(own):
    own.google.smtp("AUTH", "reply", reply="454 4.7.0 Too many login attempts, please try again later.")
    own.send(A).failed(75, "4.7.0")
    assert own.world.refreshes() == 0 and own.mails() == []


def test_too_many_logins_behind_the_challenge_are_no_dead_token(own):
    own.google.expire_access()
    own.google.smtp("AUTH-VERDICT", "reply", reply="454 4.7.0 Too many login attempts, please try again later.")
    own.send(A).failed(75, "4.7.0")
    assert own.world.refreshes() == 0 and own.google.count("smtp.challenge_answer_wrong") == 0


def test_a_lost_authorization_exits_77_and_says_how_to_heal_it(own):
    own.google.revoke_refresh()
    own.world.kill_broker()
    own.send(A).failed(77, f"postkey authorize {ME}")
    assert own.mails() == []


def test_a_locked_keyring_exits_75(own):
    own.world.lock_keyring()
    own.world.kill_broker()
    own.send(A).failed(75, "keyring is locked")
    assert own.mails() == []


def test_a_server_without_oauth_is_an_error_of_the_configuration(mailer):
    mailer.google.set({"smtp.auth": "PLAIN LOGIN"})
    mailer.send(A).failed(78, "XOAUTH2")
    assert mailer.google.commands("auth") == 0


# ---- servers that cannot be trusted ----


def assert_nothing_was_told(mailer):
    assert mailer.mails() == []
    assert mailer.google.commands("auth") == 0 and mailer.google.commands("mail") == 0


def test_a_server_without_tls_is_told_nothing(mailer):
    mailer.google.set({"smtp.starttls": False})
    mailer.route(mailer.world.submission)
    mailer.send(A).failed(76, "without TLS")
    assert_nothing_was_told(mailer)


def test_plain_text_behind_starttls_is_an_attack(mailer):
    mailer.google.set({"smtp.inject_after_starttls": "250-evil\r\n250 AUTH XOAUTH2\r\n"})
    mailer.route(mailer.world.submission)
    mailer.send(A).failed(76, "plain text")
    assert_nothing_was_told(mailer)


CERTIFICATES = {"wrong-name": "another name", "expired": "expired", "self-signed": "vouches for itself",
                "unknown-ca": "vouches"}


@pytest.mark.parametrize("port", ["submissions", "submission"])
@pytest.mark.parametrize("kind", CERTIFICATES)
def test_a_server_that_cannot_prove_who_it_is_is_told_nothing(mailer, kind, port):
    mailer.google.set({"tls.smtp": kind})
    mailer.route(getattr(mailer.world, port))
    mailer.send(A).failed(76, CERTIFICATES[kind])
    assert_nothing_was_told(mailer)


def test_a_wrong_ca_file_trusts_nobody(mailer):
    with World(keyring="none") as other:
        mailer.route(ca_file=other.google.at["ca_file"])
        mailer.send(A).failed(76, "ca_file")
        assert_nothing_was_told(mailer)


# ---- connections that break ----


@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "STARTTLS", "TLS", "AUTH", "AUTH-VERDICT", "MAIL", "RCPT", "DATA"])
def test_a_connection_that_breaks_is_a_reason_to_try_again(mailer, command):
    mailer.route(mailer.world.submission)
    mailer.google.set({"smtp.extensions": "SIZE 8BITMIME STARTTLS AUTH ENHANCEDSTATUSCODES PIPELINING"})
    mailer.google.smtp(command, "drop")
    mailer.send(A).failed(75)
    assert mailer.mails() == []


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "BDAT", "BODY"])
def test_a_verdict_that_is_lost_is_told_as_such(mailer, command):
    mailer.google.smtp(command, "drop")
    mailer.send(A).failed(69, "may have arrived", "look before you send it again")
    assert mailer.mails() == []


def test_a_connection_that_breaks_at_quit_harms_nobody(mailer):
    mailer.google.smtp("QUIT", "drop")
    assert mailer.send(A).code == 0 and mailer.mail()


@pytest.mark.parametrize("reply,code", [("421 4.3.0 Temporary System Problem", 75), ("554 5.7.1 Go away", 69)])
def test_a_greeting_that_refuses_is_told(mailer, reply, code):
    mailer.google.smtp("CONNECT", "reply", reply=reply)
    mailer.send(A).failed(code, reply[4:])


def test_a_slow_server_is_waited_for(mailer):
    mailer.google.smtp("RCPT", "reply_slowly", delay_ms=20)
    assert mailer.send(A).code == 0 and mailer.mail()


def test_the_connection_is_made_while_the_broker_still_refreshes(own):
    own.world.kill_broker()
    own.google.fail_refresh("hold")
    sending = own.world.start("sh", "-c", 'echo hello | "$0" a@example.com', own.world.sender)
    own.google.wait("http.held")
    own.google.wait("smtp.ehlo")
    own.google.clear()
    assert sending.wait() == 0 and own.mail()


def test_ten_senders_at_once_all_get_through(own):
    own.google.expire_access()
    own.world.kill_broker()
    senders = [own.world.start("sh", "-c", 'echo hello | "$0" a@example.com', own.world.sender) for _ in range(10)]
    assert [sender.wait() for sender in senders] == [0] * 10
    assert len(own.mails()) == 10 and own.world.refreshes() == 1


def test_no_place_left_is_a_reason_to_try_again(own):
    own.route(connections=1)
    with own.world.varlink() as holder:
        holder.call("OpenSession", ["more"])
        own.send(A).failed(75, "connection")
    assert own.send(A).code == 0


# ---- -v ----


def test_v_shows_the_dialogue_and_no_credential(mailer):
    result = mailer.send("-v", A)
    assert result.code == 0 and result.out == ""
    for words in ("220 ", "EHLO ", "AUTH ", "MAIL FROM:", "RCPT TO:<a@example.com>", "BDAT ", "250 "):
        assert words in result.err
    assert "bytes>" in result.err
    assert mailer.world.token() not in result.err
