//! Conversations that a person can read, played against real servers.
//!
//! ```text
//! # A message that comes in on one node is told to a session on the other.
//! A = smtp 1                       connection A: the smtp listener of the first node
//! A< 220 ${*}
//! A> EHLO client.test
//! A<* 250 ${*}                     skip lines until this one comes
//! B = imaps 2                      connection B, TLS at once
//! B< * OK ${*}
//! B> a LOGIN anna@example.test "${password}"
//! B<* a OK ${*}
//! A tls                            begin TLS (after STARTTLS was answered)
//! A closes                         the server closes, having said nothing more
//! ```
//!
//! `X> text` sends a line, `X>> text` sends it without a line end, `X< pattern` expects exactly the next line,
//! `X<* pattern` skips lines until one fits. In a pattern `${name}` stands for some text: what it is at first
//! sight is bound to the name, and from then on it must be the same; `${*}` is any text. In what is sent,
//! `${name}` is replaced. `\r`, `\n`, `\0`, `\\` and `\xHH` stand for themselves in what is sent. Empty lines
//! and lines that begin with `#` are for the reader, as is everything after three spaces in the lines that
//! open, close or begin TLS.

use crate::Stream;
use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Names and what they stand for.
pub type Variables = HashMap<String, String>;

/// Plays a transcript. `connect` knows the listeners: by name (`smtp`) and node, counted from 1.
///
/// # Errors
/// Names the line that was not followed, and says what came instead.
pub async fn play(
    text: &str,
    variables: &mut Variables,
    connect: impl Fn(&str, usize) -> Result<SocketAddr>,
) -> Result<()> {
    let mut connections: HashMap<String, Stream> = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        step(line, &mut connections, variables, &connect)
            .await
            .with_context(|| format!("line {}: {line}", number + 1))?;
    }
    Ok(())
}

async fn step(
    line: &str,
    connections: &mut HashMap<String, Stream>,
    variables: &mut Variables,
    connect: &impl Fn(&str, usize) -> Result<SocketAddr>,
) -> Result<()> {
    let end = line.find(|c: char| !c.is_alphanumeric()).context("no such step")?;
    let (name, rest) = line.split_at(end);
    if let Some(listener) = rest.strip_prefix(" = ") {
        let stream = open(listener, connect).await?;
        connections.insert(name.to_owned(), stream);
        return Ok(());
    }
    let stream = connections.get_mut(name).with_context(|| format!("{name} is not open"))?;
    if let Some(text) = rest.strip_prefix(">> ") {
        return stream.send(&octets(&replace(text, variables)?)?).await;
    }
    if let Some(text) = rest.strip_prefix("> ").or(rest.strip_prefix('>')) {
        let mut line = octets(&replace(text, variables)?)?;
        line.extend_from_slice(b"\r\n");
        return stream.send(&line).await;
    }
    if let Some(pattern) = rest.strip_prefix("<* ") {
        return skip_to(stream, pattern, variables).await;
    }
    if let Some(pattern) = rest.strip_prefix("< ").or(rest.strip_prefix('<')) {
        let line = next(stream).await?;
        ensure!(fits(pattern, &line, variables)?, "got {line:?}");
        return Ok(());
    }
    match rest.trim_start().split("   ").next() {
        Some("tls") => stream.start_tls().await,
        Some("closes") => stream.expect_close().await,
        _ => bail!("no such step"),
    }
}

async fn open(
    listener: &str,
    connect: &impl Fn(&str, usize) -> Result<SocketAddr>,
) -> Result<Stream> {
    let mut words = listener.split_whitespace();
    let name = words.next().context("which listener?")?;
    let node = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
    let address = connect(name, node)?;
    if name.ends_with("s") {
        Stream::connect_tls(address).await
    } else {
        Stream::connect(address).await
    }
}

