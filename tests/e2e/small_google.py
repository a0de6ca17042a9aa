"""The small Google of a test: see tests/sim/README.md for every name."""
import json
import os
import socket
import subprocess

from processes import PATIENCE, wait_until

GMAIL = "https://mail.google.com/"
ME = "you@gmail.test"
DESKTOP = ("desktop-client.apps.test", "GOCSPX-desktop-secret")
TV = ("tv-client.apps.test", "GOCSPX-tv-secret")
PUBLIC = ("public-client.apps.test", None)


class SmallGoogle:
    def __init__(self, program, folder, env):
        self.folder = folder
        self.process = subprocess.Popen([program, "--dir", folder], env=env, stdin=subprocess.DEVNULL)
        path = os.path.join(folder, "endpoints.json")
        wait_until(lambda: self.process.poll() is not None or os.path.exists(path), "the small Google is ready")
        with open(path) as f:
            self.at = json.load(f)

    @property
    def ca_file(self):
        return self.at["ca_file"]

    def stop(self):
        self.clear()
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0

    def tell(self, do, **members):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.at["control"])
            s.sendall(json.dumps(dict(do=do, **members)).encode() + b"\n")
            return json.loads(s.makefile().readline())

    def ask(self, do, **members):
        answer = self.tell(do, **members)
        assert answer["ok"], answer
        return answer

    def set(self, values):
        self.ask("set", values=values)

    def preset(self, name):
        self.ask("preset", name=name)

    def reset(self):
        self.ask("reset")

    def clear(self):
        self.ask("clear")

    def count(self, name):
        return self.ask("counters")["counters"][name]

    def commands(self, verb):
        """How often an SMTP command came; it has no counter before the first."""
        return self.ask("counters")["counters"].get(f"smtp.{verb}", 0)

    def wait(self, counter, at_least=1, patience=PATIENCE):
        return self.ask("wait", counter=counter, at_least=at_least, timeout_ms=patience * 1000)["value"]

    def fail(self, endpoint, mode, **members):
        self.ask("fail", endpoint=endpoint, mode=mode, **members)

    def fail_refresh(self, mode, **members):
        self.fail("token", mode, grant_type="refresh_token", **members)

    def smtp(self, command, action, **members):
        self.ask("smtp", command=command, action=action, **members)

    def tokens(self, kind="access_tokens"):
        return self.ask("tokens")["tokens"][kind]

    def live_refresh_tokens(self):
        return [t["token"] for t in self.tokens("refresh_tokens") if t["live"]]

    def expire_access(self):
        self.ask("expire-access")

    def revoke_refresh(self):
        self.ask("revoke-refresh")

    def approve(self, user_code, **members):
        self.ask("approve", user_code=user_code, **members)

    def press(self, url, **members):
        """The person at the consent page; the URL that the browser is sent to."""
        return self.ask("press", url=url, **members)["redirect"]

    def mails(self):
        folder = self.at["mail_dir"]
        mails = []
        for name in sorted(n for n in os.listdir(folder) if n.endswith(".json")):
            with open(os.path.join(folder, name)) as f:
                mail = json.load(f)
            with open(os.path.join(folder, name[:-5] + ".eml"), "rb") as f:
                mail["bytes"] = f.read()
            mails.append(mail)
        return mails

    def log(self):
        with open(self.at["log"], errors="replace") as f:
            return f.read()
