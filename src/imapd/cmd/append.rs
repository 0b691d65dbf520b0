//! APPEND and REPLACE: messages stream into the ingest. What can be refused is refused before its octets come.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::cmd::url;
use crate::seats::Seat;
use crate::update::Look;
use bytes::Bytes;
use chrono::Utc;
use imap::{Append, Capability, Code, MessageUrl, NumberSet, Replaced, Status};
use ingest::{Incoming, Placed, Prepared};
use mail::{Access, Made, MailError, Path, Reach};
use std::io;
use tokio::time::Instant;
use types::{AccountId, MailboxId, Rights, Uid};

/// Messages on their way in.
pub(crate) struct Upload {
    to: Reach,
    /// Those that are complete (RFC 3502).
    prepared: Vec<Prepared>,
    /// The one that comes.
    append: Append,
    incoming: Incoming,
    /// It holds NUL.
    nul: bool,
    /// REPLACE: what goes when they come.
    replaces: Option<(AccountId, MailboxId, Uid)>,
    /// One of the account's.
    seat: Seat,
    /// When it has taken too long.
    pub(crate) deadline: Instant,
}

impl Client {
    pub(crate) async fn append_begin(&mut self, append: Append) -> io::Result<()> {
        match self.begin(append).await {
            Ok(upload) => {
                self.upload = Some(Box::new(upload));
                self.machine.append_accept();
            }
            Err(Stop::Answer(answer)) => answer.refuse_append(&mut self.machine),
            Err(Stop::Gone(error)) => return Err(error),
        }
        Ok(())
    }

    async fn begin(&mut self, append: Append) -> Result<Upload, Stop> {
        let account = self.account()?;
        self.shared.ingest.ready().map_err(Answer::from)?;
        let path = Path::parse(&append.mailbox).map_err(MailError::from)?;
        let to = self.shared.mail.target(account, &path).await?.reach;
        let replaces = match &append.replaces {
            Some(replaced) => Some(self.replaced(replaced).await?),
            None => None,
        };
        let most = self.shared.config.uploads_per_account;
        let seat = self.shared.uploads.take(account, most).ok_or_else(|| {
            // RFC 5530 §3: "The operation ran up against an implementation limit of some kind".
            Answer::no(Code::Limit, "Too many messages of this account are on their way")
        })?;
        let incoming = self.shared.ingest.begin(expected(&append)).map_err(Answer::from)?;
        let deadline = Instant::now() + self.shared.config.upload();
        Ok(Upload {
            to,
            prepared: Vec::new(),
            append,
            incoming,
            nul: false,
            replaces,
            seat,
            deadline,
        })
    }

    /// The message that REPLACE means.
    async fn replaced(&mut self, replaced: &Replaced) -> Result<(AccountId, MailboxId, Uid), Stop> {
        if self.selected()?.view.access() == Access::ReadOnly {
            return Err(Answer::no(Code::NoPerm, "The mailbox is selected read-only").into());
        }
        // "the union of the ACL rights required for UID STORE and UID EXPUNGE in the current mailbox, and APPEND in the
        // target mailbox" (RFC 8508 §4.1)
        self.may_replace().await?;
        let found = self.meant(&replaced.number, replaced.uid).await?;
        let uid = found.iter().next();
        let uid = uid.ok_or_else(|| Answer::no(Code::NonExistent, "No such message"))?;
        let target = self.selected()?.view.target();
        Ok((target.account, target.mailbox, Uid(uid)))
    }

    async fn may_replace(&mut self) -> Result<(), Stop> {
        let mail = self.shared.mail.clone();
        let reach = self.selected()?.view.reach();
        mail.still(reach, Rights::TRASH.with(Rights::EXPUNGE)).await?;
        Ok(())
    }

    pub(crate) async fn append_piece(&mut self, piece: Bytes) {
        let most = self.shared.config.max_message_bytes;
        let Some(upload) = &mut self.upload else { return };
        if let Err(answer) = upload.take(piece, most).await {
            self.upload = None;
            answer.abort_append(&mut self.machine);
        }
    }

