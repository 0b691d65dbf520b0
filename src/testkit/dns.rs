//! A DNS server on loopback, for nodes under test: it answers from a function, so a table of two hundred
//! domains is one line.
//!
//! UDP only, one question per message, answers without compression or EDNS. Nodes are pointed at it with
//! `[resolve] servers = ["127.0.0.1:PORT"]`; since MX knows no ports, sinks listen on addresses of their own
//! with one port, the `[delivery] port`.

use anyhow::Context;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// What is asked for; other types get [`Answer::NoData`] without the function being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A
    A,
    /// MX
    Mx,
    /// TXT
    Txt,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// MX records.
    Mx(Vec<(u16, String)>),
    /// TXT records, each of up to 255 octets.
    Txt(Vec<String>),
    /// A records.
    A(Vec<Ipv4Addr>),
    /// The name exists, such records do not.
    NoData,
    /// The name does not exist.
    NoDomain,
    /// SERVFAIL.
    Failure,
    /// None.
    Silence,
}

type Oracle = dyn Fn(&str, Kind) -> Answer + Send + Sync;

/// A running server; stops when dropped.
pub struct Dns {
    address: SocketAddr,
    asked: Arc<Mutex<HashMap<String, usize>>>,
    stop: CancellationToken,
}

impl Dns {
    /// Answers what the function says; names are in lower case without a final dot.
    ///
    /// # Errors
    /// No free port.
    pub async fn start(
        oracle: impl Fn(&str, Kind) -> Answer + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.context("no UDP port")?;
        let address = socket.local_addr()?;
        let (stop, asked) = (CancellationToken::new(), Arc::default());
        let server = serve(socket, Arc::new(oracle), Arc::clone(&asked));
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(server).await });
        Ok(Self { address, asked, stop })
    }

    /// Every domain takes mail at `mx.<domain>`, whose address the function gives; `None`: no such domain.
    ///
    /// # Errors
    /// No free port.
    pub async fn mail_domains(
        host: impl Fn(&str) -> Option<Ipv4Addr> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        Self::start(move |name, kind| {
            let domain = name.strip_prefix("mx.").unwrap_or(name);
            match (host(domain), kind) {
                (None, _) => Answer::NoDomain,
                (Some(address), Kind::A) if domain != name => Answer::A(vec![address]),
                (Some(_), Kind::Mx) if domain == name => {
                    Answer::Mx(vec![(10, format!("mx.{name}"))])
                }
                _ => Answer::NoData,
            }
        })
        .await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often a name was asked for.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(name).copied().unwrap_or(0)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(socket: UdpSocket, oracle: Arc<Oracle>, asked: Arc<Mutex<HashMap<String, usize>>>) {
    let mut buffer = [0; 1_500];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Some(question) = Question::read(&buffer[..length]) else { continue };
        count(&asked, &question.name);
        let answer = match question.kind {
            Some(kind) => oracle(&question.name, kind),
            None => Answer::NoData,
        };
        if answer != Answer::Silence {
            let _ = socket.send_to(&question.reply(&answer), from).await;
        }
    }
}

fn count(asked: &Mutex<HashMap<String, usize>>, name: &str) {
    *asked.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default() += 1;
}

/// A query with one question (RFC 1035 §4).
struct Question {
    id: [u8; 2],
    name: String,
    kind: Option<Kind>,
    /// The question section, to be repeated.
    section: Vec<u8>,
}

