//! What was measured, as a table, as JSON and as a page.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// One measured thing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// What was done.
    pub scenario: String,
    /// By whom: a configuration of Postrider, a peer, or a bare reference.
    pub server: String,
    /// How often.
    pub operations: u64,
    /// In how long.
    pub seconds: f64,
    /// What was waited for, in milliseconds.
    pub latency_ms: Option<Percentiles>,
    /// CPU milliseconds per operation of each server, work done after the answer included.
    pub cpu_ms: BTreeMap<String, f64>,
    /// Other figures, by name with its unit.
    pub more: BTreeMap<String, f64>,
    /// How it was proved that the work was done.
    pub proof: String,
}

/// Points of a distribution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// The middle.
    pub p50: f64,
    /// Nine in ten are at or below.
    pub p90: f64,
    /// Ninety-nine in a hundred.
    pub p99: f64,
    /// The worst.
    pub max: f64,
}

impl Percentiles {
    /// From all samples; `None` when there is none.
    #[must_use]
    pub fn of(mut samples: Vec<Duration>) -> Option<Self> {
        samples.sort_unstable();
        let last = samples.len().checked_sub(1)?;
        // The smallest sample that this share of them does not exceed.
        let at = |share: f64| {
            let rank = (share * samples.len() as f64).ceil() as usize;
            samples[rank.saturating_sub(1).min(last)].as_secs_f64() * 1_000.0
        };
        Some(Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) })
    }
}

impl Row {
    /// CPU milliseconds per operation, all servers together.
    #[must_use]
    pub fn cpu_total(&self) -> f64 {
        self.cpu_ms.values().sum()
    }

    /// Operations a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds.max(1e-9)
    }

    fn line(&self) -> String {
        let mut out = format!(
            "{:<34} {:<34} {:>7} {:>9.1} {:>9}",
            self.scenario,
            self.server,
            self.operations,
            self.rate(),
            figure(self.cpu_total()),
        );
        match &self.latency_ms {
            Some(l) => {
                let _ = write!(out, " {:>7.2} {:>7.2} {:>8.2} {:>8.2}", l.p50, l.p90, l.p99, l.max);
            }
            None => out.push_str("       -       -        -        -"),
        }
        let mut notes: Vec<String> =
            self.cpu_ms.iter().map(|(name, ms)| format!("{name} {}", figure(*ms))).collect();
        notes.extend(self.more.iter().map(|(name, value)| format!("{name} {}", figure(*value))));
        let _ = write!(out, "  {}", notes.join(", "));
        out
    }
}

fn figure(value: f64) -> String {
    match value.abs() {
        v if v < 0.1 => format!("{value:.4}"),
        v if v < 10.0 => format!("{value:.3}"),
        _ => format!("{value:.1}"),
    }
}

/// A whole run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Where and how it ran.
    pub about: BTreeMap<String, String>,
    /// What was measured, in order.
    pub rows: Vec<Row>,
}

impl Report {
    /// Notes one measurement and shows it at once.
    pub fn add(&mut self, row: Row) {
        if self.rows.is_empty() {
            println!("{}", heading());
        }
        println!("{}\n    proof: {}", row.line(), row.proof);
        self.rows.push(row);
    }

    /// A page with bars of CPU per operation, for people.
    #[must_use]
    pub fn page(&self) -> String {
        let mut out = String::from(
            "<!doctype html><meta charset=utf-8><title>Postrider: load</title>\
             <style>body{font:14px sans-serif;margin:2em;max-width:70em}td{padding:2px 8px}\
             rect{shape-rendering:crispEdges}</style><h1>What mail costs</h1><p>",
        );
        for (name, value) in &self.about {
            let _ = write!(out, "{name}: {}<br>", escape(value));
        }
        let mut scenarios: Vec<&str> = Vec::new();
        for row in self.rows.iter().filter(|row| row.cpu_total() > 0.0) {
            if !scenarios.contains(&row.scenario.as_str()) {
                scenarios.push(&row.scenario);
            }
        }
        for scenario in scenarios {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.scenario == scenario).collect();
            let _ = write!(out, "<h2>{}</h2>{}", escape(scenario), bars(&rows));
        }
        out
    }
}

fn heading() -> String {
    format!(
        "{:<34} {:<34} {:>7} {:>9} {:>9} {:>7} {:>7} {:>8} {:>8}  CPU-ms by server, other figures",
        "scenario", "server", "count", "per s", "CPU-ms", "p50 ms", "p90 ms", "p99 ms", "max ms"
    )
}

const COLOURS: [&str; 6] = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#b07aa1"];

/// One bar a row, cut into its servers.
fn bars(rows: &[&Row]) -> String {
    let longest = rows.iter().map(|row| row.cpu_total()).fold(1e-9, f64::max);
    let mut out = format!("<svg width=1000 height={}>", rows.len() * 26);
    for (nth, row) in rows.iter().enumerate() {
        let (y, mut x) = (nth * 26, 220.0);
        let _ = write!(out, "<text x=0 y={}>{}</text>", y + 16, escape(&row.server));
        for (colour, (name, ms)) in COLOURS.iter().cycle().zip(&row.cpu_ms) {
            let width = ms / longest * 600.0;
            let _ = write!(
                out,
                "<rect x={x:.1} y={} width={width:.1} height=18 fill=\"{colour}\"><title>{}: {ms:.4} ms\
                 </title></rect>",
                y + 3,
                escape(name)
            );
            x += width;
        }
        let p99 = row.latency_ms.map_or(String::new(), |l| format!(" · p99 {:.1} ms", l.p99));
        let _ = write!(
            out,
            "<text x={:.1} y={}>{} CPU-ms{p99}</text>",
            x + 6.0,
            y + 16,
            figure(row.cpu_total())
        );
    }
    out + "</svg>"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples = (1..=200).map(Duration::from_millis).collect();
        let points = Percentiles::of(samples).unwrap();
        assert_eq!(points, Percentiles { p50: 100.0, p90: 180.0, p99: 198.0, max: 200.0 });
        assert_eq!(Percentiles::of(vec![]), None);
    }
}
