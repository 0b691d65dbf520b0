//! The program: `postrider standalone`, `postrider serve`, and the operator's commands.

mod cli;
mod cmd;
mod config;
mod connect;
mod exit;
mod log;
mod node;
mod outbound;
mod output;
mod postgres;
mod ready;
mod seal;
mod signals;

fn main() -> std::process::ExitCode {
    cli::run()
}
