//! QUOTA (RFC 9208).

use super::{Call, Command, Request};
use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, text_of};
use crate::mailbox::mailbox;

/// Most resources of one SETQUOTA.
const MAX_RESOURCES: usize = 32;

/// `"GETQUOTA" SP quota-root-name`
pub(super) fn get_quota(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    Ok(Request::Command(Command::GetQuota(cursor.text()?)))
}

/// `"GETQUOTAROOT" SP mailbox`
pub(super) fn get_quota_root(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    Ok(Request::Command(Command::GetQuotaRoot(mailbox(cursor)?)))
}

/// `"SETQUOTA" SP quota-root-name SP setquota-list`
pub(super) fn set_quota(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.need(Capability::QuotaSet)?;
    cursor.space()?;
    let root = text_of(&cursor.astring()?)?;
    cursor.space()?;
    let limits = cursor.list(MAX_RESOURCES, |cursor| {
        let resource = cursor.atom()?.to_owned();
        cursor.space()?;
        Ok((resource, cursor.number64()?))
    })?;
    Ok(Request::Command(Command::SetQuota { root, limits }))
}
