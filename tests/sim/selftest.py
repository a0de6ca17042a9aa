#!/usr/bin/env python3
"""Shows that the small Google does what its README says: selftest.py PROGRAM [CASE…]"""
import base64, hashlib, http.client, json, os, re, shutil, signal, smtplib, socket, ssl, subprocess, sys
import tempfile, threading, time, traceback, urllib.error, urllib.parse, urllib.request

GMAIL = "https://mail.google.com/"
DESKTOP = dict(client_id="desktop-client.apps.test", client_secret="GOCSPX-desktop-secret")
TV = dict(client_id="tv-client.apps.test", client_secret="GOCSPX-tv-secret")
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
ME = "you@gmail.test"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Sim:
    def __init__(self, program):
        self.program = program
        self.dir = tempfile.mkdtemp(prefix="small-google.")
        self.process = subprocess.Popen([program, "--dir", self.dir])
        path = os.path.join(self.dir, "endpoints.json")
        deadline = time.monotonic() + 20
        while not os.path.exists(path):
            assert self.process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        self.at = json.load(open(path))
        self.tls = ssl.create_default_context(cafile=self.at["ca_file"])
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.tls), NoRedirect)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        assert not os.path.exists(os.path.join(self.dir, "endpoints.json"))

    def tell(self, do, **members):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.at["control"])
            s.sendall(json.dumps(dict(do=do, **members)).encode() + b"\n")
            return json.loads(s.makefile().readline())

    def ask(self, do, **members):
        answer = self.tell(do, **members)
        assert answer["ok"], answer
        return answer

    def set(self, **values):
        self.ask("set", values={k.replace("__", "."): v for k, v in values.items()})

    def count(self, name):
        return self.ask("counters")["counters"][name]

    def ctl(self, *words):
        return subprocess.run([self.program, "ctl", self.dir, *words], text=True, capture_output=True)

    def http(self, path, form=None, headers={}, timeout=20):
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(self.at["issuer"] + path, data, headers)
        try:
            with self.opener.open(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.headers, answer.read()

    def json(self, path, form=None, headers={}):
        status, _, body = self.http(path, form, headers)
        return status, json.loads(body)

    def token(self, **form):
        return self.json("/token", form)

    def authorization_url(self, **changes):
        query = dict(client_id=DESKTOP["client_id"], redirect_uri="http://127.0.0.1:9/x",
                     response_type="code", scope=GMAIL + " openid email", state="s t&",
                     code_challenge=CHALLENGE, code_challenge_method="S256",
                     access_type="offline", prompt="consent")
        query.update(changes)
        query = {k: v for k, v in query.items() if v is not None}
        return self.at["issuer"] + "/o/oauth2/v2/auth?" + urllib.parse.urlencode(query)

    def press(self, url=None, **members):
        answer = self.ask("press", url=url or self.authorization_url(), follow=False, **members)
        return {k: v[0] for k, v in urllib.parse.parse_qs(answer["redirect"].split("?", 1)[1]).items()}

    def authorize(self, **members):
        code = self.press(**members)["code"]
        status, tokens = self.token(grant_type="authorization_code", code=code, code_verifier=VERIFIER,
                                    redirect_uri="http://127.0.0.1:9/x", **DESKTOP)
        assert status == 200, tokens
        return tokens

    def smtp(self, tls=True, ehlo=True):
        if tls == "submissions":
            s = smtplib.SMTP_SSL("localhost", self.at["submissions_port"], context=self.tls, timeout=20)
        else:
            s = smtplib.SMTP("localhost", self.at["submission_port"], timeout=20)
            if tls:
                s.starttls(context=self.tls)
        if ehlo:
            s.ehlo("me")
        return s

    def login(self, token, mechanism="XOAUTH2", tls=True, user=ME):
        s = self.smtp(tls)
        code, text = s.docmd("AUTH", mechanism + " " + sasl(mechanism, user, token))
        return s, code, text

    def mails(self):
        folder = self.at["mail_dir"]
        return [(open(f"{folder}/{n[:-5]}.eml", "rb").read(), json.load(open(f"{folder}/{n}")))
                for n in sorted(os.listdir(folder)) if n.endswith(".json")]


def sasl(mechanism, user, token):
    text = (f"user={user}\1auth=Bearer {token}\1\1" if mechanism == "XOAUTH2" else
            f"n,a={user.replace('=', '=3D').replace(',', '=2C')},\1host=localhost\1port=587\1auth=Bearer {token}\1\1")
    return base64.b64encode(text.encode()).decode()


def discovery_names_every_endpoint(sim):
    status, m = sim.json("/.well-known/openid-configuration")
    assert status == 200 and m["issuer"] == sim.at["issuer"]
    assert m["device_authorization_endpoint"].endswith("/device/code")
    assert m["authorization_response_iss_parameter_supported"] is True
    sim.set(device__enabled=False, iss__announce="false")
    _, m = sim.json("/.well-known/openid-configuration")
    assert "device_authorization_endpoint" not in m
    assert "authorization_response_iss_parameter_supported" not in m
    assert sim.http("/device/code", dict(client_id="x"))[0] == 404
    assert sim.http("/nowhere")[0] == 404


def device_flow_waits_grants_denies_and_expires(sim):
    sim.set(device__interval=0)
    _, d = sim.json("/device/code", dict(client_id=TV["client_id"], scope=GMAIL + " openid email"))
    assert d["verification_uri"].endswith("/device") and d["user_code"] in d["verification_uri_complete"]
    poll = dict(grant_type=DEVICE_GRANT, device_code=d["device_code"], **TV)
    status, answer = sim.token(**poll)
    assert (status, answer["error"]) == (428, "authorization_pending")
    assert sim.ask("user-codes")["user_codes"] == [d["user_code"]]
    assert sim.ctl("approve", d["user_code"].lower().replace("-", "")).returncode == 0
    status, answer = sim.token(**poll)
    assert status == 200 and answer["access_token"].startswith("ya29.") and answer["refresh_token"].startswith("1//")
    claims = answer["id_token"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["email"] == ME
    assert sim.token(**poll)[1]["error"] == "invalid_grant"
    _, d = sim.json("/device/code", dict(client_id=TV["client_id"], scope=GMAIL))
    assert d["user_code"].encode() in sim.http("/device?user_code=" + d["user_code"])[2]
    assert b"denied" in sim.http("/device", dict(user_code=d["user_code"], action="deny"))[2]
    poll["device_code"] = d["device_code"]
    assert sim.token(**poll)[1]["error"] == "access_denied"
    sim.set(device__expires_in=0)
    _, d = sim.json("/device/code", dict(client_id=TV["client_id"], scope=GMAIL))
    poll["device_code"] = d["device_code"]
    assert sim.token(**poll)[1]["error"] == "expired_token"
    assert sim.tell("approve", user_code=d["user_code"])["ok"] is False
    sim.set(device__expires_in=None, device__interval=5)
    _, d = sim.json("/device/code", dict(client_id=TV["client_id"], scope=GMAIL))
    poll["device_code"] = d["device_code"]
    assert sim.token(**poll)[0] == 428
    status, answer = sim.token(**poll)
    assert (status, answer["error"]) == (403, "slow_down")


def google_preset_refuses_gmail_scopes_and_desktop_clients(sim):
    assert sim.ctl("preset", "google").returncode == 0
    status, answer = sim.json("/device/code", dict(client_id=DESKTOP["client_id"], scope=GMAIL))
    assert (status, answer["error"]) == (401, "invalid_client")
    status, answer = sim.json("/device/code", dict(client_id=TV["client_id"], scope=GMAIL))
    assert (status, answer) == (400, {"error": "invalid_scope",
                                      "error_description": "Invalid device flow scope: " + GMAIL})
    status, answer = sim.json("/device/code", dict(client_id=TV["client_id"], scope="openid email"))
    assert status == 200 and "verification_url" in answer and "verification_uri" not in answer
    tokens = sim.authorize()
    assert "https://www.googleapis.com/auth/userinfo.email" in tokens["scope"].split()
    assert "id_token" in tokens
    code = sim.press(sim.authorization_url(access_type=None))["code"]
    _, answer = sim.token(grant_type="authorization_code", code=code, code_verifier=VERIFIER,
                          redirect_uri="http://127.0.0.1:9/x", **DESKTOP)
    assert "refresh_token" not in answer
    sim.set(device__error="unauthorized_client")
    assert sim.json("/device/code", dict(client_id=TV["client_id"], scope="openid"))[1]["error"] == "unauthorized_client"


def browser_flow_checks_what_google_checks(sim):
    answer = sim.press()
    assert answer["state"] == "s t&" and answer["iss"] == sim.at["issuer"] and answer["scope"]
    form = dict(grant_type="authorization_code", code=answer["code"], redirect_uri="http://127.0.0.1:9/x",
                code_verifier=VERIFIER, **DESKTOP)
    assert sim.token(**form)[0] == 200
    assert sim.token(**form)[1]["error"] == "invalid_grant"
    for change, error in ((dict(code_verifier="w" * 43), "invalid_grant"),
                          (dict(redirect_uri="http://127.0.0.1:9/y"), "redirect_uri_mismatch"),
                          (dict(client_secret="wrong"), "invalid_client"),
                          (dict(client_id="nobody"), "invalid_client"),
                          (dict(code="nothing"), "invalid_grant"),
                          (dict(grant_type="password"), "unsupported_grant_type")):
        changed = dict(form, code=sim.press()["code"])
        changed.update(change)
        status, answer = sim.token(**changed)
        assert status in (400, 401) and answer["error"] == error, (change, answer)
    changed = dict(form, code=sim.press()["code"])
    del changed["client_secret"]
    assert sim.token(**changed)[1]["error_description"] == "client_secret is missing."
    basic = base64.b64encode(b"desktop-client.apps.test:GOCSPX-desktop-secret").decode()
    del changed["client_id"]
    assert sim.json("/token", changed, {"Authorization": "Basic " + basic})[0] == 200
    for change in (dict(redirect_uri="https://evil.example/"), dict(client_id="x"), dict(code_challenge=None),
                   dict(code_challenge_method="plain"), dict(response_type="token"), dict(scope=None)):
        url = sim.authorization_url(**change)
        assert sim.tell("press", url=url, follow=False)["ok"] is False, change
        assert sim.http(url[len(sim.at["issuer"]):])[0] in (400, 401)
    assert sim.press(deny=True)["error"] == "access_denied"
    sim.set(iss__send="https://other.example")
    assert sim.press()["iss"] == "https://other.example"
    sim.set(iss__send=False)
    assert "iss" not in sim.press()
    for host in ("[::1]:9", "localhost:9"):
        assert "code" in sim.press(sim.authorization_url(redirect_uri=f"http://{host}/"))


def consent_page_can_be_pressed_by_a_browser(sim):
    url = sim.authorization_url()[len(sim.at["issuer"]):]
    status, _, page = sim.http(url)
    boxes = re.findall(r'name="ticked" value="([^"]+)"', page.decode())
    assert status == 200 and boxes == [GMAIL, "openid", "email"]
    form = dict(action="allow", account="other@gmail.test", ticked="email")
    status, headers, _ = sim.http(url, form)
    query = urllib.parse.parse_qs(headers["Location"].split("?", 1)[1])
    assert status == 302 and query["scope"] == ["email"]
    status, tokens = sim.token(grant_type="authorization_code", code=query["code"][0], code_verifier=VERIFIER,
                               redirect_uri="http://127.0.0.1:9/x", **DESKTOP)
    assert tokens["scope"] == "email"
    status, person = sim.json("/v1/userinfo", headers={"Authorization": "Bearer " + tokens["access_token"]})
    assert (status, person["email"]) == (200, "other@gmail.test")
    assert sim.json("/v1/userinfo", headers={"Authorization": "Bearer x"})[0] == 401
    assert sim.authorize(untick=["email"])["scope"] == GMAIL + " openid"


def press_follows_the_redirect(sim):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        got = []

        def serve():
            peer, _ = listener.accept()
            with peer:
                got.append(peer.recv(65536))
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        thread = threading.Thread(target=serve)
        thread.start()
        url = sim.authorization_url(redirect_uri=f"http://127.0.0.1:{listener.getsockname()[1]}/cb")
        done = sim.ctl("press", url)
        thread.join()
        assert done.returncode == 0 and done.stdout.startswith("http://127.0.0.1"), done
        assert got[0].startswith(b"GET /cb?state=s%20t%26&iss=https%3A%2F%2Flocalhost")
        port = listener.getsockname()[1]
    assert sim.ctl("press", sim.authorization_url(redirect_uri=f"http://127.0.0.1:{port}/")).returncode == 1


def refresh_rotates_expires_and_is_revoked(sim):
    tokens = sim.authorize()
    refresh = dict(grant_type="refresh_token", refresh_token=tokens["refresh_token"], **DESKTOP)
    status, answer = sim.token(**refresh)
    assert status == 200 and "refresh_token" not in answer and answer["expires_in"] == 3600
    sim.set(token__rotate=True, token__omit="expires_in scope token_type", token__refresh_token_expires_in=604799)
    _, answer = sim.token(**refresh)
    assert answer["refresh_token"] != refresh["refresh_token"] and "expires_in" not in answer
    assert answer["refresh_token_expires_in"] == 604799
    assert sim.token(**refresh)[1]["error_description"] == "Token has been expired or revoked."
    sim.set(token__reuse_after_rotation=True)
    refresh["refresh_token"] = answer["refresh_token"]
    assert [sim.token(**refresh)[0] for _ in range(3)] == [200, 200, 400]
    sim.ask("preset", name="standard")
    tokens = sim.authorize()
    other = dict(grant_type="refresh_token", refresh_token=tokens["refresh_token"], client_id="public-client.apps.test")
    assert sim.token(**other)[1]["error"] == "unauthorized_client"
    assert sim.http("/revoke", dict(token=tokens["access_token"]))[0] == 200
    assert sim.http("/revoke", dict(token=tokens["access_token"]))[0] == 200
    sim.set(revoke__strict=True)
    assert sim.json("/revoke", dict(token=tokens["access_token"])) == (
        400, {"error": "invalid_token", "error_description": "Token expired or revoked"})
    refresh["refresh_token"] = tokens["refresh_token"]
    assert sim.token(**refresh)[0] == 400
    refresh["refresh_token"] = sim.authorize()["refresh_token"]
    sim.ask("revoke-refresh")
    assert sim.token(**refresh)[1]["error"] == "invalid_grant"
    sim.set(token__scope="openid", token__type_case="bearer", token__expires_in=1)
    tokens = sim.authorize()
    assert (tokens["scope"], tokens["token_type"], tokens["expires_in"]) == ("openid", "bearer", 1)
    listed = json.loads(sim.ctl("tokens").stdout)
    assert any(t["token"] == tokens["access_token"] and t["live"] for t in listed["access_tokens"])
    sim.ctl("expire-access")
    assert not any(t["live"] for t in sim.ask("tokens")["tokens"]["access_tokens"])


def mail_servers_are_told_what_a_token_is_good_for(sim):
    server = dict(client_id="mail-server.apps.test", client_secret="GOCSPX-mail-server-secret")
    tokens = sim.authorize()
    basic = base64.b64encode(f"{server['client_id']}:{server['client_secret']}".encode()).decode()
    for form, headers in ((server, {}), ({}, {"Authorization": f"Basic {basic}"})):
        assert sim.json("/introspect", dict(token=tokens["access_token"], **form), headers) == (
            200, dict(active=True, username=ME, client_id=DESKTOP["client_id"], scope=tokens["scope"], token_type="Bearer"))
    assert sim.json("/introspect", dict(token="nobody's", **server)) == (200, {"active": False})
    assert sim.json("/introspect", dict(token=tokens["refresh_token"], **server)) == (200, {"active": False})
    assert sim.json("/introspect", dict(token=tokens["access_token"], **DESKTOP))[0] == 403
    assert sim.json("/introspect", dict(token=tokens["access_token"]))[0] == 400
    sim.ask("expire-access")
    assert sim.json("/introspect", dict(token=tokens["access_token"], **server)) == (200, {"active": False})
    _, metadata = sim.json("/.well-known/openid-configuration")
    assert metadata["introspection_endpoint"].endswith("/introspect")


def http_fails_on_order(sim):
    sim.ask("fail", endpoint="token", mode="status", status=503, headers={"Retry-After": "2"}, times=1)
    status, headers, body = sim.http("/token", dict(grant_type="x"))
    assert status == 503 and headers["Retry-After"] == "2" and body == b""
    assert sim.http("/token", dict(grant_type="x"))[0] == 400
    assert sim.ctl("fail", "token", "html", "times=1").returncode == 0
    status, headers, body = sim.http("/token", dict(grant_type="x"))
    assert status == 200 and headers["Content-Type"].startswith("text/html") and b"<h1>" in body
    sim.ask("fail", endpoint="token", mode="garbage", times=1)
    assert len(sim.http("/token", {})[2]) == 256
    sim.ask("fail", endpoint="token", mode="body", body='{"error":"x"}', status=400, times=1, grant_type="refresh_token")
    assert sim.token(grant_type="y")[1]["error"] == "unsupported_grant_type"
    assert sim.token(grant_type="refresh_token")[1]["error"] == "x"
    sim.ask("fail", endpoint="discovery", mode="slow", delay_ms=0, times=1)
    assert sim.json("/.well-known/openid-configuration")[0] == 200
    for mode in ("drop", "cut"):
        sim.ask("fail", endpoint="any", mode=mode, times=1)
        try:
            sim.http("/token", {})
            assert False
        except (OSError, http.client.HTTPException):
            pass
    sim.ask("fail", endpoint="token", mode="hang", times=1)
    try:
        sim.http("/token", {}, timeout=0.3)
        assert False
    except OSError:
        pass
    sim.ask("fail", endpoint="connection", mode="drop", times=1)
    try:
        sim.http("/token", {})
        assert False
    except OSError:
        pass
    tokens = sim.authorize()
    sim.set(token__rotate=True)
    sim.ask("fail", endpoint="token", mode="drop", processed=True, times=1)
    refresh = dict(grant_type="refresh_token", refresh_token=tokens["refresh_token"], **DESKTOP)
    try:
        sim.token(**refresh)
        assert False
    except (OSError, http.client.HTTPException):
        pass
    assert sim.token(**refresh)[1]["error"] == "invalid_grant"
    assert sim.tell("fail", endpoint="nowhere", mode="drop")["ok"] is False
    assert sim.tell("fail", endpoint="token", mode="odd")["ok"] is False
    assert sim.tell("fail", endpoint="token", mode="drop", tmies=1)["ok"] is False


def held_requests_go_on_when_released(sim):
    sim.ask("fail", endpoint="token", mode="hold")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(sim.token(grant_type="x")[0])) for _ in range(20)]
    for thread in threads:
        thread.start()
    sim.ask("wait", counter="http.held", at_least=20)
    assert answers == [] and sim.json("/.well-known/openid-configuration")[0] == 200
    assert sim.count("http.concurrent_max") >= 20
    sim.ask("clear")
    for thread in threads:
        thread.join()
    assert answers == [400] * 20
    assert sim.tell("wait", counter="http.held", at_least=99, timeout_ms=10)["ok"] is False


