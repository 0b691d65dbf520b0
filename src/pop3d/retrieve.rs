//! RETR and TOP.
//!
//! A message streams from the blob store; at most some pieces of it are in memory. That it can be read is known
//! before anything is said. TOP reads step by step, so that the header of a large message does not cost the whole.

use crate::client::Client;
use mail::{Body, MailError, Message};
use pop3::{Retrieve, RetrieveFailure};
use std::io;
use std::sync::Arc;
use types::Uid;

/// Octets that TOP reads at a time.
const STEP: u64 = 64 * 1024;
/// Octets given to the machine at a time: bounds the output.
const PIECE: usize = 16 * 1024;

impl Client {
    pub(crate) async fn retrieve(&mut self, wanted: Retrieve) -> io::Result<()> {
        let step = if wanted.lines.is_some() { STEP } else { u64::MAX };
        let (message, body) = match self.open(Uid(wanted.uid), step).await {
            Ok(opened) => opened,
            Err(error) => {
                self.machine.content_failed(failure(&error));
                return Ok(());
            }
        };
        metrics::counter!("postrider_pop3_retrieved_total").increment(1);
        self.machine.content_begin(wanted.lines);
        self.send_all(&message, body, step).await?;
        self.machine.content_end();
        Ok(())
    }

    /// The message and the beginning of its bytes.
    async fn open(&mut self, uid: Uid, step: u64) -> Result<(Arc<Message>, Body), MailError> {
        let Some(maildrop) = &mut self.maildrop else { return Err(MailError::LockLost) };
        let mail = &self.shared.mail;
        let message = mail.maildrop_message(maildrop, uid).await?;
        let body = mail.read(&message, 0..step).await?;
        Ok((message, body))
    }

    async fn send_all(
        &mut self,
        message: &Arc<Message>,
        mut body: Body,
        step: u64,
    ) -> io::Result<()> {
        let size = u64::from(message.size);
        let mut at = 0;
        loop {
            at += body.len();
            while let Some(octets) = body.next().await.map_err(broken)? {
                for piece in octets.chunks(PIECE) {
                    if !self.machine.content(piece) {
                        return Ok(());
                    }
                    self.wire.send_some(self.machine.output()).await?;
                }
            }
            if at >= size || body.is_empty() {
                return Ok(());
            }
            let next = at..at.saturating_add(step);
            body = self.shared.mail.read(message, next).await.map_err(broken)?;
        }
    }
}

/// The promised message cannot be sent to its end: only the end of the connection can say so.
fn broken(error: MailError) -> io::Error {
    tracing::warn!(%error, "a message broke off");
    io::Error::other(error.to_string())
}

fn failure(error: &MailError) -> RetrieveFailure {
    match error {
        MailError::Expunged => RetrieveFailure::Gone,
        MailError::Busy(_) | MailError::Unavailable(_) => {
            tracing::debug!(%error, "a message cannot be read now");
            RetrieveFailure::Unavailable
        }
        error => {
            tracing::error!(%error, "a message cannot be read");
            RetrieveFailure::Damaged
        }
    }
}
