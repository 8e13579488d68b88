//! The token that proves possession of a private key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use orbit_core::{Error, ErrorKind, Result, Secret};
use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};

/// A token is used at once; the service takes none that lives longer than an hour.
const LIFETIME: Duration = Duration::from_secs(60);
/// Clocks differ.
const SKEW: Duration = Duration::from_secs(10);

/// A user's key.
pub(crate) struct SigningKey {
    pair: RsaKeyPair,
    fingerprint: String,
}

impl SigningKey {
    /// Reads a key of PKCS#8 in PEM, encrypted or not.
    ///
    /// # Errors
    /// `ConfigInvalid` for a file that cannot be read, another form, or a passphrase that does
    /// not open it. No message shows a piece of it.
    pub(crate) fn read(path: &str, passphrase: Option<&Secret>) -> Result<Self> {
        let pem = std::fs::read_to_string(path)
            .map(Secret::new)
            .map_err(|e| wrong("the private key cannot be read", path).with_source(e))?;
        let der = decrypted(pem.expose(), passphrase).map_err(|what| wrong(what, path))?;
        let pair = RsaKeyPair::from_pkcs8(der.as_bytes())
            .map_err(|_| wrong("the private key is no RSA key of 2,048 bits or more", path))?;
        let public: PublicKeyX509Der<'_> = pair
            .public_key()
            .as_der()
            .map_err(|_| wrong("the private key has no public part", path))?;
        let fingerprint = BASE64_STANDARD.encode(digest(&SHA256, public.as_ref()));
        Ok(Self { pair, fingerprint })
    }

    /// A token for `user` of `account`, which are upper case in it.
    ///
    /// # Errors
    /// `Unexpected` when signing fails.
    pub(crate) fn token(&self, account: &str, user: &str) -> Result<Secret> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let subject = format!("{}.{}", account.to_uppercase(), user.to_uppercase());
        let claims = serde_json::json!({
            "iss": format!("{subject}.SHA256:{}", self.fingerprint),
            "sub": subject,
            "iat": now.saturating_sub(SKEW).as_secs(),
            "exp": (now + LIFETIME).as_secs(),
        });
        let header = serde_json::json!({ "alg": "RS256", "typ": "JWT" });
        let part = |json: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let text = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| Error::new(ErrorKind::Unexpected, "the key cannot sign"))?;
        Ok(Secret::new(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))))
    }
}

fn decrypted(pem: &str, passphrase: Option<&Secret>) -> Result<SecretDocument, &'static str> {
    const FORM: &str = "the private key is no PKCS#8 in PEM";
    let (label, document) = SecretDocument::from_pem(pem.trim()).map_err(|_| FORM)?;
    match (label, passphrase) {
        ("PRIVATE KEY", None) => Ok(document),
        ("PRIVATE KEY", Some(_)) => Err("there is a passphrase, and the key is not encrypted"),
        ("ENCRYPTED PRIVATE KEY", None) => {
            Err("the private key is encrypted; set `private_key_passphrase`")
        }
        ("ENCRYPTED PRIVATE KEY", Some(passphrase)) => {
            let info = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| FORM)?;
            info.decrypt(passphrase.expose().as_bytes())
                .map_err(|_| "the passphrase does not open the private key")
        }
        _ => Err(FORM),
    }
}

fn wrong(what: &'static str, path: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, what).with_context("path", path)
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}
