use super::*;
use crate::{Dependency, Phase};
use net::ListenerConfig;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Node {
    address: SocketAddr,
    health: Health,
    drain: Drain,
}

async fn start() -> Node {
    start_with(crate::metrics::apart()).await
}

async fn start_with(metrics: Metrics) -> Node {
    start_as(metrics, Caps::new(10, 10)).await
}

async fn start_with_caps(caps: Caps) -> Node {
    start_as(crate::metrics::apart(), caps).await
}

async fn start_as(metrics: Metrics, caps: Caps) -> Node {
    let health = Health::new("N1", "0.0.0");
    let any = ["127.0.0.1:0".parse().unwrap()];
    let listener = Listener::bind(&any, ListenerConfig::default()).await.unwrap();
    let address = listener.addresses()[0];
    let drain = Drain::new(Duration::ZERO);
    Webd::new(health.clone(), metrics).serve(listener, &caps, &drain);
    Node { address, health, drain }
}

/// All that comes back until the server closes.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get_path(address: SocketAddr, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = ask(address, &request).await;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test]
async fn ready_while_serving_alive_all_along() {
    let node = start().await;
    assert_eq!(get_path(node.address, "/livez").await, (200, "ok\n".into()));
    assert_eq!(get_path(node.address, "/readyz").await.0, 503);
    node.health.enter(Phase::Serving);
    node.health.saw("redis", Dependency::down("connection refused"));
    let (status, body) = get_path(node.address, "/readyz").await;
    assert_eq!(status, 200);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["node"], "N1");
    assert_eq!(body["phase"], "serving");
    assert_eq!(body["dependencies"]["redis"]["error"], "connection refused");
    node.health.enter(Phase::Draining);
    let (status, body) = get_path(node.address, "/readyz").await;
    assert_eq!((status, body.contains("draining")), (503, true));
}

#[tokio::test]
async fn metrics_of_the_process_are_there() {
    let node = start_with(Metrics::install().unwrap()).await;
    assert!(Metrics::install().is_err(), "a process has one recorder");
    let (status, body) = get_path(node.address, "/metrics").await;
    assert_eq!(status, 200);
    for name in ["process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_threads "]
    {
        assert!(body.lines().any(|line| line.starts_with(name)), "{name} in {body}");
    }
    assert_eq!(get_path(node.address, "/nothing").await.0, 404);
}

#[tokio::test]
async fn nonsense_and_endless_headers_end_the_connection() {
    let node = start().await;
    assert!(ask(node.address, "\u{0}\u{1}nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    let endless = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(HEADER_BYTES * 2));
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    // The server may close before it has read all of this.
    let _ = stream.write_all(endless.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 2"));
    assert_eq!(get_path(node.address, "/livez").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_let_go() {
    let (client, server) = tokio::io::duplex(1024);
    let health = Health::new("N1", "0");
    let webd = Webd::new(health, crate::metrics::apart());
    let task = tokio::spawn(connection(server, webd.router, Drain::new(Duration::ZERO)));
    let (mut reader, mut writer) = tokio::io::split(client);
    let begun = tokio::time::Instant::now();
    writer.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert!(begun.elapsed() <= HEADER + Duration::from_secs(1), "{:?}", begun.elapsed());
    task.await.unwrap();
}

/// Three thousand clients that say half a request and no more: whoever asks is answered nevertheless.
#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_keep_nobody_out() {
    let node = start_with_caps(Caps::new(4_000, 4_000)).await;
    let mut slow = Vec::new();
    for n in 0..3_000 {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost:").await;
        slow.push(stream);
        if n % 500 == 499 {
            let begun = std::time::Instant::now();
            assert_eq!(get_path(node.address, "/livez").await, (200, "ok\n".into()));
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        }
    }
    // Of the slow ones only the youngest are still there.
    let mut open = 0;
    for stream in &mut slow {
        let read = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut [0; 1])).await;
        open += usize::from(read.is_err());
    }
    assert!(open <= MOST, "{open}");
}

#[tokio::test]
async fn a_drain_ends_idle_connections() {
    let node = start().await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut some = [0; 15];
    stream.read_exact(&mut some).await.unwrap();
    node.drain.begin();
    assert!(node.drain.wait(Duration::from_secs(10)).await);
}
