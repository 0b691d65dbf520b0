//! How fast a site is served after it showed that it wants less, or cannot be reached.
//!
//! One small value per site, told among all nodes: a *level* and a time before which nobody tries. Each level
//! halves the connections; from [`ALONE`] on there is one, and a growing pause between tries. A success halves
//! the level, so that a site comes back about as quickly as it went. Trouble that comes in a burst, as when ten
//! connections break together, counts once.
//!
//! ```text
//!   0 ──slow──▶ 1 ──slow──▶ 2 … 5 ──slow──▶ 6, closed for a while, then one probe ──slow──▶ 7 …
//!   0 ◀──fine── 1 ◀──fine── 2 … ◀──fine── 3 ◀──fine── 6            any ──down──▶ at least 6
//! ```

use std::time::Duration;

/// From this level on one connection at a time probes, with pauses before it.
const ALONE: u8 = 6;
/// Level that is as bad as it gets.
const WORST: u8 = 12;
/// The first pause.
const PAUSE: Duration = Duration::from_secs(30);
/// Nobody is left alone for longer than that.
const LONGEST: Duration = Duration::from_secs(40 * 60);
/// Further trouble this soon is the same trouble.
const BURST: Duration = Duration::from_secs(10);

/// What an attempt says about the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// It works.
    Fine,
    /// Nothing is said about it.
    Silent,
    /// It wants less, or is in trouble.
    Slow,
    /// It cannot be reached.
    Down,
}

/// How a site is served. Times are milliseconds of the coordinator's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// 0: at full speed.
    level: u8,
    /// Nobody tries before this.
    closed_until: u64,
    /// When the level last rose.
    worsened: u64,
}

impl Pace {
    /// What is known is forgotten after so long without news.
    pub const KEEP: Duration = Duration::from_secs(2 * 60 * 60);

    /// How many connections at once, out of `most`.
    #[must_use]
    pub fn connections(&self, most: u32) -> u32 {
        if self.level >= ALONE { 1 } else { (most >> self.level).max(1) }
    }

    /// How long it is left alone.
    #[must_use]
    pub fn closed(&self, now: u64) -> Option<Duration> {
        let wait = self.closed_until.checked_sub(now).filter(|wait| *wait > 0);
        wait.map(Duration::from_millis)
    }

    /// Whether it is served at full speed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.level == 0
    }

    /// After one more signal. `random` lies between 0 and 1.
    #[must_use]
    pub fn after(self, signal: Signal, now: u64, random: f64) -> Self {
        let burst = self.worsened > 0 && now.saturating_sub(self.worsened) < millis(BURST);
        match signal {
            Signal::Silent => self,
            Signal::Fine => {
                Self { level: self.level / 2, closed_until: 0, worsened: self.worsened }
            }
            Signal::Slow | Signal::Down if burst => self,
            Signal::Slow => self.at((self.level + 1).min(WORST), now, random),
            Signal::Down => self.at((self.level + 1).clamp(ALONE, WORST), now, random),
        }
    }

    fn at(self, level: u8, now: u64, random: f64) -> Self {
        let doublings = level.checked_sub(ALONE);
        let pause = doublings.map_or(Duration::ZERO, |n| PAUSE.saturating_mul(1 << n.min(6)));
        let pause = pause.mul_f64(0.75 + 0.5 * random.clamp(0.0, 1.0));
        Self { level, closed_until: now + millis(pause), worsened: now.max(1) }
    }

    /// As one number, for the coordinator: a level and two times, in seconds modulo [`CYCLE`].
    #[must_use]
    pub fn encode(self) -> u64 {
        let time = |at: u64| if at == 0 { 0 } else { (at / 1_000) % CYCLE };
        (u64::from(self.level) << 56) | (time(self.closed_until) << 28) | time(self.worsened)
    }

    /// The number's meaning, some time later. Times that cannot be of this clock are ignored: it was set, or another
    /// machine has become the coordinator.
    #[must_use]
    pub fn decode(value: u64, now: u64) -> Self {
        let near = |low: u64| if low == 0 { 0 } else { nearest(low, now / 1_000) * 1_000 };
        Self {
            level: ((value >> 56) as u8).min(WORST),
            closed_until: within(near((value >> 28) % CYCLE), now + millis(LONGEST)),
            worsened: within(near(value % CYCLE), now),
        }
    }
}

/// Seconds that fit into 28 bits: eight years.
const CYCLE: u64 = 1 << 28;

/// The time closest to `now` that is `low` modulo [`CYCLE`].
fn nearest(low: u64, now: u64) -> u64 {
    let ahead = (low + CYCLE - now % CYCLE) % CYCLE;
    if ahead < CYCLE / 2 { now + ahead } else { (now + ahead).saturating_sub(CYCLE) }
}

fn within(time: u64, last: u64) -> u64 {
    if time <= last { time } else { 0 }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_879_048_000_000;

    fn run(signals: &[(u64, Signal)]) -> Pace {
        signals.iter().fold(Pace::default(), |pace, (second, signal)| {
            // Told and heard in between, across the end of a cycle.
            let now = START + second * 1_000;
            Pace::decode(pace.after(*signal, now, 0.5).encode(), now + 900)
        })
    }

    #[test]
    fn trouble_halves_and_success_restores() {
        let slow: Vec<_> = (0..3).map(|n| (n * 60, Signal::Slow)).collect();
        let pace = run(&slow);
        assert_eq!((pace.connections(20), pace.closed(START + 180_000)), (2, None));
        let better = [&slow[..], &[(200, Signal::Fine), (201, Signal::Fine)]].concat();
        assert!(run(&better).is_open());
        assert_eq!(run(&slow[..1]).connections(1), 1, "never none");
    }

    #[test]
    fn a_burst_counts_once() {
        let burst: Vec<_> = (0..50).map(|n| (n / 10, Signal::Slow)).collect();
        assert_eq!(run(&burst).connections(20), 10);
    }

    #[test]
    fn what_is_down_is_probed_with_growing_pauses_and_comes_back() {
        let mut pace = Pace::default();
        let mut now = START;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pace = pace.after(Signal::Down, now, 0.5);
            let closed = pace.closed(now).unwrap();
            pauses.push(closed.as_secs());
            now += 1 + closed.as_millis() as u64;
            assert_eq!((pace.closed(now), pace.connections(50)), (None, 1));
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1920, 1920, 1920]);
        assert!(pace.at(WORST, now, 1.0).closed(now).unwrap() <= LONGEST);
        for _ in 0..4 {
            pace = pace.after(Signal::Fine, now, 0.5);
            assert_eq!(pace.closed(now), None);
        }
        assert!(pace.is_open());
    }

    #[test]
    fn a_clock_that_goes_back_closes_nothing_for_days() {
        let told = Pace::default().after(Signal::Down, START, 0.5).encode();
        let yesterday = START - 24 * 3600 * 1_000;
        let pace = Pace::decode(told, yesterday);
        assert_eq!((pace.closed(yesterday), pace.connections(50)), (None, 1));
        assert!(pace.after(Signal::Down, yesterday, 0.5).closed(yesterday).is_some());
    }

    #[test]
    fn silence_says_nothing() {
        let pace = run(&[(0, Signal::Slow)]);
        assert_eq!(pace.after(Signal::Silent, START, 0.5), pace);
    }
}
