"""Every way to log in, by hand and with imaplib and smtplib.

logins.py prepare                    makes authorities, certificates, and the issuer's keys in this folder
logins.py run SUBMISSIONS IMAP IMAPS IMAPS_OF_ANOTHER_NODE
"""
import base64
import hashlib
import hmac
import imaplib
import json
import os
import smtplib
import ssl
import subprocess
import sys
import time

ANNA, BERT, PASSWORD = "anna@example.test", "bert@example.test", "correct horse 7"


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout


def url64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


# ---- what has to be there before a node starts ----

def certificate(name, email, authority):
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key"]
    openssl("req", *ec, "-out", name + ".csr", "-subj", "/CN=" + name)
    with open(name + ".ext", "w") as file:
        file.write("subjectAltName=email:" + email + "\n")
    openssl("x509", "-req", "-in", name + ".csr", "-CA", authority + ".pem", "-CAkey", authority + ".key",
            "-set_serial", str(int.from_bytes(os.urandom(8), "big") >> 1), "-out", name + ".pem", "-days", "30",
            "-extfile", name + ".ext")


def prepare():
    for authority in ["authority", "stranger"]:
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                authority + ".key", "-out", authority + ".pem", "-subj", "/CN=" + authority, "-days", "30")
    certificate("anna", ANNA, "authority")
    certificate("nobody", "nobody@example.test", "authority")
    certificate("forged", ANNA, "stranger")
    for key in ["issuer.key", "other.key"]:
        openssl("genrsa", "-out", key, "2048")
    modulus = bytes.fromhex(openssl("rsa", "-in", "issuer.key", "-modulus", "-noout").decode().split("=")[1])
    public = {"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256", "n": url64(modulus), "e": "AQAB"}
    with open("jwks.json", "w") as file:
        json.dump({"keys": [public]}, file)


# ---- tokens ----

def token(user=ANNA, key="issuer.key", alg="RS256", **changed):
    claims = {"iss": "https://idp.test", "aud": "mail", "exp": int(time.time()) + 600, "email": user, **changed}
    text = ".".join(url64(json.dumps(part).encode()) for part in [{"alg": alg, "kid": "one", "typ": "JWT"}, claims])
    if alg == "none":
        signature = b""
    elif alg == "HS256":
        # The public key, as the secret.
        secret = openssl("rsa", "-in", key, "-pubout")
        signature = hmac.digest(secret, text.encode(), "sha256")
    else:
        signature = openssl("dgst", "-sha256", "-sign", key, data=text.encode())
    return text + "." + url64(signature)


def oauthbearer(of, user=ANNA):
    return f"n,a={user},\x01host=mx.test\x01port=993\x01auth=Bearer {of}\x01\x01".encode()


def xoauth2(of, user=ANNA):
    return f"user={user}\x01auth=Bearer {of}\x01\x01".encode()


# ---- connections ----

def context(name=None):
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if name:
        made.load_cert_chain(name + ".pem", name + ".key")
    return made


def imaps(port, name=None):
    return imaplib.IMAP4_SSL("127.0.0.1", int(port), ssl_context=context(name), timeout=60)


def refused(action):
    """What the server said."""
    try:
        answer = action()
    except (imaplib.IMAP4.error, smtplib.SMTPException) as error:
        return str(error)
    raise AssertionError(f"let in: {answer}")


class Scram:
    """A client of RFC 5802; `forge` is another connection's channel binding."""

    def __init__(self, user, password, flag="n", channel=b""):
        self.password, self.flag, self.channel = password, flag, channel
        self.bare = f"n={user},r={url64(os.urandom(18))}"
        self.first = None

    def __call__(self, challenge):
        if not challenge:
            return f"{self.flag},,{self.bare}".encode()
        text = challenge.decode()
        if text.startswith("v="):
            assert text[2:] == base64.b64encode(self.expected).decode(), "the server's proof"
            return b""
        self.first = text
        fields = dict(field.split("=", 1) for field in text.split(","))
        assert fields["r"].startswith(self.bare.split("r=")[1])
        self.salt, self.iterations = fields["s"], int(fields["i"])
        bound = base64.b64encode(f"{self.flag},,".encode() + self.channel).decode()
        final = f"c={bound},r={fields['r']}"
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(self.salt), self.iterations)
        key = hmac.digest(salted, b"Client Key", "sha256")
        message = f"{self.bare},{text},{final}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        self.expected = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return f"{final},p={base64.b64encode(proof).decode()}".encode()