def certificates_are_as_chosen(sim):
    wanted = {"good": None, "wrong-name": 62, "expired": 10, "self-signed": 18, "unknown-ca": 20}
    for name, code in wanted.items():
        sim.set(tls__https=name, tls__smtp=name)
        for attempt in (lambda: sim.http("/"), lambda: sim.smtp(), lambda: sim.smtp("submissions")):
            try:
                attempt()
                got = None
            except urllib.error.URLError as error:
                got = error.reason.verify_code
            except ssl.SSLCertVerificationError as error:
                got = error.verify_code
            assert got == code or (code == 20 and got == 21), (name, got)
    assert sim.tell("set", values={"tls.smtp": "odd"})["ok"] is False
    sim.set(tls__https="good")
    for address in ("127.0.0.1", "localhost"):
        with socket.create_connection(("127.0.0.1", sim.at["https_port"])) as raw:
            sim.tls.wrap_socket(raw, server_hostname=address).close()


def switches_are_typed_and_checked(sim):
    for values in ({"no.such": 1}, {"token.rotate": 1}, {"smtp.size": "x"}, {"smtp.size": -1}, {"smtp.auth": [1]}):
        assert sim.tell("set", values=values)["ok"] is False, values
    assert sim.tell("nothing")["ok"] is False
    assert sim.tell("get", kye="x")["ok"] is False
    assert sim.ctl("set", "smtp.size=1000", "smtp.auth=PLAIN XOAUTH2", "token.rotate=true").returncode == 0
    assert sim.ask("get", key="smtp.auth")["value"] == ["PLAIN", "XOAUTH2"]
    assert sim.ctl("get", "smtp.size").stdout == "1000\n"
    assert sim.ctl("set", "smtp.size=2", "no=1").returncode == 1
    assert sim.ctl("get", "smtp.size").stdout == "1000\n"
    assert sim.ctl("reset").returncode == 0
    assert sim.ask("get")["values"]["smtp.size"] == 35882577
    assert json.loads(sim.ctl("counters").stdout)["http.token"] == 0
    assert json.loads(sim.ctl("json", '{"do":"rules"}').stdout) == {"rules": [], "ok": True}