    /// CATENATE (RFC 4469): "the octets of the body part pointed to by that URL are appended, as if the literal returned
    /// in a FETCH BODY response were put in place".
    pub(crate) async fn append_url(&mut self, url: &str) -> io::Result<()> {
        match self.take_url(url).await {
            Ok(()) => self.machine.append_url_done(),
            Err(Stop::Answer(answer)) => {
                self.upload = None;
                answer.refuse_append(&mut self.machine);
            }
            Err(Stop::Gone(error)) => return Err(error),
        }
        Ok(())
    }

    async fn take_url(&mut self, text: &str) -> Result<(), Stop> {
        let most = self.shared.config.max_message_bytes;
        // "only relative IMAP message or message part URLs ... are used", others are to be answered NO (RFC 4469 §3).
        let parsed = MessageUrl::parse(text).filter(|url| url.server.is_none());
        let url = parsed.filter(|url| url.auth.is_none());
        let url = url.ok_or_else(|| Answer::bad_url(text, "Not the URL of a message here"))?;
        let mut piece = url::piece(self, &url).await.map_err(|stop| url::blamed(stop, text))?;
        let Some(upload) = &mut self.upload else { return Ok(()) };
        if upload.incoming.size().saturating_add(piece.len()) > most {
            return Err(Answer::from(ingest::IngestError::TooLarge).into());
        }
        while let Some(octets) = piece.next().await? {
            upload.take(octets, most).await?;
        }
        Ok(())
    }

    /// One message is complete, another one begins.
    pub(crate) async fn append_next(&mut self, append: Append) {
        match self.next(append).await {
            Ok(upload) => {
                self.upload = Some(Box::new(upload));
                self.machine.append_accept();
            }
            // Dropped, those that came before leave nothing.
            Err(answer) => answer.refuse_append(&mut self.machine),
        }
    }

    /// A message as it can be stored.
    async fn complete(&mut self, incoming: Incoming, nul: bool) -> Result<Incoming, Answer> {
        if incoming.size() == 0 {
            return Err(Answer::no(Code::Cannot, "The message is empty"));
        }
        // "If an IMAP server supports "UTF8=ACCEPT" and the IMAP client has not issued the "ENABLE UTF8=ACCEPT" command,
        // the server MUST reject, with a "NO" response, an "APPEND" command that includes any 8-bit character in message
        // header fields." (RFC 6855 §4). IMAP4rev2 brings the same by another name (RFC 9755 §1).
        let enabled = |capability| self.machine.is_enabled(capability);
        let utf8 = enabled(Capability::Utf8Accept) || enabled(Capability::Imap4Rev2);
        let serves = self.machine.serves(Capability::Utf8Accept);
        if serves && !utf8 && incoming.has_eight_bit_header() {
            return Err(Answer::no(Code::Cannot, "8-bit header fields need ENABLE UTF8=ACCEPT"));
        }
        if nul {
            return Ok(incoming.without_binary().await?);
        }
        Ok(incoming)
    }

    async fn next(&mut self, append: Append) -> Result<Upload, Answer> {
        let upload = self.upload.take().ok_or_else(|| Answer::bad("There is no message"))?;
        let incoming = self.complete(upload.incoming, upload.nul).await?;
        let Upload { to, mut prepared, append: before, replaces, seat, deadline, .. } = *upload;
        prepared.push(prepare(to, incoming, before).await?);
        let incoming = self.shared.ingest.begin(expected(&append))?;
        Ok(Upload { to, prepared, append, incoming, nul: false, replaces, seat, deadline })
    }

