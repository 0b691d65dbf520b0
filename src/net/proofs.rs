//! What TLS proves beside secrecy: which connection it is, and who the client is.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::sync::Arc;
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// RFC 9266 §4.1: label of the exporter, without a context, and the length of its value.
pub(crate) const EXPORTER: &[u8] = b"EXPORTER-Channel-Binding";

/// All of it. Empty on a plain connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proofs {
    /// Channel binding `tls-exporter` (RFC 9266); TLS 1.3 only, where it is always unique.
    pub exporter: Option<[u8; 32]>,
    /// Channel binding `tls-server-end-point` (RFC 5929 §4).
    pub end_point: Option<Arc<[u8]>>,
    /// The client's certificate, verified.
    pub client: Option<ClientCertificate>,
}

/// Whom a client's certificate names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientCertificate {
    /// `rfc822Name`s of its subject alternative name (RFC 5280 §4.2.1.6).
    pub emails: Vec<String>,
    /// Common names of its subject.
    pub common_names: Vec<String>,
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

impl ClientCertificate {
    /// Of a certificate that TLS has verified.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let subject = &certificate.tbs_certificate.subject;
        let common_names = subject
            .0
            .iter()
            .flat_map(|part| part.0.iter())
            .filter(|attribute| attribute.oid == COMMON_NAME)
            .filter_map(|attribute| String::from_utf8(attribute.value.value().to_vec()).ok());
        let names = certificate.tbs_certificate.get::<SubjectAltName>().ok()?;
        let emails =
            names.into_iter().flat_map(|(_, names)| names.0).filter_map(|name| match name {
                GeneralName::Rfc822Name(email) => Some(email.as_str().to_owned()),
                _ => None,
            });
        Some(Self { emails: emails.collect(), common_names: common_names.collect() })
    }
}

/// RFC 5929 §4.1: the certificate's hash by the hash function of its signature; SHA-256 where that is MD5 or SHA-1.
/// Where a signature has no one hash function, "this channel binding type's channel bindings are undefined".
pub(crate) fn end_point(der: &CertificateDer<'_>) -> Option<Arc<[u8]>> {
    let certificate = Certificate::from_der(der).ok()?;
    let algorithm = &certificate.signature_algorithm;
    let hash = match algorithm.oid.to_string().as_str() {
        // RSASSA-PSS names its hash in its parameters; SHA-1 is the default (RFC 4055 §3.1).
        "1.2.840.113549.1.1.10" => pss_hash(&algorithm.parameters.as_ref()?.to_der().ok()?),
        // RSA with MD5, SHA-1 and SHA-256; ECDSA with SHA-1 and SHA-256.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => 256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => 384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => 512,
        _ => return None,
    };
    match hash {
        256 => Some(Sha256::digest(der).as_slice().into()),
        384 => Some(Sha384::digest(der).as_slice().into()),
        512 => Some(Sha512::digest(der).as_slice().into()),
        _ => None,
    }
}

/// The size of the hash in RSASSA-PSS-params: `[0]` holds an AlgorithmIdentifier; without it, SHA-1.
fn pss_hash(parameters: &[u8]) -> u32 {
    // OIDs 2.16.840.1.101.3.4.2.x
    const SHA2: &[u8] = &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    let explicit = parameters.get(2) == Some(&0xa0);
    let first = parameters.windows(SHA2.len() + 1).find(|window| window.starts_with(SHA2));
    match first.and_then(|window| window.last()) {
        Some(2) if explicit => 384,
        Some(3) if explicit => 512,
        _ => 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(algorithm: &'static rcgen::SignatureAlgorithm, email: Option<&str>) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["mx.test".to_owned()]).unwrap();
        if let Some(email) = email {
            params.subject_alt_names.push(rcgen::SanType::Rfc822Name(email.try_into().unwrap()));
            params.distinguished_name.push(rcgen::DnType::CommonName, "Anna Adler");
        }
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_point_is_hashed_as_it_is_signed() {
        let der = made(&rcgen::PKCS_ECDSA_P256_SHA256, None);
        let end_point = super::end_point(&der.clone().into());
        assert_eq!(end_point.as_deref(), Some(Sha256::digest(&der).as_slice()));
        let der = made(&rcgen::PKCS_ECDSA_P384_SHA384, None);
        let end_point = super::end_point(&der.clone().into());
        assert_eq!(end_point.as_deref(), Some(Sha384::digest(&der).as_slice()));
        assert_eq!(super::end_point(&made(&rcgen::PKCS_ED25519, None).into()), None);
        assert_eq!(super::end_point(&b"nonsense".to_vec().into()), None);
    }

    #[test]
    fn pss_parameters() {
        let params = |last| {
            let mut der = vec![0x30, 0x34, 0xa0, 0x0f, 0x30, 0x0d];
            der.extend([
                0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last, 0x05, 0x00,
            ]);
            der
        };
        assert_eq!(
            (pss_hash(&params(1)), pss_hash(&params(2)), pss_hash(&params(3))),
            (256, 384, 512)
        );
        assert_eq!(pss_hash(&[0x30, 0x00]), 256);
    }

    #[test]
    fn whom_a_certificate_names() {
        let der = made(&rcgen::PKCS_ECDSA_P256_SHA256, Some("anna@example.test"));
        let client = ClientCertificate::read(&der.into()).unwrap();
        assert_eq!(client.emails, ["anna@example.test"]);
        assert!(client.common_names.contains(&"Anna Adler".to_owned()));
        assert_eq!(ClientCertificate::read(&b"nonsense".to_vec().into()), None);
    }
}
