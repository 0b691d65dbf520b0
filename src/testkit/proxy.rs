//! A network that can be broken: a TCP port of 127.0.0.1 forwarded to a server, by this process.
//!
//! Connections can be cut, refused, delayed, or swallowed (bytes stay on the way until the hole is closed), and
//! one of them can be cut at a point of its conversation: before a certain request reaches the server, right
//! after it did, or instead of the answer to it.

use anyhow::Result;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// Where the octets go.
#[derive(Debug, Clone)]
enum Upstream {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// The point at which [`Proxy::cut_at`] cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The request does not reach the server: it did not happen.
    BeforeRequest,
    /// The server gets the request, and the connection is gone before it can answer.
    AfterRequest,
    /// The server's answer is lost on the way back: it happened.
    BeforeAnswer,
}

#[derive(Debug, Clone)]
struct Trap {
    needle: Vec<u8>,
    point: Point,
}

/// How the network is at the moment.
#[derive(Debug, Clone, Default)]
struct Weather {
    /// Rises to cut all connections.
    cut: u64,
    refuse: bool,
    swallow: bool,
    delay: Duration,
}

struct Shared {
    upstream: Mutex<Upstream>,
    weather: watch::Sender<Weather>,
    trap: Mutex<Option<Trap>>,
    sprung: AtomicU64,
    connections: AtomicU64,
}

/// The forwarder. It ends with this value.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

impl Proxy {
    /// Before a TCP server.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to_tcp(address: SocketAddr) -> Result<Self> {
        Self::start(Upstream::Tcp(address)).await
    }

    /// Before a Unix socket.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to_unix(path: PathBuf) -> Result<Self> {
        Self::start(Upstream::Unix(path)).await
    }

    async fn start(upstream: Upstream) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            weather: watch::Sender::new(Weather::default()),
            trap: Mutex::default(),
            sprung: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection; new ones are taken.
    pub fn cut(&self) {
        self.shared.weather.send_modify(|weather| weather.cut += 1);
    }

    /// Closes new connections at once (and cuts those there are), or takes them again.
    pub fn refuse(&self, refuse: bool) {
        self.shared.weather.send_modify(|weather| {
            weather.refuse = refuse;
            weather.cut += u64::from(refuse);
        });
    }

    /// Lets nothing through in either direction and closes nothing, or lets all of it go on.
    pub fn swallow(&self, swallow: bool) {
        self.shared.weather.send_modify(|weather| weather.swallow = swallow);
    }

    /// Holds everything up for so long, in either direction.
    pub fn delay(&self, delay: Duration) {
        self.shared.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Cuts the first connection whose client sends `needle`, once.
    pub fn cut_at(&self, needle: impl Into<Vec<u8>>, point: Point) {
        let trap = Trap { needle: needle.into(), point };
        *self.shared.trap.lock().unwrap_or_else(PoisonError::into_inner) = Some(trap);
    }

    /// How often [`Proxy::cut_at`] has cut.
    #[must_use]
    pub fn sprung(&self) -> u64 {
        self.shared.sprung.load(Ordering::SeqCst)
    }

    /// Connections taken so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        if shared.weather.borrow().refuse {
            continue;
        }
        let _ = client.set_nodelay(true);
        tokio::spawn(serve(client, Arc::clone(&shared)));
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let upstream = shared.upstream.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (read, write) = client.into_split();
    match upstream {
        Upstream::Tcp(address) => {
            if let Ok(server) = TcpStream::connect(address).await {
                let _ = server.set_nodelay(true);
                let (server_read, server_write) = server.into_split();
                forward(shared, (read, write), (server_read, server_write)).await;
            }
        }
        Upstream::Unix(path) => {
            if let Ok(server) = UnixStream::connect(path).await {
                let (server_read, server_write) = server.into_split();
                forward(shared, (read, write), (server_read, server_write)).await;
            }
        }
    }
}

/// Both directions until one ends or the weather cuts; then both sides are closed.
async fn forward<A, B, C, D>(shared: Arc<Shared>, client: (A, B), server: (C, D))
where
    A: AsyncRead + Unpin,
    B: AsyncWrite + Unpin,
    C: AsyncRead + Unpin,
    D: AsyncWrite + Unpin,
{
    let mut weather = shared.weather.subscribe();
    let generation = weather.borrow_and_update().cut;
    let doomed = AtomicU64::new(0);
    let cut = async {
        let _ = weather.wait_for(|weather| weather.cut != generation).await;
    };
    tokio::select! {
        () = cut => {}
        () = requests(&shared, &doomed, client.0, server.1) => {}
        () = answers(&shared, &doomed, server.0, client.1) => {}
    }
}

async fn requests(
    shared: &Shared,
    doomed: &AtomicU64,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut tail = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let point = shared.spring(&mut tail, &buffer[..count]);
        if point == Some(Point::BeforeRequest) {
            return;
        }
        shared.passage().await;
        if point == Some(Point::BeforeAnswer) {
            doomed.store(1, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        if point == Some(Point::AfterRequest) {
            return;
        }
    }
    // What was sent before a half-close still has its answer coming.
    let _ = to.shutdown().await;
    std::future::pending().await
}

async fn answers(
    shared: &Shared,
    doomed: &AtomicU64,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if doomed.load(Ordering::SeqCst) == 1 {
            return;
        }
        shared.passage().await;
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

impl Shared {
    /// Waits as long as the weather holds octets up.
    async fn passage(&self) {
        let mut weather = self.weather.subscribe();
        let delay = weather.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let _ = weather.wait_for(|weather| !weather.swallow).await;
    }

    /// Whether these octets (after those before) complete the needle of the trap; disarms it then.
    fn spring(&self, tail: &mut Vec<u8>, octets: &[u8]) -> Option<Point> {
        let mut trap = self.trap.lock().unwrap_or_else(PoisonError::into_inner);
        let Trap { needle, point } = trap.as_ref()?;
        tail.extend_from_slice(octets);
        if memchr::memmem::find(tail, needle).is_none() {
            let keep = tail.len().min(needle.len() - 1);
            tail.drain(..tail.len() - keep);
            return None;
        }
        let point = *point;
        *trap = None;
        self.sprung.fetch_add(1, Ordering::SeqCst);
        Some(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every line with the same line.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn say(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
        let mut answer = vec![0; text.len()];
        if stream.write_all(text).await.is_err() || stream.read_exact(&mut answer).await.is_err() {
            answer.clear();
        }
        answer
    }

    #[tokio::test]
    async fn passes_cuts_and_swallows() {
        let proxy = Proxy::to_tcp(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream, b"one").await, b"one");
        proxy.swallow(true);
        let held = tokio::time::timeout(Duration::from_millis(50), say(&mut stream, b"two")).await;
        assert!(held.is_err());
        proxy.swallow(false);
        let mut two = [0; 3];
        stream.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"two");
        proxy.cut();
        assert_eq!(say(&mut stream, b"three").await, b"");
        proxy.refuse(true);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream, b"four").await, b"");
        proxy.refuse(false);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream, b"five").await, b"five");
    }

    #[tokio::test]
    async fn a_trap_springs_once_even_over_two_pieces() {
        let proxy = Proxy::to_tcp(echo().await).await.unwrap();
        for point in [Point::BeforeRequest, Point::AfterRequest, Point::BeforeAnswer] {
            proxy.cut_at(*b"needle", point);
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(say(&mut stream, b"hay nee").await, b"hay nee");
            assert_eq!(say(&mut stream, b"dle hay").await, b"", "{point:?}");
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(say(&mut stream, b"needle").await, b"needle");
        }
        assert_eq!(proxy.sprung(), 3);
    }
}
