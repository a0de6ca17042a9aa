"""Debian's oidc-agent with the account that the small Google has for us, to be measured beside ours."""
import shutil
import subprocess

from processes import PATIENCE
from small_google import PUBLIC
from world import SCOPES

NAME = "bench"


class OidcAgent:
    """ready, or why not. Its tools need env."""

    def __init__(self, world):
        self.env = dict(world.env)
        self.token_command = ["oidc-token", NAME]
        self.ready = False
        if shutil.which("oidc-agent") is None:
            self.why = "oidc-agent is not installed (packaging/install-dependencies bench)"
            return
        self._start()
        made = self._generate(world)
        self.ready = made.returncode == 0
        self.why = "" if self.ready else f"oidc-gen: {made.stderr.strip()}"
        if not self.ready:
            self.stop()

    def _run(self, *argv):
        return subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE)

    def _start(self):
        """It tells a shell what to export, and goes on in the background."""
        for line in self._run("oidc-agent").stdout.splitlines():
            name, is_setting, value = line.split(";")[0].partition("=")
            if is_setting:
                self.env[name] = value

    def _generate(self, world):
        return self._run("oidc-gen", NAME, "--manual", "--issuer", world.google.at["issuer"], "--client-id", PUBLIC[0],
                         "--client-secret", "", "--cp", world.google.at["ca_file"], "--scope", SCOPES, "--rt",
                         world.google.live_refresh_tokens()[0], "--flow", "refresh", "--pw-cmd", "echo password",
                         "--prompt=none", "--redirect-uri", "http://localhost:4242", "--no-url-call")

    def stop(self):
        self._run("oidc-agent", "-k")
