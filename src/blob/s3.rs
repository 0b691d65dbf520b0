//! Blobs as objects of an S3 service: for a cluster.

use crate::{BlobError, BlobStore, BlobWriter, ByteStream, ObjectKey};
use async_trait::async_trait;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream as S3Body;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::ops::Range;
use std::time::Duration;

/// S3 wants every part but the last to have at least 5 MiB; this is also what one upload holds in memory.
const PART: usize = 5 * 1024 * 1024;

/// How to reach a bucket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// The bucket; it must exist.
    pub bucket: String,
    /// `http(s)://host:port` of anything but AWS itself.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Region name.
    #[serde(default = "region")]
    pub region: String,
    /// Access key; without one the environment's usual credentials are used.
    #[serde(default)]
    pub access_key: Option<String>,
    /// Secret key.
    #[serde(default)]
    pub secret_key: Option<SecretString>,
    /// `http://host/bucket/key` instead of `http://bucket.host/key`.
    #[serde(default)]
    pub path_style: bool,
    /// Send checksums only where S3 demands them, for older clones.
    #[serde(default)]
    pub checksums_when_required: bool,
    /// Limit of one request including its retries, in milliseconds.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
}

fn region() -> String {
    "us-east-1".into()
}
fn timeout_ms() -> u64 {
    15_000
}

/// A bucket.
#[derive(Clone)]
pub struct S3 {
    client: aws_sdk_s3::Client,
    bucket: String,
}

impl S3 {
    /// Prepares a client; connects on first use.
    pub async fn connect(config: &S3Config) -> Self {
        let mut builder = match (&config.access_key, &config.secret_key) {
            (Some(key), Some(secret)) => {
                let credentials =
                    Credentials::new(key, secret.expose_secret(), None, None, "postrider");
                aws_sdk_s3::Config::builder()
                    .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
                    .credentials_provider(credentials)
            }
            _ => {
                let shared =
                    aws_config::defaults(aws_config::BehaviorVersion::latest()).load().await;
                aws_sdk_s3::config::Builder::from(&shared)
            }
        };
        let limit = Duration::from_millis(config.timeout_ms);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3).min(limit))
            .operation_attempt_timeout(limit / 2)
            .operation_timeout(limit)
            .build();
        builder = builder
            .region(Region::new(config.region.clone()))
            .force_path_style(config.path_style)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts);
        if let Some(endpoint) = &config.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        if config.checksums_when_required {
            builder = builder
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
        Self {
            client: aws_sdk_s3::Client::from_conf(builder.build()),
            bucket: config.bucket.clone(),
        }
    }

    async fn put_bytes(&self, key: &str, bytes: Bytes) -> Result<(), BlobError> {
        let request =
            self.client.put_object().bucket(&self.bucket).key(key).body(S3Body::from(bytes));
        request.send().await.map(|_| ()).map_err(|error| failed(key, error))
    }
}

/// Whatever is not of this one object counts as an outage: a wrong bucket or wrong credentials are as
/// bad for the mail as a dead host, and heal the same way.
fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(
    key: &str,
    error: SdkError<E>,
) -> BlobError {
    let code = error.code().unwrap_or_default().to_owned();
    let status = error.raw_response().map(|response| response.status().as_u16());
    if code == "NoSuchKey" || (status == Some(404) && code != "NoSuchBucket") {
        return BlobError::NotFound(key.to_owned());
    }
    // The object ends before the range begins.
    if code == "InvalidRange" || status == Some(416) {
        return BlobError::Corrupt(key.to_owned());
    }
    let text = match &error {
        SdkError::ServiceError(_) => format!("{code} {}", error.message().unwrap_or_default()),
        other => aws_sdk_s3::error::DisplayErrorContext(other).to_string(),
    };
    BlobError::Unavailable(text)
}

