"""imap-tools (PyPI) as its users use it. Arguments: account, password, port with STARTTLS, port with TLS on another node."""

import ssl
import sys
from datetime import date

from imap_tools import AND, OR, MailBox, MailboxLoginError, MailBoxStartTls, MailMessageFlags

account, password, plain, tls = sys.argv[1:5]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE

try:
    MailBox("127.0.0.1", int(tls), ssl_context=context).login(account, "wrong")
    raise AssertionError("let in")
except MailboxLoginError:
    pass

with MailBoxStartTls("127.0.0.1", int(plain), ssl_context=context).login(account, password) as one:
    with MailBox("127.0.0.1", int(tls), ssl_context=context).login(account, password) as two:
        one.folder.create("Tools/\u00dcbung")
        assert two.folder.exists("Tools/\u00dcbung")
        one.folder.subscribe("Tools/\u00dcbung", True)
        for number in range(1, 8):
            text = (
                f"From: a{number}@x.test\r\nTo: b@x.test\r\nSubject: =?utf-8?q?n=C3=BCmmer?= {number}\r\n"
                f"Date: Tue, {number} Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
                f"--b\r\nContent-Type: text/plain\r\n\r\ntext {number}\r\n"
                "--b\r\nContent-Disposition: attachment; filename=a.bin\r\n"
                "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n--b--\r\n"
            )
            flags = [MailMessageFlags.SEEN] if number == 1 else None
            one.append(text.encode(), "Tools/\u00dcbung", flag_set=flags)
        two.folder.set("Tools/\u00dcbung")
        messages = list(two.fetch(mark_seen=False, bulk=True))
        assert [m.subject for m in messages] == [f"n\u00fcmmer {n}" for n in range(1, 8)]
        assert messages[0].attachments[0].payload == b"\x00\x01\x02\x03"
        assert messages[0].flags == (MailMessageFlags.SEEN,) or MailMessageFlags.SEEN in messages[0].flags
        assert "text 3" in messages[2].text and messages[2].date.day == 3
        assert len(two.uids(AND(seen=False))) == 6
        found = two.uids(OR(from_=["a2@x.test", "a5@x.test"]))
        assert found == [messages[1].uid, messages[4].uid], found
        assert two.uids(AND(sent_date_gte=date(2026, 11, 6))) == [m.uid for m in messages[5:]]
        assert two.uids(AND(subject="n\u00fcmmer 4"), charset="UTF-8") == [messages[3].uid]
        assert two.uids(sort="REVERSE DATE")[0] == messages[6].uid
        assert len(list(two.fetch(limit=2, reverse=True, headers_only=True))) == 2
        two.flag([messages[1].uid, messages[2].uid], [MailMessageFlags.FLAGGED, "Own"], True)
        assert len(two.uids(AND(flagged=True, keyword="Own"))) == 2
        two.copy([messages[0].uid], "Archive")
        two.move([messages[1].uid], "Trash")
        two.delete([messages[2].uid])
        assert len(two.uids()) == 5
        one.folder.set("Tools/\u00dcbung")
        with one.idle as idle:
            two.delete([messages[3].uid])
            responses = []
            while not any(b"EXPUNGE" in response for response in responses):
                more = idle.poll(timeout=20)
                assert more, responses
                responses += more
        assert one.folder.status("Trash")["MESSAGES"] == 1
        one.folder.rename("Tools/\u00dcbung", "Tools/b")
        one.folder.delete("Tools/b")
        assert [f.name for f in one.folder.list("Tools")] in (["Tools"], []), one.folder.list("Tools")
print("done")
