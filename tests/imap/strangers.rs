//! Who may do nothing with a mailbox is told what they would be told if there were none, by every command; and whoever may
//! see it needs for every command the rights that RFC 4314 section 4 names, and no others.

use anyhow::{Result, ensure};
use testkit::{Cluster, ClusterOptions, ImapClient, PASSWORD};

/// Commands about a mailbox `M`.
const COMMANDS: &[&str] = &[
    "SELECT M",
    "EXAMINE M",
    "STATUS M (MESSAGES UIDNEXT)",
    "CREATE M",
    "CREATE M/x",
    "DELETE M",
    "RENAME M M2",
    "RENAME M Mine",
    "RENAME M M/x",
    "RENAME Archive M",
    "LIST \"\" M",
    "LIST \"\" M/*",
    "LIST (SUBSCRIBED) \"\" M",
    "LIST \"\" (M) RETURN (MYRIGHTS STATUS (MESSAGES) CHILDREN)",
    "LSUB \"\" M",
    "SUBSCRIBE M",
    "UNSUBSCRIBE M",
    "APPEND M {3+}\r\nabc",
    "APPEND M {3+}\r\nabc {3+}\r\nabc",
    "SETACL M anyone lr",
    "DELETEACL M anyone",
    "GETACL M",
    "LISTRIGHTS M anyone",
    "MYRIGHTS M",
    "GETMETADATA M /shared/comment",
    "SETMETADATA M (/private/comment \"x\")",
    "GETQUOTAROOT M",
    "NOTIFY SET STATUS (MAILBOXES M (MessageNew MessageExpunge))",
    "NOTIFY NONE",
];

/// The same with a mailbox selected.
const SELECTED: &[&str] =
    &["COPY 1 M", "UID COPY 1 M", "MOVE 1 M", "REPLACE 1 M {3+}\r\nabc", "NOOP"];

