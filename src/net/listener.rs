//! Listening sockets and their accept loops.

use crate::drain::Drain;
use crate::proxy::{self, Parsed};
use crate::{NetError, Stream};
use ipnet::IpNet;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longest wait for a balancer's PROXY header.
const PROXY_PATIENCE: Duration = Duration::from_secs(5);
/// Pause after an accept error (no file descriptors left): retrying at once would burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A dead client is noticed after this long without acknowledgement.
const USER_TIMEOUT: Duration = Duration::from_secs(120);

/// How a listener treats connections.
#[derive(Debug, Clone, Default)]
pub struct ListenerConfig {
    /// Balancers whose connections begin with a PROXY header.
    pub proxy_from: Vec<IpNet>,
    /// What a client over the cap is told before the connection closes.
    pub refusal: &'static str,
}

/// Caps on open connections of a node: all, and per client address (IPv6: per /64). They protect memory.
#[derive(Debug, Clone)]
pub struct Caps {
    inner: Arc<CapsInner>,
}

#[derive(Debug)]
struct CapsInner {
    total: usize,
    per_ip: usize,
    open: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

impl Caps {
    /// Limits on the total and per address.
    #[must_use]
    pub fn new(total: usize, per_ip: usize) -> Self {
        Self { inner: Arc::new(CapsInner { total, per_ip, open: Mutex::default() }) }
    }

    fn enter(&self, ip: IpAddr) -> Option<Seat> {
        let ip = network(ip);
        let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, per_ip) = &mut *open;
        // Looked up first: of who is turned away nothing is kept.
        let mine = per_ip.get(&ip).copied().unwrap_or(0);
        if *total >= self.inner.total || mine >= self.inner.per_ip {
            return None;
        }
        *total += 1;
        per_ip.insert(ip, mine + 1);
        Some(Seat { caps: self.clone(), ip })
    }
}

struct Seat {
    caps: Caps,
    ip: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.caps.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.0 -= 1;
        if let Some(mine) = open.1.get_mut(&self.ip) {
            *mine -= 1;
            if *mine == 0 {
                open.1.remove(&self.ip);
            }
        }
    }
}

/// One client is one IPv4 address or one IPv6 /64.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX))),
    }
}

/// Bound sockets of one protocol.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
    config: Arc<ListenerConfig>,
}

impl Listener {
    /// Binds all addresses; clients can connect from here on and wait for [`Listener::serve`].
    ///
    /// # Errors
    /// [`NetError::Bind`] names the address.
    pub async fn bind(addresses: &[SocketAddr], config: ListenerConfig) -> Result<Self, NetError> {
        let mut sockets = Vec::with_capacity(addresses.len());
        for address in addresses {
            let socket = TcpListener::bind(address)
                .await
                .map_err(|error| NetError::Bind(address.to_string(), error))?;
            sockets.push(socket);
        }
        Ok(Self { sockets, config: Arc::new(config) })
    }

    /// The bound addresses; port 0 has become a real one.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// Accepts until the drain begins. Each connection becomes a task of its own running `session`.
    pub fn serve<F, S>(self, caps: &Caps, drain: &Drain, session: F)
    where
        F: Fn(Stream) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        for socket in self.sockets {
            let (caps, drain) = (caps.clone(), drain.clone());
            let (config, session) = (Arc::clone(&self.config), session.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = drain.begun() => {}
                    () = accept_for_ever(socket, &config, &caps, &drain, &session) => {}
                }
            });
        }
    }
}

async fn accept_for_ever<F, S>(
    socket: TcpListener,
    config: &Arc<ListenerConfig>,
    caps: &Caps,
    drain: &Drain,
    session: &F,
) where
    F: Fn(Stream) -> S + Clone + Send + Sync + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    loop {
        let (stream, peer) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (config, caps, session) = (Arc::clone(config), caps.clone(), session.clone());
        drain.sessions().spawn(async move {
            if let Err(error) = one_connection(stream, peer, &config, &caps, session).await {
                tracing::debug!(%peer, %error, "a connection ended before its session began");
            }
        });
    }
}

async fn one_connection<F, S>(
    mut stream: TcpStream,
    peer: SocketAddr,
    config: &ListenerConfig,
    caps: &Caps,
    session: F,
) -> io::Result<()>
where
    F: Fn(Stream) -> S,
    S: Future<Output = ()> + Send + 'static,
{
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(&stream);
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.set_keepalive(true)?;
    let mut client = peer;
    if config.proxy_from.iter().any(|net| net.contains(&peer.ip().to_canonical())) {
        let header = tokio::time::timeout(PROXY_PATIENCE, read_proxy(&mut stream));
        match header.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? {
            Some(source) => client = source,
            // The balancer's own health check: it wants to see the greeting.
            None => client = peer,
        }
    }
    let Some(seat) = caps.enter(client.ip()) else {
        metrics::counter!("postrider_connections_refused_total").increment(1);
        return stream.write_all(config.refusal.as_bytes()).await;
    };
    metrics::counter!("postrider_connections_total").increment(1);
    // A panic in one session must not take the node down; tokio catches it at this task's edge.
    session(Stream::plain(stream, client)).await;
    drop(seat);
    Ok(())
}

