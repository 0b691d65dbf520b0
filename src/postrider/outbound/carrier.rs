//! [`Carrier`] over `delivery`: stations, parcels, and who is told what.
//!
//! A run has a *station*: the hosts of its destination and a courier, who holds the run's one connection and the
//! pass for it. A batch becomes *parcels*, one per message with all its recipients, carried one after the other.

use super::content::Stored;
use super::envelope::{envelope, is_set};
use super::home::{Came, Home};
use super::settings::Settings;
use super::tell::{self, Watcher};
use super::way::{Way, class};
use async_trait::async_trait;
use blob::SharedBlobStore;
use coordinator::limits::{Allowed, Rate};
use delivery::outcome::Meaning;
use delivery::{Courier, Delivery, Mailing, Outcome, Plan, Signal as Said};
use queue::gate::{Entry, Gate, Pass};
use queue::worker::{Carrier, Desk};
use queue::{Claim, Fate, Prepared, RetryPolicy, RunId, Signal};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::queue::{Claimed, Note};
use types::Destination;

/// Longest wait of a run, connection in hand, for its rate to allow another message.
const RATE_PATIENCE: Duration = Duration::from_secs(2);

/// So long everything waits while nobody knows the routes, or which domains are ours.
const NO_ROUTES: Duration = Duration::from_secs(1);
/// So long mail waits whose way this node cannot go; another may.
const NO_KEY: Duration = Duration::from_secs(30);
/// Until more of what is ours is brought home.
const MORE_OF_OURS: Duration = Duration::from_millis(50);
/// So long a message waits whose sender or tenant has as many under way as it may.
const SENDER_FULL: Duration = Duration::from_secs(2);

/// Why a message has to wait.
enum Refused {
    /// And with it all that goes there.
    Site(Duration),
    /// Only what is of the same sender or tenant.
    Sender(Duration),
}

/// The carrier of a node.
pub struct Outbound {
    delivery: Delivery,
    blob: SharedBlobStore,
    gate: Gate,
    settings: Arc<Settings>,
    home: Home,
    stations: Mutex<HashMap<RunId, Station>>,
}

/// Where a run's mail goes.
struct Station {
    /// It stays here, and what was claimed has to be given back for that.
    ours: bool,
    way: Way,
    /// Or what it means for everybody that it cannot be found.
    plan: Result<Plan, Meaning>,
    courier: Option<Courier>,
}

/// A message with those of its recipients that were claimed together.
pub struct Parcel {
    /// The recipients; at least one.
    pub claims: Vec<Claim<Claimed>>,
}

impl Parcel {
    /// What all its rows say of the message.
    pub fn message(&self) -> &Claimed {
        &self.claims[0].row
    }
}

/// In the order of their first recipients.
fn parcels(claims: Vec<Claim<Claimed>>) -> VecDeque<Parcel> {
    let mut parcels: VecDeque<Parcel> = VecDeque::new();
    let mut places = HashMap::new();
    for claim in claims {
        let next = parcels.len();
        let at = *places.entry(claim.row.queue).or_insert(next);
        match parcels.get_mut(at) {
            Some(parcel) => parcel.claims.push(claim),
            None => parcels.push_back(Parcel { claims: vec![claim] }),
        }
    }
    parcels
}

impl Station {
    /// Of mail that stays here; what is claimed is given back at once.
    fn ours(way: Way) -> Self {
        let plan = Err(delivery::outcome::of_loop(resolve::MailLoop));
        Self { ours: true, way, plan, courier: None }
    }
}

impl Outbound {
    /// Over these.
    pub fn new(
        delivery: Delivery,
        blob: SharedBlobStore,
        gate: Gate,
        settings: Arc<Settings>,
        home: Home,
    ) -> Self {
        Self { delivery, blob, gate, settings, home, stations: Mutex::default() }
    }

    /// Closes the connections that wait for more mail.
    pub async fn close_idle(&self) {
        self.delivery.close_idle().await;
    }

