//! Statements as constants: a text and the types of its parameters.
//!
//! Types stand beside the text because unnamed statements (poolers without prepared ones) need them, and
//! because a wrong one then fails in a test and not in production. Texts are fixed; the only thing ever
//! put into one is a partition's number ([`Sharded`]).

use std::sync::OnceLock;
use tokio_postgres::types::Type;
use types::AccountId;

/// A statement.
pub struct Sql {
    text: std::borrow::Cow<'static, str>,
    types: &'static [Type],
}

impl Sql {
    /// A statement with parameters of these types.
    #[must_use]
    pub const fn new(text: &'static str, types: &'static [Type]) -> Self {
        Self { text: std::borrow::Cow::Borrowed(text), types }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn types(&self) -> &'static [Type] {
        self.types
    }
}

/// Number of partitions of `message` and `mailbox_message`.
pub const SHARDS: u32 = 32;

/// A statement over one partition: `{p}` in the text becomes the partition's number. The application names
/// the partition because planning over the parent costs more than the query itself (measured).
pub struct Sharded {
    template: &'static str,
    types: &'static [Type],
    texts: OnceLock<Vec<Sql>>,
}

impl Sharded {
    /// A statement template.
    #[must_use]
    pub const fn new(template: &'static str, types: &'static [Type]) -> Self {
        Self { template, types, texts: OnceLock::new() }
    }

    /// The statement for the partition that holds this account.
    #[must_use]
    pub fn of(&self, account: AccountId) -> &Sql {
        let texts = self.texts.get_or_init(|| {
            let text = |p: u32| self.template.replace("{p}", &p.to_string());
            (0..SHARDS).map(|p| Sql { text: text(p).into(), types: self.types }).collect()
        });
        &texts[shard(account) as usize]
    }
}

/// The partition PostgreSQL puts this account's rows into: its hash partitioning of one `int4` column,
/// stable by design across versions and dumps.
#[must_use]
pub fn shard(account: AccountId) -> u32 {
    const PARTITION_SEED: u64 = 0x7A5B_2236_7996_DCFD;
    let hash = hash_u32_extended(account.0 as u32, PARTITION_SEED);
    // hash_combine64 with an accumulator that starts at 0.
    let combined = hash.wrapping_add(0x49A0_F4DD_15E5_A8E3);
    (combined % u64::from(SHARDS)) as u32
}

/// `hash_bytes_uint32_extended` of PostgreSQL: Bob Jenkins' lookup3 over one word with a 64-bit seed.
fn hash_u32_extended(key: u32, seed: u64) -> u64 {
    let start = 0x9e37_79b9_u32.wrapping_add(4).wrapping_add(3_923_095);
    let (mut a, mut b, mut c) = (start, start, start);
    if seed != 0 {
        a = a.wrapping_add((seed >> 32) as u32);
        b = b.wrapping_add(seed as u32);
        mix(&mut a, &mut b, &mut c);
    }
    a = a.wrapping_add(key);
    finish(&mut a, &mut b, &mut c);
    (u64::from(b) << 32) | u64::from(c)
}

/// One step of lookup3: `x = (x - z) ^ rot(z, k); z = z + y`.
fn mix(a: &mut u32, b: &mut u32, c: &mut u32) {
    let step = |x: &mut u32, y: u32, z: &mut u32, k: u32| {
        *x = x.wrapping_sub(*z) ^ z.rotate_left(k);
        *z = z.wrapping_add(y);
    };
    step(a, *b, c, 4);
    step(b, *c, a, 6);
    step(c, *a, b, 8);
    step(a, *b, c, 16);
    step(b, *c, a, 19);
    step(c, *a, b, 4);
}

fn finish(a: &mut u32, b: &mut u32, c: &mut u32) {
    let step = |x: &mut u32, y: u32, k: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(k));
    step(c, *b, 14);
    step(a, *c, 11);
    step(b, *a, 25);
    step(c, *b, 16);
    step(a, *c, 4);
    step(b, *a, 14);
    step(c, *b, 24);
}
