//! The HTTP server: a router over [`net`]'s listeners.
//!
//! Slow clients must not keep health checks out, wherever they come from: one connection more than there may be
//! ends the oldest, which had all the time that an honest client needs.

mod places;

use crate::{Health, Metrics};
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use net::{Caps, Drain, Listener};
use places::Places;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Longest wait for a request's header, the silence between two requests included.
const HEADER: Duration = Duration::from_secs(10);
/// Most octets of a request's header.
const HEADER_BYTES: usize = 16 * 1024;
/// Longest life of a connection: a client that reads slowly, or never, does not stay.
const LIFETIME: Duration = Duration::from_secs(300);
/// How long an answer under way may take once the connection should end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Connections served at a time.
const MOST: usize = 256;

/// The HTTP side of a node. Cheap to clone.
#[derive(Clone)]
pub struct Webd {
    router: Router,
    places: Places,
}

impl Webd {
    /// Over what the node says of itself.
    #[must_use]
    pub fn new(health: Health, metrics: Metrics) -> Self {
        let router = Router::new()
            .route("/livez", get(livez).with_state(health.clone()))
            .route("/readyz", get(readyz).with_state(health))
            .route("/metrics", get(render).with_state(metrics));
        Self { router, places: Places::default() }
    }

    /// Accepts until the drain begins. Give it a drain of its own: a balancer wants to hear "not ready" for
    /// as long as the mail sessions drain.
    pub fn serve(&self, listener: Listener, caps: &Caps, drain: &Drain) {
        let (webd, end) = (self.clone(), drain.clone());
        listener.serve(caps, drain, move |stream| {
            let (webd, end) = (webd.clone(), end.clone());
            async move {
                let place = webd.places.take();
                tokio::select! {
                    biased;
                    () = place.lost() => tracing::debug!("an HTTP connection made room"),
                    () = connection(stream, webd.router, end) => {}
                }
            }
        });
    }
}

async fn connection<S>(stream: S, router: Router, drain: Drain)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = async {
            tokio::select! { () = drain.begun() => {}, () = tokio::time::sleep(LIFETIME) => {} }
        } => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

async fn livez(State(health): State<Health>) -> Response {
    if health.stalled() {
        (StatusCode::SERVICE_UNAVAILABLE, [(CACHE_CONTROL, "no-store")], "stalled\n")
            .into_response()
    } else {
        ([(CACHE_CONTROL, "no-store")], "ok\n").into_response()
    }
}

async fn readyz(State(health): State<Health>) -> Response {
    let readiness = health.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(readiness)).into_response()
}

async fn render(State(metrics): State<Metrics>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
}

#[cfg(test)]
mod tests;
