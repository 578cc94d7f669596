"""A certificate for 127.0.0.1, and the authority that signed it."""
import os
import subprocess


def certificate(directory):
    """Makes ca.crt, server.crt and server.key there; returns the path of ca.crt."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=directory, check=True, capture_output=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt",
            "-subj", "/CN=test authority")
    openssl("req", "-x509", *key, "-keyout", "server.key", "-out", "server.crt",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-addext", "basicConstraints=CA:FALSE", "-CA", "ca.crt", "-CAkey", "ca.key")
    return os.path.join(directory, "ca.crt")
