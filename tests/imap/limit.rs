//! MESSAGELIMIT (RFC 9738), where an operator sets such a limit.

use super::play_one;
use anyhow::Result;
use testkit::{Cluster, ClusterOptions};

const CONVERSATION: &str = r#"
A = imaps 1
A<* * OK ${*}
A> a1 LOGIN ${account} "${password}"
A<* a1 OK [CAPABILITY ${*} MESSAGELIMIT=3 ${*}
# 3.1: all or nothing
A>> a2 APPEND INBOX {1+}\r\na {1+}\r\nb {1+}\r\nc {1+}\r\nd\r\n
A<* a2 NO [MESSAGELIMIT 3] ${*}
A>> x APPEND INBOX {1+}\r\na\r\nx APPEND INBOX {1+}\r\nb\r\na3 APPEND INBOX {1+}\r\nc {1+}\r\nd {1+}\r\ne\r\n
A<* a3 OK ${*}
A> a4 SELECT INBOX
A<* a4 OK ${*}
A> 03 FETCH 1:5 (UID)
A< * 5 FETCH (UID 5)
A< * 4 FETCH (UID 4)
A< * 3 FETCH (UID 3)
A< 03 OK [MESSAGELIMIT 3 3] ${*}
A> 03b FETCH 1:3 (UID)
A< * 1 FETCH (UID 1)
A< * 2 FETCH (UID 2)
A< * 3 FETCH (UID 3)
A< 03b OK FETCH completed
A> 04 UID SEARCH UID 1:5 UNDELETED
A< * SEARCH 3 4 5
A< 04 OK [MESSAGELIMIT 3 3] ${*}
A> 04b UID SEARCH UID 1:3 UNDELETED
A< * SEARCH 1 2 3
A< 04b OK SEARCH completed
A> 04c SEARCH RETURN (COUNT) ALL
A< * ESEARCH (TAG "04c") COUNT 3
A< 04c OK [MESSAGELIMIT 3 3] ${*}
A> 05 UID COPY 1:5 Archive
A< 05 NO [MESSAGELIMIT 3 3] ${*}
A> 05b STATUS Archive (MESSAGES)
A< * STATUS Archive (MESSAGES 0)
A< 05b OK ${*}
A> 07 UID STORE 1:5 +FLAGS (\\Deleted)
A< * 5 FETCH (UID 5 FLAGS (\Deleted \Recent))
A< * 4 FETCH (UID 4 FLAGS (\Deleted \Recent))
A< * 3 FETCH (UID 3 FLAGS (\Deleted \Recent))
A< 07 OK [MESSAGELIMIT 3 3] ${*}
A> 07b UID STORE 1:2 +FLAGS.SILENT (\\Deleted)
A< 07b OK STORE completed
A> 10 UID FETCH 1:5 (UID FLAGS) (PARTIAL -1:-4)
A< 10 NO [MESSAGELIMIT 3] ${*}
A> 10b UID FETCH 1:5 (UID) (PARTIAL -1:-2)
A< * 4 FETCH (UID 4)
A< * 5 FETCH (UID 5)
A< 10b OK FETCH completed
# 3.2
A> 12 UID SEARCH UIDAFTER 3
A< * SEARCH 4 5
A< 12 OK SEARCH completed
A> 12b UID SEARCH UIDBEFORE 3
A< * SEARCH 1 2
A< 12b OK SEARCH completed
A> 12c UID SEARCH UID 5 UIDBEFORE 1
A< * SEARCH
A< 12c OK SEARCH completed
A> 12d UID SEARCH UIDAFTER 0
A< 12d BAD ${*}
# 3.3: sorted results are whole
A> 13 UID SORT (REVERSE ARRIVAL) UTF-8 DELETED
A<* 13 OK SORT completed
# 3.4
A> D0004 UID SEARCH RETURN (SAVE) DELETED
A< D0004 OK [MESSAGELIMIT 3 3] ${*}
A> D0005 UID SEARCH RETURN (ALL) $
A< * ESEARCH (TAG "D0005") UID ALL 3:5
A< D0005 OK SEARCH completed
# Nor is a part of a result kept true.
A> D0006 UID SEARCH RETURN (UPDATE COUNT) DELETED
A< * ESEARCH (TAG "D0006") UID COUNT 3
A< * NO [NOUPDATE "D0006"] ${*}
A< D0006 OK [MESSAGELIMIT 3 3] ${*}
A> 08 UID EXPUNGE 1:5
A< * 3 EXPUNGE
A< * 3 EXPUNGE
A< * 3 EXPUNGE
A< 08 OK [MESSAGELIMIT 3 3] ${*}
A> 08b UID STORE 1:2 -FLAGS.SILENT (\\Deleted)
A< 08b OK STORE completed
A>> x APPEND INBOX {1+}\r\nf\r\nx APPEND INBOX {1+}\r\ng\r\nx APPEND INBOX {1+}\r\nh\r\na5 APPEND INBOX {1+}\r\ni\r\n
A<* a5 OK ${*}
A> 06 UID MOVE 1:9 Archive
A< * OK [COPYUID ${*} 7:9 1:3] ${*}
A< * 4 EXPUNGE
A< * 4 EXPUNGE
A< * 4 EXPUNGE
A< 06 OK [MESSAGELIMIT 3 7] ${*}
# Where the tagged answer has a code to carry already (RFC 7162 3.2.7)
A> q1 ENABLE QRESYNC
A<* q1 OK ${*}
A> q2 APPEND INBOX {1+}\r\nj
A<* q2 OK ${*}
A> q3 UID MOVE 1:10 Archive
A< * OK [COPYUID ${*} 2,6,10 4:6] ${*}
A< * VANISHED 2,6,10
A< * NO [MESSAGELIMIT 3 2] ${*}
A< q3 OK [HIGHESTMODSEQ ${*}] ${*}
# "the server MUST NOT impose any message limit when processing EXPUNGE"
A>> x APPEND INBOX (\\Deleted) {1+}\r\nk\r\nx APPEND INBOX (\\Deleted) {1+}\r\nl\r\nx APPEND INBOX (\\Deleted) {1+}\r\nm\r\nq4 APPEND INBOX (\\Deleted) {1+}\r\nn\r\n
A<* q4 OK ${*}
A> 09 EXPUNGE
A< * VANISHED 11:14
A< 09 OK [HIGHESTMODSEQ ${*}] ${*}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_set_a_limit() -> Result<()> {
    let settings = vec![("imap.message_limit".into(), 3.into())];
    let options = ClusterOptions { settings, ..ClusterOptions::default() };
    let cluster = Cluster::start_with(1, options).await?;
    play_one(&cluster, CONVERSATION, "limit", |_| 0).await?;
    cluster.check().await
}
