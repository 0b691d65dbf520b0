//! The scripts, and how one is called.

use super::patiently;
use crate::CoordinatorError;
use fred::clients::Client;
use fred::types::scripts::Script;
use fred::types::{FromValue, MultipleKeys, MultipleValues};
use std::sync::LazyLock;

macro_rules! scripts {
    ($($name:ident: $common:literal, $file:literal;)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::from_lua(concat!(include_str!($common), include_str!($file)))
        });)*
    };
}

scripts! {
    RING: "lua/work.lua", "lua/ring.lua";
    TAKE: "lua/work.lua", "lua/take.lua";
    BEAT: "lua/work.lua", "lua/beat.lua";
    GIVE: "lua/work.lua", "lua/give.lua";
    ACQUIRE: "lua/limits.lua", "lua/acquire.lua";
    RENEW: "lua/limits.lua", "lua/renew.lua";
    RELEASE: "lua/limits.lua", "lua/release.lua";
    ALLOW: "lua/limits.lua", "lua/allow.lua";
    TOLD: "lua/limits.lua", "lua/told.lua";
    TELL: "lua/limits.lua", "lua/tell.lua";
}

/// Calls a script; a server that does not know it (any more) is told it.
pub(super) async fn call<R: FromValue>(
    client: &Client,
    script: &Script,
    keys: Vec<String>,
    args: Vec<String>,
) -> Result<R, CoordinatorError> {
    let (keys, args) = (MultipleKeys::from(keys), MultipleValues::try_from(args));
    let args = args.map_err(|error| CoordinatorError::Unavailable(error.to_string()))?;
    patiently(script.evalsha_with_reload(client, keys, args)).await
}
