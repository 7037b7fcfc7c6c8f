//! Which carriers this installation may ask, and where they are.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Args;
use proto::screening::v1::Source;

use super::{carrier::Carrier, endpoint::Endpoint, mobile::Mobile, telecom::Telecom, unicom::Unicom};

/// None given: no carrier is asked, and itineraries are entered by hand.
#[derive(Args, Clone, Debug, Default)]
#[group(id = "carrier_endpoints")]
pub struct Config {
    /// A carrier's address, once for each: mobile, unicom or telecom, for example mobile=https://carrier.example/track
    #[arg(long = "carrier", env = "MIFENG_CARRIERS", value_delimiter = ',', value_parser = endpoint, value_name = "CARRIER=URL")]
    pub endpoints: Vec<(Source, String)>,
    /// A simulator of all three carriers (`mifeng demo carriers`), for example http://127.0.0.1:7430
    #[arg(long = "carriers", env = "MIFENG_CARRIER_SIMULATOR", value_name = "URL", conflicts_with = "endpoints")]
    pub simulator: Option<String>,
    /// A file with the whole Authorization header that a carrier wants, once for each, for example mobile=FILE
    #[arg(long = "carrier-credential", env = "MIFENG_CARRIER_CREDENTIALS", value_delimiter = ',', value_parser = credential, value_name = "CARRIER=FILE")]
    pub credentials: Vec<(Source, PathBuf)>,
    /// A PEM file with the authority that signed the carriers' certificates, where it is no public one
    #[arg(long = "carrier-authority", env = "MIFENG_CARRIER_AUTHORITY", value_name = "FILE")]
    pub authority: Option<PathBuf>,
    /// Seconds that a carrier has to answer
    #[arg(long = "carrier-patience", env = "MIFENG_CARRIER_PATIENCE", default_value = "8", value_parser = seconds, value_name = "SECONDS")]
    pub patience: Option<Duration>,
    /// Seconds before a carrier that did not answer is asked again: twice as many each time, up to five minutes
    #[arg(long = "carrier-retry", env = "MIFENG_CARRIER_RETRY", default_value = "5", value_parser = seconds, value_name = "SECONDS")]
    pub retry: Option<Duration>,
}

/// The carriers that can be asked.
#[derive(Clone, Default)]
pub struct Carriers {
    mobile: Option<Arc<dyn Carrier>>,
    unicom: Option<Arc<dyn Carrier>>,
    telecom: Option<Arc<dyn Carrier>>,
}

const PATIENCE: Duration = Duration::from_secs(8);
const RETRY: Duration = Duration::from_secs(5);

/// As the command line names them.
const NAMES: [(&str, Source); 3] =
    [("mobile", Source::Mobile), ("unicom", Source::Unicom), ("telecom", Source::Telecom)];

impl Config {
    /// The pause before the first try again.
    pub fn retry(&self) -> Duration {
        self.retry.unwrap_or(RETRY)
    }

