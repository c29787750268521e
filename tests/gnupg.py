"""A home of GnuPG's own for tests: keys made to order, signatures by gpg, the verdict of gpgv."""

from __future__ import annotations

import re
import subprocess

from tests.support import needs_tools

DOCUMENT = b'set default="0"\nset dm_verity_root="root,,,ro,0 1884160 verity 1 ..."\n'


class Gpg:
    """A home of gpg's own, with keys made to order."""

    def __init__(self, home):
        needs_tools("gpg", "gpgv", "gpgconf")
        self.home = home
        home.mkdir(mode=0o700)

    def run(self, *arguments, stdin=None):
        done = subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--yes", "--quiet", "--passphrase", "", *arguments],
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self, name, algorithm="ed25519", usage="sign", expires="never", *options):
        """Generate a key and give its exported form."""
        self.run(*options, "--quick-gen-key", name, algorithm, usage, expires)
        return self.export(name)

    def export(self, name):
        return self.run("--export", name)

    def fingerprint(self, name):
        listing = self.run("--with-colons", "--list-keys", name).decode()
        return re.search(r"^fpr:::::::::(\w+):", listing, re.MULTILINE)[1]

    def sign(self, name, *options, document=DOCUMENT):
        return self.run("--local-user", name, *options, "--detach-sign", stdin=document)

    def gpgv_accepts(self, key, signature, document=DOCUMENT):
        for name, content in (("k", key), ("s", signature), ("d", document)):
            (self.home / name).write_bytes(content)
        done = subprocess.run(
            ["gpgv", "--homedir", self.home, "--keyring", self.home / "k", self.home / "s", self.home / "d"],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def close(self):
        """End the agent that gpg started."""
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=False)
