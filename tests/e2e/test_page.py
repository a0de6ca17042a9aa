"""The page after the redirect, in a real browser that follows the whole way: the small Google's consent page, a
button, postkey's page. Each outcome, light and dark, wide and narrow; screenshots in BUILD/tests/pages."""
import os
import re

import pytest

from browser import Browser
from clocks import Clocks
from small_google import GMAIL, ME
from world import BUILD, World

OTHER = "other@gmail.test"
pytestmark = pytest.mark.xdist_group("browser")
NARROW, WIDE = (360, 740), (1280, 800)


@pytest.fixture(scope="module")
def surfing():
    """A world with a browser and a broker whose clock can be moved, for all tests of this file."""
    with World() as world:
        world.clocks = Clocks(world)
        world.clocks.start_broker()
        world.browser = Browser(world)
        try:
            yield world
        finally:
            world.browser.close()


@pytest.fixture
def world(surfing):
    yield surfing
    surfing.google.reset()
    surfing.google.clear()
    surfing.configure()
    surfing.reload()


def luminance(color):
    """Of a CSS color, as WCAG 2 defines it."""
    channels = [int(float(n)) / 255 for n in re.findall(r"[\d.]+", color)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, another):
    dark, light = sorted((luminance(one), luminance(another)))
    return (light + 0.05) / (dark + 0.05)


def assert_legible(browser, scheme):
    """Texts have the contrast that WCAG 2 AA wants, and paper and ink are those of the scheme."""
    browser.prefer(scheme)
    colors = """const s = n => getComputedStyle(document.querySelector(n));
                return [s('body').backgroundColor, s('main').backgroundColor,
                        ...['h1', 'p', 'footer'].map(n => s(n).color)]"""
    paper, card, *inks = browser.run(colors)
    assert (luminance(paper) > 0.5) == (scheme == "light"), paper
    for ink in inks:
        assert contrast(card, ink) >= 4.5 <= contrast(paper, ink), (scheme, card, paper, ink)
    size = browser.run("return parseFloat(getComputedStyle(document.querySelector('footer')).fontSize)")
    assert size >= 12


def assert_fits(browser, size):
    browser.size(*size)
    wide = "return [document.documentElement.scrollWidth, innerWidth, document.querySelector('main').offsetWidth]"
    scrolled, inner, card = browser.run(wide)
    assert scrolled <= inner and card <= inner, (size, scrolled, inner, card)


def pages_folder(world):
    """To be looked at later; with a build of somebody else's, only while the test runs."""
    folder = os.path.join(BUILD, "tests", "pages")
    if not os.access(folder if os.path.exists(folder) else os.path.dirname(folder), os.W_OK):
        folder = world.path("pages")
    os.makedirs(folder, exist_ok=True)
    return folder


def assert_finished(world, name, good):
    """A page that one may look at: said in the heading, in words and in the picture; nothing is loaded, nothing
    runs, nothing overflows."""
    browser = world.browser
    assert browser.run("return document.documentElement.lang") == "en"
    heading = browser.text("h1")
    assert heading and browser.title == f"{heading} \u00b7 postkey"
    assert browser.run("return document.querySelector('main').className") == ("good" if good else "bad")
    assert "terminal" in browser.text("footer")
    assert browser.run("return document.querySelectorAll('script, link, img, iframe, form, a').length") == 0
    assert browser.run("return performance.getEntriesByType('resource').map(e => e.name)") == []
    assert browser.complaints() == []
    own, = {u for u in browser.requests() if u.startswith("http://")}
    assert own == browser.url, "nothing but the page itself was asked for"
    for size in (NARROW, WIDE):
        assert_fits(browser, size)
    folder = pages_folder(world)
    for scheme in ("light", "dark"):
        assert_legible(browser, scheme)
        for shape, size in (("narrow", NARROW), ("wide", WIDE)):
            browser.size(*size)
            browser.screenshot(os.path.join(folder, f"{name}-{scheme}-{shape}.png"))


def assert_in_three_parts(world, result, *words):
    """The page says what the terminal says: what happened, what it means, and what to do."""
    text = world.browser.text("body")
    remedy = result.err.split("What to do: ")[1].split(";")[0].strip()
    assert "What to do" in text and remedy[1:] in text, (remedy, text)
    for word in words:
        assert word in text, (word, text)


def consent(world, going, button="allow", account=ME, untick=()):
    """The person at the consent page, with the mouse."""
    world.browser.prefer("light")
    world.browser.requests()  # and forgotten
    world.browser.open(going.step("visit")["authorization_uri"])
    for scope in untick:
        world.browser.click(f"input[value='{scope}']")
    world.browser.type("input[name=account]", account)
    world.browser.click(f"button[value={button}]")


def test_success_is_a_finished_page(world):
    going = world.authorizing("--flow", "browser")
    consent(world, going)
    assert going.result().code == 0
    assert ME in world.browser.text("main")
    assert_finished(world, "success", good=True)
    assert world.token()