def smtp_speaks_as_gmail_does(sim):
    s = sim.smtp(tls=False, ehlo=False)
    assert s.docmd("MAIL", "FROM:<a@b.c>")[1].startswith(b"5.5.1 EHLO/HELO first.")
    s.ehlo("me")
    assert set(s.esmtp_features) == {"size", "8bitmime", "starttls", "enhancedstatuscodes", "pipelining", "chunking",
                                     "smtputf8"}
    assert s.docmd("MAIL", "FROM:<a@b.c>")[1].startswith(b"5.7.0 Must issue a STARTTLS command first.")
    assert s.docmd("AUTH", "XOAUTH2 eA==")[0] == 530
    s.starttls(context=sim.tls)
    s.ehlo("me")
    assert "starttls" not in s.esmtp_features
    assert s.esmtp_features["auth"].split()[-6:] == "LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH".split()
    assert s.esmtp_features["size"] == "35882577"
    assert s.docmd("MAIL", "FROM:<a@b.c>")[1].startswith(b"5.7.0 Authentication Required.")
    assert s.docmd("AUTH", "XOAUTH")[0] == 504
    assert s.docmd("WHAT")[0] == 502
    assert s.docmd("EHLO")[0] == 501
    sim.set(smtp__starttls=False)
    s = sim.smtp(tls=False)
    assert "starttls" not in s.esmtp_features and s.docmd("STARTTLS")[0] == 502


