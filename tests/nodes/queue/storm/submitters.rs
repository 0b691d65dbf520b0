//! Users who submit to whichever node takes their mail, and note what they were promised.

use super::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::task::JoinSet;

/// Clients at work at once.
const CLIENTS: usize = 12;

/// What was submitted.
#[derive(Debug, Default)]
pub struct Submitted {
    /// Answered with 250, and when.
    pub accepted: BTreeMap<usize, SystemTime>,
    /// Nobody promised anything: the connection was lost before the answer.
    pub open: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct State {
    doors: [Option<SocketAddr>; NODES],
    /// Every message has a number of its own, also those of a run after this one.
    next: usize,
    all: Submitted,
}

/// All that is submitted to a cluster. Cheap to clone.
#[derive(Clone, Default)]
pub struct Load {
    state: Arc<Mutex<State>>,
}

impl Load {
    /// A node takes submissions there now, or no longer.
    pub fn open_door(&self, slot: usize, door: Option<SocketAddr>) {
        lock(&self.state).doors[slot] = door;
    }

    /// Where a node takes submissions.
    pub fn door(&self, slot: usize) -> Option<SocketAddr> {
        lock(&self.state).doors[slot]
    }

    /// What was accepted so far, and when.
    pub fn accepted(&self) -> BTreeMap<usize, SystemTime> {
        lock(&self.state).all.accepted.clone()
    }

    /// What was submitted so far.
    pub fn submitted(&self) -> Submitted {
        std::mem::take(&mut lock(&self.state).all)
    }

    /// Submits until so many were accepted, at most so many in a second.
    ///
    /// # Errors
    /// When a client fails for a reason of its own.
    pub async fn submit(
        &self,
        from: &str,
        destinations: usize,
        count: usize,
        rate: f64,
    ) -> Result<()> {
        let left = Arc::new(Mutex::new(count));
        let begun = tokio::time::Instant::now();
        let mut clients = JoinSet::new();
        for turn in 0..CLIENTS {
            let (load, from, left) = (self.clone(), from.to_owned(), Arc::clone(&left));
            clients.spawn(async move {
                let mut client = Client { load, from, destinations, turn, connection: None };
                while let Some(nth) = take(&left, count) {
                    let due = begun + Duration::from_secs_f64(nth as f64 / rate);
                    tokio::time::sleep_until(due).await;
                    if !client.submit_one().await {
                        *lock(&left) += 1;
                    }
                }
            });
        }
        while let Some(client) = clients.join_next().await {
            client?;
        }
        Ok(())
    }

    fn number(&self) -> usize {
        let mut state = lock(&self.state);
        state.next += 1;
        state.next - 1
    }
}

/// Which one of so many is next.
fn take(left: &Mutex<usize>, count: usize) -> Option<usize> {
    let mut left = lock(left);
    *left = left.checked_sub(1)?;
    Some(count - *left - 1)
}

struct Client {
    load: Load,
    from: String,
    destinations: usize,
    turn: usize,
    connection: Option<SmtpClient>,
}

impl Client {
    /// Submits a message until somebody takes it; `false`: perhaps somebody has, nobody knows.
    async fn submit_one(&mut self) -> bool {
        let number = self.load.number();
        let to = recipient(number, self.destinations);
        let message = crate::nodes::message(&format!("m{number}"), 1_500);
        loop {
            let Some(mut smtp) = self.connect().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let to = [to.as_str()];
            let sending = smtp.send_mail(&self.from, &to, &message);
            match tokio::time::timeout(Duration::from_secs(90), sending).await {
                Ok(Ok(reply)) if reply.code == 250 => {
                    lock(&self.load.state).all.accepted.insert(number, SystemTime::now());
                    self.connection = Some(smtp);
                    return true;
                }
                // Refused: nothing happened.
                Ok(Ok(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
                _ => {
                    lock(&self.load.state).all.open.insert(number);
                    return false;
                }
            }
        }
    }

    /// The connection there is, or one to the next node that is there.
    async fn connect(&mut self) -> Option<SmtpClient> {
        if let Some(smtp) = self.connection.take() {
            return Some(smtp);
        }
        self.turn += 1;
        let door = self.load.door(self.turn % NODES)?;
        let connecting = submitter_at(door, &self.from);
        tokio::time::timeout(Duration::from_secs(5), connecting).await.ok()?.ok()
    }
}
