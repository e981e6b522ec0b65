//! The instance's own certificate authority: made at the first start, kept in a folder of the data directory. It signs
//! the server's certificate and the agents' client certificates. It never sees an agent's private key (agents send a
//! request), takes nothing from a request but the public key, and signs no other CA.

mod server;

use std::path::Path;
use std::time::SystemTime;

use airlock_domain::ids::AgentId;
use airlock_domain::secret::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::key_files::{self, KeyFileError};
use crate::limits;
pub use server::ServerIdentity;

const CA_KEY: &str = "ca.key";
const CA_CERTIFICATE: &str = "ca.crt";

/// A CA or certificate that could not be opened, made or signed.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file of the CA.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// One of a pair of files is missing.
    #[error(
        "{dir} holds {there} but not {missing}: restore it from a backup, or remove both to begin anew (agents must then enrol again)"
    )]
    Half {
        /// The folder.
        dir: String,
        /// The file that is there.
        there: &'static str,
        /// The file that is not.
        missing: &'static str,
    },
    /// A file does not hold what its name says.
    #[error("{what} in {dir} cannot be used: {problem}")]
    Unusable {
        /// Which file.
        what: &'static str,
        /// The folder.
        dir: String,
        /// What is wrong.
        problem: String,
    },
    /// A name the certificate was to hold is none.
    #[error("'{name}' cannot be a name in a certificate: expected a host name or an IP address")]
    HostName {
        /// The name.
        name: String,
    },
    /// A request for a certificate could not be read, or its proof of possession is wrong.
    #[error("the certificate request of agent {agent} was refused: {problem}")]
    Request {
        /// Who asked.
        agent: AgentId,
        /// What is wrong.
        problem: String,
    },
    /// Key generation or signing failed.
    #[error("making {what}: {problem}")]
    Sign {
        /// What was made.
        what: &'static str,
        /// What went wrong.
        problem: String,
    },
}

/// The certificate authority of this instance.
pub struct InstanceCa {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

impl std::fmt::Debug for InstanceCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceCa").finish_non_exhaustive()
    }
}

impl InstanceCa {
    /// Opens the CA kept in `dir`, or makes it there.
    pub fn open(dir: &Path, now: SystemTime) -> Result<Self, CaError> {
        key_files::ensure_dir(dir)?;
        let shown = || dir.display().to_string();
        let key = key_files::read_private(&dir.join(CA_KEY))?;
        let certificate = key_files::read_public(&dir.join(CA_CERTIFICATE))?;
        match (key, certificate) {
            (Some(key), Some(certificate_pem)) => {
                let unusable = |what, problem: String| CaError::Unusable {
                    what,
                    dir: shown(),
                    problem,
                };
                let key = KeyPair::from_pem(&key).map_err(|error| unusable(CA_KEY, error.to_string()))?;
                check_pair(&key, &certificate_pem).map_err(|problem| unusable(CA_CERTIFICATE, problem))?;
                let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key)
                    .map_err(|error| unusable(CA_CERTIFICATE, error.to_string()))?;
                Ok(Self {
                    issuer,
                    certificate_pem,
                })
            }
            // The key is written first, so a start that was cut short leaves it alone. A certificate made again from
            // the same key and name is the same CA to everybody who trusts the earlier one.
            (Some(key), None) => {
                let key = KeyPair::from_pem(&key).map_err(|error| CaError::Unusable {
                    what: CA_KEY,
                    dir: shown(),
                    problem: error.to_string(),
                })?;
                Self::certify(dir, key, now)
            }
            (None, None) => {
                let key = KeyPair::generate().map_err(|error| CaError::Sign {
                    what: "the instance's CA key",
                    problem: error.to_string(),
                })?;
                key_files::write_private(&dir.join(CA_KEY), &zeroize::Zeroizing::new(key.serialize_pem()))?;
                Self::certify(dir, key, now)
            }
            (None, Some(_)) => Err(CaError::Half {
                dir: shown(),
                there: CA_CERTIFICATE,
                missing: CA_KEY,
            }),
        }
    }

    fn certify(dir: &Path, key: KeyPair, now: SystemTime) -> Result<Self, CaError> {
        let sign = |error: rcgen::Error| CaError::Sign {
            what: "the instance's CA",
            problem: error.to_string(),
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Airlock instance CA");
        // No other CA below this one.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_life(&mut params, now, limits::CA_LIFE);
        let certificate_pem = params.self_signed(&key).map_err(sign)?.pem();
        key_files::write_public(&dir.join(CA_CERTIFICATE), &certificate_pem)?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate_pem,
        })
    }

    /// The CA's certificate in PEM: what clients are given to trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Signs a client certificate for an agent. Of the request only the public key counts; everything else in the
    /// certificate is ours: the agent's id as name, a day of life, client authentication only.
    pub fn issue_agent(
        &self,
        agent: AgentId,
        request_pem: &str,
        now: SystemTime,
    ) -> Result<AgentCertificate, CaError> {
        // Reading the request also verifies its signature: who asks holds the private key.
        let request =
            CertificateSigningRequestParams::from_pem(request_pem).map_err(|error| CaError::Request {
                agent,
                problem: error.to_string(),
            })?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name(&agent.to_string());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        set_life(&mut params, now, limits::AGENT_CERTIFICATE_LIFE);
        let certificate = params
            .signed_by(&request.public_key, &self.issuer)
            .map_err(|error| CaError::Sign {
                what: "an agent's certificate",
                problem: error.to_string(),
            })?;
        Ok(AgentCertificate {
            pem: certificate.pem(),
            not_after: now + limits::AGENT_CERTIFICATE_LIFE,
        })
    }
}