    fn stations(&self) -> MutexGuard<'_, HashMap<RunId, Station>> {
        self.stations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A courier with leave to connect, the one there is if it goes there.
    async fn courier(&self, plan: &Plan, before: Option<Courier>) -> Result<Courier, Duration> {
        let site = plan.site().as_str();
        let mut before = before;
        if let Some(mut courier) = before.take() {
            if courier.turn_to(plan) && !self.gate.is_surplus(site) {
                return match self.gate.closed(site).await {
                    None => Ok(courier),
                    Some(wait) => {
                        courier.park();
                        Err(wait)
                    }
                };
            }
            courier.close().await;
        }
        if let Some(courier) = self.delivery.idle_courier(plan) {
            return Ok(courier);
        }
        match self.gate.enter(site, self.settings.site(plan).connections).await {
            Entry::Open(pass) => Ok(self.delivery.courier(plan, Some(Box::new(pass)))),
            Entry::NotNow(wait) => Err(wait),
        }
    }

    /// Carries parcels until there are none, or somebody says that it is enough. What is left was not tried.
    async fn carry_all(
        &self,
        station: &mut Station,
        rest: &mut VecDeque<Parcel>,
        desk: &Desk<Claimed, Note>,
    ) {
        while desk.goes_on() {
            let Some(parcel) = rest.front() else { return };
            if self.is_one_too_many(station).await {
                return;
            }
            let leave = match self.leave(&station.plan, parcel).await {
                Ok(leave) => leave,
                Err(Refused::Site(wait)) => {
                    return hand_back(rest, desk, station.way.untried(wait));
                }
                Err(Refused::Sender(wait)) => {
                    let mut parcel = rest.drain(..1).collect();
                    hand_back(&mut parcel, desk, station.way.untried(wait));
                    continue;
                }
            };
            let Some(parcel) = rest.pop_front() else { return };
            let signal = self.carry_first(station, &parcel, rest, desk).await;
            drop(leave);
            if let (Ok(plan), Some(signal)) = (&station.plan, signal) {
                let site = plan.site().as_str();
                self.gate.tell(site, signal).await;
                if signal != Signal::Fine
                    && let Some(wait) = self.gate.closed(site).await
                {
                    return hand_back(rest, desk, station.way.untried(wait));
                }
            }
        }
    }

    /// Carries a parcel. When the node goes down meanwhile, others may take the rest at once.
    async fn carry_first(
        &self,
        station: &mut Station,
        parcel: &Parcel,
        rest: &mut VecDeque<Parcel>,
        desk: &Desk<Claimed, Note>,
    ) -> Option<Signal> {
        let carrying = self.carry_one(station, parcel, desk);
        tokio::pin!(carrying);
        tokio::select! {
            signal = &mut carrying => signal,
            () = desk.stopping() => {
                hand_back(rest, desk, None);
                carrying.await
            }
        }
    }

    /// The coordinator had forgotten this connection and gave its place away: it goes.
    async fn is_one_too_many(&self, station: &mut Station) -> bool {
        let Ok(plan) = &station.plan else { return false };
        let too_many = self.gate.is_surplus(plan.site().as_str());
        if too_many && let Some(courier) = station.courier.take() {
            courier.close().await;
        }
        too_many
    }

    /// Leave to send one message: by the site's rate, and by the limits of whose it is.
    async fn leave(
        &self,
        plan: &Result<Plan, Meaning>,
        parcel: &Parcel,
    ) -> Result<Vec<Pass>, Refused> {
        let Ok(plan) = plan else { return Ok(Vec::new()) };
        let mut passes = Vec::new();
        for limits in self.settings.senders(parcel.message()) {
            if let Some(limit) = &limits.at_once {
                passes.push(self.gate.hold(limit).await.ok_or(Refused::Sender(SENDER_FULL))?);
            }
            if let Some(rate) = &limits.rate {
                self.in_rate(rate).await.map_err(Refused::Sender)?;
            }
        }
        if let Some(rate) = self.settings.site(plan).rate {
            self.in_rate(&rate).await.map_err(Refused::Site)?;
        }
        Ok(passes)
    }

