"""Python's smtplib and imaplib against one node each: session.py USER PASSWORD SUBMISSION IMAP IMAPS."""
import imaplib
import smtplib
import ssl
import sys
import time
from email.message import EmailMessage

user, password, submission, imap_port, imaps_port = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def mail(subject, text="Grüße\n"):
    message = EmailMessage()
    message["From"] = message["To"] = user
    message["Subject"] = subject
    message.set_content(text)
    message.add_attachment(b"\x00\xff" * 1000, maintype="application", subtype="octet-stream", filename="a.bin")
    return message


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


with smtplib.SMTP("127.0.0.1", int(submission), timeout=60) as smtp:
    smtp.ehlo()
    assert not smtp.has_extn("auth"), "no passwords in the clear"
    smtp.starttls(context=context)
    smtp.login(user, password)
    assert smtp.esmtp_features["size"]
    for number in range(3):
        assert smtp.send_message(mail(f"submitted {number}")) == {}
    try:
        smtp.sendmail(user, ["nobody@example.test"], b"Subject: x\r\n\r\n")
        raise AssertionError("nobody is nobody")
    except smtplib.SMTPRecipientsRefused as refused:
        assert refused.recipients["nobody@example.test"][0] == 550, refused

imap = imaplib.IMAP4("127.0.0.1", int(imap_port), timeout=60)
assert "LOGINDISABLED" in imap.capabilities
imap.starttls(ssl_context=context)
assert "LOGINDISABLED" not in imap.capabilities
try:
    imap.login(user, "wrong")
    raise AssertionError("a wrong password")
except imaplib.IMAP4.error as error:
    assert b"AUTHENTICATIONFAILED" in error.args[0], error
ok(imap.login(user, password))
names = [line.decode().rsplit(' ', 1)[1].strip('"') for line in ok(imap.list())]
assert {"INBOX", "Drafts", "Sent", "Trash", "Junk", "Archive"} <= set(names), names
assert ok(imap.select("INBOX")) == [b"3"]
ok(imap.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"))
raw = ok(imap.fetch("2", "(RFC822)"))[0][1]
assert b"Subject: submitted 1" in raw and b"Received: from" in raw
assert ok(imap.search(None, "SUBJECT", '"submitted 2"')) == [b"3"]
assert ok(imap.search("UTF-8", "TEXT", '"submitted"'))[0].split() == [b"1", b"2", b"3"]
size = int(ok(imap.fetch("2", "(RFC822.SIZE)"))[0].split()[-1].rstrip(b")"))
assert size == len(raw), (size, len(raw))
part = ok(imap.fetch("2", "(BODY.PEEK[2.MIME])"))[0][1]
assert b"application/octet-stream" in part, part
start = ok(imap.fetch("2", "(BODY.PEEK[]<10.20>)"))[0][1]
assert start == raw[10:30]

ok(imap.create("Work/2026"))
ok(imap.subscribe("Work/2026"))
ok(imap.append("Work/2026", r"(\Seen $Label)", imaplib.Time2Internaldate(time.time()), bytes(mail("appended"))))
ok(imap.select('"Work/2026"'))
flags = ok(imap.fetch("1", "(FLAGS)"))[0]
assert rb"\Seen" in flags and b"$Label" in flags, flags
ok(imap.store("1", "+FLAGS", r"(\Flagged)"))
ok(imap.store("1", "-FLAGS", r"(\Seen $Label)"))
assert ok(imap.search(None, "UNSEEN", "FLAGGED", "UNKEYWORD", "$Label")) == [b"1"]
ok(imap.copy("1", "Archive"))
ok(imap.rename("Work", "Play"))
assert ok(imap.status("Play/2026", "(MESSAGES UNSEEN UIDNEXT)"))[0].endswith(b"(MESSAGES 1 UNSEEN 1 UIDNEXT 2)")
ok(imap.select("INBOX"))
ok(imap.uid("STORE", "1:2", "+FLAGS.SILENT", r"(\Deleted)"))
assert ok(imap.expunge()) in ([b"1", b"1"], [b"2", b"1"])
ok(imap.uid("MOVE", "3", "Trash"))
assert ok(imap.select("INBOX")) == [b"0"]
ok(imap.close())
ok(imap.delete("Play/2026"))
imap.logout()

with imaplib.IMAP4_SSL("127.0.0.1", int(imaps_port), ssl_context=context, timeout=60) as imap:
    imap.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
    assert ok(imap.select("Archive", readonly=True)) == [b"1"]
    assert rb"\Flagged" in ok(imap.fetch("1", "(FLAGS)"))[0]
    assert imap.store("1", "+FLAGS", r"(\Seen)")[0] == "NO", "the mailbox is read-only"

print("done")
