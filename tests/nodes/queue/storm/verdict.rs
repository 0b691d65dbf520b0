//! What came of it: everything accepted came, everything refused was reported once, and whatever came twice is
//! explained by the sink's log and the journal together.

use super::harm::Kind;
use super::*;
use anyhow::bail;
use std::collections::HashSet;
use std::sync::Once;
use std::time::SystemTime;
use testkit::sink::Arrival;
use tokio_postgres::Row;

/// So long a result may take from the final dot to its commit on a machine that is kept busy.
const COMMIT: Duration = Duration::from_secs(10);
/// So late the sink may read what was sent on such a machine.
const LATE: Duration = Duration::from_secs(5);

/// One line of the journal.
struct Entry {
    id: i64,
    /// 1: an attempt ended, 2: its node was gone.
    kind: i16,
    node: Uuid,
    fate: Option<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Second copies, by what befell the sender of the first.
    pub copies: BTreeMap<&'static str, usize>,
    /// Second copies for no reason.
    unexplained: Vec<String>,
    /// Accepted, and never came.
    lost: Vec<usize>,
}

impl Verdict {
    /// All second copies that have an excuse.
    pub fn excused(&self) -> usize {
        self.copies.values().sum()
    }

    fn copies(&self, why: &str) -> usize {
        self.copies.get(why).copied().unwrap_or(0)
    }
}

/// Which message it is.
pub fn number(arrival: &Arrival) -> Result<usize> {
    let number = arrival.message_id.split(['m', '@']).nth(1).and_then(|n| n.parse().ok());
    number.with_context(|| arrival.message_id.clone())
}

/// The messages that a sink took, or may be thought to have taken, by number.
fn taken(arrivals: Vec<Arrival>) -> Result<BTreeMap<usize, Vec<Arrival>>> {
    let mut taken: BTreeMap<usize, Vec<Arrival>> = BTreeMap::new();
    for arrival in arrivals.into_iter().filter(|one| one.reply.is_none_or(|code| code / 100 == 2)) {
        taken.entry(number(&arrival)?).or_default().push(arrival);
    }
    taken.values_mut().for_each(|copies| copies.sort_by_key(|one| one.at));
    Ok(taken)
}

impl Storm {
    /// Judges, prints the counts, and fails if anything is lost or came twice for no reason.
    pub async fn judge(
        &self,
        what: &str,
        cluster: &mut Cluster,
        all: &Submitted,
        sender: &str,
        took: Duration,
    ) -> Result<Verdict> {
        let taken = taken(self.outside.sink.arrivals())?;
        let client = cluster.database.client().await?;
        let verdict = self.weigh(&client, cluster, all, &taken).await?;
        let reports = inbox(&cluster.nodes[0], sender).await?.len();
        self.print(what, all, &taken, &verdict, reports, took);
        let (lost, unexplained) = (&verdict.lost, &verdict.unexplained);
        ensure!(lost.is_empty(), "{what}: lost {lost:?}\n{}", self.obituary(cluster, lost));
        if !unexplained.is_empty() {
            bail!("{what}: {}\n{:#?}", unexplained.join("\n"), lock(&self.faults));
        }
        let bad =
            |numbers: &mut dyn Iterator<Item = &usize>| numbers.filter(|n| is_bad(**n)).count();
        let owed = bad(&mut all.accepted.keys());
        let owed = owed..=owed + bad(&mut all.open.iter());
        ensure!(owed.contains(&reports), "{what}: {reports} reports instead of {owed:?}");
        self.counted_once(&client, &taken).await?;
        Ok(verdict)
    }

    /// Finds what is lost, and looks for excuses for what came more than once.
    async fn weigh(
        &self,
        client: &tokio_postgres::Client,
        cluster: &mut Cluster,
        all: &Submitted,
        taken: &BTreeMap<usize, Vec<Arrival>>,
    ) -> Result<Verdict> {
        let wanted = all.accepted.keys().filter(|n| !is_bad(**n));
        let lost = wanted.filter(|n| !taken.contains_key(n)).copied().collect();
        let mut verdict = Verdict { lost, ..Verdict::default() };
        let journal = self.journal(client, taken).await?;
        for (number, copies) in taken.iter().filter(|(_, copies)| copies.len() > 1) {
            let to = recipient(*number, self.destinations);
            let entries = journal.get(&to).map_or(&[][..], Vec::as_slice);
            let mut excuses = self.excuses(copies, entries);
            excuses.truncate(copies.len() - 1);
            for _ in excuses.len()..copies.len() - 1 {
                let said = self.said(cluster, &to);
                verdict.unexplained.push(format!("{to}: {copies:#?}\n{said}"));
            }
            excuses.into_iter().for_each(|why| *verdict.copies.entry(why).or_default() += 1);
        }
        Ok(verdict)
    }

    fn obituary(&self, cluster: &mut Cluster, lost: &[usize]) -> String {
        let first = lost.iter().take(5).map(|number| recipient(*number, self.destinations));
        first.map(|to| self.said(cluster, &to)).collect()
    }

