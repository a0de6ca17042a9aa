"""The programs that call a sendmail, as Debian has them: what arrives, byte for byte, and what they and their
persons see when it fails. Each finds postkey-send by its own configuration."""
import email
import email.policy
import json
import os
import re
import shutil
import smtplib
import socket
import subprocess

import pytest

from processes import PATIENCE, wait_until
from small_google import ME
from test_send import A, B, C, Mailer, field, headers_and_body, mailer  # noqa: F401 (a fixture)

NO_SUCH_USER = "550 5.1.1 No such user"


def need(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        pytest.skip(f"there is no {name}")
    return path


def refuse_everybody(mailer):
    mailer.google.smtp("RCPT", "reply", reply=NO_SUCH_USER)


def crlf(text):
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


# ---- git send-email ----


@pytest.fixture
def patches(mailer):
    need("git")
    programs = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    if not os.path.exists(os.path.join(programs, "git-send-email")):
        pytest.skip("there is no git send-email")
    folder = mailer.world.path("repository")
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    settings = ["-c", "user.name=Jörg Müller", "-c", f"user.email={ME}", "-c", "commit.gpgsign=false", "-c",
                f"sendemail.smtpserver={mailer.world.sender}", "-c", "sendemail.confirm=never"]

    def git(*arguments):
        return mailer.world.run(["git", *settings, *arguments], cwd=folder)

    git("init", "-q").ok()
    for n, text in enumerate(["one\n", ".\n..\n.dot\nFrom here\n", "Grüße \r bare\n"]):
        with open(os.path.join(folder, "file"), "ab") as f:
            f.write(text.encode())
        git("add", "file").ok()
        git("commit", "-q", "-m", f"Change {n}").ok()
    git("format-patch", "-q", "--root", "-o", "out").ok()
    files = sorted(os.path.join(folder, "out", name) for name in os.listdir(os.path.join(folder, "out")))
    return git, files


def test_git_sends_a_series_of_patches(mailer, patches):
    git, files = patches
    git("send-email", "-q", "--suppress-cc=all", f"--to={A}", f"--cc={B}", *files).ok()
    mails = mailer.mails()
    assert [mail["recipients"] for mail in mails] == [[A, B]] * 3
    ids = [message_id(mail) for mail in mails]
    assert len(set(ids)) == 3
    for n, (mail, path) in enumerate(zip(mails, files)):
        with open(path, "rb") as f:
            head, _, body = f.read().partition(b"\n\n")
        arrived = decoded_body(mail)
        assert arrived == crlf(body), (n, mail["bytes"])
        assert f"[PATCH {n + 1}/3] Change {n}" in field(mail, "Subject")
    assert f"In-Reply-To: {ids[0]}" in headers_and_body(mails[1])[0]


def message_id(mail):
    value, = [line.split(": ", 1)[1] for line in headers_and_body(mail)[0] if line.lower().startswith("message-id: ")]
    return value


def decoded_body(mail):
    """As the reader's program sees it."""
    return email.message_from_bytes(mail["bytes"], policy=email.policy.SMTP).get_payload(decode=True)


def test_git_stops_at_the_patch_that_fails_and_says_why(mailer, patches):
    git, files = patches
    mailer.google.smtp("BODY", "reply", match="", reply="552 5.7.0 This message was blocked", times=1)
    result = git("send-email", "-q", "--suppress-cc=all", f"--to={A}", *files)
    assert result.code != 0 and "5.7.0 This message was blocked" in result.err and "What to do:" in result.err
    assert mailer.mails() == []


# ---- mail readers ----


def mutt_like(mailer, name, *settings):
    with open(mailer.world.path("muttrc"), "w") as f:
        f.write(f"set sendmail=\"{mailer.world.sender} -oem -oi\"\nset from=\"{ME}\"\nset realname=\"Jörg Müller\"\n"
                "set record=\"\"\nset charset=utf-8\nset send_charset=\"utf-8\"\n" + "\n".join(settings) + "\n")
    return [need(name), "-n", "-F", mailer.world.path("muttrc")]


@pytest.mark.parametrize("name", ["mutt", "neomutt"])
def test_mutt_sends_with_bcc_and_delivery_notices(mailer, name):
    command = mutt_like(mailer, name, "set use_envelope_from=yes", "set dsn_notify=\"failure,delay\"",
                        "set dsn_return=hdrs")
    body = "Grüße\n.\n..\nFrom me\n".encode()
    mailer.world.run([*command, "-s", "Schöne Grüße", "-b", C, "--", A, B], stdin=body).ok()
    mail = mailer.mail()
    assert sorted(mail["recipients"]) == [A, B, C] and mail["mail_from"] == ME
    assert decoded_body(mail) == crlf(body)
    assert C.encode() not in mail["bytes"]
    assert field(mail, "To") == f"{A}, {B}"


@pytest.mark.parametrize("name", ["mutt", "neomutt"])
def test_the_notices_that_mutt_asks_for_reach_a_server_that_has_them(mailer, name):
    mailer.google.set({"smtp.extensions": ["STARTTLS", "AUTH", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "PIPELINING",
                                           "CHUNKING", "DSN"]})
    command = mutt_like(mailer, name, "set dsn_notify=\"failure,delay\"", "set dsn_return=hdrs")
    mailer.world.run([*command, "-s", "x", "--", A], stdin=b"body\n").ok()
    said = json.dumps({key: value for key, value in mailer.mail().items() if key != "bytes"})
    assert "RET=HDRS" in said and "NOTIFY=FAILURE,DELAY" in said, said


@pytest.mark.parametrize("name", ["mutt", "neomutt"])
def test_mutt_tells_what_a_failure_means(mailer, name):
    refuse_everybody(mailer)
    result = mailer.world.run([*mutt_like(mailer, name), "-s", "x", "--", A], stdin=b"body\n")
    assert result.code != 0 and "User unknown" in result.err and "5.1.1" in result.err
    assert mailer.mails() == []


def s_nail(mailer, *arguments):
    path = mailer.world.path
    return [need("s-nail"), "-:/", "-S", f"mta={mailer.world.sender}", "-S", "sendwait", "-S", f"from={ME}", "-S",
            f"DEAD={path('dead.letter')}", "-S", "sendcharsets=utf-8", *arguments]


def test_s_nail_sends(mailer):
    body = "Grüße\n.\n\nend\n".encode()
    mailer.world.run(s_nail(mailer, "-s", "x", "-b", C, A), stdin=body).ok()
    mail = mailer.mail()
    assert sorted(mail["recipients"]) == [A, C] and decoded_body(mail) == crlf(body)
    assert C.encode() not in mail["bytes"]


def test_s_nail_keeps_what_failed_as_a_dead_letter(mailer):
    refuse_everybody(mailer)
    result = mailer.world.run(s_nail(mailer, "-s", "x", A), stdin=b"what I wrote\n")
    assert result.code != 0 and "5.1.1" in result.err
    with open(mailer.world.path("dead.letter")) as f:
        assert "what I wrote" in f.read()
    assert mailer.mails() == []


def bsd_mailx(mailer, *arguments, stdin):
    name = need("bsd-mailx")
    rc = mailer.world.path("mailrc")
    with open(rc, "w") as f:
        f.write(f"set sendmail={mailer.world.sender}\nset sendwait\n")
    return mailer.world.run([name, "-n", *arguments], stdin=stdin, env={"MAILRC": rc})


def test_bsd_mailx_sends_with_bcc_in_the_header(mailer):
    bsd_mailx(mailer, "-s", "Grüße", "-c", B, "-b", C, A, stdin="Grüße\nend\n".encode()).ok()
    mail = mailer.mail()
    assert sorted(mail["recipients"]) == [A, B, C]
    assert headers_and_body(mail)[1] == "Grüße\r\nend\r\n".encode()
    assert b"Bcc" not in mail["bytes"] and C.encode() not in mail["bytes"]
    assert field(mail, "From") == ME and field(mail, "Date")


def test_bsd_mailx_tells_the_exit_code_and_leaves_a_dead_letter(mailer):
    """The letter itself is empty with any sendmail that has read its input: bsd-mailx saves what comes behind it."""
    refuse_everybody(mailer)
    letter = mailer.world.path("dead.letter")
    if os.path.exists(letter):
        os.unlink(letter)
    result = bsd_mailx(mailer, "-s", "x", A, stdin=b"what I wrote\n")
    assert result.code != 0 and "error code 67" in result.err and "5.1.1" in result.err
    assert os.path.exists(letter) and mailer.mails() == []


@pytest.mark.parametrize("way", ["now", "auto"])
def test_notices_are_asked_for_with_and_without_the_queue(mailer, way):
    mailer.google.set({"smtp.extensions": ["STARTTLS", "AUTH", "SIZE", "PIPELINING", "CHUNKING", "DSN"]})
    assert mailer.send("-N", "delay,failure", "-Rfull", "-V", "id+7", A, deliver=way).code == 0
    assert mailer.send("-N", "never", A, deliver=way).code == 0
    one, two = mailer.mails()
    assert {"RET=FULL", "ENVID=id+2B7"} <= set(one["mail_params"])
    assert "NOTIFY=FAILURE,DELAY" in one["rcpt_params"][0] and "NOTIFY=NEVER" in two["rcpt_params"][0]


@pytest.mark.parametrize("by_server", [False, True])
def test_who_wants_to_know_of_success_is_told_once_whoever_makes_the_report(ready, by_server):
    """RFC 3461 section 5.2.2: Gmail makes none."""
    mailer = Mailer(ready)
    if by_server:
        mailer.google.set({"smtp.extensions": ["STARTTLS", "AUTH", "SIZE", "PIPELINING", "CHUNKING", "DSN"]})
    assert mailer.send("-N", "success", "-V", "id7", A, B, deliver="auto").code == 0
    assert mailer.send("-N", "failure", C, deliver="auto").code == 0
    wait_until(lambda: not ready.envelopes(), "the queue is empty")
    reports = [mail for mail in mailer.mails() if mail["mail_from"] == ""]
    assert len(mailer.mails()) == 2 + len(reports) and len(reports) == (0 if by_server else 1)
    for report in reports:
        assert report["recipients"] == [ME] and report["bytes"].count(b"Action: relayed") == 2
        assert b"Original-Envelope-Id: id7" in report["bytes"] and C.encode() not in report["bytes"]


# ---- programs of servers ----


def php(mailer, call):
    return mailer.world.run([need("php"), "-n", "-d", f"sendmail_path={mailer.world.sender} -t -i", "-r",
                             f"var_dump({call});"])


def test_php_sends_crlf_headers_and_an_lf_body(mailer):
    headers = f"From: {ME}\\r\\nX-Shop: 7\\r\\nBcc: {C}"
    call = f'mail("{A}", "An order", "one\\n.\\ntwo", "{headers}", "-f{ME}")'
    assert php(mailer, call).ok().strip() == "bool(true)"
    mail = mailer.mail()
    head, body = headers_and_body(mail)
    assert body == b"one\r\n.\r\ntwo\r\n" and "X-Shop: 7" in head and "Subject: An order" in head
    assert sorted(mail["recipients"]) == [A, C] and b"Bcc" not in mail["bytes"]


def test_php_of_a_web_server_may_call_itself_what_it_likes(mailer):
    call = f'mail("{A}", "x", "body", "From: www-data@web1.lan", "-fwww-data@web1.lan")'
    assert php(mailer, call).ok().strip() == "bool(true)"
    mail = mailer.mail()
    assert mail["mail_from"] == ME and field(mail, "From") == f'"www-data on web1.lan" <{ME}>'
    assert field(mail, "X-Original-From") == "www-data@web1.lan"


def test_php_is_told_that_it_failed(mailer):
    refuse_everybody(mailer)
    result = php(mailer, f'mail("{A}", "x", "body")')
    assert result.out.strip() == "bool(false)" and "5.1.1" in result.err


def test_python_sends_what_its_library_makes(mailer):
    script = ("import subprocess, email.message\n"
              "m = email.message.EmailMessage()\n"
              f"m['From'], m['To'], m['Subject'] = '{ME}', '{A}', 'Grüße'\n"
              "m.set_content('Grüße\\n.\\nend\\n', cte='8bit')\n"
              f"subprocess.run(['{mailer.world.sender}', '-t', '-oi'], input=m.as_bytes(), check=True)\n")
    mailer.world.run(["/usr/bin/python3", "-c", script]).ok()
    mail = mailer.mail()
    assert decoded_body(mail) == "Grüße\r\n.\r\nend\r\n".encode()


def test_python_gets_the_exit_code(mailer):
    refuse_everybody(mailer)
    script = (f"import subprocess\nprint(subprocess.run(['{mailer.world.sender}', '-oi', '{A}'], input=b'x', "
              "capture_output=True).returncode)")
    assert mailer.world.run(["/usr/bin/python3", "-c", script]).ok() == "67\n"


def test_mdadm_s_way_of_calling_works_without_i(mailer):
    """`sendmail -t` with the text of mdadm's Monitor.c; a real degraded array would need block devices."""
    message = (f"From: root\nTo: {A}\nSubject: DegradedArray event on /dev/md0:web1\n\n"
               "This is an automatically generated mail message from mdadm\nrunning on web1\n\n"
               "Faithfully yours, etc.\n")
    assert mailer.send("-t", message=message.encode()).code == 0
    mail = mailer.mail()
    assert headers_and_body(mail)[1].endswith(b"Faithfully yours, etc.\r\n")
    assert mail["mail_from"] == ME and field(mail, "X-Original-From") == "root"


# ---- machine mail ----


@pytest.fixture
def aliases(mailer):
    """Writes an alias file; what it returns is the environment that names it."""
    def write(text):
        with open(mailer.world.path("aliases"), "w") as f:
            f.write(text)
        return {"POSTKEY_ALIASES": mailer.world.path("aliases")}
    return write


def test_a_name_without_alias_is_the_account_s_own_address(mailer, aliases):
    assert mailer.send("root", env=aliases("")).code == 0
    assert mailer.mail()["recipients"] == [ME]


def test_a_name_goes_through_the_aliases_and_what_is_left_to_root(mailer, aliases):
    env = aliases(f"# names\nwww-data: root\nroot: {A},\n  operator\n")
    mailer.world.configure(text=f"[sender]\nroot={B}\n")
    mailer.world.reload()
    assert mailer.send("www-data", env=env).code == 0
    assert sorted(mailer.mail()["recipients"]) == [A, B]


@pytest.mark.parametrize("deliver", ["now", "auto"])
def test_names_that_lead_to_one_person_make_one_copy(ready, deliver):
    """Behind the aliases, too, where root= stands for what is left, and beside that address itself."""
    mailer = Mailer(ready)
    ready.configure(text=f"[sender]\nroot={A}\n")
    ready.reload()
    with open(ready.path("aliases"), "w") as f:
        f.write(f"hostmaster: webmaster\nboss: {B}\nchief: boss\n")
    assert mailer.send("root", "hostmaster", "postmaster", "a@EXAMPLE.com", "boss", "chief", deliver=deliver,
                       env={"POSTKEY_ALIASES": ready.path("aliases")}).err == ""
    assert mailer.mail()["recipients"] == [A, B]
    assert ready.account()["sent_messages"] == 1 and mailer.google.commands("rcpt") == 2


def test_names_in_the_header_are_looked_up_too(mailer, aliases):
    assert mailer.send("-t", message=b"To: root (the operator)\nCc: b@example.com\n\nbody\n",
                       env=aliases(f"root: {A}\n")).code == 0
    mail = mailer.mail()
    assert sorted(mail["recipients"]) == [A, B] and field(mail, "To") == "root (the operator)"


def test_an_alias_that_is_a_program_is_refused_with_words(mailer, aliases):
    mailer.send("root", A, env=aliases("root: \"|/usr/bin/procmail\"\n")).failed(78, "root", "program")
    assert mailer.mails() == []


def test_a_kept_message_to_root_knows_its_way_when_it_is_sent(ready):
    mailer = Mailer(ready)
    mailer.google.smtp("MAIL", "reply", reply="451 4.3.0 later", times=1)
    with open(ready.path("aliases"), "w") as f:
        f.write("")
    result = mailer.send("-f", "root@web1.lan", "root", deliver="auto", env={"POSTKEY_ALIASES": ready.path("aliases")})
    assert result.code == 0 and "kept as" in result.err
    ready.queue("retry", "all").ok()
    mail = wait_until(lambda: mailer.mails(), "the runner sends it")[0]
    assert mail["recipients"] == [ME] and mail["mail_from"] == ME
    assert field(mail, "From") == f'"root on web1.lan" <{ME}>'


def test_a_bounce_finds_the_person_behind_a_sender_of_the_machine(ready):
    mailer = Mailer(ready)
    mailer.google.smtp("RCPT", "reply", match="b@", reply=NO_SUCH_USER)
    assert mailer.send("-f", "root@web1.lan", A, B, deliver="queue").code == 0
    mails = wait_until(lambda: mailer.mails()[1:] and mailer.mails(), "message and bounce are sent")
    assert [mail["recipients"] for mail in mails] == [[A], [ME]]
    assert B.encode() in mails[1]["bytes"] and b"5.1.1" in mails[1]["bytes"]


def test_with_patterns_the_account_sends_only_as_they_say(ready):
    mailer = Mailer(ready)
    ready.configure(text=f"[account {ME}]\nprovider=test\nfrom=*@lists.example.com\n")
    ready.reload()
    assert mailer.send("-f", "dev@lists.example.com", A).code == 0
    assert mailer.send("-f", "other@example.com", A, message=b"From: Other <other@example.com>\n\nbody\n").code == 0
    one, two = mailer.mails()
    assert (one["mail_from"], two["mail_from"]) == ("dev@lists.example.com", ME)
    assert field(two, "From") == f'"other on example.com" <{ME}>'
    assert field(two, "X-Original-From") == "Other <other@example.com>"


CRON = r"""
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
mount -t tmpfs tmpfs /etc/cron.d
mount --bind "$1/crontab" /etc/crontab
mount --bind "$1/sendmail" /usr/sbin/sendmail
exec cron -f
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="cron's files are root's")
def test_cron_mails_what_a_job_prints(ready):
    """Debian's cron in a world where /usr/sbin/sendmail is ours. It looks at its table once a minute."""
    need("cron")
    if not os.path.exists("/usr/sbin/sendmail"):
        pytest.skip("there is no /usr/sbin/sendmail to be covered")
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    mailer = Mailer(ready)
    variables = "".join(f"export {name}='{value}'\n" for name, value in ready.env.items() if name != "PATH")
    with open(ready.path("aliases"), "w") as f:
        f.write(f"root: {A}\n")
    with open(ready.path("sendmail"), "w") as f:
        f.write(f"#!/bin/sh\n{variables}export POSTKEY_ALIASES='{ready.path('aliases')}'\n"
                f"echo \"$@\" >> {ready.path('arguments')}\nexec {ready.sender} \"$@\"\n")
    os.chmod(ready.path("sendmail"), 0o755)
    with open(ready.path("crontab"), "w") as f:
        f.write("* * * * * root printf '50 \\%\\%\\r100 \\%\\%\\nGr\\303\\274\\303\\237e\\n.\\nend\\n'\n")
    cron = ready.start("unshare", "-m", "sh", "-c", CRON, "sh", ready.folder)
    ended = wait_until(lambda: mailer.mails() or cron.process.poll() is not None, "a minute begins", 60 + PATIENCE)
    assert ended is not True, cron.err
    mail = mailer.mails()[0]
    assert mail["recipients"] == [A] and mail["mail_from"] == ME
    assert re.fullmatch(rf'"?root on .*"? <{re.escape(ME)}>', field(mail, "From"))
    assert field(mail, "X-Original-From") == "root (Cron Daemon)"
    assert decoded_body(mail).replace(b"\r\n", b"\n") == "50 %\r100 %\nGrüße\n.\nend\n".encode()
    with open(ready.path("arguments")) as f:
        assert f.readline().split() == ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"]


# ---- SMTP on standard input and output ----


class Conversation(smtplib.SMTP):
    """Python's own client, with postkey-send -bs at the other end of a pair of sockets."""

    def __init__(self, world, *arguments, env={}):
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(PATIENCE)
        with theirs:
            self.program = subprocess.Popen([world.sender, "-bs", *arguments], env=world.env | env, stdin=theirs,
                                            stdout=theirs, stderr=subprocess.PIPE)
        super().__init__(local_hostname="caller.test", timeout=PATIENCE)
        code, greeting = self.connect("sendmail")
        assert code == 220, greeting

    def _get_socket(self, host, port, timeout):
        return self.ours

    def end(self):
        self.close()
        self.ours.close()
        _, err = self.program.communicate(timeout=PATIENCE)
        return self.program.returncode, err.decode()


def test_a_program_speaks_smtp_on_stdin_and_stdout(mailer):
    talk = Conversation(mailer.world)
    talk.ehlo()
    assert {"pipelining", "8bitmime", "size", "enhancedstatuscodes", "smtputf8"} <= set(talk.esmtp_features)
    assert "auth" not in talk.esmtp_features
    body = "Grüße\r\n.\r\n..x\r\nend\r\n".encode()
    assert talk.sendmail(ME, [A, B], b"Subject: one\r\n\r\n" + body, mail_options=["BODY=8BITMIME"]) == {}
    assert talk.sendmail("root@web1.lan", ["c@example.com"], b"Subject: two\r\n\r\nx\r\n") == {}
    talk.quit()
    assert talk.end() == (0, "")
    one, two = mailer.mails()
    assert one["recipients"] == [A, B] and headers_and_body(one)[1] == body
    assert two["recipients"] == [C] and two["mail_from"] == ME


def test_smtp_tells_one_refused_recipient_from_the_others(mailer):
    talk = Conversation(mailer.world)
    refused = talk.sendmail(ME, [A, "a@@b", B], b"Subject: x\r\n\r\nx\r\n")
    assert list(refused) == ["a@@b"] and refused["a@@b"][0] == 553
    talk.quit()
    assert talk.end()[0] == 0
    assert mailer.mail()["recipients"] == [A, B]


def test_smtp_takes_no_more_recipients_than_a_message_may_have_and_keeps_those_before(mailer, aliases):
    crowd = ", ".join(f"p{n}@example.com" for n in range(9999))
    talk = Conversation(mailer.world, env=aliases(f"crowd: {crowd}\nboth: {A}, {B}\n"))
    talk.ehlo()
    talk.mail(ME)
    assert [talk.rcpt(name)[0] for name in (A, "both", "crowd", A)] == [250, 250, 452, 250]
    assert talk.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
    talk.quit()
    assert talk.end() == (0, "")
    assert mailer.mail()["recipients"] == [A, B]


def test_smtp_says_later_where_the_aliases_cannot_be_read(mailer, tmp_path):
    talk = Conversation(mailer.world, env={"POSTKEY_ALIASES": str(tmp_path)})
    talk.ehlo()
    talk.mail(ME)
    assert talk.rcpt("root")[0] == 451 and talk.rcpt(A)[0] == 250
    talk.quit()
    assert talk.end()[0] == 0


def test_smtp_tells_that_a_message_failed(mailer):
    refuse_everybody(mailer)
    talk = Conversation(mailer.world)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        talk.sendmail(ME, [A], b"Subject: x\r\n\r\nx\r\n")
    assert refused.value.smtp_code == 550
    code, err = talk.end()
    assert code == 0 and "5.1.1" in err
    assert mailer.mails() == []


def test_smtp_says_250_when_the_message_is_kept(ready):
    mailer = Mailer(ready)
    mailer.google.smtp("MAIL", "reply", reply="451 4.3.0 later")
    talk = Conversation(ready, "--deliver=queue")
    assert talk.sendmail(ME, [A], b"Subject: x\r\n\r\nx\r\n") == {}
    assert len(ready.envelopes()) == 1, "it is on disk when 250 is said"
    talk.quit()
    assert talk.end()[0] == 0


def test_a_message_over_smtp_whose_end_never_came_is_dropped(mailer):
    talk = Conversation(mailer.world)
    talk.ehlo()
    talk.mail(ME)
    talk.rcpt(A)
    assert talk.docmd("DATA")[0] == 354
    talk.send(b"Subject: half\r\n\r\nhalf of what was to be sa")
    talk.sock.shutdown(socket.SHUT_WR)
    code, _ = talk.end()
    assert code == 75 and mailer.mails() == []


SMUGGLED = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<c@example.com>\r\nDATA\r\nSubject: forged\r\n\r\nforged"


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n"])
def test_no_text_smuggles_a_second_message(mailer, end):
    talk = Conversation(mailer.world)
    talk.ehlo()
    talk.mail(ME)
    talk.rcpt(A)
    assert talk.docmd("DATA")[0] == 354
    talk.send(b"Subject: x\r\n\r\ntext" + end + SMUGGLED + b"\r\n.\r\n")
    assert talk.getreply()[0] == 250
    talk.quit()
    assert talk.end()[0] == 0
    mail = mailer.mail()
    assert mail["recipients"] == [A] and b"forged" in decoded_body(mail)


# ---- the other names, and looking first ----


@pytest.fixture
def names(mailer):
    folder = mailer.world.path("names")
    os.makedirs(folder, exist_ok=True)
    for name in ("sendmail", "mailq", "newaliases"):
        if not os.path.lexists(os.path.join(folder, name)):
            os.symlink(mailer.world.sender, os.path.join(folder, name))
    return lambda name, *arguments, **options: mailer.world.run([os.path.join(folder, name), *arguments], **options)


def test_called_sendmail_it_sends(mailer, names):
    names("sendmail", "-oi", A, stdin=b"Subject: x\n\nbody\n").ok()
    assert mailer.mail()["recipients"] == [A]


def test_newaliases_has_nothing_to_do(mailer, names):
    for arguments in (["newaliases"], ["sendmail", "-bi"], ["sendmail", "-I"]):
        assert names(*arguments).ok() == ""


def test_mailq_lists_the_queue_and_q_sends_what_waits(ready):
    mailer = Mailer(ready)
    mailer.google.smtp("MAIL", "reply", reply="451 4.3.0 later", times=1)
    os.symlink(ready.sender, ready.path("mailq"))
    assert mailer.send(A, deliver="auto").code == 0
    listed = ready.run([ready.path("mailq")]).ok()
    assert A in listed
    assert ready.run([ready.sender, "-bp"]).ok().count("\n") == listed.count("\n")
    name = ready.envelopes()[0]["id"]
    ready.run([ready.sender, f"-qI{name}"]).ok()
    ready.run([ready.sender, "-q"]).ok()
    wait_until(lambda: mailer.mails(), "it is sent")
    assert mailer.mail()["recipients"] == [A]
    ready.run([ready.sender, "-q15m", "--user"]).ok()
    ready.run([ready.path("mailq"), "--user"]).ok()


def test_check_says_what_would_be_done_and_sends_nothing(mailer, aliases):
    message = b"From: root (Cron Daemon)\nBcc: b@example.com\nSubject: x\n\n50 %\r100 %\n"
    result = mailer.send("--check", "-t", "root", message=message, env=aliases(f"root: {A}\n"))
    text = result.ok()
    for words in (ME, A, B, "nothing was sent", "X-Original-From", "Date is added", "Bcc is left out",
                  "quoted-printable", "localhost:"):
        assert words in text, (words, text)
    assert mailer.google.count("smtp.connections") == 0 and mailer.mails() == []


def test_check_tells_programs_in_json_and_gives_its_place_back(mailer):
    mailer.world.configure(connections=1)
    mailer.world.reload()
    for _ in range(3):
        found = json.loads(mailer.send("--check", "--json", "-f", "root@web1", A).ok())
    assert found["account"] == found["address"] == found["sender"] == ME
    assert found["recipients"] == [A] and found["size"] > 0 and not found["eight_bit"]
    assert "Date is added" in found["changes"]
    assert found["servers"] == [mailer.world.submissions, mailer.world.submission]


def test_check_fails_as_sending_would(mailer, aliases):
    multipart = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nbare \r CR\n--b--\n"
    mailer.send("--check", A, message=multipart).failed(65, "carriage return")
    mailer.send("--check", "a@@b").failed(64, "a@@b")
    mailer.send("--check", "--account", "nobody@example.com", A).failed(78, "nobody@example.com")
    mailer.send("--check", "root", env=aliases("root: /var/mail/root\n")).failed(78, "file")
    assert mailer.google.count("smtp.connections") == 0


def test_help_teaches(mailer):
    text = mailer.send("--help").ok()
    for words in ("-t", "-bs", "--check", "mailq", "root=", "/etc/aliases", "65", "77"):
        assert words in text
    assert max(len(line) for line in text.splitlines()) <= 100
