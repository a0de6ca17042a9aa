"""The pages of the documentation say what there is: links lead somewhere, every page can be found, commands have the
verbs and options that the manual has (test_manual.py compares that with the programs), configurations are taken, errors
are explained as `postkey explain` does, and what a newcomer types at Google and Microsoft works against the small
Google."""
import glob
import html
import json
import os
import re
import xml.etree.ElementTree as ElementTree

import pytest

from small_google import PUBLIC
from test_credentials import APP
from test_manual import SOURCES, YOU, Reader, flags, page, source, verbs
from world import World, program

PAGES = sorted(os.path.relpath(path, SOURCES) for path in
               [os.path.join(SOURCES, "README.md"), os.path.join(SOURCES, "tests/sim/README.md"),
                *glob.glob(os.path.join(SOURCES, "docs/**/*.md"), recursive=True)])
INDEX = "docs/README.md"


FENCED = re.compile(r"^```[\w.-]*\n(.*?)^```", re.M | re.S)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)((?: {4,}.*\n|\n(?= {4}))+)")


def blocks(text):
    """What is shown as it is, indented or fenced, without its indentation; a line that goes on behind \\ is one."""
    found = FENCED.findall(text) + INDENTED.findall(FENCED.sub("", text))
    return [re.sub(r" *\\\n", " ", "\n".join(line.strip() for line in block.strip("\n").split("\n"))) for block in found]


def prose(text):
    """The rest, in which code stands between backticks."""
    return re.sub(r"^    .*$", "", FENCED.sub("", text), flags=re.M)


CODE = re.compile(r"`([^`\n]*(?:\n[^`\n]+)?)`")


# ---- links ----


def anchors(text):
    """Those that GitHub gives to the headings, and those that are written."""
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\">", text))
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        name = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        number = 0
        while name + (f"-{number}" if number else "") in found:
            number += 1
        found.add(name + (f"-{number}" if number else ""))
    return found


def links(name):
    """(file, anchor) of each relative link of a page, the file from the top of the tree."""
    text = CODE.sub("", prose(source(name)))
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|srcset|href)=\"([^\"]+)\"", text)
    for link in found:
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            yield os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name, anchor


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(name):
    for path, anchor in links(name):
        assert os.path.exists(os.path.join(SOURCES, path)), f"{name}: there is no {path}"
        if anchor:
            assert anchor in anchors(source(path)), f"{name}: {path} has no heading {anchor}"


def test_every_page_can_be_found_from_the_index():
    seen, ahead = set(), [INDEX]
    while ahead:
        name = ahead.pop()
        seen.add(name)
        ahead += {path for path, _ in links(name) if path.endswith(".md")} - seen
    assert set(PAGES) <= seen
    manual = {f"docs/man/{name}" for name in os.listdir(os.path.join(SOURCES, "docs/man"))}
    assert manual <= {path for path, _ in links(INDEX)}


# ---- commands ----

MANUAL = {name: verbs(page(f"{name}.1")) for name in ("postkey", "postkey-queue")}
OPTIONS = {"postkey-send": flags(page("postkey-send.1")), "postkey-broker": flags(page("postkey-broker.8"))}
EVERYWHERE = {"--help", "--version", "--user", "--system"}


# A program at the place of a command, not in a path or an address, and what follows to the end of the command.
COMMAND = re.compile(r"(?:(?<=bin/)|(?<![\w./@-]))(postkey(?:-send|-queue|-broker)?)(?: (?! )|$)([^|;&<>\"')]*)")


def commands(text):
    """(program, its words) wherever one is written, in a block or in a line."""
    lines = [line for block in blocks(text) for line in block.split("\n") if not line.startswith("#")]
    lines += [re.sub(r"\s+", " ", code) for code in CODE.findall(prose(text))]
    for line in lines:
        for name, rest in COMMAND.findall(line):
            words = re.split(r" {2,}| # ", rest)[0].split()  # a column of remarks, a comment
            yield name, [word for word in words if word not in ("--user", "--system")]


def wrong_with(name, words):
    """What the manual does not know of a command; None: nothing."""
    options = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    if name in MANUAL:
        there = MANUAL[name]
        two = " ".join(words[:2])
        verb = two if two in there else words[0] if words else None
        if verb is None or not re.fullmatch(r"[a-z][a-z -]*", verb):  # a placeholder, or options alone
            return None if set(options) <= EVERYWHERE else f"options without a verb: {options}"
        if verb not in there:
            return f"there is no verb {verb}"
        known = there[verb] | EVERYWHERE
        return None if set(options) <= known else f"{verb} has no {set(options) - known}"
    known = OPTIONS[name] | EVERYWHERE
    unknown = {o for o in options if o not in known and (o.startswith("--") or o[:2] not in known)}
    return f"it has no {unknown}" if unknown else None