impl Question {
    fn read(message: &[u8]) -> Option<Self> {
        let id = [*message.first()?, *message.get(1)?];
        let mut labels = Vec::new();
        let mut at = 12;
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            let label = message.get(at..at + length).filter(|_| length < 64)?;
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
            at += length;
        }
        let kind = match message.get(at..at + 2)? {
            [0, 1] => Some(Kind::A),
            [0, 15] => Some(Kind::Mx),
            [0, 16] => Some(Kind::Txt),
            _ => None,
        };
        let section = message.get(12..at + 4)?.to_vec();
        Some(Self { id, name: labels.join("."), kind, section })
    }

    fn reply(&self, answer: &Answer) -> Vec<u8> {
        let (code, records) = match answer {
            Answer::Mx(list) => {
                (0, list.iter().map(|(preference, host)| mx(*preference, host)).collect())
            }
            Answer::Txt(list) => (0, list.iter().map(|text| txt(text)).collect()),
            Answer::A(list) => (0, list.iter().map(|ip| record(1, &ip.octets())).collect()),
            Answer::NoData | Answer::Silence => (0, Vec::new()),
            Answer::Failure => (2, Vec::new()),
            Answer::NoDomain => (3, Vec::new()),
        };
        let records: Vec<Vec<u8>> = records;
        let count = u8::try_from(records.len()).unwrap_or(u8::MAX);
        // A response with recursion, one question, so many answers; without any, a SOA says how long to
        // believe that.
        let negative = matches!(answer, Answer::NoData | Answer::NoDomain);
        let mut out = vec![self.id[0], self.id[1], 0x81, 0x80 | code, 0, 1, 0, count];
        out.extend_from_slice(&[0, u8::from(negative), 0, 0]);
        out.extend_from_slice(&self.section);
        records.iter().for_each(|record| out.extend_from_slice(record));
        if negative {
            out.extend_from_slice(&soa());
        }
        out
    }
}

/// A record of the name in the question, kept for a minute.
fn record(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60];
    out.extend_from_slice(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(data);
    out
}

fn mx(preference: u16, host: &str) -> Vec<u8> {
    let mut data = preference.to_be_bytes().to_vec();
    for label in host.split('.').filter(|label| !label.is_empty()) {
        data.push(u8::try_from(label.len()).unwrap_or(0));
        data.extend_from_slice(label.as_bytes());
    }
    data.push(0);
    record(15, &data)
}

fn txt(text: &str) -> Vec<u8> {
    let mut data = vec![u8::try_from(text.len()).unwrap_or(0)];
    data.extend_from_slice(text.as_bytes());
    record(16, &data)
}

/// The root's, with times of one second: a test may change its mind.
fn soa() -> Vec<u8> {
    let mut out = vec![0, 0, 6, 0, 1, 0, 0, 0, 1, 0, 22, 0, 0];
    out.extend_from_slice(&[0, 0, 0, 1].repeat(5));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u8) -> Vec<u8> {
        let mut out = vec![7, 8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            out.push(label.len() as u8);
            out.extend_from_slice(label.as_bytes());
        }
        out.extend_from_slice(&[0, 0, kind, 0, 1]);
        out
    }

    #[tokio::test]
    async fn it_answers_what_the_function_says() {
        let host = |domain: &str| (domain == "a.test").then_some(Ipv4Addr::new(127, 0, 0, 9));
        let dns = Dns::mail_domains(host).await.unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(dns.address()).await.unwrap();
        let ask = async |name: &str, kind: u8| {
            socket.send(&query(name, kind)).await.unwrap();
            let mut buffer = [0; 512];
            let length = socket.recv(&mut buffer).await.unwrap();
            buffer[..length].to_vec()
        };
        let reply = ask("A.test", 15).await;
        assert_eq!((&reply[..2], reply[3] & 15, reply[7]), (&[7, 8][..], 0, 1));
        assert!(reply.ends_with(b"\x00\x0a\x02mx\x01a\x04test\x00"));
        assert!(ask("mx.a.test", 1).await.ends_with(&[0, 4, 127, 0, 0, 9]));
        assert_eq!(ask("b.test", 15).await[3] & 15, 3);
        let none = ask("mx.a.test", 28).await;
        assert_eq!((none[3] & 15, none[7], none[9]), (0, 0, 1));
        assert_eq!(dns.asked("a.test"), 1);
    }
}