    pub(crate) async fn append_end(&mut self) -> io::Result<()> {
        let target = self.upload.as_ref().map(|upload| upload.to.target());
        let from = self.upload.as_ref().and_then(|upload| upload.replaces);
        let mut answer = self.store_messages().await.unwrap_or_else(|answer| answer);
        if from.is_some() && answer.is_ok() {
            // RFC 8508 §3.2: APPENDUID comes untagged, before EXISTS and EXPUNGE.
            answer.tell(&mut self.machine, Status::Ok);
            answer = Answer::ok();
        }
        let selected = self.selected.as_ref().map(|selected| selected.view.target());
        // "If the mailbox is currently selected, normal new message actions SHOULD occur" (RFC 9051 §6.3.12).
        let here = from.is_some() || (target.is_some() && target == selected);
        self.update_quietly(if here { Look::Own } else { Look::IfStale }).await?;
        self.settle().await?;
        if let Some(selected) = &self.selected
            && from.is_some()
            && answer.is_ok()
            && self.machine.is_enabled(Capability::QResync)
        {
            let told = selected.view.told_modseq().0;
            answer = Answer::ok_with(Code::HighestModSeq(told), "Replaced");
        }
        answer.finish(&mut self.machine);
        Ok(())
    }

    async fn store_messages(&mut self) -> Result<Answer, Answer> {
        let upload = self.upload.take().ok_or_else(|| Answer::bad("There is no message"))?;
        let incoming = self.complete(upload.incoming, upload.nul).await?;
        let Upload { to, mut prepared, append, replaces, seat: _seat, .. } = *upload;
        // The messages may have taken their time, and rights may be gone meanwhile.
        let to = self.shared.mail.still(to, Rights::INSERT).await?;
        if replaces.is_some() {
            self.may_replace().await.map_err(|stop| match stop {
                Stop::Answer(answer) => answer,
                Stop::Gone(_) => Answer::bad("No mailbox is selected"),
            })?;
        }
        let (account, mailbox) = (to.target().account, to.target().mailbox);
        if !prepared.is_empty() || replaces.is_some() {
            prepared.push(prepare(to, incoming, append).await?);
            let ingest = self.shared.ingest.clone();
            let placed = ingest.append_all(account, mailbox, prepared, replaces).await?;
            if let Some(last) = placed.last() {
                self.made(Made { account, modseq: last.modseq });
            }
            return Ok(self.appended(&placed));
        }
        let (flags, keywords) = to.allowed(append.flags.flags, append.flags.keywords);
        let placed = incoming
            .append(ingest::Append {
                account,
                mailbox,
                flags,
                keywords,
                received_at: append.date.map(|date| date.with_timezone(&Utc)),
            })
            .await?;
        Ok(self.appended(&[placed]))
    }
}

impl Client {
    /// Notes which messages the client made itself.
    fn appended(&mut self, placed: &[Placed]) -> Answer {
        // A message that came alone may share its mod-sequence with somebody else's delivery: so it is not noted as
        // made here.
        for placed in placed {
            if let Some(selected) = &mut self.selected
                && selected.view.target().mailbox == placed.mailbox
            {
                selected.own_new.push(placed.uid.0);
            }
        }
        let uids: NumberSet = placed.iter().map(|placed| placed.uid.0).collect();
        Answer::appended(placed.first().map_or(0, |placed| placed.uidvalidity.0), uids)
    }
}

impl Upload {
    /// More of the message.
    async fn take(&mut self, octets: Bytes, most: u64) -> Result<(), Answer> {
        if self.incoming.size().saturating_add(octets.len() as u64) > most {
            return Err(ingest::IngestError::TooLarge.into());
        }
        self.nul |= self.append.binary && octets.contains(&0);
        Ok(self.incoming.write(octets).await?)
    }
}

/// How large a message will be, where that is known.
fn expected(append: &Append) -> Option<u64> {
    (!append.parts).then_some(append.size)
}

async fn prepare(to: Reach, incoming: Incoming, append: Append) -> Result<Prepared, Answer> {
    let received_at = append.date.map(|date| date.with_timezone(&Utc));
    let (flags, keywords) = to.allowed(append.flags.flags, append.flags.keywords);
    Ok(incoming.prepare(flags, keywords, received_at).await?)
}