/// A signed agent certificate.
#[derive(Debug, Clone)]
pub struct AgentCertificate {
    /// The certificate in PEM.
    pub pem: String,
    /// When it ends; agents ask for the next one well before.
    pub not_after: SystemTime,
}

/// An agent's private key, made on the agent's machine and never sent.
pub struct AgentKey {
    key: KeyPair,
}

impl std::fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgentKey(…)")
    }
}

impl AgentKey {
    /// Makes a new key.
    pub fn generate() -> Result<Self, CaError> {
        let key = KeyPair::generate().map_err(|error| CaError::Sign {
            what: "an agent's key",
            problem: error.to_string(),
        })?;
        Ok(Self { key })
    }

    /// Reads a key written by [`AgentKey::to_pem`].
    pub fn from_pem(pem: &Secret) -> Result<Self, CaError> {
        let unusable = |problem: String| CaError::Sign {
            what: "an agent's key from its file",
            problem,
        };
        let text = pem
            .expose_text()
            .ok_or_else(|| unusable("it is not text".into()))?;
        Ok(Self {
            key: KeyPair::from_pem(text).map_err(|error| unusable(error.to_string()))?,
        })
    }

    /// The key in PEM, to be kept in a file for its owner only.
    pub fn to_pem(&self) -> Secret {
        Secret::new(self.key.serialize_pem())
    }

    /// The request to send to the server, in PEM: the public key and the proof that its private half is here.
    pub fn request_pem(&self) -> Result<String, CaError> {
        CertificateParams::default()
            .serialize_request(&self.key)
            .and_then(|request| request.pem())
            .map_err(|error| CaError::Sign {
                what: "an agent's certificate request",
                problem: error.to_string(),
            })
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Airlock");
    name.push(DnType::CommonName, common);
    name
}

fn set_life(params: &mut CertificateParams, now: SystemTime, life: std::time::Duration) {
    params.not_before = (now - limits::CLOCK_SKEW).into();
    params.not_after = (now + life).into();
}

fn check_pair(key: &KeyPair, certificate_pem: &str) -> Result<(), String> {
    let der =
        CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|error| error.to_string())?;
    let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| error.to_string())?;
    if parsed.public_key().subject_public_key.data.as_ref() == key.public_key_raw() {
        Ok(())
    } else {
        Err("it belongs to another private key than the one beside it".into())
    }
}

pub(crate) fn end_of(certificate: &X509Certificate<'_>) -> Option<SystemTime> {
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
