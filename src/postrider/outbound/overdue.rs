//! Mail whose route gives it less time than it had when it was accepted, and that nobody gets to try: held, paused,
//! limited. Whoever is tried is judged by that try.
//!
//! Costs nothing where no route has an end of its own. Where one has, what is older than the shortest of them is looked
//! through piece by piece, a bounded number of rows at a time, going on next time where the last time ended.

use super::settings::patterns;
use std::collections::HashMap;
use std::time::Duration;
use store::queue::{Elder, RouteRow, queue_elders, queue_give_up, route_list};
use store::{Store, StoreError};
use types::{Incarnation, QueueId};

/// Rows looked at by one statement, and how many of those at a time.
const PIECE: u32 = 2_000;
const PIECES: usize = 25;

/// Where the looking stands.
#[derive(Default)]
pub struct Overdue {
    after: Option<(QueueId, i64)>,
}

/// How long mail may take, by pattern; `None`: as long as any.
struct Ends(HashMap<String, Option<Duration>>);

impl Ends {
    fn of(routes: Vec<RouteRow>) -> Self {
        let end = |row: RouteRow| (row.pattern, row.retry.map(|retry| retry.expire));
        Self(routes.into_iter().map(end).collect())
    }

    fn soonest(&self) -> Option<Duration> {
        self.0.values().flatten().min().copied()
    }

    /// Whether a recipient's time is over by the most special of its routes, and a little more: the last try is due at
    /// the very end.
    fn is_over(&self, elder: &Elder) -> bool {
        let of_domain =
            patterns(elder.destination.domain()).find_map(|pattern| self.0.get(&pattern));
        let end = of_domain.copied().flatten();
        end.is_some_and(|end| elder.age >= end.saturating_add(grace(end)))
    }
}

/// How much later than its end mail is given up.
pub fn grace(end: Duration) -> Duration {
    (end / 100).clamp(Duration::from_secs(1), Duration::from_secs(600))
}

impl Overdue {
    /// Gives up some of what is overdue; how many.
    pub async fn look(&mut self, store: &Store, node: Incarnation) -> Result<u64, StoreError> {
        let ends = Ends::of(route_list(store).await?);
        let Some(soonest) = ends.soonest() else { return Ok(0) };
        let mut ended = 0;
        for _ in 0..PIECES {
            let elders = queue_elders(store, soonest, self.after, PIECE).await?;
            let over = elders.iter().filter(|elder| ends.is_over(elder));
            let over: Vec<i64> = over.map(|elder| elder.id).collect();
            if !over.is_empty() {
                ended += queue_give_up(store, node, &over).await?;
            }
            let last = elders.last().filter(|_| elders.len() == PIECE as usize);
            self.after = last.map(|elder| (elder.queue, elder.id));
            if self.after.is_none() {
                break;
            }
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::queue::{RouteRetry, RouteTls};
    use types::Destination;

    fn route(pattern: &str, hours: Option<u64>) -> RouteRow {
        let hour = Duration::from_secs(3600);
        let retry = hours.map(|hours| hour * hours as u32);
        RouteRow {
            pattern: pattern.into(),
            relay: None,
            lmtp: false,
            tls: RouteTls::Opportunistic,
            tls_verify: false,
            auth_user: None,
            auth_secret: None,
            retry: retry.map(|expire| RouteRetry { first: hour, longest: hour, expire }),
        }
    }

    #[test]
    fn the_most_special_route_says_when() {
        let routes = [("a.test", Some(4)), ("*.test", Some(2)), ("b.test", None), ("*", Some(9))];
        let ends = Ends::of(routes.map(|(pattern, hours)| route(pattern, hours)).into());
        assert_eq!(ends.soonest(), Some(Duration::from_secs(7_200)));
        let over = |domain: &str, minutes: u64| {
            let age = Duration::from_secs(60 * minutes);
            let queue = QueueId(uuid::Uuid::nil());
            ends.is_over(&Elder { id: 1, queue, destination: Destination::new(domain), age })
        };
        for (domain, minutes, wanted) in [
            ("a.test", 239, false),
            ("a.test", 240, false),
            ("a.test", 250, true),
            ("x.test", 130, true),
            ("b.test", 10_000, false),
            ("other.org", 130, false),
            ("other.org", 600, true),
        ] {
            assert_eq!(over(domain, minutes), wanted, "{domain} {minutes}");
        }
        assert_eq!(Ends::of(vec![route("*", None)]).soonest(), None);
    }
}
