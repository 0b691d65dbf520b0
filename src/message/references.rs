//! Which messages a message belongs with: hashes of Message-IDs.

use crate::fields::iter_fields;

/// Most cited ids that count: the thread's root and the latest ones (RFC 5256 asks for all of them; a
/// header of thousands is an attack).
const MAX_REFERENCES: usize = 32;

/// Hashes of the message's own Message-ID and of the ids in In-Reply-To and References.
///
/// The hash is the first eight octets of the id's BLAKE3 as a big-endian integer. It is stored: never
/// change it.
#[must_use]
pub fn reference_hashes(header: &[u8]) -> Vec<i64> {
    let mut own = Vec::new();
    let mut cited = Vec::new();
    for (name, value) in iter_fields(header) {
        if name.eq_ignore_ascii_case("Message-ID") {
            own.extend(ids(value).take(1));
        } else if name.eq_ignore_ascii_case("References")
            || name.eq_ignore_ascii_case("In-Reply-To")
        {
            cited.extend(ids(value).take(10_000));
        }
    }
    if cited.len() > MAX_REFERENCES {
        let latest = cited.len() - (MAX_REFERENCES - 1);
        cited.drain(1..latest);
    }
    let mut hashes: Vec<i64> = own.into_iter().chain(cited).map(hash).collect();
    let mut seen = std::collections::HashSet::new();
    hashes.retain(|hash| seen.insert(*hash));
    hashes
}

/// The `<…>` tokens of a field.
fn ids(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b'<').skip(1).filter_map(|piece| {
        let end = memchr::memchr(b'>', piece)?;
        let id = piece[..end].trim_ascii();
        (!id.is_empty() && id.len() <= 998).then_some(id)
    })
}

fn hash(id: &[u8]) -> i64 {
    let digest = blake3::hash(id);
    let mut first = [0u8; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    i64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_id_comes_first_and_cited_ones_meet_it() {
        let first = reference_hashes(b"Message-ID: <a@x>\r\n\r\n");
        let reply = reference_hashes(
            b"Message-ID: <b@x>\r\nReferences: <a@x>\r\n\t<a@x>\r\nIn-Reply-To: <a@x>\r\n\r\n",
        );
        assert_eq!(first.len(), 1);
        assert_eq!(reply.len(), 2);
        assert_eq!(reply[1], first[0]);
    }

    #[test]
    fn endless_references_keep_the_root_and_the_latest() {
        let list: String = (0..500).map(|n| format!("<{n}@x> ")).collect();
        let found = reference_hashes(format!("References: {list}\r\n\r\n").as_bytes());
        assert_eq!(found.len(), MAX_REFERENCES);
        assert_eq!(found[0], hash(b"0@x"));
        assert_eq!(found[31], hash(b"499@x"));
        assert!(reference_hashes(b"References: <> < \r\nMessage-ID: none\r\n\r\n").is_empty());
    }
}
