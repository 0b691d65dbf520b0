//! MESSAGELIMIT (RFC 9738): a command that is about more messages than it may be is carried out for the last of them, and
//! says so; one that is all or nothing is not carried out.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use imap::{Code, Status};
use mail::UidSet;

/// Messages told at a time where they go from the last to the first.
const PIECE: u64 = 500;

impl Client {
    /// Most messages of one command.
    pub(crate) fn message_limit(&self) -> Option<u32> {
        self.shared.config.message_limit.map(u32::from)
    }

    /// Those of these messages that this command may be about: the last ones.
    pub(crate) fn within_limit(&mut self, uids: UidSet) -> UidSet {
        match self.message_limit() {
            Some(limit) if uids.len() > u64::from(limit) => {
                let (_, last) = uids.split_last(limit.into());
                self.cut = last.first();
                last
            }
            _ => uids,
        }
    }

    /// For a command that is all or nothing: "it MUST fail the command by returning a tagged NO response with the
    /// MESSAGELIMIT response code" (§3.1).
    pub(crate) fn all_within_limit(&self, uids: &UidSet) -> Result<(), Stop> {
        match self.message_limit() {
            Some(limit) if uids.len() > u64::from(limit) => {
                let lowest = uids.split_last(limit.into()).1.first();
                Err(Answer::no(Code::MessageLimit(limit, lowest), TOO_MANY).into())
            }
            _ => Ok(()),
        }
    }

    /// "the server is REQUIRED to process messages from highest to lowest UID" (§3.1) where some are left out: in pieces,
    /// the last first. Else all at once.
    pub(crate) fn pieces(&self, uids: UidSet) -> Vec<UidSet> {
        if self.cut.is_none() {
            return vec![uids];
        }
        let (mut pieces, mut rest) = (Vec::new(), uids);
        while !rest.is_empty() {
            let (before, last) = rest.split_last(PIECE);
            pieces.push(last);
            rest = before;
        }
        pieces
    }

    /// Says with the answer how far the command came. Where another code has to be there, "the latter MUST be returned in an
    /// untagged NO response" (§3.1).
    pub(crate) fn limited(&mut self, answer: Answer) -> Answer {
        let Some((limit, lowest)) = self.message_limit().zip(self.cut.take()) else {
            return answer;
        };
        let code = Code::MessageLimit(limit, Some(lowest));
        if answer.is_bare_ok() {
            return Answer::ok_with(code, PARTLY);
        }
        if answer.is_ok() {
            self.machine.writer().status(Status::No, Some(&code), PARTLY);
        }
        answer
    }
}

const PARTLY: &str = "Done for the last of these messages only";
const TOO_MANY: &str = "Too many messages at once, try fewer";

/// Refuses a part that is larger than a command may be: "the server refuses to do any work in this case" (§3.1).
pub(crate) fn part_within(limit: Option<u32>, part: imap::PartialRange) -> Result<(), Stop> {
    match limit {
        Some(limit) if part.first.abs_diff(part.last) >= limit => {
            Err(Answer::no(Code::MessageLimit(limit, None), TOO_MANY).into())
        }
        _ => Ok(()),
    }
}
