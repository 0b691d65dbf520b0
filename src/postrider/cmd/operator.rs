//! What all operator commands share: which server they speak of, and how they print.

use crate::config::{Config, Layers, load};
use crate::connect;
use crate::exit::{Failure, Outcome};
use crate::log;
use crate::output::Output;
use clap::Args;
use directory::Directory;
use std::path::{Path, PathBuf};
use store::{Store, StoreError};

/// Where the configuration lies unless somebody says otherwise.
pub const DEFAULT_CONFIG: &str = "/etc/postrider/postrider.toml";
/// Names files instead of [`DEFAULT_CONFIG`], with `:` between them.
const CONFIG_VARIABLE: &str = "POSTRIDER_CONFIG";
/// In a standalone's folder, for operator commands.
pub const STANDALONE_CONFIG: &str = "postrider.toml";

/// Which server.
#[derive(Debug, Clone, Args)]
pub struct Where {
    /// Configuration file of the cluster; may be given several times, later ones win
    /// [default: $POSTRIDER_CONFIG or /etc/postrider/postrider.toml]
    #[arg(long, short, value_name = "FILE", global = true)]
    pub config: Vec<PathBuf>,
    /// Folder of a running `postrider standalone`
    #[arg(long, value_name = "DIR", global = true, conflicts_with = "config")]
    pub data: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

impl Where {
    /// How to print.
    pub fn output(&self) -> Output {
        Output::new(self.json)
    }

    /// The configuration.
    ///
    /// # Errors
    /// There is none, or it is unusable.
    pub fn load(&self) -> Outcome<Config> {
        log::start_quiet();
        let files = match &self.data {
            Some(dir) => vec![standalone_config(dir)?],
            None => config_files(&self.config)?,
        };
        Ok(load(&Layers::files(files))?)
    }

    /// The configuration and PostgreSQL.
    ///
    /// # Errors
    /// As [`Where::load`]; PostgreSQL is away; the schema is not one of ours.
    pub async fn store(&self) -> Outcome<(Config, Store)> {
        let config = self.load()?;
        let store = connect::store(&config)?;
        store::migrate::check(&store).await.map_err(|error| self.explain(error))?;
        Ok((config, store))
    }

    /// What is done to domains, accounts and aliases.
    ///
    /// # Errors
    /// As [`Where::load`]; PostgreSQL is away; the schema is not one of ours.
    pub async fn directory(&self) -> Outcome<Directory> {
        let (config, store) = self.store().await?;
        Ok(Directory::new(store, config.directory))
    }

    /// Adds what is most likely to help.
    pub fn explain(&self, error: StoreError) -> Failure {
        let away = matches!(error, StoreError::Unavailable(_));
        let failure = Failure::from(error);
        match &self.data {
            Some(dir) if away => failure
                .hint(&format!("is `postrider standalone --data {}` running?", dir.display())),
            _ => failure,
        }
    }
}

fn standalone_config(dir: &Path) -> Outcome<PathBuf> {
    let file = dir.join(STANDALONE_CONFIG);
    if file.exists() {
        return Ok(file);
    }
    Err(Failure::usage(format!(
        "{} is no folder of a standalone server: `postrider standalone --data {}` makes it one",
        dir.display(),
        dir.display()
    )))
}

/// The files given, or those of the environment, or the usual one.
///
/// # Errors
/// There is none.
pub fn config_files(given: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    if let Some(paths) = std::env::var_os(CONFIG_VARIABLE).filter(|paths| !paths.is_empty()) {
        return Ok(std::env::split_paths(&paths).collect());
    }
    if Path::new(DEFAULT_CONFIG).exists() {
        return Ok(vec![DEFAULT_CONFIG.into()]);
    }
    Err(Failure::usage(format!(
        "there is no {DEFAULT_CONFIG}: give --config FILE, or --data DIR for a standalone server"
    )))
}
