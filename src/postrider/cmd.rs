//! The commands, one file per group.

pub mod account;
pub mod alias;
pub mod cluster;
pub mod config;
pub mod doctor;
pub mod domain;
pub mod limit;
pub mod migrate;
mod operator;
mod password;
pub mod queue;
pub mod route;
pub mod serve;
pub mod standalone;
