"""POP3 as Python's own poplib speaks it. Arguments: account, password, port with STLS, port with TLS."""

import poplib
import ssl
import sys

account, password, plain, tls = sys.argv[1:5]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def refused(call, *arguments):
    try:
        call(*arguments)
    except poplib.error_proto as error:
        return str(error)
    raise AssertionError("it was not refused")


def second():
    other = poplib.POP3_SSL("127.0.0.1", int(tls), context=context)
    other.utf8()
    other.user(account)
    other.pass_(password)
    return other


# STLS: no password before it, and other capabilities after it.
pop = poplib.POP3("127.0.0.1", int(plain))
assert "STLS" in pop.capa() and "USER" not in pop.capa(), pop.capa()
assert "Encryption" in refused(pop.user, account)
pop.stls(context)
capabilities = pop.capa()
assert "USER" in capabilities and "STLS" not in capabilities, capabilities
assert "PLAIN" in capabilities["SASL"] and capabilities["EXPIRE"] == ["NEVER"], capabilities
pop.user(account)
assert "[AUTH]" in refused(pop.pass_, "wrong")
pop.user(account)
pop.pass_(password)
count, octets = pop.stat()
assert count == 3, count
sizes = [int(line.split()[1]) for line in pop.list()[1]]
assert sum(sizes) == octets, (sizes, octets)
for number, size in enumerate(sizes, 1):
    answer, lines, got = pop.retr(number)
    # poplib counts what came after the first line, without stuffing.
    assert got == size, (number, got, size)
    assert any(line.startswith(b"Subject: m") for line in lines)
assert b"..two dots" in pop.retr(3)[1] and b"." in pop.retr(3)[1]
answer, lines, got = pop.top(3, 1)
assert lines[-1] == b".", lines
unique = {line.split()[1] for line in pop.uidl()[1]}
assert len(unique) == 3, unique
assert "[IN-USE]" in refused(second)


pop.dele(1)
pop.dele(2)
assert "No such" in refused(pop.retr, 1)
pop.rset()
pop.dele(2)
pop.noop()
pop.quit()

pop = second()
left = {line.split()[1] for line in pop.uidl()[1]}
assert len(left) == 2 and left < unique, (left, unique)
pop.quit()
print("done")
