//! Certificates that DNS names (RFC 6698, RFC 7671, RFC 7672).

use resolve::Tlsa;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256, Sha512};
use std::sync::Arc;

/// Verifies by TLSA records.
#[derive(Debug)]
pub(super) struct Dane {
    records: Vec<Tlsa>,
    names: Vec<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Dane {
    /// `names`: the reference identifiers of RFC 7672 §3.2.2 (the host, and the domain if its MX is secure).
    pub(super) fn new(records: Vec<Tlsa>, names: &[String], provider: Arc<CryptoProvider>) -> Self {
        let names =
            names.iter().filter_map(|name| ServerName::try_from(name.clone()).ok()).collect();
        Self { records, names, provider }
    }

    /// DANE-EE(3): "the certificate's … names and … validity … MUST be ignored" (RFC 7672 §3.1.1).
    fn is_end_entity(&self, certificate: &CertificateDer<'_>) -> bool {
        self.records.iter().any(|record| record.usage == 3 && matches(record, certificate))
    }

    /// DANE-TA(2): a certificate of the chain is the only authority (RFC 7672 §3.1.2).
    fn is_below_anchor(
        &self,
        end_entity: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        for certificate in chain {
            if self.records.iter().any(|record| record.usage == 2 && matches(record, certificate)) {
                roots.add(certificate.clone().into_owned())?;
            }
        }
        if roots.is_empty() {
            return Err(unmatched());
        }
        let builder = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        );
        let verifier = builder.build().map_err(|error| Error::General(error.to_string()))?;
        let fits = |name: &ServerName<'_>| {
            verifier.verify_server_cert(end_entity, chain, name, &[], now).is_ok()
        };
        if self.names.iter().any(fits) { Ok(()) } else { Err(unmatched()) }
    }
}

fn unmatched() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

/// Whether a certificate is what a record describes.
fn matches(record: &Tlsa, certificate: &CertificateDer<'_>) -> bool {
    let key;
    let subject: &[u8] = if record.selector == 0 {
        certificate.as_ref()
    } else {
        let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
        key = parsed.subject_public_key_info();
        key.as_ref()
    };
    match record.matching {
        0 => subject == record.data,
        1 => Sha256::digest(subject)[..] == record.data[..],
        2 => Sha512::digest(subject)[..] == record.data[..],
        _ => false,
    }
}

impl ServerCertVerifier for Dane {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.is_end_entity(end_entity) {
            self.is_below_anchor(end_entity, intermediates, now)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::aws_lc_rs;

    fn record(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Tlsa {
        Tlsa { usage, selector, matching, data: data.to_vec() }
    }

    fn verify(records: Vec<Tlsa>, names: &[&str], chain: &[CertificateDer<'static>]) -> bool {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let dane = Dane::new(records, &names, Arc::new(aws_lc_rs::default_provider()));
        let name = ServerName::try_from("ignored.test").unwrap();
        dane.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now()).is_ok()
    }

    fn key_of(certificate: &CertificateDer<'_>) -> Vec<u8> {
        ParsedCertificate::try_from(certificate)
            .unwrap()
            .subject_public_key_info()
            .as_ref()
            .to_vec()
    }

    #[test]
    fn the_certificate_itself() {
        let other = rcgen::generate_simple_self_signed(["x.test".to_owned()]).unwrap();
        let made = rcgen::generate_simple_self_signed(["wrong-name.test".to_owned()]).unwrap();
        let leaf = made.cert.der().clone();
        let key = key_of(&leaf);
        let chain = [leaf.clone()];
        for (record, fits) in [
            (record(3, 0, 0, &leaf), true),
            (record(3, 1, 0, &key), true),
            (record(3, 0, 1, &Sha256::digest(&leaf)), true),
            (record(3, 1, 1, &Sha256::digest(&key)), true),
            (record(3, 1, 2, &Sha512::digest(&key)), true),
            (record(3, 1, 1, &Sha256::digest(&leaf)), false),
            (record(3, 0, 1, &Sha256::digest(other.cert.der())), false),
            (record(2, 0, 1, &Sha256::digest(&leaf)), false),
            (record(3, 0, 3, &leaf), false),
        ] {
            assert_eq!(verify(vec![record.clone()], &["mx.test"], &chain), fits, "{record:?}");
        }
    }

    #[test]
    fn an_authority_in_the_chain() {
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = params.self_signed(&ca_key).unwrap();
        let issuer = rcgen::Issuer::from_params(&params, &ca_key);
        let leaf_key = rcgen::KeyPair::generate().unwrap();
        let leaf_params = rcgen::CertificateParams::new(vec!["mx.test".to_owned()]).unwrap();
        let leaf = leaf_params.signed_by(&leaf_key, &issuer).unwrap();
        let chain = [leaf.der().clone(), ca.der().clone()];
        let anchor = || vec![record(2, 0, 1, &Sha256::digest(ca.der()))];
        assert!(verify(anchor(), &["mx.test"], &chain));
        assert!(verify(anchor(), &["other.test", "mx.test"], &chain));
        assert!(!verify(anchor(), &["other.test"], &chain));
        // The anchor has to be sent, and to be the one named.
        assert!(!verify(anchor(), &["mx.test"], &chain[..1]));
        assert!(!verify(vec![record(2, 0, 1, &[0; 32])], &["mx.test"], &chain));
    }
}
