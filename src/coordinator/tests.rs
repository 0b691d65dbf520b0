mod queue;

use super::*;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ANNA: AccountId = AccountId(7);

/// A redis-server of our own, killed with the test.
struct Server {
    child: Option<Child>,
    port: u16,
    dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { child: None, port, dir: tempfile::tempdir().unwrap() };
        server.up();
        server
    }

    fn up(&mut self) {
        let child = Command::new("redis-server")
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .arg("--dir")
            .arg(self.dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (make test installs it)");
        self.child = Some(child);
    }

    fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn cli(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command).output().unwrap();
        assert!(output.status.success(), "{command:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn node(&self) -> Redis {
        Redis::start(&format!("redis://127.0.0.1:{}", self.port), "test").unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.down();
    }
}

async fn until(inbox: &Inbox, wanted: impl Fn(&Received) -> bool) -> Received {
    tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let received = inbox.receive().await;
            if wanted(&received) {
                return received;
            }
        }
    })
    .await
    .expect("it arrives")
}

/// Publishes until the other side hears of it: the only thing a hint promises is to be tried.
async fn heard(from: &dyn Coordinator, to: &dyn Coordinator, modseq: u64) {
    let inbox = to.inbox();
    let hear = until(&inbox, |received| received.hints.get(&ANNA) == Some(&ModSeq(modseq)));
    tokio::pin!(hear);
    loop {
        from.publish(Hint { account: ANNA, modseq: ModSeq(modseq) });
        tokio::select! {
            _ = &mut hear => return,
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}

fn info(name: &str) -> NodeInfo {
    NodeInfo {
        incarnation: name.into(),
        version: "1".into(),
        roles: vec!["smtp".into()],
        started_at: 1,
        listeners: Vec::new(),
    }
}

async fn conforms(a: &dyn Coordinator, b: &dyn Coordinator) {
    b.watch(ANNA);
    heard(a, b, 5).await;
    a.publish(Hint { account: AccountId(8), modseq: ModSeq(1) });
    heard(a, b, 6).await;
    a.announce(&info("one")).await.unwrap();
    assert_eq!(b.nodes().await.unwrap(), [info("one")]);
    a.withdraw("one").await.unwrap();
    assert_eq!(b.nodes().await.unwrap(), []);
    b.ping().await.unwrap();
}

#[tokio::test]
async fn local_conforms() {
    let local = Local::default();
    conforms(&local, &local).await;
    local.unwatch(ANNA);
    local.publish(Hint { account: ANNA, modseq: ModSeq(9) });
    let nothing = tokio::time::timeout(Duration::from_millis(50), local.inbox().receive()).await;
    assert!(nothing.is_err(), "nobody watches");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_conforms_and_heals() {
    let mut server = Server::start();
    let (a, b) = (server.node(), server.node());
    conforms(&a, &b).await;

    server.down();
    until(&b.inbox(), |received| received.lost).await;
    a.publish(Hint { account: ANNA, modseq: ModSeq(7) });
    assert!(b.ping().await.is_err());
    server.up();
    until(&b.inbox(), |received| received.resubscribed).await;
    heard(&a, &b, 8).await;

    server.signal("-STOP");
    until(&b.inbox(), |received| received.lost).await;
    server.signal("-CONT");
    until(&b.inbox(), |received| received.resubscribed).await;
    heard(&a, &b, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_without_redis() {
    let mut server = Server::start();
    server.down();
    let node = server.node();
    node.watch(ANNA);
    node.publish(Hint { account: ANNA, modseq: ModSeq(1) });
    assert!(node.announce(&info("x")).await.is_err());
    server.up();
    heard(&node, &node, 2).await;
}

#[test]
fn a_bad_url_is_the_operators() {
    assert!(matches!(Redis::start("nonsense", "c"), Err(CoordinatorError::Config(_))));
}
