//! IMAP over sockets: the transcripts of `imap/transcripts`, each an extension as its RFC tells it.
//!
//! Every transcript is played twice on a new account: with all connections on one node, and with the second and all
//! further connections on another. Both must read the same.

mod catenate;
mod compress;
mod limit;
mod model;
mod quota;
mod sessions;
mod sharing;
mod strangers;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use std::future::ready;
use std::net::SocketAddr;
use std::time::Duration;
use testkit::transcript::{Variables, play};
use testkit::{Cluster, ClusterOptions, Node, PASSWORD};

fn listener(node: &Node, name: &str) -> Result<SocketAddr> {
    match name {
        "smtp" => node.smtp(),
        "imap" => node.imap(),
        "imaps" => node.imaps(),
        other => anyhow::bail!("no listener {other}"),
    }
}

/// Plays one transcript; `nodes` says on which node a connection that asks for node n is.
async fn play_one(
    cluster: &Cluster,
    text: &str,
    account: &str,
    nodes: fn(usize) -> usize,
) -> Result<()> {
    let mut variables = Variables::new();
    variables.insert("account".into(), cluster.account(account)?);
    for other in ["account2", "account3"].into_iter().filter(|other| text.contains(other)) {
        variables.insert(other.into(), cluster.account(&format!("{other}-{account}"))?);
    }
    variables.insert("password".into(), PASSWORD.into());
    play(text, &mut variables, |name, node| listener(&cluster.nodes[nodes(node)], name)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn transcripts() -> Result<()> {
    let cluster = Cluster::start_with(2, ClusterOptions::default()).await?;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/imap/transcripts");
    let mut files: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let only = std::env::var("TRANSCRIPT").unwrap_or_default();
    let mut plays = Vec::new();
    for path in files {
        let name = path.file_stem().context("a name")?.to_string_lossy().into_owned();
        if !name.contains(&only) {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        for (way, nodes) in [("one", (|_| 0) as fn(usize) -> usize), ("two", |node| node - 1)] {
            plays.push((name.clone(), text.clone(), way, nodes));
        }
    }
    // They mostly wait, so several at a time are quicker.
    let cluster = &cluster;
    let outcomes = futures::stream::iter(plays).map(|(name, text, way, nodes)| async move {
        let account = format!("{name}-{way}");
        let work = play_one(cluster, &text, &account, nodes);
        let outcome = tokio::time::timeout(Duration::from_secs(120), work).await;
        let outcome = outcome.context("it hangs").and_then(|outcome| outcome);
        outcome.err().map(|error| format!("{name}, {way} node(s): {error:#}"))
    });
    let failures: Vec<String> = outcomes.buffer_unordered(4).filter_map(ready).collect().await;
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    cluster.check().await
}
