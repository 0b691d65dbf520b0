//! Counters of the nodes, read from `/metrics`.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The text of one node's metrics.
#[derive(Debug, Clone, Default)]
pub struct Metrics(String);

impl Metrics {
    /// Asks every node and puts the answers together: counters of the same name add up.
    ///
    /// # Errors
    /// When a node does not answer.
    pub async fn of(nodes: &[SocketAddr]) -> Result<Self> {
        let mut all = String::new();
        for node in nodes {
            let text = tokio::time::timeout(Duration::from_secs(10), get(*node, "/metrics"));
            all += &text.await.context("/metrics")??;
        }
        Ok(Self(all))
    }

    /// The sum of a counter over all nodes and labels, those with `label` in their text when it is given.
    #[must_use]
    pub fn sum(&self, name: &str, label: &str) -> f64 {
        self.0
            .lines()
            .filter_map(|line| {
                let rest = line.strip_prefix(name)?;
                let (labels, value) = rest.rsplit_once(' ')?;
                ((labels.is_empty() || labels.starts_with('{')) && labels.contains(label))
                    .then(|| value.parse::<f64>().ok())?
            })
            .sum()
    }
}

async fn get(node: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(node).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    anyhow::ensure!(
        text.starts_with("HTTP/1.1 200"),
        "{path}: {}",
        text.lines().next().unwrap_or("")
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_labels() {
        let text = "# HELP puts x\nputs{call=\"put\",ok=\"yes\"} 3\nputs{call=\"get\"} 4\nputs_more 9\nputs 1\n";
        let metrics = Metrics(text.into());
        assert_eq!(metrics.sum("puts", ""), 8.0);
        assert_eq!(metrics.sum("puts", "call=\"put\""), 3.0);
    }
}
