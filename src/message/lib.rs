//! RFC 5322 and MIME as a store needs them: the structure of a message, found while its bytes stream by.
//!
//! [`Scanner`] takes the bytes in chunks of any size and keeps only header blocks and the first words of
//! text; bodies are looked at for line ends and boundaries, never decoded. What it finds is a
//! [`Structure`]: envelope, part tree with offsets, the header fields that clients list. It is stored in
//! a compact encoding, so lists and searches over headers never touch the bytes again.
//!
//! No I/O, no clock. Broken mail is described as well as it can be; nothing here fails on it.

mod address;
mod binary;
mod decode;
pub mod downgrade;
pub mod dsn;
mod fields;
mod params;
mod preview;
mod references;
mod scanner;
mod sections;
mod structure;

pub use address::{Address, parse_addresses};
pub use binary::{Base64Lines, Step, header_with, without_binary};
pub use decode::{charset_to_text, decode_body, decode_header_text};
pub use fields::{Field, header_fields, is_kept, iter_fields, unfold};
pub use references::reference_hashes;
pub use scanner::{Scanned, Scanner};
pub use sections::Section;
pub use structure::{DecodeError, Disposition, Envelope, Kind, Part, Structure};
