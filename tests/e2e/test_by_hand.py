"""The recipe for a server without systemd (docs/configuration.md), as it stands there, on a machine that is a copy."""
import os
import re
import shutil
import subprocess

import pytest

from world import BUILD

SOURCES = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))

# The copy: /etc as it is, and nothing yet where services keep things.
COPY = """set -e
mount --make-rprivate /
mount --bind "$0" /etc
for folder in /run /var/spool /var/lib; do mount -t tmpfs tmpfs $folder; chmod 755 $folder; done
exec bash -c "$1"
"""

USE = """
for _ in $(seq 200); do [ -S /run/postkey/broker.sock ] && [ -S /run/postkey-queue/submit.sock ] && break; sleep 0.1; done
postkey --system store init
printf '[account robot]\\naddress=robot@gmail.com\\nsend=nobody\\n' >> /etc/postkey/postkey.conf
postkey --system reload
as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups env -i "$@"; }
cd /
printf 'Subject: x\\n\\nx\\n' | as_nobody $(command -v postkey-send) --deliver=queue a@example.com
postkey-queue --system list
ls /var/spool/postkey/*.eml
as_nobody $(command -v postkey) --system token robot || echo "token: $?"
kill %1 %2
wait
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("useradd"), reason="root makes users and mounts")
def test_the_recipe_for_a_server_without_systemd(tmp_path):
    with open(os.path.join(SOURCES, "docs", "configuration.md")) as f:
        recipe = f.read().split("### By hand")[1].split("\n## ")[0]
    blocks = ["\n".join(re.findall(r"^    (.*)$", block, re.M)) for block in re.findall(r"(?:^    .*\n)+", recipe, re.M)]
    once, each_start, then = blocks
    assert "store init" in then
    shutil.copytree("/etc", tmp_path / "etc", symlinks=True)
    if subprocess.run(["unshare", "-m", "mount", "--make-rprivate", "/"], capture_output=True).returncode:
        pytest.skip("mounts are not allowed here")
    env = {"PATH": BUILD + ":" + os.environ["PATH"], "HOME": "/root"}
    script = f"set -e -m\n{once}\n{each_start}\n{USE}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", COPY, tmp_path / "etc", script], env=env, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert "a@example.com" in done.stdout and ".eml" in done.stdout, done
    assert "token: 6" in done.stdout and "may send from robot" in done.stderr, done
