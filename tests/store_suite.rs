//! The store against PostgreSQL: each test twice, once straight and once through PgBouncer 1.18 in transaction
//! mode, which knows no prepared statements.

mod cut_off;
mod delivery;
mod mailboxes;
mod messages;
mod plans;
mod queue;
mod races;

/// Runs each of these `async fn(&Bench) -> Result<()>` both ways.
macro_rules! both_ways {
    ($($test:ident),* $(,)?) => {
        mod direct {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() -> anyhow::Result<()> {
                crate::bench::with_bench(crate::bench::Way::Direct, super::$test).await
            })*
        }
        mod through_pgbouncer {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() -> anyhow::Result<()> {
                crate::bench::with_bench(crate::bench::Way::PgBouncer, super::$test).await
            })*
        }
    };
}
pub(crate) use both_ways;
