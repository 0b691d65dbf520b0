//! What every octet passes through, timed alone: the SMTP session, the message scanner, the hash.

use crate::cpu::own_cpu_ms;
use crate::mix::Mail;
use crate::report::Row;
use crate::scenario::Plan;
use anyhow::{Result, ensure};
use bytes::Bytes;
use message::Scanner;
use smtp::{Config, ContentVerdict, DataVerdict, Event, MailVerdict, RcptVerdict, Role, Session};
use std::sync::Arc;
use std::time::Instant;

/// Octets that come with one read.
const READ: usize = 16 * 1024;

/// Times each parser over the messages of a plan.
///
/// # Errors
/// When one does not find what was put in.
pub fn parsers(plan: &Plan) -> Result<Vec<Row>> {
    let mail = Mail::new(plan.mix, plan.seed);
    let messages: Vec<Bytes> = (0..plan.count)
        .map(|nth| {
            let message = mail.message(nth, "nobody@load.example");
            [message.header, message.body].concat().into()
        })
        .collect();
    let octets: usize = messages.iter().map(Bytes::len).sum();
    let mut rows = Vec::new();
    let mut time = |what: &str, proof: &str, work: &mut dyn FnMut(&Bytes) -> Result<()>| {
        let (before, begun) = (own_cpu_ms(), Instant::now());
        messages.iter().try_for_each(work)?;
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = (own_cpu_ms() - before) / plan.count as f64;
        rows.push(Row {
            scenario: format!("{what} {}", plan.mix.name()),
            server: "one thread".into(),
            operations: plan.count,
            seconds,
            cpu_ms: [("parser".to_owned(), cpu)].into(),
            more: [("MiB/s".to_owned(), octets as f64 / 1_048_576.0 / seconds)].into(),
            proof: proof.into(),
            ..Row::default()
        });
        anyhow::Ok(())
    };
    time("smtp session", "each message came out with its octets", &mut |message| session(message))?;
    time("message scanner", "Message-ID, parts and octets were found", &mut |message| {
        let mut scanner = Scanner::new();
        message.chunks(READ).for_each(|chunk| scanner.feed(chunk));
        let structure = scanner.finish().structure;
        ensure!(structure.root.octets() > 0 && !structure.encode().is_empty(), "nothing was found");
        Ok(())
    })?;
    time("blake3", "it is a hash", &mut |message| {
        ensure!(blake3::hash(message).as_bytes() != &[0; 32], "zero");
        Ok(())
    })?;
    Ok(rows)
}

/// One message through a fresh session, pipelined as clients do.
fn session(message: &Bytes) -> Result<()> {
    let mut session = Session::new(Arc::new(Config::new(Role::Smtp, "mx.load.example")), false);
    session.feed(b"EHLO load.example\r\nMAIL FROM:<a@load.example> BODY=8BITMIME\r\n");
    session.feed(b"RCPT TO:<nobody@load.example>\r\nDATA\r\n");
    let (mut octets, mut pieces) = (0, message.chunks(READ));
    let mut ended = false;
    while !ended {
        match session.next() {
            Some(Event::Mail(_)) => session.mail_verdict(MailVerdict::Ok),
            Some(Event::Rcpt(_)) => session.rcpt_verdict(RcptVerdict::Ok),
            Some(Event::Data) => session.data_verdict(DataVerdict::Go),
            Some(Event::Content(piece)) => octets += piece.len(),
            Some(Event::ContentEnd) => {
                session.content_verdicts(&[ContentVerdict::Accepted("x".into())]);
                ended = true;
            }
            Some(other) => anyhow::bail!("{other:?}"),
            None => session.feed(pieces.next().unwrap_or(b".\r\n")),
        }
    }
    ensure!(octets == message.len(), "{octets} octets of {}", message.len());
    Ok(())
}
