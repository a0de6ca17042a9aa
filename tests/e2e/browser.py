"""A real browser: headless Chromium, driven over WebDriver (W3C) with nothing but HTTP and JSON."""
import base64
import json
import os
import urllib.error
import urllib.request

from processes import PATIENCE, free_port, wait_until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that the standard gives to a reference


class Refused(Exception):
    """The browser could not do it."""


class Browser:
    def __init__(self, world):
        home = world.path("browser")
        os.makedirs(home, exist_ok=True)
        # Of its own: a HOME without a person's profile, and a folder for what it leaves behind.
        env = world.env | {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home, "TMPDIR": home}
        env.pop("LD_PRELOAD", None)
        port = free_port()
        self.at = f"http://127.0.0.1:{port}"
        self.driver = world.start("chromedriver", f"--port={port}", "--allowed-ips=127.0.0.1", env=env)
        wait_until(self._is_ready, "chromedriver is ready")
        # The small Google's authority is nobody's; the sandbox of Chromium does not work for root or in containers.
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--password-store=basic",
                     "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
                     f"--user-data-dir={home}/profile"]
        answer = self._call("POST", "/session", capabilities={"alwaysMatch": {
            "browserName": "chrome", "acceptInsecureCerts": True, "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"}}})
        self.session = f"/session/{answer['sessionId']}"

    def _is_ready(self):
        try:
            return self._call("GET", "/status")["ready"]
        except OSError:
            return False

    def _call(self, verb, path, **members):
        body = json.dumps(members).encode() if verb == "POST" else None
        request = urllib.request.Request(self.at + path, body, {"Content-Type": "application/json"}, method=verb)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE * 2) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)["value"]["message"]) from None

    def _ask(self, verb, path, **members):
        return self._call(verb, self.session + path, **members)

    def close(self):
        try:
            self._call("DELETE", self.session)
        finally:
            self.driver.stop()

    # ---- the person ----

    def open(self, url):
        self._ask("POST", "/url", url=url)

    def find(self, selector):
        return self._ask("POST", "/element", using="css selector", value=selector)[ELEMENT]

    def click(self, selector):
        self._ask("POST", f"/element/{self.find(selector)}/click")

    def type(self, selector, text):
        element = self.find(selector)
        self._ask("POST", f"/element/{element}/clear")
        self._ask("POST", f"/element/{element}/value", text=text)

    # ---- what there is to see ----

    @property
    def title(self):
        return self._ask("GET", "/title")

    @property
    def url(self):
        return self._ask("GET", "/url")

    def run(self, script, *arguments):
        """The value of a script in the page, which its own policy does not stop."""
        return self._ask("POST", "/execute/sync", script=script, args=list(arguments))

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def devtools(self, command, **parameters):
        return self._ask("POST", "/goog/cdp/execute", cmd=command, params=parameters)

    def prefer(self, scheme):
        """light or dark."""
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def size(self, width, height):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                      mobile=width < 500)

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self._ask("GET", "/screenshot")))

    def requests(self):
        """The address of each request that left since this was asked last."""
        messages = [json.loads(entry["message"])["message"] for entry in self._ask("POST", "/se/log", type="performance")]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        """What the browser wrote to its console, but for the status of a page that tells a failure."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", type="browser")
                if "Failed to load resource" not in entry["message"]]
