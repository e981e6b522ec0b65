//! The server's own certificate: kept beside the CA, made anew at start when its time, its names or its CA no longer fit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::SystemTime;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{CaError, InstanceCa, check_pair, end_of, name, set_life};
use crate::key_files;
use crate::limits;

pub(super) const SERVER_KEY: &str = "server.key";
const SERVER_CERTIFICATE: &str = "server.crt";

/// The server's certificate chain and key.
pub struct ServerIdentity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    not_after: SystemTime,
}

impl std::fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerIdentity")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl ServerIdentity {
    /// Opens the server's certificate kept in `dir`. It is made anew when there is none, when less than 30 days are
    /// left, when another CA signed it, or when it lacks one of `names`. `localhost`, `127.0.0.1` and `::1` are always
    /// in it.
    pub fn open(dir: &Path, ca: &InstanceCa, names: &[String], now: SystemTime) -> Result<Self, CaError> {
        key_files::ensure_dir(dir)?;
        let wanted = subject_names(names)?;
        let key = key_files::read_private(&dir.join(SERVER_KEY))?;
        let certificate = key_files::read_public(&dir.join(SERVER_CERTIFICATE))?;
        if let (Some(key), Some(certificate)) = (key, certificate)
            && let Some(identity) = Self::still_good(&key, &certificate, ca, &wanted, now)
        {
            return Ok(identity);
        }
        Self::create(dir, ca, wanted, now)
    }

    /// When the certificate ends.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    fn still_good(
        key: &str,
        certificate: &str,
        ca: &InstanceCa,
        wanted: &[SanType],
        now: SystemTime,
    ) -> Option<Self> {
        check_pair(&KeyPair::from_pem(key).ok()?, certificate).ok()?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let ca_der = CertificateDer::from_pem_slice(ca.certificate_pem.as_bytes()).ok()?;
        let (_, ca_parsed) = X509Certificate::from_der(&ca_der).ok()?;
        // Both have one, as we made them; without one there is nothing to tell by.
        if authority_key_of(&parsed)? != subject_key_of(&ca_parsed)? {
            return None;
        }
        let not_after = end_of(&parsed)?;
        if not_after < now + limits::SERVER_CERTIFICATE_RENEW || !has_names(&parsed, wanted) {
            return None;
        }
        Some(Self {
            chain: vec![der],
            key: PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?,
            not_after,
        })
    }

    fn create(dir: &Path, ca: &InstanceCa, wanted: Vec<SanType>, now: SystemTime) -> Result<Self, CaError> {
        let sign = |problem: String| CaError::Sign {
            what: "the server's certificate",
            problem,
        };
        let key = KeyPair::generate().map_err(|error| sign(error.to_string()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Airlock server");
        params.subject_alt_names = wanted;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Not for clients: a stolen server key must not pass for an agent.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_life(&mut params, now, limits::SERVER_CERTIFICATE_LIFE);
        let certificate = params
            .signed_by(&key, &ca.issuer)
            .map_err(|error| sign(error.to_string()))?;
        let key_pem = zeroize::Zeroizing::new(key.serialize_pem());
        key_files::write_private(&dir.join(SERVER_KEY), &key_pem)?;
        key_files::write_public(&dir.join(SERVER_CERTIFICATE), &certificate.pem())?;
        let key =
            PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|error| sign(error.to_string()))?;
        Ok(Self {
            chain: vec![certificate.der().clone()],
            key,
            not_after: now + limits::SERVER_CERTIFICATE_LIFE,
        })
    }
}

fn subject_names(names: &[String]) -> Result<Vec<SanType>, CaError> {
    let always = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let mut wanted: Vec<SanType> = always.into_iter().map(SanType::IpAddress).collect();
    for text in std::iter::once("localhost").chain(names.iter().map(String::as_str)) {
        let bad = || CaError::HostName {
            name: text.chars().take(80).collect(),
        };
        let san = if let Ok(ip) = text.parse::<IpAddr>() {
            SanType::IpAddress(ip)
        } else {
            // rustls would refuse the name at every handshake; better here, where it can be told.
            let _checked = rustls_pki_types::DnsName::try_from(text).map_err(|_| bad())?;
            SanType::DnsName(text.to_ascii_lowercase().try_into().map_err(|_| bad())?)
        };
        if !wanted.contains(&san) {
            wanted.push(san);
        }
    }
    Ok(wanted)
}

fn has_names(certificate: &X509Certificate<'_>, wanted: &[SanType]) -> bool {
    use x509_parser::extensions::GeneralName;
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return false;
    };
    let there = &extension.value.general_names;
    // `subject_names` makes these two kinds only.
    wanted.iter().all(|san| {
        if let SanType::DnsName(name) = san {
            return there
                .iter()
                .any(|n| matches!(n, GeneralName::DNSName(dns) if *dns == name.as_str()));
        }
        let SanType::IpAddress(ip) = san else { return false };
        let octets = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        there
            .iter()
            .any(|n| matches!(n, GeneralName::IPAddress(bytes) if *bytes == octets))
    })
}

fn authority_key<'a>(extension: &'a x509_parser::extensions::X509Extension<'a>) -> Option<&'a [u8]> {
    use x509_parser::extensions::ParsedExtension;
    let ParsedExtension::AuthorityKeyIdentifier(id) = extension.parsed_extension() else {
        return None;
    };
    id.key_identifier.as_ref().map(|key| key.0)
}

fn authority_key_of<'a>(certificate: &'a X509Certificate<'a>) -> Option<&'a [u8]> {
    certificate.extensions().iter().find_map(authority_key)
}

fn subject_key_of<'a>(certificate: &'a X509Certificate<'a>) -> Option<&'a [u8]> {
    use x509_parser::extensions::ParsedExtension;
    certificate.extensions().iter().find_map(|extension| {
        let ParsedExtension::SubjectKeyIdentifier(key) = extension.parsed_extension() else {
            return None;
        };
        Some(key.0)
    })
}
