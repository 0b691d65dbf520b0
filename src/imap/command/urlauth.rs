//! URLAUTH (RFC 4467).

use super::{Call, Command, Request};
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::mailbox::mailbox;
use crate::response::Code;

/// Most URLs of one command: each costs looks into the database, and may cost one into a message.
const MAX_URLS: usize = 64;
/// Most mechanisms of one command.
const MAX_MECHANISMS: usize = 16;

/// `"GENURLAUTH" 1*(SP url-rump SP mechanism)`
pub(super) fn generate(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    let mut rumps = Vec::new();
    while rumps.is_empty() || !cursor.at_end() {
        enough(rumps.len())?;
        cursor.space()?;
        let rump = cursor.text()?;
        cursor.space()?;
        rumps.push((rump, cursor.atom()?.to_owned()));
    }
    Ok(Request::Command(Command::GenUrlAuth(rumps)))
}

/// `"URLFETCH" 1*(SP url-full)`
pub(super) fn fetch(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    let mut urls = Vec::new();
    while urls.is_empty() || !cursor.at_end() {
        enough(urls.len())?;
        cursor.space()?;
        urls.push(cursor.text()?);
    }
    Ok(Request::Command(Command::UrlFetch(urls)))
}

fn enough(urls: usize) -> Parsed<()> {
    if urls < MAX_URLS {
        Ok(())
    } else {
        Err(Refusal::no(Code::Limit, "Too many URLs in one command"))
    }
}

/// `"RESETKEY" [SP mailbox *(SP mechanism)]`
pub(super) fn reset(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    if cursor.at_end() {
        return Ok(Request::Command(Command::ResetKey { mailbox: None, mechanisms: Vec::new() }));
    }
    cursor.space()?;
    let mailbox = Some(mailbox(cursor)?);
    let mut mechanisms = Vec::new();
    while mechanisms.len() < MAX_MECHANISMS && cursor.take(b' ') {
        mechanisms.push(cursor.atom()?.to_owned());
    }
    Ok(Request::Command(Command::ResetKey { mailbox, mechanisms }))
}
