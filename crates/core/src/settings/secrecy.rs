//! Where secrets may be sent.

use url::{Host, Url};

/// Whether what is sent to `url`, and what is answered, stays a secret on its way: it is
/// encrypted, or does not leave this machine.
pub fn keeps_secrets(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match (url.scheme(), url.host()) {
        ("https", _) => true,
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_encrypted_or_stay_here() {
        for (url, kept) in [
            ("https://example.com/", true),
            ("http://localhost:8080/", true),
            ("http://127.0.0.9/", true),
            ("http://[::1]/", true),
            ("http://example.com/", false),
            ("http://10.0.0.1/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://localhost@example.com/", false),
            ("ftp://localhost/", false),
            ("localhost", false),
        ] {
            assert_eq!(keeps_secrets(url), kept, "{url}");
        }
    }
}