#[async_trait]
impl BlobStore for S3 {
    async fn put(&self, key: &ObjectKey, mut pieces: Vec<Bytes>) -> Result<(), BlobError> {
        let bytes = if pieces.len() == 1 { pieces.swap_remove(0) } else { pieces.concat().into() };
        self.put_bytes(key.as_str(), bytes).await
    }

    async fn writer(&self, key: &ObjectKey) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(Upload {
            store: self.clone(),
            key: key.to_string(),
            buffer: BytesMut::new(),
            upload: None,
            parts: Vec::new(),
        }))
    }

    async fn get(&self, key: &ObjectKey, range: Range<u64>) -> Result<ByteStream, BlobError> {
        if range.is_empty() {
            return Ok(futures::stream::empty().boxed());
        }
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        let request = self.client.get_object().bucket(&self.bucket).key(key.as_str()).range(header);
        let output = request.send().await.map_err(|error| failed(key.as_str(), error))?;
        let left = range.end - range.start;
        let body = futures::stream::try_unfold(
            (output.body, left, key.clone()),
            |(mut body, left, key)| async move {
                match body.next().await {
                    Some(Ok(piece)) => {
                        let left = left.saturating_sub(piece.len() as u64);
                        Ok(Some((piece, (body, left, key))))
                    }
                    Some(Err(error)) => Err(BlobError::Unavailable(error.to_string())),
                    None if left > 0 => Err(BlobError::Corrupt(key.to_string())),
                    None => Ok(None),
                }
            },
        );
        Ok(body.boxed())
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), BlobError> {
        let request = self.client.delete_object().bucket(&self.bucket).key(key.as_str());
        match request.send().await.map_err(|error| failed(key.as_str(), error)) {
            Ok(_) | Err(BlobError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// One PUT when the object ends within the first part, a multipart upload otherwise.
struct Upload {
    store: S3,
    key: String,
    buffer: BytesMut,
    upload: Option<String>,
    parts: Vec<CompletedPart>,
}

impl Upload {
    async fn send_part(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        let id = match &self.upload {
            Some(id) => id.clone(),
            None => {
                let request = self
                    .store
                    .client
                    .create_multipart_upload()
                    .bucket(&self.store.bucket)
                    .key(&self.key);
                let output = request.send().await.map_err(|error| failed(&self.key, error))?;
                let id = output
                    .upload_id
                    .ok_or_else(|| BlobError::Unavailable("no upload id".into()))?;
                self.upload = Some(id.clone());
                id
            }
        };
        let number = self.parts.len() as i32 + 1;
        let request = self
            .store
            .client
            .upload_part()
            .bucket(&self.store.bucket)
            .key(&self.key)
            .upload_id(id)
            .part_number(number)
            .body(S3Body::from(bytes));
        let output = request.send().await.map_err(|error| failed(&self.key, error))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(output.e_tag).build();
        self.parts.push(part);
        Ok(())
    }
}

#[async_trait]
impl BlobWriter for Upload {
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        self.buffer.extend_from_slice(&piece);
        while self.buffer.len() >= PART {
            let part = self.buffer.split_to(PART).freeze();
            self.send_part(part).await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobError> {
        let rest = self.buffer.split().freeze();
        if self.upload.is_none() {
            return self.store.put_bytes(&self.key, rest).await;
        }
        if !rest.is_empty() {
            self.send_part(rest).await?;
        }
        let parts =
            CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.parts)));
        let request = self
            .store
            .client
            .complete_multipart_upload()
            .bucket(&self.store.bucket)
            .key(&self.key)
            .set_upload_id(self.upload.clone())
            .multipart_upload(parts.build());
        request.send().await.map(|_| ()).map_err(|error| failed(&self.key, error))
    }

    async fn abort(self: Box<Self>) {
        if let Some(id) = self.upload {
            let request = self.store.client.abort_multipart_upload().bucket(&self.store.bucket);
            if let Err(error) = request.key(&self.key).upload_id(id).send().await {
                tracing::debug!(key = %self.key, %error, "an upload could not be aborted");
            }
        }
    }
}
