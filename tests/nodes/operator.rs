//! The operator's commands, as an operator and a script run them.

use super::{login, send, with_cluster};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{Cluster, ClusterOptions, ImapClient, PASSWORD, postrider_raw};

/// Runs a command with `--json` and gives its exit code and what it printed.
fn run(file: &str, words: &str, input: &str) -> Result<(i32, Value, String)> {
    let mut all: Vec<&str> = words.split_whitespace().collect();
    all.extend(["--json", "--config", file]);
    let (status, out, err) = postrider_raw(&all, input)?;
    let json = if out.trim().is_empty() { Value::Null } else { serde_json::from_str(&out)? };
    Ok((status.code().context("killed")?, json, err))
}

fn done(file: &str, words: &str, input: &str) -> Result<Value> {
    let (code, json, err) = run(file, words, input)?;
    ensure!(code == 0, "{words}: {code} {json} {err}");
    Ok(json)
}

fn fails(file: &str, words: &str, wanted: i32) -> Result<String> {
    let (code, json, err) = run(file, words, &format!("{PASSWORD}\n"))?;
    ensure!(code == wanted, "{words}: {code} instead of {wanted}, {json} {err}");
    ensure!(json != Value::Null || !err.trim().is_empty(), "{words}: it must say why");
    Ok(format!("{json}{err}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_accounts_and_aliases() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let file = cluster.config_file()?;
        let secret = format!("{PASSWORD}\n");
        done(&file, "domain add Second.Test", "")?;
        fails(&file, "domain add second.test", 3)?;
        fails(&file, "domain add not_a..domain", 2)?;
        ensure!(done(&file, "domain list", "")?.to_string().contains("second.test"));

        done(&file, "account add --password-stdin Anna@second.test", &secret)?;
        fails(&file, "account add --password-stdin anna@SECOND.test", 3)?;
        fails(&file, "account add --password-stdin x@nowhere.test", 3)?;
        let shown = done(&file, "account show anna@second.test", "")?.to_string();
        ensure!(shown.contains("anna@second.test") && !shown.contains("argon2id$"), "{shown}");
        fails(&file, "account show nobody@second.test", 3)?;
        ensure!(
            done(&file, "account list --domain second.test", "")?.to_string().contains("anna@")
        );

        // Aliases: to two accounts, and for whatever else comes.
        let bert = cluster.account("bert")?;
        done(&file, &format!("alias add team@second.test {bert}"), "")?;
        done(&file, "alias add team@second.test anna@second.test", "")?;
        done(&file, "alias add @second.test anna@second.test", "")?;
        fails(&file, "alias add anna@second.test bert@example.test", 3)?;
        send(&cluster.nodes[0], "team@second.test", "both").await?;
        send(&cluster.nodes[1], "whoever@second.test", "caught").await?;
        send(&cluster.nodes[1], "anna+lists@second.test", "detail").await?;
        let mut imap = login(&cluster.nodes[1], "anna@second.test").await?;
        assert_eq!(imap.select("INBOX").await?, 3);
        assert_eq!(login(&cluster.nodes[0], &bert).await?.select("INBOX").await?, 1);
        ensure!(done(&file, "alias list", "")?.to_string().contains("team@second.test"));
        fails(&file, "domain remove second.test", 1)
            .or_else(|_| fails(&file, "domain remove second.test", 3))?;

        // A new password counts at once, on every node, whatever a node remembers.
        done(&file, "account passwd --password-stdin anna@second.test", "another one 8\n")?;
        let with = async |password: &str| {
            ImapClient::login(cluster.nodes[1].imap()?, "anna@second.test", password).await
        };
        ensure!(with(PASSWORD).await.is_err(), "the old password");
        with("another one 8").await?.logout().await?;
        // So does disabling; what is stored stays.
        done(&file, "account disable anna@second.test", "")?;
        ensure!(with("another one 8").await.is_err());
        let refused = send(&cluster.nodes[0], "anna@second.test", "meanwhile").await;
        let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(refused.starts_with("550 5.2.1"), "{refused}");
        done(&file, "account enable anna@second.test", "")?;
        assert_eq!(with("another one 8").await?.select("INBOX").await?, 3);

        done(&file, "alias remove team@second.test", "")?;
        done(&file, "alias remove @second.test", "")?;
        fails(&file, "alias remove team@second.test", 3)?;
        let removed = "account remove --yes anna@second.test";
        let (code, ..) = run(&file, removed, "")?;
        if code == 2 {
            done(&file, "account remove anna@second.test", "")?;
        }
        ensure!(with("another one 8").await.is_err());
        fails(&file, "account passwd --password-stdin anna@second.test", 3)?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_things() -> Result<()> {
    with_cluster(2, super::own_postgres(), async |cluster: &mut Cluster| {
        let file = cluster.config_file()?;
        let status = done(&file, "migrate status", "")?.to_string();
        ensure!(status.contains("\"applied\""), "{status}");
        done(&file, "migrate check", "")?;
        done(&file, "config check", "")?;
        let nodes = testkit::until("both nodes show themselves", async || {
            let nodes = done(&file, "cluster status", "").ok()?.to_string();
            let both = cluster.nodes.iter().all(|node| nodes.contains(&node.ready.node));
            both.then_some(nodes)
        })
        .await?;
        ensure!(nodes.contains(env!("CARGO_PKG_VERSION")), "{nodes}");
        // fsync is off here, which loses mail in a power cut: the doctor says so.
        let (code, told, _) = run(&file, "doctor", "")?;
        let text = told.to_string();
        ensure!(code == 1 && told["healthy"] == false && text.contains("fsync"), "{code} {text}");
        for part in ["postgres", "blob", "coordinator"] {
            ensure!(text.contains(part), "{part}: {text}");
        }
        cluster.redis.kill();
        let (_, told, _) = run(&file, "doctor", "")?;
        ensure!(told.to_string().contains("coordinator"), "{told}");
        cluster.redis.up().await?;
        // PostgreSQL away: exit code 4, try again later.
        cluster.database.postgres().stop()?;
        fails(&file, "domain list", 4)?;
        fails(&file, "migrate status", 4)?;
        cluster.database.postgres().up().await?;

        // Misspelt settings and missing files are said before anything is tried.
        let mut wrong = cluster.config.clone();
        wrong.set("limits.conections", 5);
        let folder = testkit::process::folder()?;
        let path = folder.path().join("wrong.toml");
        std::fs::write(&path, toml::to_string(&wrong.0)?)?;
        let path = path.display().to_string();
        let said = fails(&path, "config check", 2)?;
        ensure!(said.contains("conections"), "{said}");
        fails("/nowhere/postrider.toml", "domain list", 2)?;
        Ok(())
    })
    .await
}
