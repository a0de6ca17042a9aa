"""git-credential-postkey beside the real git: who gets a token, and who never does."""
import os

import pytest

from small_google import ME
from test_callers import need
from test_credentials import PASSWORD, add_password
from world import World, program

SMTP, IMAP = "smtp.example.com", "imap.example.com"
OTHER = "other@gmail.test"


class Git:
    """A git whose credential helper is ours, found by its name on PATH."""

    def __init__(self, world):
        need("git")
        self.world = world
        self.env = {"PATH": f"{os.path.dirname(program('postkey'))}:{world.env['PATH']}", "GIT_TERMINAL_PROMPT": "0",
                    "GIT_ASKPASS": "", "SSH_ASKPASS": "", "GIT_CONFIG_NOSYSTEM": "1"}
        self.configure()

    def configure(self, **provider):
        servers = {"smtp": f"{SMTP}:465 tls;{SMTP}:587 starttls", "imap": f"{IMAP}:993 tls", **provider}
        self.world.configure(**servers)
        self.world.reload()

    def credential(self, operation, helper="postkey", **request):
        text = "".join(f"{key}={value}\n" for key, value in request.items()) + "\n"
        return self.world.run(["git", "-c", "credential.helper=", "-c", f"credential.helper={helper}", "credential",
                               operation], stdin=text.encode(), env=self.env)

    def fill(self, **request):
        """What git has in the end; a refusal where nobody knew."""
        done = self.credential("fill", **request)
        return dict(line.split("=", 1) for line in done.out.splitlines()) if done.code == 0 else done.err


@pytest.fixture
def git(ready):
    return Git(ready)


def helper(world, operation, text):
    """By its own name, as git calls it."""
    return world.run([program("git-credential-postkey"), operation], stdin=text.encode())


# ---- get ----


@pytest.mark.parametrize("protocol, host", [("smtp", f"{SMTP}:465"), ("smtp", f"{SMTP}:587"), ("smtps", SMTP),
                                            ("imap", f"{IMAP}:993"), ("imaps", IMAP.upper())])
def test_git_gets_a_token_for_each_server_of_the_account(git, protocol, host):
    found = git.fill(protocol=protocol, host=host)
    assert (found["username"], found["password"]) == (ME, git.world.token()), found


def test_the_token_says_when_it_ends(ready):
    git = Git(ready)
    said = dict(line.split("=", 1) for line in helper(ready, "get", f"protocol=smtp\nhost={SMTP}\n\n").ok().splitlines())
    assert int(said["password_expiry_utc"]) == ready.account()["token_expires"]
    assert git.world.refreshes() == 0


@pytest.mark.parametrize("protocol, host", [
    ("https", SMTP), ("smtp", "smtp.evil.example"), ("smtp", f"{SMTP}.evil.example"), ("smtp", f"{SMTP}:25"),
    ("smtp", f"{IMAP}:993"), ("imap", f"{SMTP}:465"), ("smtp", f"{SMTP}@evil.example"), ("pop3", SMTP),
    ("imap", IMAP)])  # git would go to port 143, where whoever is on the way may read the token
def test_nobody_else_gets_one_nor_an_error(git, protocol, host):
    done = helper(git.world, "get", f"protocol={protocol}\nhost={host}\n\n")
    assert (done.code, done.out, done.err) == (0, "", "")
    told = git.fill(protocol=protocol, host=host, username=ME)
    assert isinstance(told, str) and "terminal prompts disabled" in told, "git would have asked a person"


def test_what_is_no_request_is_refused_in_words(git):
    for text in (f"protocol=smtp\nhost=evil.example\nhost={SMTP}\n\n", f"protocol=smtp\nhost={SMTP}", "what?\n\n"):
        helper(git.world, "get", text).failed(2, "the request has")


def test_the_name_chooses_among_accounts_of_one_server(git):
    world = git.world
    world.authorize("--account", "second", address=OTHER)
    for name in (OTHER, "second"):
        assert git.fill(protocol="smtp", host=SMTP, username=name)["password"] == world.token("second")
    assert git.fill(protocol="smtp", host=SMTP, username=ME)["password"] == world.token(ME)
    assert "terminal prompts disabled" in git.fill(protocol="smtp", host=SMTP, username="nobody@gmail.test")
    told = git.fill(protocol="smtp", host=SMTP)
    assert "none is named" in told and "told us to quit" in told, told
    git.configure(text="[broker]\ndefault_account=second\n")
    assert git.fill(protocol="smtp", host=SMTP)["username"] == OTHER


def test_without_a_token_git_shows_why_and_asks_nobody_for_a_password(git):
    world = git.world
    found = git.fill(protocol="smtp", host=SMTP, username=ME)
    world.google.revoke_refresh()
    git.credential("reject", **found).ok()
    told = git.fill(protocol="smtp", host=SMTP, username=ME)
    assert "postkey authorize" in told and "told us to quit" in told, told


def test_an_account_with_a_password_is_left_to_other_helpers():
    with World() as world:
        world.google.set({"smtp.app_password": PASSWORD})
        add_password(world).ok()
        git = Git(world)
        assert helper(world, "get", f"protocol=smtp\nhost={SMTP}\n\n").ok() == ""
        assert "terminal prompts disabled" in git.fill(protocol="smtp", host=SMTP)


def test_a_caller_that_keeps_the_pipe_open_gets_its_answer(git):
    asking = git.world.start(program("git-credential-postkey"), "get")
    asking.write(f"protocol=smtp\nhost={SMTP}\n\n")
    assert asking.line() == f"username={ME}"
    assert asking.wait() == 0


# ---- store, erase, and what else git may say ----


def test_a_token_that_the_server_refused_is_not_handed_out_again(git):
    world = git.world
    found = git.fill(protocol="smtp", host=f"{SMTP}:465", username=ME)
    git.credential("reject", **found).ok()
    assert git.fill(protocol="smtp", host=f"{SMTP}:465", username=ME)["password"] != found["password"]
    assert world.refreshes() == 1


def test_nothing_else_is_erased(git):
    world = git.world
    token = world.token()
    for request in ({"host": "smtp.evil.example", "password": token}, {"host": SMTP, "password": "another"},
                    {"host": SMTP, "username": "nobody@gmail.test", "password": token},
                    {"host": SMTP, "password": "\udcff"}, {"host": SMTP}):
        text = "".join(f"{key}={value}\n" for key, value in {"protocol": "smtp", **request}.items()) + "\n"
        done = world.run([program("git-credential-postkey"), "erase"], stdin=text.encode(errors="surrogateescape"))
        assert (done.code, done.out, done.err) == (0, "", ""), request
    assert world.token() == token and world.refreshes() == 0


def test_store_and_what_is_unknown_do_nothing(git):
    found = git.fill(protocol="smtp", host=SMTP)
    git.credential("approve", **found).ok()
    for operation in ("store", "capability", "whatever"):
        done = helper(git.world, operation, "password=x\n")
        assert (done.code, done.out, done.err) == (0, "", ""), operation


def test_https_asks_no_broker_and_starts_none():
    with World(bus=False) as world:
        assert helper(world, "get", "protocol=https\nhost=example.com\n\n").ok() == ""
        assert world.broker_pid() is None


def test_the_accounts_tell_where_their_tokens_are_good(git):
    account = git.world.account()
    assert account["smtp"] == [{"host": SMTP, "port": 465, "tls": "implicit"}, {"host": SMTP, "port": 587, "tls": "starttls"}]
    assert account["imap"] == [{"host": IMAP, "port": 993, "tls": "implicit"}]
