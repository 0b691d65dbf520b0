//! POP3 over sockets: the transcripts of `pop3/transcripts`, locks of maildrops across nodes, large maildrops.
//!
//! Every transcript is played twice on a new account: with all connections on one node, and with each on the node that
//! it asks for. Both must read the same.

mod large;
mod locks;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::net::SocketAddr;
use std::time::Duration;
use testkit::transcript::{Variables, play};
use testkit::{Cluster, ClusterOptions, Node, PASSWORD};

fn listener(node: &Node, name: &str) -> Result<SocketAddr> {
    match name {
        "smtp" => node.smtp(),
        "imaps" => node.imaps(),
        "pop3" => node.pop3(),
        "pop3s" => node.pop3s(),
        other => anyhow::bail!("no listener {other}"),
    }
}

async fn play_one(
    cluster: &Cluster,
    text: &str,
    account: &str,
    nodes: fn(usize) -> usize,
) -> Result<()> {
    let mut variables = Variables::new();
    let account = cluster.account(account)?;
    let plain = |password: &str| BASE64_STANDARD.encode(format!("\0{account}\0{password}"));
    variables.insert("plain".into(), plain(PASSWORD));
    variables.insert("wrong".into(), plain("wrong"));
    variables.insert("account".into(), account);
    variables.insert("password".into(), PASSWORD.into());
    play(text, &mut variables, |name, node| listener(&cluster.nodes[nodes(node)], name)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn transcripts() -> Result<()> {
    let cluster = Cluster::start_with(2, ClusterOptions::default()).await?;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/pop3/transcripts");
    let mut files: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let only = std::env::var("TRANSCRIPT").unwrap_or_default();
    let mut failures = Vec::new();
    for path in files {
        let name = path.file_stem().context("a name")?.to_string_lossy().into_owned();
        if !name.contains(&only) {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        for (way, nodes) in [("one", (|_| 0) as fn(usize) -> usize), ("two", |node| node - 1)] {
            let account = format!("{name}-{way}");
            let work = play_one(&cluster, &text, &account, nodes);
            let outcome = tokio::time::timeout(Duration::from_secs(60), work).await;
            if let Err(error) = outcome.context("it hangs").and_then(|outcome| outcome) {
                failures.push(format!("{name}, {way} node(s): {error:#}"));
            }
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    cluster.check().await
}