def tokens_open_the_session_or_are_challenged(sim):
    tokens = sim.authorize()
    for mechanism in ("XOAUTH2", "OAUTHBEARER"):
        for tls in (True, "submissions"):
            s, code, text = sim.login(tokens["access_token"], mechanism, tls)
            assert (code, text) == (235, b"2.7.0 Accepted")
            assert s.docmd("AUTH", "XOAUTH2")[0] == 503
            s = sim.smtp(tls)
            assert s.docmd("AUTH", mechanism) == (334, b"")
            assert s.docmd(sasl(mechanism, ME, tokens["access_token"]))[0] == 235
        answer = "" if mechanism == "XOAUTH2" else "AQ=="
        for token, user in (("x", ME), (tokens["access_token"], "other@gmail.test")):
            s, code, text = sim.login(token, mechanism, user=user)
            assert code == 334 and json.loads(base64.b64decode(text)) == {
                "status": "400", "schemes": "Bearer", "scope": GMAIL}
            code, text = s.docmd(answer)
            assert code == 535 and text.startswith(b"5.7.8 Username and Password not accepted.")
            assert s.docmd("AUTH", mechanism + " " + sasl(mechanism, ME, tokens["access_token"]))[0] == 235
    assert sim.count("smtp.challenge_answer_wrong") == 0
    assert sim.count("smtp.auth_ok") == 12 and sim.count("smtp.auth_refused") == 4
    assert sim.count("smtp.initial_response") == 12 and sim.count("smtp.two_step") == 4
    s = sim.smtp()
    for bad in ("XOAUTH2 !!!", "XOAUTH2 " + base64.b64encode(b"user=a").decode(), "XOAUTH2 ="):
        assert s.docmd("AUTH", bad)[0] == 501
    assert s.docmd("AUTH", "XOAUTH2")[0] == 334 and s.docmd("*")[0] == 501
    assert s.docmd("AUTH", "XOAUTH2 " + sasl("XOAUTH2", ME, "x" * 400))[0] == 500
    assert s.docmd("AUTH", "XOAUTH2")[0] == 334
    assert s.docmd(sasl("XOAUTH2", ME, "x" * 3000))[0] == 334 and s.docmd("")[0] == 535
    assert s.docmd("AUTH", "XOAUTH2")[0] == 334 and s.docmd("A" * 12300)[0] == 500
    sim.set(smtp__max_command=12288, token__padding=1900)
    assert sim.login(sim.authorize()["access_token"])[1] == 235
    assert sim.login(sim.authorize(untick=[GMAIL])["access_token"])[1] == 334
    sim.ask("expire-access")
    assert sim.login(tokens["access_token"])[1] == 334
    plain = base64.b64encode(f"\0{ME}\0abcd".encode()).decode()
    assert sim.smtp().docmd("AUTH", "PLAIN " + plain)[0] == 534
    sim.set(smtp__app_password="abcd")
    assert sim.smtp().docmd("AUTH", "PLAIN " + plain)[0] == 235
    assert sim.smtp().docmd("AUTH", "PLAIN " + base64.b64encode(b"\0a\0b").decode())[0] == 535
    sim.smtp().login(ME, "abcd")


