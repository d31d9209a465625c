//! Where requests go.

use std::fmt;

use ureq::http::Uri;

use crate::env::host_start;

/// A URL that requests can be posted to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Endpoint(String);

impl Endpoint {
    /// Takes a URL as it is; without a path it is that of the root.
    pub(super) fn exact(url: &str) -> Result<Self, &'static str> {
        Ok(Self(parsed(url)?.to_string()))
    }

    /// Takes the URL of a Collector, to which the path of traces is appended.
    pub(super) fn of_collector(url: &str) -> Result<Self, &'static str> {
        let base = parsed(url)?;
        let query = base.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("{}{TRACES_PATH}{query}", base.path().trim_end_matches('/'));
        let mut parts = base.into_parts();
        parts.path_and_query = Some(path.parse().map_err(|_| NO_URL)?);
        Ok(Self(Uri::from_parts(parts).map_err(|_| NO_URL)?.to_string()))
    }

    pub(super) fn url(&self) -> &str {
        &self.0
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self(DEFAULT_URL.to_owned())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secrets(&self.0))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Takes off a URL what may be secret: a name and a password in front of the host, and what follows the path.
pub(super) fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |end| end + "://".len()));
    let host_and_path = rest[host_start(rest)..].split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}{host_and_path}")
}

fn parsed(url: &str) -> Result<Uri, &'static str> {
    let uri: Uri = url.parse().map_err(|_| NO_URL)?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") if cfg!(feature = "otlp-tls") => {}
        Some("https") => return Err(NO_TLS),
        _ => return Err(NO_URL),
    }
    let has_host = uri.host().is_some_and(|host| !host.is_empty() && host != "[]");
    (has_host && has_valid_port(&uri)).then_some(uri).ok_or(NO_URL)
}

/// Tells whether the port is one, or left to the scheme. Parsing it does not tell: what is no number counts as no port there.
fn has_valid_port(uri: &Uri) -> bool {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    let behind_address = host_and_port.rsplit(']').next().unwrap_or_default();
    match behind_address.split_once(':') {
        None | Some((_, "")) => true,
        Some((_, port)) => port.parse::<u16>().is_ok_and(|port| port != 0),
    }
}

const DEFAULT_URL: &str = "http://localhost:4318/v1/traces";
const TRACES_PATH: &str = "/v1/traces";
const NO_TLS: &str = "http:// alone, unless the feature `otlp-tls` of otel-core is on";
const NO_URL: &str = "http:// or https://, a host, and perhaps a port and a path";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_traces_is_appended_to_a_collectors_url() {
        for (url, expected) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("http://collector/otlp", "http://collector/otlp/v1/traces"),
            ("http://collector/otlp//", "http://collector/otlp/v1/traces"),
            ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
            ("HTTP://Collector:80", "http://Collector:80/v1/traces"),
            ("http://collector/a?key=b", "http://collector/a/v1/traces?key=b"),
        ] {
            assert_eq!(Endpoint::of_collector(url).as_ref().map(Endpoint::url), Ok(expected));
        }
        assert_eq!(
            Endpoint::of_collector(DEFAULT_URL.split("/v1").next().unwrap()),
            Ok(Endpoint::default())
        );
    }

    #[test]
    fn the_url_of_traces_is_taken_as_it_is() {
        for (url, expected) in [
            ("http://localhost:4318", "http://localhost:4318/"),
            ("http://localhost:4318/v1/traces/", "http://localhost:4318/v1/traces/"),
            ("http://localhost/a/b?c=d", "http://localhost/a/b?c=d"),
        ] {
            assert_eq!(Endpoint::exact(url).as_ref().map(Endpoint::url), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_url_is_refused_and_says_what_would_be_one() {
        for url in [
            "",
            "localhost",
            "localhost:4318",
            "ftp://localhost",
            "http://",
            "http://:4318",
            "/v1/traces",
            "http://local host",
            "http://host:port",
            "http://host:99999",
            "http://host:0",
            "http://[::1",
            "http://[]",
            "http:/host",
            "http://host\r\nX: y",
        ] {
            assert_eq!(Endpoint::exact(url), Err(NO_URL), "{url:?}");
            assert_eq!(Endpoint::of_collector(url), Err(NO_URL), "{url:?}");
        }
        assert!(Endpoint::exact(&format!("http://{}", "h".repeat(100_000))).is_err());
    }

    #[test]
    fn https_takes_a_feature() {
        let endpoint = Endpoint::of_collector("https://collector.example");
        match cfg!(feature = "otlp-tls") {
            true => assert_eq!(endpoint.unwrap().url(), "https://collector.example/v1/traces"),
            false => assert_eq!(endpoint, Err(NO_TLS)),
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let endpoint = Endpoint::exact("http://me:secret@host:80/path?key=secret").unwrap();
        assert_eq!(format!("{endpoint} {endpoint:?}"), "http://host:80/path http://host:80/path");
        assert_eq!(endpoint.url(), "http://me:secret@host:80/path?key=secret");
        for (url, shown) in [
            ("https://a@b:c@host/d@e", "https://host/d@e"),
            ("me:secret@host", "host"),
            ("http://me:se?cret@host:80/path", "http://host:80/path"),
            ("http://me:se/cret@host:80", "http://host:80"),
            ("http://me:se#cret@host?key=secret", "http://host"),
            ("http://host:80/d@e", "http://host:80/d@e"),
            ("://", "://"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(url), shown, "{url}");
        }
    }
}