async fn read_proxy(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut header = Vec::with_capacity(256);
    loop {
        match proxy::parse(&header) {
            Parsed::Header { source, .. } => return Ok(source),
            Parsed::Invalid => {
                return Err(io::Error::other("no PROXY header from a configured balancer"));
            }
            // One octet at a time: what follows the header belongs to the session.
            Parsed::Incomplete => header.push(stream.read_u8().await?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tls, self_signed};
    use tokio::io::{AsyncBufReadExt, BufReader};

    async fn echo(mut stream: Stream) {
        let line = format!("hello {}\r\n", stream.peer().ip());
        let _ = stream.write_all(line.as_bytes()).await;
        let mut octet = [0];
        while let Ok(1) = stream.read(&mut octet).await {
            let _ = stream.write_all(&octet).await;
        }
    }

    async fn start(config: ListenerConfig, caps: &Caps, drain: &Drain) -> SocketAddr {
        let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()], config).await.unwrap();
        let address = listener.addresses()[0];
        listener.serve(caps, drain, echo);
        address
    }

    async fn first_line(address: SocketAddr, send: &[u8]) -> (BufReader<TcpStream>, String) {
        let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
        stream.write_all(send).await.unwrap();
        let mut line = String::new();
        // A server that closes while octets wait unread resets the connection: as good as an end.
        if let Err(error) = stream.read_line(&mut line).await {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        (stream, line)
    }

    #[tokio::test]
    async fn caps_refuse_and_drain_ends() {
        let (caps, drain) = (Caps::new(10, 1), Drain::new(Duration::ZERO));
        let config = ListenerConfig { refusal: "421 full\r\n", ..Default::default() };
        let address = start(config, &caps, &drain).await;
        let (first, line) = first_line(address, b"").await;
        assert_eq!(line, "hello 127.0.0.1\r\n");
        assert_eq!(first_line(address, b"").await.1, "421 full\r\n");
        drop(first);
        while drain.open_sessions() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(first_line(address, b"").await.1, "hello 127.0.0.1\r\n");
        drain.begin();
        assert!(drain.wait(Duration::from_secs(10)).await);
    }

    #[test]
    fn who_is_turned_away_leaves_no_trace() {
        let caps = Caps::new(1, 1);
        let seat = caps.enter("192.0.2.1".parse().unwrap());
        assert!(seat.is_some());
        for client in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
            assert!(caps.enter(client.parse().unwrap()).is_none());
        }
        assert_eq!(caps.inner.open.lock().unwrap().1.len(), 1);
        drop(seat);
        assert_eq!(caps.inner.open.lock().unwrap().1.len(), 0);
    }

    #[tokio::test]
    async fn proxy_headers_only_from_balancers() {
        let (caps, drain) = (Caps::new(10, 9), Drain::new(Duration::ZERO));
        let trusted =
            ListenerConfig { proxy_from: vec!["127.0.0.0/8".parse().unwrap()], refusal: "" };
        let address = start(trusted, &caps, &drain).await;
        let header = b"PROXY TCP4 192.0.2.9 127.0.0.1 1 2\r\n";
        assert_eq!(first_line(address, header).await.1, "hello 192.0.2.9\r\n");
        assert_eq!(first_line(address, b"EHLO x\r\n").await.1, "", "a header is required");
        let untrusted = start(ListenerConfig::default(), &caps, &drain).await;
        assert_eq!(first_line(untrusted, header).await.1, "hello 127.0.0.1\r\n");
    }

    #[tokio::test]
    async fn a_certificate_is_made_once_and_reloaded() {
        let dir = tempfile::tempdir().unwrap();
        let files = self_signed(dir.path(), &["mx.test".into()]).unwrap();
        assert_eq!(self_signed(dir.path(), &[]).unwrap(), files);
        let tls = Tls::load(vec![files.clone()]).unwrap();
        assert!(!tls.reload().unwrap());
        std::fs::write(&files.certificate, "nonsense").unwrap();
        assert!(tls.reload().is_err(), "the old one stays");
        std::fs::remove_file(&files.key).unwrap();
        self_signed(dir.path(), &["mx.test".into()]).unwrap();
        assert!(tls.reload().unwrap());
        let missing = CertificateFiles { certificate: "/nowhere".into(), key: "/nowhere".into() };
        assert!(Tls::load(vec![missing]).is_err());
    }

    use crate::CertificateFiles;
}
