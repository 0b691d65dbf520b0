//! One transaction: some recipients, one body, a fence, and what the server said.

use super::{Attempt, State};
use crate::content::{ContentError, Converted, PIECE, converted, look};
use crate::outcome::{self, Circumstances, Next};
use bytes::Bytes;
use message::downgrade::Target;
use smtp::Body;
use smtp::client::{Action, CannotSend, Envelope, Lost, State as Stage, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for a piece of our own content while a server waits for it.
const CONTENT_WAIT: Duration = Duration::from_secs(60);

/// Where the body is.
enum Sending {
    No,
    From(u64),
    Ended,
}

impl Attempt<'_> {
    pub(super) async fn send(&mut self) -> State {
        let Some(connection) = self.connection.as_ref() else { return State::NextHost };
        let most =
            connection.client.server().most_recipients.map_or(usize::MAX, |most| most as usize);
        let most = most.min(self.inner.config.max_recipients).max(1);
        let named: Vec<usize> = self.here.drain(..self.here.len().min(most)).collect();
        if named.is_empty() {
            return self.leave().await;
        }
        match self.begin(&named).await {
            Ok(()) => self.converse(&named).await,
            Err(cannot) => {
                for index in &named {
                    self.verdict(*index, &Verdict::Unable(cannot));
                }
                State::Send
            }
        }
    }

    /// Offers the message; if the server lacks something, looks whether it is needed at all.
    async fn begin(&mut self, named: &[usize]) -> Result<(), CannotSend> {
        let mut envelope = self.envelope(named);
        self.lower(&mut envelope);
        let first = self.offer(&envelope);
        let Err(CannotSend::EightBit | CannotSend::Binary | CannotSend::Utf8) = first else {
            return first;
        };
        if self.needs.is_none() {
            self.needs = look(self.content()).await.ok();
        }
        self.lower(&mut envelope);
        let second = self.offer(&envelope);
        let target = match second {
            Err(CannotSend::EightBit) => Target::SevenBit,
            Err(CannotSend::Binary) if self.server_takes_eight_bit() => Target::EightBit,
            Err(CannotSend::Binary) => Target::SevenBit,
            other => return other,
        };
        if !self.convert(target).await {
            return second;
        }
        let mut envelope = self.envelope(named);
        self.lower(&mut envelope);
        self.offer(&envelope)
    }

    fn server_takes_eight_bit(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.client.server().eight_bit)
    }

    /// Writes the message anew so that the server takes it; for the rest of the attempt.
    async fn convert(&mut self, target: Target) -> bool {
        if self.content().size() > self.inner.config.max_convert_bytes {
            return false;
        }
        let Ok(permit) = Arc::clone(&self.inner.converting).acquire_owned().await else {
            return false;
        };
        let Some(content) = converted(self.content(), target).await else { return false };
        self.needs = look(&content).await.ok();
        self.first = content.0.slice(..content.0.len().min(PIECE as usize));
        self.converted = Some(Converted { content, _permit: permit });
        metrics::counter!("postrider_delivery_conversions_total").increment(1);
        true
    }

    fn offer(&mut self, envelope: &Envelope) -> Result<(), CannotSend> {
        let connection = self.connection.as_mut().ok_or(CannotSend::NotReady)?;
        connection.client.begin(envelope.clone())
    }

    fn envelope(&self, named: &[usize]) -> Envelope {
        let whole = &self.mailing.envelope;
        let recipients = named.iter().map(|index| whole.recipients[*index].clone()).collect();
        // A report goes without if it has to, and then does not ask others for what it did not get: "This option MUST
        // only be specified in the context of an SMTP session meeting the security requirements" (RFC 8689 §2).
        let tls = self.connection.as_ref().and_then(|connection| connection.tls.as_ref());
        let verified = tls.is_some_and(|tls| tls.verified);
        let require_tls = whole.require_tls && (self.must_have_tls() || verified);
        Envelope { recipients, size: self.content().size(), require_tls, ..whole.clone() }
    }

    /// Asks for no more than the content needs, once that is known.
    fn lower(&self, envelope: &mut Envelope) {
        let Some(needs) = self.needs else { return };
        envelope.utf8 &= needs.utf8_header;
        envelope.body = match envelope.body {
            Body::BinaryMime if needs.binary => Body::BinaryMime,
            Body::SevenBit => Body::SevenBit,
            _ if needs.eight_bit => Body::EightBitMime,
            _ => Body::SevenBit,
        };
    }

    /// Until the transaction is over and the connection ready again, or gone.
    async fn converse(&mut self, named: &[usize]) -> State {
        let mut sending = Sending::No;
        let mut fresh = false;
        loop {
            let action = match self.connection.as_mut() {
                Some(connection) => connection.ready_action(),
                None => return State::NextAddress,
            };
            match action {
                Some(Action::Recipient(at, verdict)) => {
                    fresh |= self.verdict(named[at], &verdict) == Next::Fresh;
                }
                Some(Action::Body) => sending = Sending::From(0),
                Some(Action::BeforeFinalDot) => self.fence().await,
                Some(Action::Ready) => return State::Send,
                Some(Action::Close(_)) => {
                    *self.connection = None;
                    return self.after_close(fresh);
                }
                Some(Action::Done | Action::StartTls) => {}
                None => self.advance(&mut sending).await,
            }
        }
    }

    /// Gives more of the body when all of it so far is written; otherwise lets the network work.
    async fn advance(&mut self, sending: &mut Sending) {
        let Some(connection) = self.connection.as_mut() else { return };
        let idle = connection.is_drained() && connection.client.state() == Stage::Body;
        let Sending::From(at) = *sending else { return connection.turn().await };
        if !idle {
            return connection.turn().await;
        }
        let (size, piece) = (self.content().size(), self.piece(at).await);
        let Some(connection) = self.connection.as_mut() else { return };
        match piece {
            Ok(piece) if piece.len() as u64 == size.min(at + PIECE) - at => {
                connection.client.body(&piece);
                let at = at + piece.len() as u64;
                *sending = Sending::From(at);
                if at == size {
                    connection.client.body_end();
                    *sending = Sending::Ended;
                }
            }
            _ => connection.client.lost(Lost::NoBody),
        }
    }

    async fn piece(&self, at: u64) -> Result<Bytes, ContentError> {
        if at == 0 {
            return Ok(self.first.clone());
        }
        let end = self.content().size().min(at + PIECE);
        let reading = tokio::time::timeout(CONTENT_WAIT, self.content().read(at..end)).await;
        reading.unwrap_or(Err(ContentError::Unavailable))
    }

    /// All but the end is on its way before the fence is asked, so that the answer is as fresh as it can be.
    async fn fence(&mut self) {
        let Some(connection) = self.connection.as_mut() else { return };
        while connection.client.state() == Stage::Fence && !connection.is_drained() {
            connection.turn().await;
        }
        if self.watch.fence() {
            connection.client.confirm();
        } else {
            connection.client.lost(Lost::Withdrawn);
        }
    }

    fn verdict(&mut self, index: usize, verdict: &Verdict) -> Next {
        let connection = self.connection.as_ref();
        let reused = connection.is_some_and(|c| c.client.messages() > 1);
        let others_accepted = connection.is_some_and(|c| c.client.accepted() > 0);
        let at = Circumstances { reused, others_accepted, ..self.circumstances() };
        let meaning = outcome::of_verdict(verdict, at);
        let next = meaning.next;
        match next {
            Next::Settled => self.settle(index, meaning),
            Next::Again => {
                self.stand(index, meaning);
                self.here.push(index);
            }
            Next::NextHost | Next::Plain | Next::Fresh => {
                self.did_not_do(&meaning);
                self.stand(index, meaning);
            }
        }
        next
    }

    /// The connection is gone: on to the same address once more if it had only grown old, else to the next.
    fn after_close(&mut self, fresh: bool) -> State {
        match self.target.take() {
            Some(target) if fresh => State::Connect(target),
            _ => State::NextAddress,
        }
    }

    /// Whoever is still open has to be tried elsewhere.
    async fn leave(&mut self) -> State {
        if self.open.is_empty() {
            return State::Settled;
        }
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        State::NextAddress
    }
}
