"""Packages of Debian that are not installed but unpacked into a folder of the build, because they would take the place of
something of this machine: its mail system, say. What they need besides is in packaging/install-dependencies."""
import os
import shutil
import subprocess
import tempfile

from world import BUILD

PATIENCE = 120


class Missing(Exception):
    """It cannot be had here; says why."""


def unpacked(package):
    """The folder that stands for / in it. Downloaded once for each build folder."""
    folder = os.path.join(BUILD, "debian", package)
    if os.path.isdir(folder):
        return folder
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Missing("this is no Debian")
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as scratch:
        fetched = _run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package, cwd=scratch)
        files = [name for name in os.listdir(scratch) if name.endswith(".deb")]
        if not files:
            raise Missing(f"{package} cannot be downloaded: {fetched}")
        root = os.path.join(scratch, "root")
        failed = _run("dpkg-deb", "-x", os.path.join(scratch, files[0]), root)
        if failed:
            raise Missing(f"{package} cannot be unpacked: {failed}")
        try:
            os.rename(root, folder)
        except OSError:  # another process was faster
            if not os.path.isdir(folder):
                raise
    return folder


def _run(*argv, cwd=None):
    """The last line of what it has to say where it fails, else nothing."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"{argv[0]} ended with {done.returncode}"])[-1]