    /// No carrier can be asked.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty() && self.simulator.is_none()
    }

    /// A service's own secrets may hold `mobile.credential` and the like, too.
    pub fn with_credentials_in(mut self, secrets: Option<&Path>) -> Self {
        for (name, source) in NAMES {
            let file = secrets.map(|folder| folder.join(format!("{name}.credential"))).filter(|file| file.exists());
            if let Some(file) = file.filter(|_| !self.credentials.iter().any(|(of, _)| *of == source)) {
                self.credentials.push((source, file));
            }
        }
        self
    }

    /// Reads credentials; asks nobody yet.
    pub fn open(&self) -> anyhow::Result<Carriers> {
        let authority = match &self.authority {
            Some(file) => Some(std::fs::read(file).with_context(|| format!("reading {}", file.display()))?),
            None => None,
        };
        let patience = self.patience.unwrap_or(PATIENCE);
        let mut carriers = Carriers::default();
        for (source, url) in self.addresses() {
            let told = source.as_str_name();
            ensure!(is_safe(&url), "{told}: {url} must begin with https://, since numbers travel to it");
            let credential = match self.credentials.iter().find(|(of, _)| *of == source) {
                Some((_, file)) => {
                    let text = std::fs::read_to_string(file);
                    Some(text.with_context(|| format!("reading the credential {}", file.display()))?.trim().to_owned())
                }
                None => None,
            };
            let endpoint = Endpoint::open(&url, credential.as_deref(), authority.as_deref(), patience);
            let endpoint = endpoint.with_context(|| format!("preparing to ask {told}"))?;
            match source {
                Source::Mobile => carriers.mobile = Some(Arc::new(Mobile(endpoint))),
                Source::Unicom => carriers.unicom = Some(Arc::new(Unicom(endpoint))),
                Source::Telecom => carriers.telecom = Some(Arc::new(Telecom(endpoint))),
                Source::Unspecified => {}
            }
        }
        Ok(carriers)
    }

    fn addresses(&self) -> Vec<(Source, String)> {
        match &self.simulator {
            Some(url) => {
                let url = url.trim_end_matches('/');
                NAMES.iter().map(|(name, source)| (*source, format!("{url}/{name}"))).collect()
            }
            None => self.endpoints.clone(),
        }
    }
}

impl Carriers {
    /// `None` where no endpoint is set up.
    pub fn of(&self, source: Source) -> Option<&dyn Carrier> {
        match source {
            Source::Mobile => self.mobile.as_deref(),
            Source::Unicom => self.unicom.as_deref(),
            Source::Telecom => self.telecom.as_deref(),
            Source::Unspecified => None,
        }
    }
}

/// TLS, or this very machine.
fn is_safe(url: &str) -> bool {
    let host = url.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next().unwrap_or(rest));
    url.starts_with("https://") || host.is_some_and(|host| matches!(host, "127.0.0.1" | "localhost" | "[::1]" | "["))
}

fn endpoint(text: &str) -> Result<(Source, String), String> {
    let (source, url) = of_carrier(text, "mobile=https://carrier.example/track")?;
    if url.starts_with("https://") || is_safe(&url) {
        Ok((source, url))
    } else {
        Err(format!("{url} must begin with https://, since numbers travel to it"))
    }
}

fn credential(text: &str) -> Result<(Source, PathBuf), String> {
    of_carrier(text, "mobile=FILE").map(|(source, file)| (source, file.into()))
}

fn of_carrier(text: &str, example: &str) -> Result<(Source, String), String> {
    let (name, value) = text.split_once('=').ok_or(format!("must look like {example}"))?;
    let known = NAMES.iter().find(|(known, _)| *known == name);
    let (_, source) = known.ok_or(format!("there is no carrier {name}: write mobile, unicom or telecom"))?;
    Ok((*source, value.to_owned()))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| (0.01..=3_600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "must be a number of seconds up to 3600".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_to_no_address_without_tls_but_this_machine() {
        for safe in ["https://carrier.example", "http://127.0.0.1:7430/mobile", "http://localhost", "http://[::1]:80"] {
            assert!(is_safe(safe), "{safe}");
        }
        for unsafe_ in ["http://carrier.example", "http://127.0.0.1.example", "ftp://127.0.0.1", "carrier"] {
            assert!(!is_safe(unsafe_), "{unsafe_}");
        }
        let plain = Config { simulator: Some("http://10.0.0.1".to_owned()), ..Config::default() };
        assert!(plain.open().err().unwrap().to_string().contains("https://"));
    }

    #[test]
    fn a_simulator_stands_for_all_three_and_nothing_stands_for_none() {
        let simulator = Config { simulator: Some("http://127.0.0.1:7430/".to_owned()), ..Config::default() };
        assert_eq!(simulator.addresses()[1], (Source::Unicom, "http://127.0.0.1:7430/unicom".to_owned()));
        assert!(Config::default().open().unwrap().of(Source::Mobile).is_none());
        assert!(endpoint("telecom=https://x").is_ok() && endpoint("china=https://x").is_err());
    }
}
