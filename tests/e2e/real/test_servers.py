"""The script that starts the servers for a person: what it says is true, and nothing is left of it."""
import json
import os
import smtplib
import ssl
import subprocess

import pytest

from processes import all_pids, read_proc
from real import oidc_provider, packages
from world import BUILD, World

pytestmark = pytest.mark.skipif("sanitize" in BUILD, reason="nothing of ours that the other real tests do not run")
SERVERS = os.path.join(packages.HERE, "servers")


def test_what_it_says_can_be_used_and_it_leaves_nothing():
    if why := packages.why_not() or oidc_provider.why_not():
        pytest.skip(why)
    with World(keyring="none") as world:
        servers = world.start(SERVERS, "start", "--json")
        at = json.loads(servers.line())
        folders = [os.path.dirname(log) for log in at["logs"].split()]
        tls = ssl.create_default_context(cafile=at["ca_file"])
        host, port = at["submissions"].split()[0].split(":")
        with smtplib.SMTP_SSL(host, int(port), context=tls) as smtp:
            smtp.ehlo()
            assert smtp.esmtp_features["auth"].split() == ["XOAUTH2", "OAUTHBEARER"]
        assert subprocess.run(["curl", "-sS", "--cacert", at["ca_file"], at["issuer"] + "/.well-known/openid-configuration"],
                              stdout=subprocess.DEVNULL).returncode == 0
        accounts = world.postkey("accounts", env={"POSTKEY_CONFIG": at["config"]})
        assert accounts.code == 0, accounts
        assert servers.stop() == 0, servers.err
        left = [pid for pid in all_pids() if any(folder.encode() in read_proc(pid, "cmdline") for folder in folders)]
        assert not left and not any(os.path.exists(folder) for folder in folders)
