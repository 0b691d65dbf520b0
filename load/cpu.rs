//! CPU time of processes and all their descendants, dead ones included, from /proc.

use std::collections::{BTreeMap, HashMap};
use std::fs;

/// Linux tells CPU times in hundredths of a second, whatever the kernel's own tick is.
const MS_PER_TICK: f64 = 10.0;

/// Servers under measure: a name for the report, and the processes they began as.
#[derive(Debug, Clone, Default)]
pub struct Groups(pub BTreeMap<String, Vec<u32>>);

/// CPU milliseconds by group.
#[derive(Debug, Clone, Default)]
pub struct Cpu(pub BTreeMap<String, f64>);

struct Process {
    parent: u32,
    /// Own time and that of children that ended and were waited for.
    ms: f64,
}

impl Groups {
    /// One group of one process.
    #[must_use]
    pub fn with(mut self, name: &str, pids: Vec<u32>) -> Self {
        self.0.entry(name.into()).or_default().extend(pids);
        self
    }

    /// The time spent so far. A child that was never waited for by a living ancestor is lost, which no
    /// server here does.
    #[must_use]
    pub fn cpu(&self) -> Cpu {
        let processes = processes();
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (pid, process) in &processes {
            children.entry(process.parent).or_default().push(*pid);
        }
        let total = |roots: &Vec<u32>| {
            let (mut sum, mut todo) = (0.0, roots.clone());
            while let Some(pid) = todo.pop() {
                sum += processes.get(&pid).map_or(0.0, |process| process.ms);
                todo.extend(children.get(&pid).into_iter().flatten());
            }
            sum
        };
        Cpu(self.0.iter().map(|(name, roots)| (name.clone(), total(roots))).collect())
    }
}

impl Cpu {
    /// What was spent since `earlier`, per operation.
    #[must_use]
    pub fn since(&self, earlier: &Cpu, operations: u64) -> BTreeMap<String, f64> {
        let before = |name| earlier.0.get(name).copied().unwrap_or_default();
        self.0
            .iter()
            .map(|(name, ms)| (name.clone(), (ms - before(name)) / operations.max(1) as f64))
            .collect()
    }
}

fn processes() -> HashMap<u32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            Some((pid, parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))
        })
        .collect()
}

/// proc(5): after the command's name in parentheses come state, ppid, …; utime, stime, cutime and cstime
/// are fields 14 to 17.
fn parse(stat: &str) -> Option<Process> {
    let rest: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = rest.get(11..15)?.iter().filter_map(|field| field.parse::<f64>().ok()).sum::<f64>();
    Some(Process { parent: rest.get(1)?.parse().ok()?, ms: ticks * MS_PER_TICK })
}

/// CPU milliseconds of this process alone, children not counted.
#[must_use]
pub fn own_cpu_ms() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() * MS_PER_TICK
}

/// Memory of a process and all its descendants in KiB, shared pages counted by share (PSS).
#[must_use]
pub fn memory_kib(pid: u32) -> u64 {
    let parents: Vec<(u32, u32)> =
        processes().iter().map(|(pid, one)| (*pid, one.parent)).collect();
    let (mut sum, mut todo) = (0, vec![pid]);
    while let Some(pid) = todo.pop() {
        sum += pss_kib(pid);
        todo.extend(parents.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| child));
    }
    sum
}

/// Memory of one process in KiB as it stands in its page tables: quickly asked.
#[must_use]
pub fn resident_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or_default()
}

fn pss_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn odd_names_are_no_trouble() {
        let stat = "7 (a) b (c)) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1";
        let process = parse(stat).unwrap();
        assert_eq!((process.parent, process.ms), (3, 1000.0));
    }

    #[test]
    fn children_count_dead_or_alive() {
        let spin = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let me = Groups::default().with("me", vec![std::process::id()]);
        let before = me.cpu();
        assert!(Command::new("sh").args(["-c", spin]).status().unwrap().success());
        assert!(me.cpu().since(&before, 1)["me"] > 20.0);
    }
}