def mechanisms(imap):
    return {name[5:] for name in imap.capabilities if name.startswith("AUTH=")}


def scram(port, other):
    imap = imaps(port)
    assert {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "XOAUTH2"} == mechanisms(imap)
    end_point = hashlib.sha256(imap.sock.getpeercert(True)).digest()
    plus = Scram(ANNA, PASSWORD, "p=tls-server-end-point", end_point)
    assert imap.authenticate("SCRAM-SHA-256-PLUS", plus)[0] == "OK"
    imap.logout()
    for mechanism, client in [
        ("SCRAM-SHA-256-PLUS", Scram(ANNA, PASSWORD, "p=tls-server-end-point", bytes(32))),
        ("SCRAM-SHA-256-PLUS", Scram(ANNA, PASSWORD, "p=tls-exporter", end_point)),
        ("SCRAM-SHA-256-PLUS", Scram(ANNA, PASSWORD, "p=tls-unique", bytes(12))),
        ("SCRAM-SHA-256-PLUS", Scram(ANNA, PASSWORD, "n")),
        # The client would bind itself, and was told that the server cannot.
        ("SCRAM-SHA-256", Scram(ANNA, PASSWORD, "y")),
        ("SCRAM-SHA-256", Scram(ANNA, PASSWORD, "p=tls-server-end-point", end_point)),
        ("SCRAM-SHA-256", Scram(ANNA, "wrong")),
    ]:
        imap = imaps(port)
        refused(lambda: imap.authenticate(mechanism, client))
    imap = imaps(port)
    known = Scram(ANNA, PASSWORD)
    assert imap.authenticate("SCRAM-SHA-256", known)[0] == "OK"

    # Nobody can tell by the challenge who is unknown, on whichever node.
    def challenged(port, user):
        client = Scram(user, "x")
        refused(lambda: imaps(port).authenticate("SCRAM-SHA-256", client))
        return client.salt, client.iterations

    here, there = challenged(port, "stranger@example.test"), challenged(other, "Stranger@Example.test")
    assert here == there and here[1] == known.iterations, (here, there, known.iterations)
    assert len(base64.b64decode(here[0])) == len(base64.b64decode(known.salt))
    assert here[0] != challenged(other, "stranger2@example.test")[0]


def external(port, submissions):
    imap = imaps(port, "anna")
    assert "EXTERNAL" in mechanisms(imap), imap.capabilities
    assert imap.authenticate("EXTERNAL", lambda _: b"")[0] == "OK"
    assert imap.create("by-certificate")[0] == "OK"
    imap.logout()
    imap = imaps(port)
    imap.login(ANNA, PASSWORD)
    assert b"by-certificate" in imap.list()[1][-1] or any(b"by-certificate" in line for line in imap.list()[1])
    imap.logout()
    assert imaps(port, "anna").authenticate("EXTERNAL", lambda _: ANNA.encode())[0] == "OK"
    refused(lambda: imaps(port, "anna").authenticate("EXTERNAL", lambda _: BERT.encode()))
    refused(lambda: imaps(port, "nobody").authenticate("EXTERNAL", lambda _: b""))
    assert "not supported" in refused(lambda: imaps(port).authenticate("EXTERNAL", lambda _: b""))
    try:
        imaps(port, "forged").noop()
        raise AssertionError("a certificate of a stranger's authority")
    except (ssl.SSLError, ConnectionError, imaplib.IMAP4.abort):
        pass
    with smtplib.SMTP_SSL("127.0.0.1", int(submissions), context=context("anna"), timeout=60) as smtp:
        smtp.ehlo()
        assert "EXTERNAL" in smtp.esmtp_features["auth"], smtp.esmtp_features
        assert smtp.docmd("AUTH", "EXTERNAL =")[0] == 235
        assert smtp.sendmail(ANNA, [ANNA], b"Subject: by certificate\r\n\r\n") == {}


