//! Keeps a private PostgreSQL running, and ends it in order.
//!
//! A thread of its own starts the server and waits for it: the kernel's "your parent died" comes when the
//! starting thread ends, and this one ends only after the server did, or with the whole process.

use super::cluster::Cluster;
use super::log::Words;
use super::orphan;
use crate::exit::{Failure, Outcome};
use rustix::process::{Pid, Signal, kill_process};
use std::future::Future;
use std::pin::pin;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// First pause before a server that ended is started again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A server that ran this long was a healthy one.
const HEALTHY: Duration = Duration::from_secs(60);
/// A fast shutdown disconnects everybody and writes a checkpoint.
const FAST: Duration = Duration::from_secs(60);
/// An immediate one is recovered from at the next start.
const IMMEDIATE: Duration = Duration::from_secs(5);

/// What has become of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It was started, so often in a row without having been healthy.
    Started(u32),
    /// It ended, and will be started again.
    Ended {
        /// How often in a row.
        times: u32,
        /// Its last words.
        why: String,
    },
    /// It ended as it was told to.
    Stopped,
}

/// A running PostgreSQL.
pub struct Supervisor {
    control: Arc<Control>,
    state: watch::Receiver<State>,
}

#[derive(Default)]
struct Control {
    shared: Mutex<Shared>,
    changed: Condvar,
}

#[derive(Default)]
struct Shared {
    stopping: bool,
    /// The server, while it is not waited for yet.
    pid: Option<Pid>,
}

impl Control {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Stops what an earlier run left and starts the server. It may not take connections yet.
    ///
    /// # Errors
    /// The earlier one does not end, or no thread can be had.
    pub fn start(cluster: Cluster) -> Outcome<Self> {
        let data = std::fs::canonicalize(cluster.data())
            .map_err(|error| Failure::failed(format!("{}: {error}", cluster.data().display())))?;
        orphan::stop(&data, &cluster.socket_lock())?;
        let control = Arc::new(Control::default());
        let (sender, state) = watch::channel(State::Started(0));
        let thread = Thread { cluster, control: Arc::clone(&control), state: sender };
        std::thread::Builder::new()
            .name("postgres".into())
            .spawn(move || thread.run())
            .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { control, state })
    }

    /// What has become of it.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Ends it in order: a checkpoint, so that the next start has nothing to recover. `hurry` cuts the first wait
    /// short.
    pub async fn stop(mut self, hurry: impl Future<Output = ()>) {
        let mut hurry = pin!(hurry);
        let mut hurried = false;
        for (signal, patience) in
            [(Signal::INT, FAST), (Signal::QUIT, IMMEDIATE), (Signal::KILL, IMMEDIATE)]
        {
            self.signal(signal);
            let stopped = self.state.wait_for(|state| *state == State::Stopped);
            tokio::select! {
                // An error means that the thread is gone, and with it the server.
                _ = stopped => return,
                () = tokio::time::sleep(patience) => {}
                () = &mut hurry, if !hurried => hurried = true,
            }
            tracing::warn!(?signal, "PostgreSQL does not end");
        }
    }

    fn signal(&self, signal: Signal) {
        let mut shared = self.control.shared();
        shared.stopping = true;
        self.control.changed.notify_all();
        if let Some(pid) = shared.pid {
            // Under the lock: the number is given back to the system only after `pid` was cleared.
            let _ = kill_process(pid, signal);
        }
    }
}

struct Thread {
    cluster: Cluster,
    control: Arc<Control>,
    state: watch::Sender<State>,
}

impl Thread {
    fn run(self) {
        let mut times = 0;
        let mut pause = FIRST_PAUSE;
        while !self.control.shared().stopping {
            let _ = self.state.send(State::Started(times));
            let begun = Instant::now();
            let why = self.once();
            if self.control.shared().stopping {
                break;
            }
            if begun.elapsed() > HEALTHY {
                (times, pause) = (0, FIRST_PAUSE);
            }
            times += 1;
            tracing::error!(%why, pause_ms = pause.as_millis(), "PostgreSQL ended and is started again");
            metrics::counter!("postrider_standalone_postgres_restarts_total").increment(1);
            let _ = self.state.send(State::Ended { times, why });
            self.sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let _ = self.state.send(State::Stopped);
    }

    /// Runs the server to its end. Gives the reason.
    fn once(&self) -> String {
        let mut child = match self.begin() {
            Ok(Some(child)) => child,
            Ok(None) => return "told to stop".into(),
            Err(error) => return format!("it cannot be started: {error}"),
        };
        let words = Words::default();
        let listener = child.stderr.take().map(|stderr| {
            let words = words.clone();
            std::thread::spawn(move || words.listen(stderr))
        });
        let status = self.wait(&mut child);
        // Backends that outlive the postmaster for a moment keep stderr open; its last words are read by then.
        if let Some(listener) = listener {
            let begun = Instant::now();
            while !listener.is_finished() && begun.elapsed() < Duration::from_millis(300) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        match status {
            Ok(status) => format!("{status}: {}", words.last()),
            Err(error) => error.to_string(),
        }
    }

    fn begin(&self) -> std::io::Result<Option<Child>> {
        let mut shared = self.control.shared();
        if shared.stopping {
            return Ok(None);
        }
        let child = self.cluster.server().spawn()?;
        shared.pid = pid_of(&child);
        tracing::debug!(pid = child.id(), "PostgreSQL is started");
        Ok(Some(child))
    }

    /// Waits without taking the process off the system's list, forgets its number, and only then takes it off:
    /// so a signal can never reach a stranger who got the number.
    fn wait(&self, child: &mut Child) -> std::io::Result<ExitStatus> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        if let Some(pid) = pid_of(child) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(pid), options).err() == Some(rustix::io::Errno::INTR) {}
        }
        self.control.shared().pid = None;
        child.wait()
    }

    fn sleep(&self, pause: Duration) {
        let shared = self.control.shared();
        let _ = self.control.changed.wait_timeout_while(shared, pause, |shared| !shared.stopping);
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}
