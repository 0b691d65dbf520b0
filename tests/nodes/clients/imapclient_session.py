"""IMAPClient (PyPI) as its users use it. Arguments: account, password, port with STARTTLS, port with TLS on another node."""

import ssl
import sys
from datetime import datetime, timezone

from imapclient import SEEN, FLAGGED, DELETED, IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

account, password, plain, tls = sys.argv[1:5]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def mail(number, text="Hello"):
    return (
        f"From: Anna <anna@x.test>\r\nTo: Bert <bert@x.test>\r\nSubject: =?utf-8?q?m{number}_Gr=C3=BC=C3=9Fe?=\r\n"
        f"Message-ID: <m{number}@x.test>\r\n"
        + (f"In-Reply-To: <m{number - 1}@x.test>\r\n" if number > 1 else "")
        + f"Date: Tue, {number} Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
        "--b\r\nContent-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        "AAECAw==\r\n--b--\r\n"
    ).encode()


one = IMAPClient("127.0.0.1", port=int(plain), ssl=False)
assert b"LOGINDISABLED" in one.capabilities()
one.starttls(context)
try:
    one.login(account, "wrong")
    raise AssertionError("let in")
except LoginError:
    pass
one.login(account, password)
two = IMAPClient("127.0.0.1", port=int(tls), ssl=True, ssl_context=context)
two.plain_login(account, password)
assert two.enable("CONDSTORE") == [b"CONDSTORE"]
said = two.id_({"name": "test"})[0]
assert b"Postrider" in said, said

# Folders: names in modified UTF-7, special uses, subscriptions.
personal = one.namespace()[0]
assert personal[0] == ("", "/"), personal
assert b"\\Trash" in {flag for flags, _, _ in one.list_folders() for flag in flags}
name = "Gr\u00fc\u00dfe/\u65e5\u672c & mehr"
one.create_folder(name)
assert one.folder_exists(name) and two.folder_exists(name)
one.subscribe_folder(name)
assert name in [folder for _, _, folder in two.list_sub_folders()]
one.rename_folder(name, "Neu")
assert two.folder_exists("Neu") and not two.folder_exists(name)
one.delete_folder("Neu")

# APPEND, MULTIAPPEND, and what was appended.
when = datetime(2026, 11, 3, 10, 0, tzinfo=timezone.utc)
answer = one.append("INBOX", mail(1), flags=[SEEN, "$Label"], msg_time=when)
assert b"APPENDUID" in answer, answer
one.multiappend("INBOX", [mail(n) for n in range(2, 6)])
selected = two.select_folder("INBOX")
assert selected[b"EXISTS"] == 5 and b"HIGHESTMODSEQ" in selected, selected
assert two.folder_status("INBOX", ["MESSAGES", "UNSEEN"]) == {b"MESSAGES": 5, b"UNSEEN": 4}
uids = two.search("ALL")
assert len(uids) == 5
data = two.fetch(uids, ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[]"])
for number, uid in enumerate(uids, 1):
    got = data[uid]
    assert got[b"BODY[]"] == mail(number) and got[b"RFC822.SIZE"] == len(mail(number))
    envelope = got[b"ENVELOPE"]
    assert envelope.message_id == f"<m{number}@x.test>".encode(), envelope
    assert str(envelope.from_[0]) == "Anna <anna@x.test>", envelope
    structure = got[b"BODYSTRUCTURE"]
    assert structure.is_multipart and structure[0][1][:2] == (b"application", b"octet-stream"), structure
assert set(data[uids[0]][b"FLAGS"]) >= {SEEN, b"$Label"}, data[uids[0]][b"FLAGS"]
assert data[uids[0]][b"INTERNALDATE"].astimezone(timezone.utc) == when

# Searching, sorting, threads.
assert two.search(["UNSEEN", "SINCE", datetime(2026, 1, 1).date()]) == uids[1:]
assert two.search(["SUBJECT", "gr\u00fc\u00dfe"], charset="UTF-8") == uids
assert two.search(["BODY", "hello", "NOT", ["KEYWORD", "$Label"]]) == uids[1:]
assert two.sort(["REVERSE DATE"]) == uids[::-1]
threads = two.thread("REFERENCES")
assert len(threads) == 1, threads

# Flags, and what the other node's session sees of them in IDLE.
one.select_folder("INBOX")
one.idle()
two.add_flags(uids[:2], [FLAGGED])
changed = set()
for _ in range(20):
    for response in one.idle_check(timeout=5):
        if len(response) == 3 and response[1] == b"FETCH":
            changed.add(response[0])
    if changed == {1, 2}:
        break
assert changed == {1, 2}, changed
one.idle_done()
assert two.remove_flags(uids[0], [FLAGGED])[uids[0]]
assert FLAGGED in two.get_flags(uids[1])[uids[1]]

# COPY, MOVE, EXPUNGE, UID EXPUNGE.
two.copy(uids[:2], "Archive")
two.move(uids[2], "Trash")
assert two.search("ALL") == uids[:2] + uids[3:]
two.delete_messages([uids[3]])
two.delete_messages([uids[4]])
two.uid_expunge([uids[3]])
assert two.search("ALL") == uids[:2] + [uids[4]]
two.expunge()
assert two.search("ALL") == uids[:2]
one.noop()
assert one.search("ALL") == uids[:2]
assert one.folder_status("Archive", "MESSAGES")[b"MESSAGES"] == 2
assert DELETED not in one.get_flags(uids[0])[uids[0]]

# What changed since (CONDSTORE), and quotas.
before = two.folder_status("INBOX", "HIGHESTMODSEQ")[b"HIGHESTMODSEQ"]
one.add_flags(uids[0], [FLAGGED])
since = two.fetch("1:*", ["FLAGS"], modifiers=[f"CHANGEDSINCE {before}"])
assert list(since) == [uids[0]], since
assert one.get_quota_root("INBOX")
try:
    one.select_folder("Nowhere")
    raise AssertionError("selected")
except IMAPClientError:
    pass
one.logout()
two.logout()
print("done")