def mails_arrive_byte_by_byte(sim):
    s, code, _ = sim.login(sim.authorize()["access_token"])
    assert s.docmd("MAIL", "FROM: <a@b.c>")[0] == 555
    assert s.docmd("MAIL", "FROM:<a b@b.c>")[0] == 553
    assert s.docmd("MAIL", "FROM:<a@b.c> ODD=1")[0] == 555
    assert s.docmd("RCPT", "TO:<a@b.c>")[0] == 503
    assert s.docmd("MAIL", f"FROM:<{ME}> SIZE=9 BODY=8BITMIME")[1].startswith(b"2.1.0 OK")
    assert s.docmd("DATA")[1].startswith(b"5.5.1 RCPT first.")
    assert s.docmd("RCPT", "TO:<nobody>")[0] == 553
    assert s.docmd("RCPT", "TO:<x@gmail.test>")[1].startswith(b"2.1.5 OK")
    assert s.docmd("DATA")[0] == 354
    text = "a: b\r\n\r\n.one\r\n..two\r\n.\r\nä\r\n"
    s.sock.sendall(re.sub(r"(?m)^\.", "..", text).encode() + b".\r\n")
    code, answer = s.getreply()
    assert code == 250 and answer.startswith(b"2.0.0 OK  1") and answer.endswith(b" - gsmtp")
    content, envelope = sim.mails()[-1]
    assert content == text.encode()
    assert envelope["mail_from"] == ME and envelope["recipients"] == ["x@gmail.test"]
    assert envelope["refused"] == ["nobody"] and envelope["mail_params"] == ["SIZE=9", "BODY=8BITMIME"]
    assert envelope["user"] == ME and envelope["mechanism"] == "XOAUTH2" and envelope["via"] == "DATA"
    assert envelope["port"] == "submission" and envelope["tls_version"].startswith("TLS1.")
    assert envelope["size"] == len(content)
    # one flight: MAIL, RCPT, BDAT, BDAT LAST, and the same again, refused
    one, two = b"A: b\r\n\r\n", b"..\r\n.\r\nend without a line"
    flight = (b"MAIL FROM:<you@gmail.test>\r\nRCPT TO:<b@c.d>\r\nBDAT %d\r\n%sBDAT %d LAST\r\n%s"
              % (len(one), one, len(two), two))
    s.sock.sendall(flight + b"RCPT TO:<b@c.d>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    codes = [s.getreply()[0] for _ in range(7)]
    assert codes == [250, 250, 250, 250, 503, 503, 250], codes
    content, envelope = sim.mails()[-1]
    assert content == one + two and envelope["via"] == "BDAT"
    s.sock.sendall(b"MAIL FROM:<>\r\nRCPT TO:<b@c.d>\r\nBDAT 2\r\nhiDATA\r\nRSET\r\n")
    assert [s.getreply()[0] for _ in range(5)] == [250, 250, 250, 503, 250]
    assert sim.count("smtp.messages") == 2
    # SMTPUTF8
    s.sock.sendall("MAIL FROM:<ä@b.c>\r\nMAIL FROM:<ä@b.c> SMTPUTF8\r\nRCPT TO:<ö@ü.c>\r\nRSET\r\n".encode())
    assert [s.getreply()[0] for _ in range(4)] == [553, 250, 250, 250]
    # wrong line ends
    before = sim.count("smtp.bare_newlines")
    s.sock.sendall(b"MAIL FROM:<a@b.c>\r\nRCPT TO:<b@c.d>\r\nDATA\r\n")
    assert [s.getreply()[0] for _ in range(3)] == [250, 250, 354]
    s.sock.sendall(b"a\nb\rc\r\n.\nd\n.\r\n\r\n.\r\n")
    code, answer = s.getreply()
    assert (code, sim.count("smtp.bare_newlines") - before) == (550, 4), (code, sim.count("smtp.bare_newlines"))
    s.sock.sendall(b"NOOP\n")
    assert s.getreply()[0] == 501
    assert s.docmd("QUIT")[0] == 221
    assert s.sock.recv(1) == b""


def limits_are_enforced(sim):
    token = sim.authorize()["access_token"]
    sim.set(smtp__size=1000, smtp__recipients_max=2)
    s, _, _ = sim.login(token)
    code, text = s.docmd("MAIL", "FROM:<a@b.c> SIZE=1001")
    assert code == 552 and text.startswith(b"5.3.4 ")
    for via in ("DATA", "BDAT"):
        assert s.docmd("MAIL", "FROM:<a@b.c>")[0] == 250
        assert [s.docmd("RCPT", f"TO:<{i}@b.c>")[0] for i in range(3)] == [250, 250, 452]
        if via == "DATA":
            assert s.docmd("DATA")[0] == 354
            s.sock.sendall(b"x" * 998 + b"\r\n" + b"y\r\n.\r\n")
            assert s.getreply()[0] == 552
        else:
            s.sock.sendall(b"BDAT 1001\r\n" + b"x" * 1001 + b"BDAT 1 LAST\r\nyRSET\r\n")
            assert [s.getreply()[0] for _ in range(3)] == [552, 503, 250]
    assert s.docmd("NOOP " + "x" * 600)[0] == 500
    sim.set(smtp__extensions="SIZE AUTH STARTTLS")
    s, _, _ = sim.login(token)
    assert set(s.esmtp_features) == {"size", "auth"}
    assert s.docmd("BDAT", "1 LAST")[0] == 502 and s.docmd("MAIL", "FROM:<a@b.c> BODY=8BITMIME")[0] == 555


def smtp_fails_on_order(sim):
    token = sim.authorize()["access_token"]
    reply = "550-5.4.5 Daily user sending limit exceeded.\n550 5.4.5 More."
    sim.ask("smtp", command="RCPT", match="bad@", action="reply", reply=reply)
    assert sim.ctl("smtp", "BODY", "reply", "reply=451-4.3.0 a\\n451 4.3.0 b", "times=1").returncode == 0
    s, _, _ = sim.login(token)
    s.docmd("MAIL", "FROM:<a@b.c>")
    assert s.docmd("RCPT", "TO:<bad@b.c>") == (550, b"5.4.5 Daily user sending limit exceeded.\n5.4.5 More.")
    assert s.docmd("RCPT", "TO:<good@b.c>")[0] == 250
    s.docmd("DATA")
    s.sock.sendall(b"x\r\n.\r\n")
    assert s.getreply() == (451, b"4.3.0 a\n4.3.0 b") and sim.mails() == []
    sim.ask("smtp", command="BODY", action="reply", reply="250 2.0.0 fine", times=1)
    s.sock.sendall(b"MAIL FROM:<a@b.c>\r\nRCPT TO:<good@b.c>\r\nBDAT 3 LAST\r\nx\r\n")
    assert [s.getreply() for _ in range(3)][2] == (250, b"2.0.0 fine") and len(sim.mails()) == 1
    sim.ask("smtp", command="BDAT", action="reply", reply="421 4.3.0 no", times=1)
    s.sock.sendall(b"MAIL FROM:<a@b.c>\r\nRCPT TO:<good@b.c>\r\nBDAT 3 LAST\r\nx\r\nRSET\r\n")
    assert [s.getreply()[0] for _ in range(4)] == [250, 250, 421, 250]
    sim.ask("smtp", command="AUTH-VERDICT", action="reply", reply="454 4.7.0 Too many login attempts", times=1)
    assert sim.login(token)[1] == 454
    sim.ask("smtp", command="CONNECT", action="close_after_reply", reply="421 4.7.0 busy", times=1)
    try:
        sim.smtp()
        assert False
    except smtplib.SMTPConnectError as error:
        assert error.smtp_code == 421
    for command in ("CONNECT", "EHLO", "STARTTLS", "TLS"):
        sim.ask("smtp", command=command, action="drop", times=1)
        try:
            sim.smtp()
            assert False
        except (smtplib.SMTPServerDisconnected, OSError):
            pass
    for command, line in (("MAIL", "MAIL FROM:<a@b.c>"), ("RSET", "RSET"), ("QUIT", "QUIT")):
        sim.ask("smtp", command=command, action="hang", times=1)
        s, _, _ = sim.login(token)
        s.sock.settimeout(0.2)
        try:
            s.docmd(line)
            assert False
        except (smtplib.SMTPServerDisconnected, OSError):
            pass
    sim.ask("smtp", command="EHLO", action="reply_slowly", delay_ms=1, times=2)
    assert "8bitmime" in sim.smtp().esmtp_features
    sim.ask("smtp", command="BODY", action="hold", times=1)
    sim.set(smtp__inject_after_starttls="250 smuggled\r\n")
    with socket.create_connection(("127.0.0.1", sim.at["submission_port"])) as raw:
        lines = raw.makefile("rb")
        lines.readline()
        raw.sendall(b"EHLO me\r\n")
        while lines.readline()[3:4] == b"-":
            pass
        raw.sendall(b"STARTTLS\r\nNOOP\r\n")
        assert lines.readline().startswith(b"220") and lines.readline() == b"250 smuggled\r\n"
    sim.ask("wait", counter="smtp.plain_after_starttls", at_least=1)
    for bad in (dict(command="ODD", action="drop"), dict(command="MAIL", action="reply"),
                dict(command="MAIL", action="reply", reply="hello"),
                dict(command="MAIL", action="reply", reply="250 a\n250 b")):
        assert sim.tell("smtp", **bad)["ok"] is False, bad


def early_chunks_are_borne_or_not_and_answers_are_cut(sim):
    token = sim.authorize()["access_token"]
    flight = b"MAIL FROM:<a@b.c>\r\nRCPT TO:<b@c.d>\r\nBDAT 6 LAST\r\nNOOP\r\nRSET\r\n"
    for early, codes in (("take", [250, 250, 250, 250]), ("refuse", [250, 250, 503, 250]),
                         ("misread", [250, 250, 503, 250, 250]), ("close", [])):
        sim.set(smtp__early_bdat=early)
        s, _, _ = sim.login(token)
        s.sock.sendall(flight)
        if codes:
            assert [s.getreply()[0] for _ in codes] == codes, early
        else:
            assert s.sock.recv(1) == b""
        s.close()
    assert (sim.count("smtp.messages"), sim.count("smtp.early_bdat")) == (1, 3)
    assert not sim.tell("set", values={"smtp.early_bdat": "odd"})["ok"]
    sim.set(smtp__early_bdat="refuse")
    s, _, _ = sim.login(token)
    before = sim.count("smtp.turns")
    assert s.docmd("MAIL", "FROM:<a@b.c>")[0] == 250 and s.docmd("RCPT", "TO:<b@c.d>")[0] == 250
    s.sock.sendall(b"BDAT 6 LAST\r\nhello\n")
    s.getreply()
    assert s.docmd("NOOP")[0] == 250 and sim.count("smtp.turns") - before == 4
    sim.set(smtp__cut_after=12)
    with socket.create_connection(("127.0.0.1", sim.at["submission_port"])) as raw:
        assert raw.makefile("rb").read() == b"220 smtp.gma"


def hundreds_of_idle_connections_delay_nobody(sim):
    token = sim.authorize()["access_token"]
    idle = [socket.create_connection(("127.0.0.1", sim.at[port]))
            for port in ("submission_port", "submissions_port", "https_port") for _ in range(300)]
    sim.ask("wait", counter="smtp.connected", at_least=600)
    sim.ask("wait", counter="http.connected", at_least=300)
    s, code, _ = sim.login(token, tls="submissions")
    assert code == 235
    s.sendmail(ME, ["a@b.c"], "Subject: x\r\n\r\nhello\r\n")
    assert len(sim.mails()) == 1 and sim.count("smtp.concurrent_max") >= 601
    for connection in idle:
        connection.close()


def stops_cleanly_while_some_hang(sim):
    sim.ask("fail", endpoint="token", mode="hang")
    sim.ask("fail", endpoint="discovery", mode="hold")
    sim.ask("smtp", command="EHLO", action="hang")
    threads = [threading.Thread(target=lambda path=path: quiet(lambda: sim.http(path)))
               for path in ("/token", "/.well-known/openid-configuration") for _ in range(20)]
    threads += [threading.Thread(target=lambda: quiet(sim.smtp)) for _ in range(20)]
    threads += [threading.Thread(target=lambda: quiet(lambda: sim.tell("wait", counter="x", at_least=1)))]
    for thread in threads:
        thread.start()
    sim.ask("wait", counter="http.failed", at_least=40)
    sim.ask("wait", counter="smtp.failed", at_least=20)
    sim.stop()
    for thread in threads:
        thread.join()


def quiet(attempt):
    try:
        attempt()
    except Exception:
        pass


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def assertion(sim, key, header={}, **claims):
    """Signed by openssl, which is neither ours nor GnuTLS."""
    now = int(time.time())
    all_claims = dict(iss=key["client_email"], sub=ME, scope=GMAIL, aud=sim.at["issuer"] + "/token", iat=now,
                      exp=now + 3600)
    all_claims.update(claims)
    head = dict(alg="RS256", typ="JWT", kid=key["private_key_id"])
    head.update(header)
    text = b64url(json.dumps(head).encode()) + "." + b64url(json.dumps(all_claims).encode())
    path = os.path.join(sim.dir, "key.pem")
    with open(path, "w") as f:
        f.write(key["private_key"])
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", path], input=text.encode(),
                               capture_output=True, check=True).stdout
    return text + "." + b64url(signature)