def bearer(port, submissions):
    imap = imaps(port)
    assert imap.authenticate("OAUTHBEARER", lambda _: oauthbearer(token()))[0] == "OK"
    assert imap.select()[0] == "OK"
    assert imaps(port).authenticate("XOAUTH2", lambda _: xoauth2(token()))[0] == "OK"
    nobody_named = f"n,,\x01auth=Bearer {token()}\x01\x01".encode()
    assert imaps(port).authenticate("OAUTHBEARER", lambda _: nobody_named)[0] == "OK"

    for number, bad in enumerate([
        token(exp=int(time.time()) - 120),
        token(aud="calendar"),
        token(iss="https://evil.test"),
        token(key="other.key"),
        token(alg="none"),
        token(alg="HS256"),
        token(email_verified=False),
        token(user=BERT),
        "nonsense",
    ]):
        said = []

        def answer(challenge, bad=bad, number=number):
            said.append(challenge)
            # Each for another name, so that none is refused for the failures of the others.
            return b"\x01" if challenge else oauthbearer(bad, f"user{number}@example.test")

        error = refused(lambda: imaps(port).authenticate("OAUTHBEARER", answer))
        assert "AUTHENTICATIONFAILED" in error, error
        assert json.loads(said[1])["status"] == "invalid_token", said
        assert json.loads(said[1])["openid-configuration"] == "https://idp.test/.well-known/openid-configuration"
    said = []
    error = refused(lambda: imaps(port).authenticate(
        "XOAUTH2", lambda challenge: said.append(challenge) or (b"" if challenge else xoauth2("nonsense"))))
    assert json.loads(said[1]) == {"status": "401", "schemes": "bearer"}, said

    # Wrong tokens are guesses like wrong passwords: after some, not even the right one is looked at.
    for _ in range(4):
        refused(lambda: imaps(port).authenticate(
            "OAUTHBEARER", lambda challenge: b"\x01" if challenge else oauthbearer("nonsense", BERT)))
    error = refused(lambda: imaps(port).authenticate("OAUTHBEARER", lambda _: oauthbearer(token(BERT), BERT)))
    assert "LIMIT" in error, error

    with smtplib.SMTP_SSL("127.0.0.1", int(submissions), context=context(), timeout=60) as smtp:
        smtp.ehlo()
        for mechanism, first in [("OAUTHBEARER", oauthbearer), ("XOAUTH2", xoauth2)]:
            text = base64.b64encode(first(token(exp=1), "nobody@example.test")).decode()
            code, challenge = smtp.docmd("AUTH", f"{mechanism} {text}")
            assert code == 334 and "status" in json.loads(base64.b64decode(challenge)), challenge
            assert smtp.docmd(base64.b64encode(b"\x01").decode())[0] == 535
        long = token(filler="x" * 4_000)
        code, _ = smtp.docmd("AUTH", "XOAUTH2 " + base64.b64encode(xoauth2(long)).decode())
        assert code == 235, code


if sys.argv[1] == "prepare":
    prepare()
elif sys.argv[1] == "token":
    print(token())
else:
    _, _, submissions, imap_port, imaps_port, imaps_there = sys.argv
    plain = imaplib.IMAP4("127.0.0.1", int(imap_port), timeout=60)
    assert not mechanisms(plain), plain.capabilities
    scram(imaps_port, imaps_there)
    external(imaps_port, submissions)
    bearer(imaps_port, submissions)
    print("done")
