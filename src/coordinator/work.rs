//! Doorbells and tokens: which node works on which destination.
//!
//! PostgreSQL holds the queue; this only says where to look. A *bell* rings for a destination that has work. A
//! *token* is the leave to work on it: it waits in a stream until a node takes it, is that node's for as long as
//! it gives signs of life, and goes to another node after that. The bells of a destination that has a token
//! only raise its *generation*, so ten thousand messages to one provider ring a handful of times.
//!
//! * A bell is never lost between a claim that found nothing and the token's end: a token ends only if the
//!   generation is still the one read before that claim ([`Give::Done`]).
//! * Whatever is lost, doubled or late here costs time. Claims are compare-and-set in PostgreSQL, and a sweep
//!   there finds what has no bell.

pub mod board;

use crate::CoordinatorError;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use types::{Destination, Incarnation};

/// A token without a sign of life for so long goes to whoever asks.
pub const TOKEN_IDLE: Duration = Duration::from_secs(15);
/// How often a node gives signs of life for its tokens.
pub const TOKEN_BEAT: Duration = Duration::from_secs(4);

/// A token's number: that of its stream entry. Destinations in other streams may have tokens of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub u64, pub u64);

/// The leave to work on a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its number.
    pub id: TokenId,
    /// Where there is work.
    pub destination: Destination,
    /// The destination's generation when the token was taken.
    pub generation: u64,
}

/// What somebody wants to be known of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bell {
    /// It has work.
    Now,
    /// It has more work than its tokens get done; it should have at most so many.
    More(u32),
    /// It will have work in a while (the near future only: minutes).
    In(Duration),
}

/// What a holder does with its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Give {
    /// A claim found nothing. `generation` was read before that claim.
    Done {
        /// As read before the claim.
        generation: u64,
    },
    /// Nothing can be done now; ring again in a while.
    Later(Duration),
    /// There is work left, for somebody else.
    Back,
}

/// What became of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// The token is no longer ours.
    Gone,
    /// There was a bell since: look once more, and keep the token.
    Again {
        /// The generation now.
        generation: u64,
    },
    /// It had become somebody else's, or had been forgotten.
    Lost,
}

/// Doorbells, tokens and takeover.
#[async_trait]
pub trait Work: Send + Sync {
    /// Rings for destinations. To be called after the commit.
    ///
    /// # Errors
    /// [`CoordinatorError::Unavailable`]: some may have rung. Not worth repeating, the sweep finds the rest.
    async fn ring(&self, bells: &[(Destination, Bell)]) -> Result<(), CoordinatorError>;

    /// Takes what waits, and what others have not given a sign of life for. At most so many.
    ///
    /// # Errors
    /// [`CoordinatorError::Unavailable`]: tokens may have become ours all the same; they come back idle.
    async fn take(&self, me: Incarnation, most: usize) -> Result<Vec<Token>, CoordinatorError>;

    /// Returns when there may be something to take: once for each time that something came. May be early, may be
    /// late. One waits per node. Cancel-safe.
    async fn woken(&self);

    /// A sign of life. Returns those that are no longer ours.
    ///
    /// # Errors
    /// [`CoordinatorError::Unavailable`].
    async fn beat(&self, me: Incarnation, held: &[Token])
    -> Result<Vec<TokenId>, CoordinatorError>;

    /// Ends holding a token.
    ///
    /// # Errors
    /// [`CoordinatorError::Unavailable`]: if it did not happen, the token goes idle and to somebody else.
    async fn give(
        &self,
        me: Incarnation,
        token: &Token,
        how: Give,
    ) -> Result<Given, CoordinatorError>;
}

/// Any [`Work`].
pub type SharedWork = Arc<dyn Work>;
