//! What this process costs, from `/proc/self` (proc(5)).

use std::fs;

/// Kernel ticks per second as `/proc` counts them: 100 on every Linux (USER_HZ).
const TICKS: f64 = 100.0;
/// Octets of a page as `statm` counts them; 4 KiB wherever this server runs in earnest.
const PAGE: f64 = 4096.0;

/// Names the metrics that [`observe`] sets.
pub(crate) fn describe() {
    metrics::describe_gauge!(
        "process_cpu_seconds_total",
        metrics::Unit::Seconds,
        "User and system CPU time of this process"
    );
    metrics::describe_gauge!(
        "process_resident_memory_bytes",
        metrics::Unit::Bytes,
        "Resident memory of this process"
    );
    metrics::describe_gauge!("process_open_fds", "Open file descriptors of this process");
    metrics::describe_gauge!("process_threads", "Threads of this process");
}

/// Sets the process metrics. What cannot be read is left out.
pub(crate) fn observe() {
    if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu) {
        metrics::gauge!("process_cpu_seconds_total").set(seconds);
    }
    if let Some(octets) = fs::read_to_string("/proc/self/statm").ok().as_deref().and_then(resident)
    {
        metrics::gauge!("process_resident_memory_bytes").set(octets);
    }
    for (name, folder) in
        [("process_open_fds", "/proc/self/fd"), ("process_threads", "/proc/self/task")]
    {
        if let Ok(entries) = fs::read_dir(folder) {
            metrics::gauge!(name).set(entries.count() as f64);
        }
    }
}

/// Fields 14 and 15 of `stat`, counted after the name in parentheses, which may hold anything.
fn cpu(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

/// The second field of `statm`.
fn resident(statm: &str) -> Option<f64> {
    let pages: f64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_proc() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 1 0 9 0 0";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(resident("100 25 7 1 0 9 0"), Some(102_400.0));
        assert_eq!(cpu("nonsense"), None);
        assert!(cpu(&fs::read_to_string("/proc/self/stat").unwrap()).is_some());
    }
}
