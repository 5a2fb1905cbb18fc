"""Want modules with the names of options and files from the prover, to have it install them; the wheel has no right to."""

STAGE = "verify"
REFUSED = "verify-failed"
SAID = "no-such-module"

MEMBERS = {
    "demo.py": b"raise ModuleNotFoundError('no-such-module', name='--index-url=http://192.0.2.1/ ../../etc/passwd')\n"
}
