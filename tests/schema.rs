//! The migrations: what they make, that they can be repeated, and that ten nodes may run them at once.

use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::Command;
use store::{PostgresConfig, Store, StoreError, migrate};
use testkit::{Database, Postgres};
use types::AccountId;

fn committed() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../migrations/schema.sql")
}

/// The schema as `pg_dump` tells it, without what differs between versions of the tool and between shards.
fn dump(database: &Database) -> Result<String> {
    let socket = database.postgres().socket_folder().display().to_string();
    let bin = std::fs::read_dir("/usr/lib/postgresql")?
        .flatten()
        .map(|entry| entry.path().join("bin/pg_dump"))
        .filter(|path| path.is_file())
        .max()
        .context("pg_dump")?;
    let output = Command::new(bin)
        .args(["--schema-only", "--no-owner", "--no-privileges", "--restrict-key=x"])
        .args(["-h", &socket, "-U", "postgres", database.name()])
        .output()?;
    let output = if output.status.success() {
        output
    } else {
        // Before the minor versions of August 2025 there was no such key.
        let bin = std::fs::read_dir("/usr/lib/postgresql")?
            .flatten()
            .map(|entry| entry.path().join("bin/pg_dump"))
            .filter(|path| path.is_file())
            .max()
            .context("pg_dump")?;
        Command::new(bin)
            .args(["--schema-only", "--no-owner", "--no-privileges"])
            .args(["-h", &socket, "-U", "postgres", database.name()])
            .output()?
    };
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let kept = text.lines().filter(|line| {
        let noise = ["--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict"];
        !line.trim().is_empty() && !noise.iter().any(|noise| line.starts_with(noise))
    });
    let mut text: String = kept.flat_map(|line| [line, "\n"]).collect();
    text.insert_str(
        0,
        "-- What the migrations make, for the reader and for a test (tests/schema.rs). Never run by hand; written\n\
         -- anew by `make schema`.\n",
    );
    Ok(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_replay_to_the_committed_schema_twice() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let mut made = Vec::new();
    for _ in 0..2 {
        let database = postgres.empty_database().await?;
        let applied = migrate::up(&database.config()).await?;
        assert!(!applied.is_empty(), "there is something to do");
        assert!(
            migrate::up(&database.config()).await?.is_empty(),
            "a second run has nothing to do"
        );
        made.push(dump(&database)?);
        let store = database.store()?;
        let status = migrate::check(&store).await?;
        assert_eq!((status.applied, status.newest), (migrate::newest(), migrate::newest()));
        assert_eq!(applied.len(), status.migrations.len());
        drop(store);
        database.discard().await?;
    }
    assert!(made[0] == made[1], "two replays differ");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(committed(), &made[0])?;
    }
    let committed = std::fs::read_to_string(committed()).unwrap_or_default();
    let different =
        made[0].lines().zip(committed.lines()).find(|(made, committed)| made != committed);
    ensure!(
        made[0] == committed,
        "the migrations make another schema than migrations/schema.sql (`make schema` writes it anew), first at\n{different:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_migrate_at_once() -> Result<()> {
    let database = Postgres::shared().await?.empty_database().await?;
    let config = database.config();
    let work = (0..10).map(|_| migrate::up(&config));
    let mut applied = 0;
    for done in futures::future::join_all(work).await {
        applied += done?.len();
    }
    let known = migrate::check(&database.store()?).await?.migrations.len();
    assert_eq!(applied, known, "each migration ran once");
    database.check(None).await?;
    database.discard().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_it_does_not_know_is_refused_with_a_line() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let empty = postgres.empty_database().await?;
    let refused = migrate::check(&empty.store()?).await;
    let line = format!(
        "the database schema is at version 0, this binary needs {} or later: run `postrider migrate up`",
        migrate::OLDEST
    );
    assert_eq!(refused.err(), Some(StoreError::Schema(line)));
    empty.discard().await?;

    let newer = postgres.database().await?;
    let client = newer.client().await?;
    let ahead = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (999, 'tomorrow', '', '1')";
    client.batch_execute(ahead).await?;
    // Expanded only: the old binary still serves.
    assert_eq!(migrate::check(&newer.store()?).await?.applied, 999);
    client.batch_execute("UPDATE schema_compatibility SET oldest_binary = 999").await?;
    let refused = migrate::check(&newer.store()?).await.err().context("it must refuse")?;
    assert!(refused.to_string().contains("start a newer postrider"), "{refused}");
    drop(client);
    newer.discard().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let missing = PostgresConfig::new(postgres.url("no_such_database"));
    let error = migrate::up(&missing).await.err().context("it must fail")?;
    assert!(error.to_string().contains("no_such_database"), "{error}");
    let store = Store::new(&missing)?;
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    Ok(())
}

/// The application names partitions itself: PostgreSQL must agree for every account.
#[tokio::test(flavor = "multi_thread")]
async fn shards_are_where_postgresql_puts_them() -> Result<()> {
    let client = Postgres::shared().await?.client("postgres").await?;
    client
        .batch_execute(
            "CREATE TEMP TABLE t (account_id int) PARTITION BY HASH (account_id);
             DO $$ BEGIN FOR n IN 0..31 LOOP
                 EXECUTE format('CREATE TEMP TABLE t_%s PARTITION OF t
                                 FOR VALUES WITH (MODULUS 32, REMAINDER %s)', n, n);
             END LOOP; END $$;
             INSERT INTO t SELECT n FROM generate_series(-50, 20000) n;
             INSERT INTO t VALUES (2147483647), (-2147483648), (1000000007), (65536), (16777216);",
        )
        .await?;
    let sql =
        "SELECT account_id, substring(tableoid::regclass::text FROM '_([0-9]+)$')::int FROM t";
    let rows = client.query(sql, &[]).await?;
    assert_eq!(rows.len(), 20_056);
    for row in rows {
        let (account, shard): (i32, i32) = (row.get(0), row.get(1));
        assert_eq!(store::sql::shard(AccountId(account)), shard as u32, "account {account}");
    }
    Ok(())
}

/// A binary does not serve with a schema that lacks a function or a table it names.
#[test]
fn the_oldest_schema_has_what_this_binary_names() -> Result<()> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = String::new();
    read_all(&root.join("src/store"), &mut sources)?;
    let words: std::collections::HashSet<&str> =
        sources.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let mut needed = (0, String::new());
    for entry in std::fs::read_dir(root.join("migrations"))?.flatten() {
        let name = entry.file_name().into_string().ok().context("a name")?;
        let Some((version, _)) = name.strip_prefix('V').and_then(|rest| rest.split_once("__"))
        else {
            continue;
        };
        let version: i32 = version.parse()?;
        let text = std::fs::read_to_string(entry.path())?;
        for line in text.lines() {
            let made =
                ["CREATE FUNCTION ", "CREATE TABLE "].iter().find_map(|it| line.strip_prefix(it));
            let made = made.and_then(|made| made.split(['(', ' ']).next());
            if let Some(made) = made.filter(|made| words.contains(made) && version > needed.0) {
                needed = (version, made.to_owned());
            }
        }
    }
    ensure!(needed.0 > 11, "found no function at all");
    let oldest = migrate::OLDEST;
    ensure!(
        oldest >= needed.0,
        "{} came with version {}, migrate::OLDEST is {oldest}",
        needed.1,
        needed.0
    );
    Ok(())
}

fn read_all(folder: &std::path::Path, into: &mut String) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path, into)?;
        } else if path.extension().is_some_and(|end| end == "rs" || end == "sql") {
            into.push_str(&std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}
