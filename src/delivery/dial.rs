//! Making a connection: which addresses may be tried, from which of ours.

use crate::Inner;
use crate::config::Source;
use crate::outcome::NoConnection;
use rand::seq::IndexedRandom;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};

/// Whether mail found by MX may go there. This machine's own services, networks without a host and groups
/// are no mail servers of others.
pub(crate) fn is_elsewhere(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => (ip.segments()[0] & 0xffc0) == 0xfe80,
    };
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || link_local)
}

/// One of our addresses of the same family, if any is configured.
fn source(sources: &[Source], to: SocketAddr) -> Option<&Source> {
    let fits: Vec<&Source> =
        sources.iter().filter(|s| s.address.is_ipv4() == to.is_ipv4()).collect();
    fits.choose(&mut rand::rng()).copied()
}

/// A connection, and what EHLO should say over it.
pub(crate) async fn dial(
    inner: &Inner,
    to: SocketAddr,
) -> Result<(TcpStream, String), NoConnection> {
    let source = source(&inner.config.sources, to);
    let limit = Duration::from_millis(inner.config.connect_timeout_ms);
    let connecting = tokio::time::timeout(limit, connect(source, to));
    let stream = connecting.await.map_err(|_| NoConnection::TimedOut)?.map_err(|e| explain(&e))?;
    let name = source.and_then(|source| source.name.clone());
    Ok((stream, name.unwrap_or_else(|| inner.config.hostname.clone())))
}

async fn connect(source: Option<&Source>, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source.address, 0))?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// ENFILE and EMFILE of Linux: no descriptor left.
const NO_DESCRIPTOR: [i32; 2] = [23, 24];

/// Theirs and ours apart. What is neither (a family this machine does not speak, a firewall's rule) is a way
/// that does not exist, so that the next address is tried.
fn explain(error: &io::Error) -> NoConnection {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => NoConnection::Refused,
        ErrorKind::TimedOut => NoConnection::TimedOut,
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse | ErrorKind::OutOfMemory => {
            NoConnection::Local
        }
        _ if error.raw_os_error().is_some_and(|code| NO_DESCRIPTOR.contains(&code)) => {
            NoConnection::Local
        }
        _ => NoConnection::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_others() {
        for (ip, elsewhere) in [
            ("192.0.2.1", true),
            ("10.1.2.3", true),
            ("2001:db8::1", true),
            ("127.0.0.1", false),
            ("127.8.8.8", false),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("169.254.1.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::1", false),
            ("::", false),
            ("::ffff:127.0.0.1", false),
            ("fe80::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_elsewhere(ip.parse().unwrap()), elsewhere, "{ip}");
        }
    }

    #[test]
    fn a_source_of_the_same_family() {
        let of = |ip: &str| Source { address: ip.parse().unwrap(), name: None };
        let sources = [of("192.0.2.1"), of("2001:db8::1"), of("192.0.2.2")];
        let to = |text: &str| text.parse().unwrap();
        for _ in 0..20 {
            assert!(source(&sources, to("198.51.100.1:25")).unwrap().address.is_ipv4());
            assert!(source(&sources, to("[2001:db8::2]:25")).unwrap().address.is_ipv6());
        }
        assert_eq!(source(&sources[..1], to("[2001:db8::2]:25")), None);
    }
}