    /// Of every message that came, the journal has one delivery that counted, and of no other.
    async fn counted_once(
        &self,
        client: &tokio_postgres::Client,
        taken: &BTreeMap<usize, Vec<Arrival>>,
    ) -> Result<()> {
        let counted = "SELECT recipient FROM queue_event WHERE kind = 1 AND outcome = 0 AND recorded = 0 ORDER BY 1";
        let rows = client.query(counted, &[]).await?;
        let counted: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let mut came: Vec<String> =
            taken.keys().map(|number| recipient(*number, self.destinations)).collect();
        came.sort();
        let differ: Vec<_> = counted.iter().zip(&came).filter(|(a, b)| a != b).take(3).collect();
        let lengths = (counted.len(), came.len());
        ensure!(lengths.0 == lengths.1 && differ.is_empty(), "{lengths:?}: {differ:?}");
        Ok(())
    }

    /// What the journal says of recipients with more than one copy.
    async fn journal(
        &self,
        client: &tokio_postgres::Client,
        taken: &BTreeMap<usize, Vec<Arrival>>,
    ) -> Result<HashMap<String, Vec<Entry>>> {
        let doubled = taken.iter().filter(|(_, copies)| copies.len() > 1);
        let doubled: Vec<String> =
            doubled.map(|(number, _)| recipient(*number, self.destinations)).collect();
        let query = "SELECT id, recipient, kind, node, detail->>'fate' FROM queue_event \
                      WHERE recipient = ANY ($1) AND kind IN (1, 2) ORDER BY id";
        let mut journal: HashMap<String, Vec<Entry>> = HashMap::new();
        let entry = |row: &Row| Entry {
            id: row.get(0),
            kind: row.get(2),
            node: row.get(3),
            fate: row.get(4),
        };
        for row in client.query(query, &[&doubled]).await? {
            journal.entry(row.get(1)).or_default().push(entry(&row));
        }
        Ok(journal)
    }

    /// Why copies did not count, as far as there is a reason. No line of the journal excuses two of them.
    fn excuses(&self, copies: &[Arrival], journal: &[Entry]) -> Vec<&'static str> {
        let mut used = HashSet::new();
        let mut excuses = Vec::new();
        for copy in copies {
            let fresh = journal.iter().filter(|entry| !used.contains(&entry.id));
            let found =
                fresh.filter_map(|entry| Some((entry.id, self.excuse(copy, entry)?))).next();
            if let Some((id, why)) = found {
                used.insert(id);
                excuses.push(why);
            }
        }
        excuses
    }

    /// Whether a line of the journal shows why a copy did not count: the sink cut it off and its sender says that it
    /// does not know, or its sender came to harm between the final dot and the commit, and was taken over from.
    fn excuse(&self, copy: &Arrival, entry: &Entry) -> Option<&'static str> {
        let slot = *lock(&self.homes).get(&entry.node)?;
        if address(slot) != copy.peer.ip() {
            return None;
        }
        match (entry.kind, &copy.reply) {
            (1, None) if entry.fate.as_deref() == Some("unknown") => Some("cut"),
            (2, _) => {
                let near = |fault: &Fault| {
                    fault.node == entry.node
                        && copy.at <= later(fault.until, LATE)
                        && later(copy.at, COMMIT) >= fault.from
                };
                lock(&self.faults).iter().filter(|fault| near(fault)).find_map(|fault| {
                    // A node that is restarted, or held up for a moment, has no excuse.
                    match fault.kind {
                        Kind::Kill => Some("kill"),
                        Kind::LongPause => Some("pause"),
                        Kind::ShortPause | Kind::Restart => None,
                    }
                })
            }
            _ => None,
        }
    }

    fn print(
        &self,
        what: &str,
        all: &Submitted,
        taken: &BTreeMap<usize, Vec<Arrival>>,
        verdict: &Verdict,
        reports: usize,
        took: Duration,
    ) {
        static HEAD: Once = Once::new();
        HEAD.call_once(|| {
            println!(
                "| fault | accepted | no answer | arrived | reports | lost | copies: cut by the sink | sender killed \
                 | sender paused | unexplained | kills | pauses | restarts | seconds |\n|{}",
                "---|".repeat(14)
            );
        });
        let faults = lock(&self.faults);
        let count = |kinds: &[Kind]| faults.iter().filter(|f| kinds.contains(&f.kind)).count();
        println!(
            "| {what} | {} | {} | {} | {reports} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} |",
            all.accepted.len(),
            all.open.len(),
            taken.len(),
            verdict.lost.len(),
            verdict.copies("cut"),
            verdict.copies("kill"),
            verdict.copies("pause"),
            verdict.unexplained.len(),
            count(&[Kind::Kill]),
            count(&[Kind::LongPause, Kind::ShortPause]),
            count(&[Kind::Restart]),
            took.as_secs_f64(),
        );
    }
}

fn later(time: SystemTime, by: Duration) -> SystemTime {
    time.checked_add(by).unwrap_or(time)
}