def test_a_second_look_at_the_page_finds_nobody_and_harms_nothing(world):
    going = world.authorizing("--flow", "browser")
    consent(world, going)
    assert going.result().code == 0
    token = world.token()
    with pytest.raises(Exception, match="ERR_CONNECTION_REFUSED"):
        world.browser.open(world.browser.url)
    assert world.token() == token


def test_denied_is_a_finished_page(world):
    going = world.authorizing("--flow", "browser")
    consent(world, going, button="deny")
    result = going.result().failed(3, "denied")
    assert_in_three_parts(world, result, "denied", "postkey authorize")
    assert_finished(world, "denied", good=False)


def test_the_wrong_account_is_a_finished_page(world):
    going = world.authorizing("--flow", "browser")
    consent(world, going, account=OTHER)
    result = going.result().failed(3, OTHER)
    assert_in_three_parts(world, result, OTHER, ME, "--login")
    assert_finished(world, "wrong-account", good=False)


def test_a_missing_scope_is_a_finished_page(world):
    going = world.authorizing("--flow", "browser")
    consent(world, going, untick=[GMAIL])
    result = going.result().failed(3, GMAIL)
    assert_in_three_parts(world, result, GMAIL, "ticked")
    assert_finished(world, "missing-scope", good=False)


def test_a_missing_refresh_token_is_a_finished_page(world):
    world.google.set({"token.omit": ["refresh_token"]})
    going = world.authorizing("--flow", "browser")
    consent(world, going)
    result = going.result().failed(3, "no refresh token")
    assert_in_three_parts(world, result, "every hour")
    assert_finished(world, "no-refresh-token", good=False)


def test_a_provider_that_fails_is_a_finished_page(world):
    world.google.fail("token", "status", status=503)
    going = world.authorizing("--flow", "browser")
    consent(world, going)
    result = going.result().failed(4)
    assert_in_three_parts(world, result, "failure of its own", "minutes")
    assert_finished(world, "provider-error", good=False)


def test_a_refused_client_is_a_finished_page(world):
    world.google.fail("token", "body", status=401, body='{"error":"invalid_client","error_description":"Unauthorized"}')
    going = world.authorizing("--flow", "browser")
    consent(world, going)
    result = going.result().failed(8)
    assert_in_three_parts(world, result, "invalid_client")
    assert_finished(world, "refused-client", good=False)


def test_another_issuers_answer_is_a_finished_page(world):
    world.google.set({"iss.send": "https://evil.example"})
    going = world.authorizing("--flow", "browser")
    consent(world, going)
    result = going.result().failed(3, "another provider")
    assert_in_three_parts(world, result, "another provider")
    assert_finished(world, "another-issuer", good=False)


def test_a_keyring_that_takes_nothing_is_a_finished_page(world):
    world.lock_keyring()
    going = world.authorizing("--flow", "browser")
    consent(world, going)
    result = going.result()
    world.restart_keyring(unlock=True)
    result.failed(5, "keyring is locked")
    assert_in_three_parts(world, result, "postkey unlock")
    assert_finished(world, "keyring-locked", good=False)


def test_what_a_provider_says_is_text_and_no_markup(world):
    said = "<b onmouseover=alert(1)>bold</b><script>document.title='x'</script>" + "W" * 39 + "/" * 200
    world.google.fail("token", "body", status=400, body='{"error":"new","error_description":"%s"}' % said)
    going = world.authorizing("--flow", "browser")
    consent(world, going)
    going.result().failed(4)
    assert "<script>" in world.browser.text("main")
    assert world.browser.run("return document.querySelectorAll('main b, script').length") == 0
    assert_finished(world, "long-and-hostile", good=False)


def test_a_wrong_state_changes_nothing_and_the_right_one_is_still_taken(world):
    going = world.authorizing("--flow", "browser")
    uri = going.step("visit")["authorization_uri"]
    redirect = world.google.press(uri, follow=False)
    world.browser.open(redirect.replace("state=", "state=x"))
    assert "nothing here" in world.browser.text("body")
    world.browser.requests()
    world.browser.open(redirect)
    assert going.result().code == 0
    assert_finished(world, "after-a-wrong-state", good=True)


def test_who_comes_too_late_finds_nobody(world):
    going = world.authorizing("--flow", "browser")
    uri = going.step("visit")["authorization_uri"]
    going.step("waiting")
    redirect = world.google.press(uri, follow=False)
    world.clocks.sleep(601)
    going.result().failed(3, "expired")
    with pytest.raises(Exception, match="ERR_CONNECTION_REFUSED"):
        world.browser.open(redirect)


def test_the_browser_waits_until_the_outcome_is_known(world):
    """No page says that it worked before the credential is in the keyring."""
    going = world.authorizing("--flow", "browser")
    world.google.fail("token", "hold")
    redirect = world.google.press(going.step("visit")["authorization_uri"], follow=False)
    tab = world.browser.run("const w = open(arguments[0]); return w !== null", redirect)
    assert tab
    world.google.wait("http.held", 1)
    world.google.clear()
    assert going.result().code == 0