    /// Waits a little for a rate.
    async fn in_rate(&self, rate: &Rate) -> Result<(), Duration> {
        loop {
            match self.gate.allow(rate, 1).await {
                Allowed::Now(_) => return Ok(()),
                Allowed::In(wait) if wait > RATE_PATIENCE => return Err(wait),
                Allowed::In(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// One attempt; what it says of the site, if it went there.
    async fn carry_one(
        &self,
        station: &mut Station,
        parcel: &Parcel,
        desk: &Desk<Claimed, Note>,
    ) -> Option<Signal> {
        let (way, begun) = (&station.way, Instant::now());
        let site = station.plan.as_ref().map_or("", |plan| plan.site().as_str());
        let class = class(&way.route, site);
        let watcher = Watcher { parcel, desk, policy: way.policy, class, begun };
        let (Ok(plan), Some(courier)) = (&station.plan, &mut station.courier) else {
            if let Err(meaning) = &station.plan {
                watcher.all(&Outcome::from(meaning.clone()));
            }
            return None;
        };
        let message = parcel.message();
        let content = Stored::of(message, self.blob.clone());
        let rows = parcel.claims.iter().map(|claim| &claim.row);
        let mailing = Mailing {
            id: message.blob.to_string(),
            envelope: envelope(message, rows, delivery::Content::size(&content)),
            content: Arc::new(content),
            tls_optional: is_set(&message.mail_parameters, "tlsoptional"),
        };
        let report = courier.carry(&mailing, &watcher).await;
        tell::tries(&mailing.id, plan.domain(), &report);
        Some(match report.signal {
            Said::Fine => Signal::Fine,
            Said::Ours => Signal::Silent,
            Said::Slow => Signal::Slow,
            Said::Down => Signal::Down,
        })
    }
}

/// Says at once that these were not tried. `policy`: how long they wait now.
fn hand_back(rest: &mut VecDeque<Parcel>, desk: &Desk<Claimed, Note>, policy: Option<RetryPolicy>) {
    for claim in rest.drain(..).flat_map(|parcel| parcel.claims) {
        let note = tell::untried(&claim.row);
        desk.finished(claim.recipient, Fate::Untried, policy, note);
    }
}

#[async_trait]
impl Carrier<Claimed, Note> for Outbound {
    async fn prepare(&self, run: RunId, destination: &Destination) -> Prepared {
        let Some(way) = self.settings.way(destination.domain()) else {
            return Prepared::NotNow(NO_ROUTES);
        };
        if way.closed.is_some() {
            return Prepared::NotNow(NO_KEY);
        }
        let before = self.stations().remove(&run).and_then(|station| station.courier);
        match self.home.bring(destination).await {
            Ok(Came::Elsewhere) => {}
            // Nothing is due any more; if something is by now, the claim shows it.
            Ok(Came::Home) => {
                if let Some(courier) = before {
                    courier.park();
                }
                self.stations().insert(run, Station::ours(way));
                return Prepared::Ready;
            }
            Ok(Came::More) => return Prepared::NotNow(MORE_OF_OURS),
            Err(error) => {
                tracing::debug!(%error, "whether a destination is ours is unknown");
                return Prepared::NotNow(NO_ROUTES);
            }
        }
        let plan = self.delivery.plan(destination.domain(), &way.route).await;
        let courier = match &plan {
            Ok(plan) => match self.courier(plan, before).await {
                Ok(courier) => Some(courier),
                Err(wait) => return Prepared::NotNow(wait),
            },
            // For everybody alike, and whoever was on the way somewhere else is not needed any more.
            Err(_) => {
                if let Some(courier) = before {
                    courier.park();
                }
                None
            }
        };
        self.stations().insert(run, Station { ours: false, way, plan, courier });
        Prepared::Ready
    }

    async fn carry(&self, run: RunId, claims: Vec<Claim<Claimed>>, desk: Desk<Claimed, Note>) {
        let Some(mut station) = self.stations().remove(&run) else { return };
        let mut rest = parcels(claims);
        if station.ours {
            hand_back(&mut rest, &desk, station.way.untried(MORE_OF_OURS));
            self.stations().insert(run, station);
            return;
        }
        self.carry_all(&mut station, &mut rest, &desk).await;
        self.stations().insert(run, station);
    }

    fn dismiss(&self, run: RunId) {
        let station = self.stations().remove(&run);
        if let Some(courier) = station.and_then(|station| station.courier) {
            courier.park();
        }
    }
}