def service_accounts_get_tokens_for_what_they_sign(sim):
    key = sim.ask("service-account", email="robot@proj.test", users=f"{ME} b@x.test")["key"]
    assert key["type"] == "service_account" and "PRIVATE KEY" in key["private_key"]
    grant = dict(grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer")
    status, tokens = sim.token(assertion=assertion(sim, key), **grant)
    assert status == 200 and "refresh_token" not in tokens and "id_token" not in tokens, tokens
    _, code, _ = sim.login(tokens["access_token"])
    assert code == 235
    now = int(time.time())
    for wrong, error, words in ((dict(sub="stranger@x.test"), "invalid_grant", "Invalid email or User ID"),
                                (dict(scope="https://other/"), "unauthorized_client", "unauthorized"),
                                (dict(aud="https://other/"), "invalid_grant", "audience"),
                                (dict(exp=now + 3700), "invalid_grant", "timeframe"),
                                (dict(iat=now + 900, exp=now + 1000), "invalid_grant", "timeframe"),
                                (dict(iss="nobody@x.test"), "invalid_grant", "not found"),
                                (dict(header=dict(alg="none")), "invalid_grant", "Signature"),
                                (dict(header=dict(kid="x")), "invalid_grant", "Signature")):
        status, answer = sim.token(assertion=assertion(sim, key, **wrong), **grant)
        assert status >= 400 and answer["error"] == error and words in answer["error_description"], answer
    sim.ask("service-account", email="robot@proj.test")
    assert sim.token(assertion=assertion(sim, key), **grant)[1]["error_description"] == "Invalid JWT Signature."
    assert sim.token(assertion="a.b", **grant)[1]["error"] == "invalid_request"
    assert sim.count("token.assertion") == 11


def clients_get_tokens_by_themselves_where_they_may(sim):
    app = dict(client_id="app-client.apps.test", client_secret="GOCSPX-app-secret")
    for path in ("/token", "/test-tenant/oauth2/v2.0/token"):
        status, tokens = sim.json(path, dict(grant_type="client_credentials", scope="x/.default", **app))
        assert status == 200 and tokens["scope"] == "x/.default" and "refresh_token" not in tokens, tokens
    wrong = dict(app, client_secret="no")
    assert sim.token(grant_type="client_credentials", scope="x", **wrong)[1]["error"] == "invalid_client"
    assert sim.token(grant_type="client_credentials", scope="x", **DESKTOP)[1]["error"] == "unauthorized_client"
    assert sim.token(grant_type="client_credentials", **app)[1]["error"] == "invalid_request"
    assert sim.count("http.tenant_token") == 1


CASES = [discovery_names_every_endpoint, device_flow_waits_grants_denies_and_expires,
         google_preset_refuses_gmail_scopes_and_desktop_clients, browser_flow_checks_what_google_checks,
         consent_page_can_be_pressed_by_a_browser, press_follows_the_redirect,
         refresh_rotates_expires_and_is_revoked,
         mail_servers_are_told_what_a_token_is_good_for, http_fails_on_order, held_requests_go_on_when_released,
         certificates_are_as_chosen, switches_are_typed_and_checked, smtp_speaks_as_gmail_does,
         tokens_open_the_session_or_are_challenged, mails_arrive_byte_by_byte, limits_are_enforced,
         smtp_fails_on_order, early_chunks_are_borne_or_not_and_answers_are_cut, service_accounts_get_tokens_for_what_they_sign,
         clients_get_tokens_by_themselves_where_they_may, hundreds_of_idle_connections_delay_nobody,
         stops_cleanly_while_some_hang]


def main():
    program, names = os.path.abspath(sys.argv[1]), sys.argv[2:]
    failed = 0
    for case in CASES:
        if names and case.__name__ not in names:
            continue
        sim = Sim(program)
        try:
            case(sim)
            if sim.process.poll() is None:
                sim.stop()
            assert sim.process.returncode == 0
            shutil.rmtree(sim.dir)
            print("ok  ", case.__name__, flush=True)
        except BaseException as error:
            failed += 1
            print("FAIL", case.__name__, sim.dir, flush=True)
            traceback.print_exc()
            if isinstance(error, KeyboardInterrupt):
                raise
        finally:
            if sim.process.poll() is None:
                sim.process.kill()
    return 1 if failed else 0


sys.exit(main())
