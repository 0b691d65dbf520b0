//! The conversations in `transcripts/`, over the sockets of two nodes that share one database.

use super::with_cluster;
use anyhow::{Context, Result};
use std::path::Path;
use testkit::transcript::{Variables, play};
use testkit::{Cluster, ClusterOptions, PASSWORD};

/// Every file, one after another on one cluster; each has accounts of its own: `${anna}` and `${bert}`.
#[tokio::test(flavor = "multi_thread")]
async fn every_transcript_is_followed() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("nodes/transcripts");
        let mut files: Vec<_> = std::fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        assert!(files.len() >= 5, "{files:?}");
        for (number, file) in files.iter().enumerate() {
            let mut variables = Variables::new();
            for name in ["anna", "bert"] {
                variables.insert(name.into(), cluster.account(&format!("{name}{number}"))?);
            }
            variables.insert("password".into(), PASSWORD.into());
            let connect = |listener: &str, node: usize| {
                let ready = &cluster.nodes.get(node - 1).context("no such node")?.ready;
                let address = match listener {
                    "smtp" => ready.smtp,
                    "submission" => ready.submission,
                    "submissions" => ready.submissions,
                    "lmtp" => ready.lmtp,
                    "imap" => ready.imap,
                    "imaps" => ready.imaps,
                    _ => None,
                };
                address.with_context(|| format!("no listener {listener}"))
            };
            let text = std::fs::read_to_string(file)?;
            play(&text, &mut variables, connect)
                .await
                .with_context(|| file.display().to_string())?;
        }
        Ok(())
    })
    .await
}