/// What is answered, with the name taken out.
async fn answer(client: &mut ImapClient, command: &str, mailbox: &str) -> Result<String> {
    let sent: String = command
        .split_inclusive(' ')
        .map(|word| {
            let bare = word.trim_end();
            let space = &word[bare.len()..];
            let (open, rest) =
                if let Some(rest) = bare.strip_prefix('(') { ("(", rest) } else { ("", bare) };
            let (name, close) =
                if let Some(name) = rest.strip_suffix(')') { (name, ")") } else { (rest, "") };
            match name.strip_prefix('M') {
                Some(tail) if tail.is_empty() || tail == "2" || tail.starts_with('/') => {
                    format!("{open}\"{mailbox}{tail}\"{close}{space}")
                }
                _ => word.to_owned(),
            }
        })
        .collect();
    let (answers, end) = client.try_command(&sent).await?;
    let told = answers.iter().map(|answer| String::from_utf8_lossy(answer).into_owned());
    let all: Vec<String> = told.chain([end]).collect();
    Ok(all.join("\n").replace(mailbox, "M"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_cannot_tell_a_mailbox_from_none() -> Result<()> {
    let cluster = Cluster::start_with(1, ClusterOptions::default()).await?;
    let (owner, stranger) = (cluster.account("anna")?, cluster.account("bert")?);
    let friend = cluster.account("carl")?;
    // Somebody of another tenant, and what "anyone" may do is not for them.
    let database = cluster.database.client().await?;
    let file = cluster.config_file()?;
    testkit::postrider(&["domain", "add", "--config", &file, "far.test"], "")?;
    database
        .batch_execute(
            "WITH t AS (INSERT INTO tenant (name) VALUES ('far') RETURNING id)
             UPDATE domain SET tenant_id = t.id FROM t WHERE domain.name = 'far.test'",
        )
        .await?;
    let far = "dora@far.test";
    let secret = format!("{PASSWORD}\n");
    testkit::postrider(&["account", "add", "--config", &file, "--password-stdin", far], &secret)?;
    let node = cluster.nodes[0].imap()?;
    let mut anna = ImapClient::login(node, &owner, PASSWORD).await?;
    for command in [
        "CREATE Secret".to_owned(),
        "CREATE Open".to_owned(),
        "APPEND Secret {3+}\r\nabc".to_owned(),
        "APPEND Open {3+}\r\nabc".to_owned(),
        format!("SETACL Secret {friend} lrswipkxtea"),
        format!("SETACL Secret -{stranger} lrswipkxtea"),
        "SETACL Open anyone lrswipkxtea".to_owned(),
    ] {
        anna.command(&command).await?;
    }
    let (_, other) = anna.try_command(&format!("SETACL Open {far} lr")).await?;
    let (_, nobody) = anna.try_command("SETACL Open nobody@example.test lr").await?;
    ensure!(other == nobody && other.starts_with("NO"), "{other} {nobody}");
    for (user, mailbox) in [(stranger.as_str(), "Secret"), (far, "Open"), (far, "Secret")] {
        let there = format!("Other Users/{owner}/{mailbox}");
        let none = format!("Other Users/{owner}/Nowhere");
        let nobody = format!("Other Users/nobody@example.test/{mailbox}");
        let mut client = ImapClient::login(node, user, PASSWORD).await?;
        client.append("INBOX", "", b"mine").await?;
        for (number, command) in COMMANDS.iter().chain(SELECTED).enumerate() {
            if number == COMMANDS.len() {
                client.select("INBOX").await?;
            }
            let told = answer(&mut client, command, &there).await?;
            for other in [&none, &nobody] {
                let instead = answer(&mut client, command, other).await?;
                ensure!(told == instead, "{user}, {command}: {told}\n{other}: {instead}");
            }
            ensure!(!told.contains("BAD"), "{command}: {told}");
        }
        if user == stranger {
            // Who sees what is for anyone.
            continue;
        }
        let (_, told) = client.try_command(&format!("GETQUOTA {owner}")).await?;
        let (_, instead) = client.try_command("GETQUOTA nobody@example.test").await?;
        ensure!(told == instead, "{told} {instead}");
        let listed = client.command("LIST \"\" *").await?;
        let shown = |answer: &bytes::Bytes| String::from_utf8_lossy(answer).contains("Other Users");
        ensure!(!listed.iter().any(shown), "{listed:?}");
    }
    let told = anna.command("STATUS Secret (MESSAGES UIDNEXT)").await?;
    ensure!(told[0].ends_with(b"(MESSAGES 1 UIDNEXT 2)"), "{told:?}");
    let told = anna.command("STATUS Open (MESSAGES UIDNEXT)").await?;
    ensure!(told[0].ends_with(b"(MESSAGES 1 UIDNEXT 2)"), "{told:?}");
    cluster.check().await
}

/// A command, the rights it needs beside "l", and whether a message must be selected in the mailbox.
const NEEDED: &[(&str, &str, bool)] = &[
    ("SELECT M", "r", false),
    ("EXAMINE M", "r", false),
    ("STATUS M (MESSAGES)", "r", false),
    ("CREATE M/x", "k", false),
    ("RENAME M/one M/two", "kx", false),
    ("DELETE M/three", "x", false),
    ("APPEND M {3+}\r\nabc", "i", false),
    ("SETACL M nora@example.test l", "a", false),
    ("DELETEACL M nora@example.test", "a", false),
    ("GETACL M", "a", false),
    ("LISTRIGHTS M anyone", "a", false),
    ("GETQUOTAROOT M", "r", false),
    ("COPY 1 M", "i", true),
    ("STORE 1 +FLAGS (\\Seen)", "s", true),
    ("STORE 1 +FLAGS (\\Answered)", "w", true),
    ("STORE 1 +FLAGS (word)", "w", true),
    ("STORE 1 +FLAGS (\\Deleted)", "t", true),
    ("EXPUNGE", "e", true),
    ("UID EXPUNGE 1", "e", true),
    ("MOVE 1 Archive", "te", true),
    ("REPLACE 1 Archive {3+}\r\nabc", "te", true),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_needs_its_rights_and_no_others() -> Result<()> {
    let cluster = Cluster::start_with(1, ClusterOptions::default()).await?;
    let (owner, guest) = (cluster.account("anna")?, cluster.account("bert")?);
    cluster.account("nora")?;
    let node = cluster.nodes[0].imap()?;
    let mut anna = ImapClient::login(node, &owner, PASSWORD).await?;
    let mut bert = ImapClient::login(node, &guest, PASSWORD).await?;
    let shared = format!("Other Users/{owner}/Shared");
    for (command, needed, selected) in NEEDED {
        anna.command("CREATE Shared").await?;
        for below in ["one", "three"] {
            anna.command(&format!("CREATE Shared/{below}")).await?;
        }
        anna.append("Shared", "", b"abc").await?;
        let all = "lrswipkxtea";
        let grant = async |anna: &mut ImapClient, rights: &str| {
            for mailbox in ["Shared", "Shared/one", "Shared/three"] {
                anna.command(&format!("SETACL {mailbox} {guest} {rights}")).await?;
            }
            anyhow::Ok(())
        };
        for missing in needed.chars() {
            grant(&mut anna, all).await?;
            if *selected {
                bert.select(&shared).await?;
            }
            grant(&mut anna, &all.replace(missing, "")).await?;
            let told = answer(&mut bert, command, &shared).await?;
            ensure!(told.contains("NO [NOPERM]"), "{command} without {missing}: {told}");
        }
        let read = if *selected { "r" } else { "" };
        grant(&mut anna, &format!("l{needed}{read}")).await?;
        if *selected {
            bert.select(&shared).await?;
        }
        let told = answer(&mut bert, command, &shared).await?;
        let end = told.lines().last().unwrap_or_default();
        ensure!(end.starts_with("OK"), "{command} with {needed}: {told}");
        let _ = bert.try_command("UNSELECT").await?;
        // Those of them that are there.
        for name in ["x", "two", "one", "three"] {
            let _ = anna.try_command(&format!("DELETE Shared/{name}")).await?;
        }
        anna.command("DELETE Shared").await?;
    }
    cluster.check().await
}
