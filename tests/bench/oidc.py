"""oidc-agent with an account at the small Google, to be measured beside ours."""
import shutil


class OidcAgent:
    def __init__(self, world):
        self.ready = False
        self.why = "oidc-agent is not installed (packaging/install-dependencies bench)"
        if shutil.which("oidc-agent") is None:
            return

    def stop(self):
        pass
