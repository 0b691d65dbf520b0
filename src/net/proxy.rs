//! The PROXY protocol, versions 1 and 2, as HAProxy specifies it. A parser without I/O.
//!
//! Only read from configured balancers, and then required: from anybody else the first octets belong to the
//! mail protocol, and a client that could speak for others would be a hole.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest version 1 line, its CRLF included.
const V1_MAX: usize = 107;
/// Longest version 2 header that is taken: addresses and a few TLVs.
const V2_MAX: usize = 4_096;

/// What the first octets say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// More octets are needed.
    Incomplete,
    /// A header of this length; `None`: the balancer speaks for itself (health check).
    Header { length: usize, source: Option<SocketAddr> },
    /// Not a PROXY header.
    Invalid,
}

pub(crate) fn parse(input: &[u8]) -> Parsed {
    let common = input.len().min(SIGNATURE.len());
    if input[..common] == SIGNATURE[..common] {
        return if common < SIGNATURE.len() { Parsed::Incomplete } else { parse_v2(input) };
    }
    parse_v1(input)
}

fn parse_v1(input: &[u8]) -> Parsed {
    let head = b"PROXY ";
    let common = input.len().min(head.len());
    if input[..common] != head[..common] {
        return Parsed::Invalid;
    }
    let window = &input[..input.len().min(V1_MAX)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if input.len() < V1_MAX { Parsed::Incomplete } else { Parsed::Invalid };
    };
    let Ok(line) = std::str::from_utf8(&input[head.len().min(end)..end]) else {
        return Parsed::Invalid;
    };
    let length = end + 2;
    let mut words = line.split(' ');
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Parsed::Header { length, source: None };
    }
    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
    let target = words.next().and_then(|word| word.parse::<IpAddr>().ok());
    let port = words.next().and_then(|word| word.parse::<u16>().ok());
    let target_port = words.next().and_then(|word| word.parse::<u16>().ok());
    match (family, address, target, port, target_port, words.next()) {
        (Some("TCP4"), Some(IpAddr::V4(ip)), Some(IpAddr::V4(_)), Some(port), Some(_), None) => {
            Parsed::Header { length, source: Some(SocketAddr::from((ip, port))) }
        }
        (Some("TCP6"), Some(IpAddr::V6(ip)), Some(IpAddr::V6(_)), Some(port), Some(_), None) => {
            Parsed::Header { length, source: Some(SocketAddr::from((ip, port))) }
        }
        _ => Parsed::Invalid,
    }
}

fn parse_v2(input: &[u8]) -> Parsed {
    let Some(&[version_command, family, high, low]) =
        input.get(12..16).and_then(|b| b.first_chunk::<4>())
    else {
        return Parsed::Incomplete;
    };
    let body = usize::from(u16::from_be_bytes([high, low]));
    let length = 16 + body;
    if version_command >> 4 != 2 || length > V2_MAX {
        return Parsed::Invalid;
    }
    let Some(body) = input.get(16..length) else { return Parsed::Incomplete };
    match (version_command & 0xf, family >> 4) {
        (0, _) => Parsed::Header { length, source: None },
        (1, 1) => match body.first_chunk::<12>() {
            Some(b) => {
                let ip = Ipv4Addr::new(b[0], b[1], b[2], b[3]);
                Parsed::Header {
                    length,
                    source: Some((ip, u16::from_be_bytes([b[8], b[9]])).into()),
                }
            }
            None => Parsed::Invalid,
        },
        (1, 2) => match (body.first_chunk::<16>(), body.get(32..34)) {
            (Some(ip), Some(port)) => {
                let port = u16::from_be_bytes([port[0], port[1]]);
                Parsed::Header { length, source: Some((Ipv6Addr::from(*ip), port).into()) }
            }
            _ => Parsed::Invalid,
        },
        (1, 0 | 3) => Parsed::Header { length, source: None },
        _ => Parsed::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v2(family: u8, body: &[u8]) -> Vec<u8> {
        let mut out = SIGNATURE.to_vec();
        out.extend([0x21, family]);
        out.extend((body.len() as u16).to_be_bytes());
        out.extend(body);
        out
    }

    #[test]
    fn version_1() {
        let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\r\nEHLO";
        let source = "192.0.2.1:56324".parse().ok();
        assert_eq!(parse(line), Parsed::Header { length: 41, source });
        assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Parsed::Header { length: 15, source: None });
        for end in 0..41 {
            assert_eq!(parse(&line[..end]), Parsed::Incomplete, "{end}");
        }
        for bad in [
            "EHLO x\r\n",
            "PROXY TCP4 x y 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY \r\n",
        ] {
            assert_eq!(parse(bad.as_bytes()), Parsed::Invalid, "{bad}");
        }
        assert_eq!(parse(&[b"PROXY ".as_slice(), &[b'x'; 200]].concat()), Parsed::Invalid);
    }

    #[test]
    fn version_2() {
        let header = v2(0x11, &[192, 0, 2, 1, 192, 0, 2, 2, 0, 80, 0, 25, 9, 9]);
        assert_eq!(
            parse(&header),
            Parsed::Header { length: 30, source: "192.0.2.1:80".parse().ok() }
        );
        for end in 0..30 {
            assert_eq!(parse(&header[..end]), Parsed::Incomplete, "{end}");
        }
        let mut local = v2(0, &[]);
        local[12] = 0x20;
        assert_eq!(parse(&local), Parsed::Header { length: 16, source: None });
        assert_eq!(parse(&v2(0x11, &[1, 2, 3])), Parsed::Invalid);
        assert_eq!(parse(&v2(0x11, &[0; 5000])), Parsed::Invalid);
    }

    proptest! {
        #[test]
        fn never_panics(input in prop::collection::vec(any::<u8>(), 0..200), v1 in any::<bool>()) {
            let head: &[u8] = if v1 { b"PROXY " } else { SIGNATURE };
            let _ = (parse(&input), parse(&[head, &input].concat()));
        }
    }
}