@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_a_page_is_one_that_there_is(name):
    wrong = [(program_name, words, why) for program_name, words in commands(source(name))
             if (why := wrong_with(program_name, words))]
    assert not wrong


def test_the_commands_are_looked_at():
    assert sum(len(list(commands(source(name)))) for name in PAGES) > 150
    text = "Say `postkey tokn` or `postkey\ntoken --minimum 5`:\n\n    printf x | bin/postkey-send --now  sends it\n"
    assert [bool(wrong_with(*command)) for command in commands(text)] == [True, True, True]


# ---- configurations ----


def configurations():
    for name in PAGES:
        for number, block in enumerate(b for b in blocks(source(name)) if b.startswith("[") and "=" in b):
            if re.match(r"\[(broker|provider .*|account .*|sender|notify)\]", block):
                yield pytest.param(block, id=f"{name}-{number}")


@pytest.fixture(scope="module")
def bare():
    with World(bus=False) as world:
        yield world


@pytest.mark.parametrize("text", configurations())
def test_every_configuration_of_a_page_is_taken(bare, text):
    bare.write_config("[provider example]\nissuer=https://id.example.com\nscopes=mail\nsmtp=smtp.example.com:465 tls\n"
                      if "[provider " not in text else "")
    folder = bare.path("config", "postkey", "postkey.conf.d")
    os.makedirs(folder, 0o700, exist_ok=True)
    with open(os.open(os.path.join(folder, "page.conf"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text + "\n")
    bare.start_broker()
    with bare.varlink() as client:
        assert "accounts" in client.ask("GetAccounts")
    bare.stop_broker()


# ---- troubleshooting ----

WHERE = {"at the login": "auth", "with an app password": "password", "about the sender": "mail",
         "about a recipient": "rcpt", "about the message": "data"}
PROVIDERS = {"Gmail": "google", "Microsoft": "microsoft"}
TROUBLE = source("docs/troubleshooting.md")


def explained():
    """(text, phase, provider, what the page says) for each error in a heading of the page."""
    for part in re.split(r"^## ", TROUBLE, flags=re.M)[1:]:
        provider = PROVIDERS.get(part.split("\n")[0])
        for section in re.split(r"^### ", part, flags=re.M)[1:]:
            heading, body = section.split("\n", 1)
            phase = WHERE[where] if (where := re.sub(r"`[^`]*`,? ?", "", heading)) else None
            for text in re.findall(r"`([^`]*)`", heading):
                yield text, phase, provider, body


def plain(text):
    return re.sub(r"\s+", " ", re.sub(r"[`\"]", "", text))


def test_the_page_says_of_each_error_what_explain_says(bare):
    assert len(list(explained())) > 80
    for text, phase, provider, body in explained():
        options = (["--phase", phase] if phase else []) + (["--provider", provider] if provider else [])
        for answer in json.loads(bare.postkey("explain", "--json", *options, text).ok()):
            for words in (answer["meaning"], answer["remedy"]):
                assert plain(words) in plain(body), (text, phase, words)


def test_the_page_has_every_error_that_explain_knows_by_its_words():
    known = re.findall(r"WORDS\(\s*\"([^\"]*)\"", source("shared/diagnosis_words.c"))
    headings = " ".join(text for text, *_ in explained()).lower()
    assert len(known) > 60 and [words for words in known if words.lower() not in headings] == []


REPLIES = """421 4.3.0, 421 4.7.0, 421 4.7.28, 450 4.2.1, 451 4.3.0, 452 4.2.2, 452 4.5.3, 454 4.7.0, 535 5.7.8,
    534 5.7.9, 534 5.7.14, 530 5.7.0, 550 5.4.5, 550 5.1.1, 550 5.2.1, 553 5.1.2, 552 5.2.3, 552 5.3.4, 554 5.6.0,
    554 5.7.0, 550 5.7.1, 550 5.7.26, 503, 504, 555 5.5.2, 429, 535 5.7.139, 535 5.7.3, 432 4.3.2, 554 5.2.252"""


def test_the_page_has_every_reply_that_people_meet():
    there = [text.replace("-", " ") for text, *_ in explained()]
    assert [code for code in re.split(r",\s*", REPLIES) if not any(text.startswith(code) for text in there)] == []


# ---- what a newcomer types ----


def typed(name, heading):
    """The commands of a page's section, without those in SKIPPED."""
    text, = [part for part in re.split(r"^## ", source(name), flags=re.M) if part.startswith(f"{heading}\n")]
    lines = [line for block in blocks(text) for line in block.split("\n") if re.match(r"postkey|printf", line)]
    return [line for line in lines if not line.startswith(SKIPPED)]


SKIPPED = ("postkey add app-password",)  # asks at a terminal: test_credentials.py


@pytest.fixture
def newcomer():
    with Reader() as world:
        os.makedirs(world.path("Downloads"))
        os.rename(world.path("client_secret.json"), world.path("Downloads", "client_secret_123.apps.json"))
        yield world


def test_a_person_at_google_types_the_page(newcomer):
    lines = typed("docs/setting-up/google.md", "A person")
    assert len(lines) >= 5
    for line in lines:
        newcomer.type(line).ok()
    assert newcomer.accounts()[YOU]["state"] == "ready" and len(newcomer.google.mails()) == 1


def test_a_robot_at_google_types_the_page(newcomer):
    robot = "robot@example.com"
    key = newcomer.google.ask("service-account", email="robot@proj.test", users=robot)["key"]
    with open(os.open(newcomer.path("Downloads", "robot-123.json"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        json.dump(key, f)
    lines = typed("docs/setting-up/google.md", "A service account")
    assert len(lines) == 2
    for line in lines:
        newcomer.type(line).ok()
    mail, = newcomer.google.mails()
    assert mail["user"] == robot and mail["recipients"] == [YOU.replace("gmail", "example")]


@pytest.fixture
def at_microsoft(newcomer):
    """Microsoft's preset, led to the small Google, which takes its scopes; it knows nobody but who is named here."""
    at = newcomer.google.at
    base = at["issuer"]

    def configure(token):
        newcomer.write_config(
            f"[provider microsoft]\nca_file={at['ca_file']}\nsmtp={newcomer.submission}\ntoken_endpoint={base}{token}\n"
            f"device_authorization_endpoint={base}/device/code\nauthorization_endpoint={base}/o/oauth2/v2/auth\n")

    newcomer.google.ask("preset", name="standard")
    newcomer.google.set({"smtp.scope": "", "device.refuse_gmail_scopes": True})
    newcomer.configure_microsoft = configure
    return newcomer


CLIENT_ID = "8f6c0d1e-0000-0000-0000-000000000000"


def test_a_person_at_microsoft_types_the_page(at_microsoft):
    at_microsoft.configure_microsoft("/token")
    you = "you@example.com"
    at_microsoft.google.set({"identity.email": you})
    lines = typed("docs/setting-up/microsoft.md", "A person")
    assert len(lines) >= 4
    for line in lines:
        at_microsoft.type(line.replace(CLIENT_ID, PUBLIC[0])).ok()
    assert at_microsoft.accounts()[you]["provider"] == "microsoft" and len(at_microsoft.google.mails()) == 1


def test_a_robot_at_microsoft_types_the_page(at_microsoft):
    at_microsoft.configure_microsoft("/common/oauth2/v2.0/token")
    at_microsoft.google.set({"identity.email": "robot@example.com"})
    with open(os.open(at_microsoft.path("secret.txt"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(APP[1])
    line, = typed("docs/setting-up/microsoft.md", "A client by itself")
    at_microsoft.type(line.replace(CLIENT_ID, APP[0]).replace("--tenant example.com", "--tenant test-tenant")).ok()
    assert at_microsoft.accounts()["robot@example.com"]["kind"] == "client_credentials"


def test_a_server_without_oauth_gets_a_password_as_the_page_says(newcomer):
    you = "you@example.com"
    newcomer.google.set({"smtp.app_password": "of-the-mailbox", "identity.email": "you"})
    text, = [block for block in blocks(source("docs/setting-up/others.md")) if "none.invalid" in block]
    here = f"smtp={newcomer.submissions}\nca_file={newcomer.google.at['ca_file']}"
    newcomer.write_config(re.sub("smtp=.*", here, text))
    command, = [line for block in blocks(source("docs/setting-up/others.md")) for line in block.split("\n")
                if "--login you" in line]
    newcomer.type(f"printf of-the-mailbox | {command.replace('app-password', 'app-password --fd 0')}").ok()
    newcomer.send("--account", you, you).ok()
    assert [(mail["user"], mail["mechanism"]) for mail in newcomer.google.mails()] == [("you", "PLAIN")]


# ---- pictures ----


@pytest.mark.parametrize("name", sorted(glob.glob("docs/*.svg", root_dir=SOURCES)))
def test_a_picture_is_well_formed_and_says_in_words_what_it_shows(name):
    root = ElementTree.fromstring(source(name))
    svg = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{svg}svg" and root.get("role") == "img"
    assert root.find(f"{svg}title").text and len(html.unescape(root.find(f"{svg}desc").text)) > 60
