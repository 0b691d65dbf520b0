//! A login with a TLS client certificate (EXTERNAL, RFC 4422 appendix A).

use crate::login::login;
use crate::{AuthFailure, Directory, Login};
use net::ClientCertificate;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use types::EmailAddress;

/// Which name of a certificate is the address of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateName {
    /// An `rfc822Name` of the subject's alternative names.
    #[default]
    Email,
    /// The subject's common name.
    CommonName,
}

impl Directory {
    /// Lets in whom the certificate names. `wanted` chooses among several names.
    pub(crate) async fn certificate_login(
        &self,
        certificate: &ClientCertificate,
        wanted: Option<&str>,
        peer: IpAddr,
    ) -> Result<Login, AuthFailure> {
        let names = match self.inner.config.certificate_name {
            CertificateName::Email => &certificate.emails,
            CertificateName::CommonName => &certificate.common_names,
        };
        let user = choose(names, wanted)?;
        self.admit(user.as_str(), peer)?;
        let known = self.credential(user.as_str()).await;
        let result = known.and_then(|known| {
            let known = known.filter(|(_, credential)| credential.active);
            known.map(login).ok_or(AuthFailure::Denied)
        });
        self.note(user.as_str(), peer, &result);
        result
    }
}

/// "If the client … requests to act as another, the server verifies that": it may only choose among its own names.
fn choose(names: &[String], wanted: Option<&str>) -> Result<EmailAddress, AuthFailure> {
    let mut names: Vec<EmailAddress> =
        names.iter().filter_map(|name| EmailAddress::parse(name).ok()).collect();
    names.sort();
    names.dedup();
    if let Some(wanted) = wanted {
        let wanted = EmailAddress::parse(wanted).map_err(|_| AuthFailure::Authorization)?;
        return names.contains(&wanted).then_some(wanted).ok_or(AuthFailure::Authorization);
    }
    match names.as_slice() {
        [] => Err(AuthFailure::Denied),
        [one] => Ok(one.clone()),
        // Several persons in one certificate: the client has to say which.
        _ => Err(AuthFailure::Authorization),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_names_one_or_the_client_chooses() {
        let pick = |names: &[&str], wanted| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            choose(&names, wanted).map(|address| address.to_string())
        };
        assert_eq!(pick(&["Anna@X.example", "nonsense"], None), Ok("anna@x.example".into()));
        assert_eq!(pick(&[], None), Err(AuthFailure::Denied));
        let two = ["anna@x.example", "info@x.example"];
        assert_eq!(pick(&two, None), Err(AuthFailure::Authorization));
        assert_eq!(pick(&two, Some("info@x.example")), Ok("info@x.example".into()));
        assert_eq!(pick(&two, Some("bert@x.example")), Err(AuthFailure::Authorization));
        assert_eq!(pick(&["anna@x.example"], Some("")), Err(AuthFailure::Authorization));
    }
}
