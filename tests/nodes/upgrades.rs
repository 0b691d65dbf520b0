//! Nodes come and go at any hour.

use super::{exists, idle, login, message, subjects, with_cluster};
use anyhow::{Result, ensure};
use std::process::Stdio;
use std::time::Duration;
use testkit::{Cluster, ClusterOptions, Node, NodeConfig, Postgres, SmtpClient};

/// Every node in turn is told to end (SIGTERM) and replaced, under load: nobody is refused who tries another
/// node, nothing is lost, and nobody's session is cut without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load() -> Result<()> {
    let options = ClusterOptions {
        settings: vec![("limits.drain_seconds".into(), 2.into())],
        ..Default::default()
    };
    with_cluster(3, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let addresses = tokio::sync::watch::Sender::new(Vec::new());
        let tell = |nodes: &[Node]| -> Result<()> {
            addresses.send_replace(nodes.iter().map(Node::smtp).collect::<Result<Vec<_>>>()?);
            Ok(())
        };
        tell(&cluster.nodes)?;
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let load = async {
            // A sender that takes the next node when one says 421 or is gone, as a balancer's client does.
            let (mut accepted, mut tries) = (Vec::new(), 0usize);
            while !*stopped.borrow_and_update() {
                let id = format!("m{}", accepted.len());
                loop {
                    tries += 1;
                    let address = {
                        let all = addresses.borrow();
                        all[tries % all.len()]
                    };
                    let attempt = async {
                        let mut smtp = SmtpClient::connect(address).await?;
                        smtp.ehlo().await?;
                        let mail = message(&id, 1_000);
                        smtp.send_mail("sender@elsewhere.test", &[&anna], &mail).await
                    };
                    match attempt.await {
                        Ok(reply) if reply.code == 250 => break,
                        Ok(reply) => ensure!(reply.code == 421, "{}", reply.text()),
                        Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    }
                }
                accepted.push(id);
            }
            Ok((accepted, tries))
        };
        let roll = async {
            for n in 0..3 {
                let (mut imap, _, _) = idle(&cluster.nodes[n], &anna).await?;
                let mut old = cluster.nodes.remove(n);
                tell(&cluster.nodes)?;
                let ending = tokio::task::spawn_blocking(move || old.terminate());
                let goodbye =
                    imap.notice(Duration::from_secs(60), |answer| answer.starts_with(b"* BYE"));
                goodbye.await?;
                let status = ending.await??;
                ensure!(status.success(), "SIGTERM: {status}");
                cluster.nodes.insert(n, Node::start(&cluster.config)?);
                tell(&cluster.nodes)?;
            }
            anyhow::Ok(())
        };
        let roll = async {
            let done = roll.await;
            stop.send_replace(true);
            done
        };
        let (load, roll) = tokio::join!(load, roll);
        roll?;
        let (accepted, tries) = load?;
        println!("rolling restart: {} accepted in {tries} tries", accepted.len());
        let mut there = subjects(&cluster.nodes[0], &anna).await?;
        there.sort();
        there.dedup();
        for id in &accepted {
            ensure!(there.contains(id), "{id} is lost");
        }
        // Drained nodes gave their leases back at once.
        let client = cluster.database.client().await?;
        let leases = client.query_one("SELECT count(*) FROM node_lease", &[]).await?;
        ensure!(leases.get::<_, i64>(0) == 3, "{} leases", leases.get::<_, i64>(0));
        // A session on a new node goes on where the old one was.
        let (mut imap, _, count) = idle(&cluster.nodes[1], &anna).await?;
        super::send(&cluster.nodes[2], &anna, "last").await?;
        exists(&mut imap, count + 1).await?;
        login(&cluster.nodes[0], &anna).await?.logout().await
    })
    .await
}

/// `postrider migrate up`, ten times at once on an empty database, then ten nodes on it.
#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_migrate_at_once() -> Result<()> {
    let database = Postgres::shared().await?.empty_database().await?;
    let mut config = NodeConfig::new(&database.url())?;
    let blobs = testkit::process::folder()?;
    config.set("blob.kind", "folder");
    config.set("blob.path", blobs.path().display().to_string());
    config.set("postgres.pool_size", 2);
    // A node that starts before anybody has migrated says what to do, in a line, and ends.
    let refused = Node::start(&config).err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(refused.contains("postrider migrate up"), "{refused}");
    let folder = testkit::process::folder()?;
    let file = folder.path().join("postrider.toml");
    std::fs::write(&file, toml::to_string(&config.0)?)?;
    let program = testkit::program("postrider")?;
    let mut running = Vec::new();
    for _ in 0..10 {
        let mut command = tokio::process::Command::new(&program);
        command.args(["migrate", "up", "--config"]).arg(&file).kill_on_drop(true);
        running.push(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    }
    for child in running {
        let output = child.wait_with_output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let starts: Vec<_> = (0..10)
        .map(|_| {
            let config = config.clone();
            tokio::task::spawn_blocking(move || Node::start(&config))
        })
        .collect();
    let mut nodes = Vec::new();
    for start in starts {
        nodes.push(start.await??);
    }
    database.check(None).await?;
    drop(nodes);
    database.discard().await
}