async fn next(stream: &mut Stream) -> Result<String> {
    let line = stream.line().await?.context("the server closed the connection")?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

async fn skip_to(stream: &mut Stream, pattern: &str, variables: &mut Variables) -> Result<()> {
    let mut skipped = Vec::new();
    loop {
        match stream.line().await? {
            Some(line) => {
                let line = String::from_utf8_lossy(&line).into_owned();
                if fits(pattern, &line, variables)? {
                    return Ok(());
                }
                skipped.push(line);
            }
            None => bail!("the server closed the connection after {skipped:#?}"),
        }
    }
}

/// A pattern or a text, cut at its `${names}`.
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        let end = after.find('}').context("${ without }")?;
        pieces.extend([Piece::Text(before), Piece::Name(&after[2..end])]);
        rest = &after[end + 1..];
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

fn replace(text: &str, variables: &Variables) -> Result<String> {
    let mut out = String::new();
    for piece in pieces(text)? {
        out += match piece {
            Piece::Text(text) => text,
            Piece::Name(name) => {
                variables.get(name).with_context(|| format!("nothing is known of ${{{name}}}"))?
            }
        };
    }
    Ok(out)
}

/// `\r`, `\n`, `\0`, `\\` and `\xHH`.
fn octets(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match rest.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                u8::from_str_radix(std::str::from_utf8(&digits)?, 16).context("\\xHH")?
            }
            _ => bail!("\\ before nothing known"),
        });
    }
    Ok(out)
}

/// Whether the whole line fits; only then are its variables bound.
fn fits(pattern: &str, line: &str, variables: &mut Variables) -> Result<bool> {
    let pieces = pieces(pattern)?;
    let mut bound = variables.clone();
    let fits = fit(&pieces, line, &mut bound);
    if fits {
        *variables = bound;
    }
    Ok(fits)
}

fn fit(pieces: &[Piece<'_>], line: &str, variables: &mut Variables) -> bool {
    let Some((first, later)) = pieces.split_first() else { return line.is_empty() };
    match first {
        Piece::Text(text) => {
            line.strip_prefix(text).is_some_and(|line| fit(later, line, variables))
        }
        Piece::Name(name) => {
            if let Some(known) = variables.get(*name).cloned() {
                return line.strip_prefix(&known).is_some_and(|line| fit(later, line, variables));
            }
            // The shortest text with which the rest fits.
            let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
            for end in ends {
                let mut tried = variables.clone();
                if *name != "*" {
                    tried.insert((*name).to_owned(), line[..end].to_owned());
                }
                if fit(later, &line[end..], &mut tried) {
                    *variables = tried;
                    return true;
                }
            }
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bound_at_first_sight() {
        let mut variables = Variables::new();
        let line = "* OK [UIDVALIDITY 1234] fine";
        assert!(fits("* OK [UIDVALIDITY ${v}] ${*}", line, &mut variables).unwrap());
        assert_eq!(variables["v"], "1234");
        assert!(fits("* 1 ${v}", "* 1 1234", &mut variables).unwrap());
        assert!(!fits("* 1 ${v}", "* 1 1235", &mut variables).unwrap());
        assert!(fits("${*} b ${x} ${x}", "a b b c c", &mut variables).unwrap());
        assert_eq!(variables["x"], "c");
        assert!(!fits("exact", "exactly", &mut variables).unwrap());
        assert_eq!(replace("STORE ${v}", &variables).unwrap(), "STORE 1234");
        assert!(replace("${unknown}", &variables).is_err());
        assert_eq!(octets("a\\r\\n\\x00\\\\").unwrap(), b"a\r\n\0\\");
    }

    #[tokio::test]
    async fn a_conversation_over_a_socket() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"220 hello 42\r\n").await.unwrap();
            let mut line = [0; 6];
            stream.read_exact(&mut line).await.unwrap();
            assert_eq!(&line, b"NO 42\r");
            stream.write_all(b"x\r\ny\r\n").await.unwrap();
        });
        let text = "# a comment\nA = smtp   where\n\nA< 220 ${*} ${n}\nA> NO ${n}\nA<* y\nA closes";
        play(text, &mut Variables::new(), |_, _| Ok(address)).await.unwrap();
        let wrong = play("A> x", &mut Variables::new(), |_, _| Ok(address)).await;
        assert_eq!(format!("{:#}", wrong.unwrap_err()), "line 1: A> x: A is not open");
    }
}
