//! URLAUTH (RFC 4467), URLAUTH=BINARY (RFC 5524).

use super::{Call, Command, Request};
use crate::capability::Capability;
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

/// What URLFETCH asks of one URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlFetch {
    /// The URL.
    pub url: String,
    /// BODYPARTSTRUCTURE: what the data is.
    pub structure: bool,
    /// The data.
    pub data: UrlData,
}

/// What URLFETCH shows of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlData {
    /// The octets alone, as RFC 4467 says.
    Plain,
    /// None.
    None,
    /// BODY: as it is.
    Body,
    /// BINARY: without its transfer encoding.
    Binary,
}

/// `"URLFETCH" 1*(SP url-fetch-arg)`
pub(super) fn fetch(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    let mut urls = Vec::new();
    while urls.is_empty() || !cursor.at_end() {
        enough(urls.len())?;
        cursor.space()?;
        urls.push(argument(cursor)?);
    }
    Ok(Request::Command(Command::UrlFetch(urls)))
}

/// `url-full / "(" url-full *(SP url-fetch-param) ")"`; without parameters as without parentheses (RFC 5524 §3.1).
fn argument(cursor: &mut Cursor<'_>) -> Parsed<UrlFetch> {
    if !cursor.take(b'(') {
        let url = cursor.text()?;
        return Ok(UrlFetch { url, structure: false, data: UrlData::Plain });
    }
    cursor.need(Capability::UrlAuthBinary)?;
    let mut asked = UrlFetch { url: cursor.text()?, structure: false, data: UrlData::None };
    while cursor.take(b' ') {
        let data = match cursor.atom()?.to_ascii_uppercase().as_str() {
            "BODYPARTSTRUCTURE" if !asked.structure => {
                asked.structure = true;
                continue;
            }
            "BODY" => UrlData::Body,
            "BINARY" => UrlData::Binary,
            _ => return Err(Refusal::bad("Unknown parameter")),
        };
        // "Metadata items MUST NOT appear more than once per URL requested, and clients MUST NOT request both BINARY and
        // BODY."
        if std::mem::replace(&mut asked.data, data) != UrlData::None {
            return Err(Refusal::bad("BODY or BINARY, and once"));
        }
    }
    cursor.byte(b')')?;
    if !asked.structure && asked.data == UrlData::None {
        asked.data = UrlData::Plain;
    }
    Ok(asked)
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
