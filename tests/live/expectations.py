"""What the small Google does, and so what postkey was tested with: one table. A test compares it with the small Google
itself; `make live` compares it with a real provider."""
from dataclasses import dataclass

GMAIL = "https://mail.google.com/"
KEYWORDS = {"8BITMIME", "CHUNKING", "ENHANCEDSTATUSCODES", "PIPELINING", "SIZE", "SMTPUTF8"}
CHALLENGE = {"status": "400", "schemes": "Bearer", "scope": GMAIL}


@dataclass
class Expectation:
    name: str
    expected: object
    matters: str  # what of postkey depends on it
    how: str = "is"

    def is_met(self, seen):
        if self.how == "has":
            return set(self.expected) <= set(seen)
        if self.how == "between":
            return self.expected[0] <= seen <= self.expected[1]
        if self.how == "says":
            return self.expected.lower() in seen.lower()
        return seen == (sorted(self.expected) if isinstance(self.expected, set) else self.expected)

    def in_words(self):
        value = sorted(self.expected) if isinstance(self.expected, set) else self.expected
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        return {"is": text, "has": f"at least {text}", "says": f"“{text}”"}.get(self.how) or \
            "between {} and {}".format(*self.expected)


def _smtp(port):
    """Of each submission port."""
    at = f"smtp.{port}"
    yield Expectation(f"{at}.keywords", KEYWORDS | {"AUTH"}, "what is sent in one flight, BDAT, 8-bit and long addresses")
    yield Expectation(f"{at}.size", 35882577, "messages that are refused before they are sent")
    yield Expectation(f"{at}.mechanisms", {"XOAUTH2", "OAUTHBEARER"}, "how postkey logs in", "has")
    yield Expectation(f"{at}.long_auth_line", 500, "a token beyond the 512 octets of a line goes in two steps")
    for mechanism in ("XOAUTH2", "OAUTHBEARER"):
        refused = f"{at}.refused.{mechanism}"
        yield Expectation(f"{refused}.challenge", CHALLENGE, "the empty answer that is owed before the verdict")
        yield Expectation(f"{refused}.reply", "535 5.7.8", "a new token, once, instead of a bounce")
        yield Expectation(f"{refused}.text", "Username and Password not accepted", "postkey explain", "says")
        yield Expectation(f"{at}.accepted.{mechanism}", "235 2.7.0", "that a login has worked")
    yield Expectation(f"{at}.mail", "250 2.1.0", "the envelope")
    yield Expectation(f"{at}.rcpt", "250 2.1.5", "the envelope")
    yield Expectation(f"{at}.tls", ("TLSv1.2", "TLSv1.3"), "what GnuTLS has to agree on", "between")


TABLE = [
    Expectation("discovery.endpoints", {"authorization", "device_authorization", "revocation", "token", "userinfo"},
                "authorize and revoke at a provider that is known by its issuer alone", "has"),
    Expectation("discovery.pkce", {"S256"}, "the browser flow", "has"),
    Expectation("discovery.client_authentication", {"client_secret_basic", "client_secret_post"},
                "how the OAuth client shows its secret", "has"),
    Expectation("discovery.grant_types", {"authorization_code", "refresh_token"}, "authorize, and every refresh", "has"),
    Expectation("token.lifetime", (3300, 3660), "when tokens are refreshed ahead of time", "between"),
    Expectation("token.length", (20, 2048), "buffers, and the two-step AUTH", "between"),
    Expectation("token.scopes", {GMAIL}, "the check of what a person has ticked", "has"),
    Expectation("smtp.587.keywords_before_tls", KEYWORDS | {"STARTTLS"}, "nothing: all is asked again after STARTTLS"),
    *_smtp(465),
    *_smtp(587),
    Expectation("mail.body", "unchanged", "signatures, and everything else that counts bytes"),
    Expectation("mail.header", "complete", "what the sender wrote is what the reader gets"),
    Expectation("imap.mechanisms", {"AUTH=OAUTHBEARER", "AUTH=XOAUTH2"}, "mail clients that fetch with postkey token", "has"),
    Expectation("imap.refused", "NO", "a mail client asks postkey for another token"),
]


def compare(seen):
    """Of all that was seen: what is as expected, what differs, and what nobody looked at."""
    same = [e for e in TABLE if e.name in seen and e.is_met(seen[e.name])]
    differs = [e for e in TABLE if e.name in seen and not e.is_met(seen[e.name])]
    return same, differs, [e for e in TABLE if e.name not in seen]
