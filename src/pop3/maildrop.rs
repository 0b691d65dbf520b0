//! The maildrop of a session: what was there at login, and what is marked as deleted.

/// Messages by number, as they were when the session began.
#[derive(Debug, Default)]
pub struct Maildrop {
    uidvalidity: u32,
    /// UID and octets, in the order of the numbers.
    messages: Vec<(u32, u32)>,
    /// One bit per message, made when the first one is marked.
    deleted: Vec<u64>,
    /// Of what is not marked.
    left: (usize, u64),
}

impl Maildrop {
    /// These messages, UID and octets each, ascending.
    #[must_use]
    pub fn new(uidvalidity: u32, messages: Vec<(u32, u32)>) -> Self {
        let octets = messages.iter().map(|(_, octets)| u64::from(*octets)).sum();
        let left = (messages.len(), octets);
        Self { uidvalidity, messages, deleted: Vec::new(), left }
    }

    /// How many there are and how many octets they have, without those that are marked.
    #[must_use]
    pub fn left(&self) -> (usize, u64) {
        self.left
    }

    /// UIDs of the messages that are marked as deleted, ascending.
    pub fn deleted(&self) -> impl Iterator<Item = u32> {
        self.messages
            .iter()
            .enumerate()
            .filter(|(at, _)| self.is_deleted(*at))
            .map(|(_, (uid, _))| *uid)
    }

    fn is_deleted(&self, at: usize) -> bool {
        self.deleted.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// UID and octets of a message that is there and not marked.
    pub(crate) fn message(&self, number: u32) -> Option<(u32, u32)> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.messages.get(at).copied().filter(|_| !self.is_deleted(at))
    }

    /// The first number from `number` on whose message is not marked, with UID and octets.
    pub(crate) fn from(&self, number: u32) -> Option<(u32, (u32, u32))> {
        let mut number = number.max(1);
        while number as usize <= self.messages.len() {
            if let Some(message) = self.message(number) {
                return Some((number, message));
            }
            number += 1;
        }
        None
    }

    /// Marks a message. `false`: there is none of this number, or it is marked already.
    pub(crate) fn delete(&mut self, number: u32) -> bool {
        let Some((_, octets)) = self.message(number) else { return false };
        let at = number as usize - 1;
        if self.deleted.is_empty() {
            self.deleted = vec![0; self.messages.len().div_ceil(64)];
        }
        self.deleted[at / 64] |= 1 << (at % 64);
        self.left.0 -= 1;
        self.left.1 -= u64::from(octets);
        true
    }

    /// Takes all marks away.
    pub(crate) fn reset(&mut self) {
        let messages = std::mem::take(&mut self.messages);
        *self = Self::new(self.uidvalidity, messages);
    }

    /// The unique-id of a message: "one to 70 characters in the range 0x21 to 0x7E, which uniquely identifies a
    /// message within a maildrop and which persists across sessions" (RFC 1939 §7). A mailbox never gives a UID
    /// twice under one UIDVALIDITY, so "the server should never reuse an unique-id" holds as well.
    pub(crate) fn unique_id(&self, uid: u32) -> String {
        format!("{:08x}{uid:08x}", self.uidvalidity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_and_go() {
        let mut maildrop = Maildrop::new(7, (1..=200).map(|uid| (uid * 2, 10)).collect());
        assert_eq!(maildrop.left(), (200, 2000));
        for number in [1, 64, 65, 200] {
            assert!(maildrop.delete(number));
            assert!(!maildrop.delete(number), "twice");
            assert_eq!(maildrop.message(number), None);
        }
        for number in [0, 201, u32::MAX] {
            assert!(!maildrop.delete(number), "{number}");
        }
        assert_eq!(maildrop.left(), (196, 1960));
        assert!(maildrop.deleted().eq([2, 128, 130, 400]));
        assert_eq!(maildrop.from(1), Some((2, (4, 10))));
        assert_eq!(maildrop.from(64), Some((66, (132, 10))));
        assert_eq!(maildrop.from(200), None);
        maildrop.reset();
        assert_eq!((maildrop.left(), maildrop.deleted().count()), ((200, 2000), 0));
        assert_eq!(maildrop.unique_id(255), "00000007000000ff");
    }

    #[test]
    fn a_message_costs_eight_octets() {
        assert_eq!(std::mem::size_of::<(u32, u32)>(), 8);
    }
}
