//! `testkit-s3 ROOT ADDRESS ACCESS_KEY SECRET_KEY`: an S3 server (s3s-fs) over a folder, for tests and figures.
//! Prints its address on standard output when it listens. It does not fsync.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, address, key, secret] = arguments.as_slice() else {
        anyhow::bail!("usage: testkit-s3 ROOT ADDRESS ACCESS_KEY SECRET_KEY");
    };
    let files = FileSystem::new(root).map_err(|error| anyhow::anyhow!("{root}: {error:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(key, secret.as_str()));
    let service = service.build();
    let listener = TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
